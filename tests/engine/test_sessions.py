"""Where a run answers: nested loops, loops that yield, threads, classes that others wrap, copies."""

import contextvars
import copy
import gc
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress

import pytest
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel

import faster_diffusion as fd
from faster_diffusion.engine.overriding import overridden
from specimens import toys

TEXT = toys.prompt()["prompt_embeds"]


@pytest.fixture
def scheduler():
    return DDIMScheduler(**toys.SCHEDULER)


@pytest.fixture(autouse=True)
def no_trace_is_left():
    gc.collect()  # what earlier tests threw away while enabled
    calls = vars(UNet2DConditionModel).get("__call__"), vars(StableDiffusionPipeline)["__call__"]
    yield
    gc.collect()
    assert (vars(UNet2DConditionModel).get("__call__"), vars(StableDiffusionPipeline)["__call__"]) == calls


def stream(handle, unet, scheduler, seed=0, fail=False):
    """Yields the latent after every step, as a server does that shows previews."""
    scheduler.set_timesteps(10)
    x = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(seed))
    with handle.sampling(scheduler):
        for t in scheduler.timesteps:
            with torch.no_grad():
                x = scheduler.step(unet(x, t, TEXT).sample, t, x).prev_sample
            yield x


def in_contexts(generator):
    """Advances a generator as servers do: every step in a context of its own."""
    try:
        while True:
            yield contextvars.copy_context().run(next, generator)
    except StopIteration:
        return


def in_threads(generator):
    """Every step in another thread."""
    end = object()
    while True:
        with ThreadPoolExecutor(1) as pool:
            item = pool.submit(next, generator, end).result()
        if item is end:
            return
        yield item


@pytest.mark.parametrize("advance", [in_contexts, in_threads])
@pytest.mark.parametrize("noise", [None, fd.PriorNoise(0.01)], ids=["plain", "noise"])
def test_a_loop_that_yields_is_accelerated_wherever_it_is_advanced(scheduler, advance, noise):
    unet = toys.unet()
    handle = fd.enable(unet, prior_noise=noise)
    *_, expected = stream(handle, unet, scheduler)
    *_, image = advance(stream(handle, unet, scheduler))
    assert torch.equal(image, expected)
    assert handle.summary().reused == 5
    assert "step" not in vars(scheduler)


def test_two_loops_that_take_turns_do_not_see_each_other(scheduler):
    unet, other = toys.unet(), DDIMScheduler(**toys.SCHEDULER)
    handle = fd.enable(unet)
    alone = [list(stream(handle, unet, scheduler, seed))[-1] for seed in (1, 2)]
    loops = stream(handle, unet, scheduler, 1), stream(handle, unet, other, 2)
    together = [latents[-1] for latents in zip(*zip(*loops, strict=True), strict=True)]
    assert all(torch.equal(one, two) for one, two in zip(alone, together, strict=True))


def test_between_two_steps_of_a_loop_that_yields_the_network_is_itself(scheduler):
    unet = toys.unet()
    handle = fd.enable(unet, prior_noise=None)
    loop = stream(handle, unet, scheduler)
    for _ in range(4):
        x = next(loop)
    with torch.no_grad():
        assert torch.equal(
            unet(x, scheduler.timesteps[4], TEXT).sample, unet.forward(x, scheduler.timesteps[4], TEXT).sample
        )


@pytest.mark.parametrize("end", [lambda loop: loop.close(), lambda loop: loop.throw(KeyboardInterrupt)])
def test_a_loop_that_is_broken_off_leaves_nothing(scheduler, end):
    unet = toys.unet()
    handle = fd.enable(unet, prior_noise=fd.PriorNoise(0.01))
    *_, expected = stream(handle, unet, scheduler)
    loop = stream(handle, unet, scheduler)
    contextvars.copy_context().run(next, loop)
    with suppress(KeyboardInterrupt):
        end(loop)
    assert "step" not in vars(scheduler)
    assert UNet2DConditionModel.__call__ is torch.nn.Module.__call__
    assert torch.equal(list(stream(handle, unet, scheduler))[-1], expected)


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_run_that_something_else_enters_for_the_loop_is_open_in_it(scheduler, wrapped):
    unet = toys.unet()
    handle = fd.enable(unet, prior_noise=None)

    @contextmanager
    def sampling():
        with handle.sampling(scheduler):
            yield

    scheduler.set_timesteps(10)
    with ExitStack() as stack, torch.no_grad():
        stack.enter_context(sampling() if wrapped else handle.sampling(scheduler))
        for t in scheduler.timesteps:
            unet(torch.zeros(1, 4, 16, 16), t, TEXT)
    assert handle.summary().reused == 5


class Streaming(StableDiffusionPipeline):
    """Yields as it samples."""

    @torch.no_grad()
    def steps(self, prompt_embeds):
        self.scheduler.set_timesteps(10)
        x = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(0))
        for t in self.scheduler.timesteps:
            x = self.scheduler.step(self.unet(x, t, prompt_embeds).sample, t, x).prev_sample
            yield x

    def __call__(self, prompt_embeds):
        return self.steps(prompt_embeds)


def test_a_pipeline_that_yields_is_accelerated(caplog):
    pipe = Streaming(**toys.stable_diffusion().components, requires_safety_checker=False)
    handle = fd.enable(pipe)
    *_, expected = pipe(TEXT)
    assert handle.summary().reused == 5
    assert torch.equal(list(in_contexts(pipe(TEXT)))[-1], expected)
    assert not caplog.text


def test_two_networks_in_one_loop_are_both_accelerated(scheduler):
    networks = toys.unet(), toys.unet(block_out_channels=(4, 4, 8, 8))
    handles = [fd.enable(network, prior_noise=None) for network in networks]
    scheduler.set_timesteps(10)
    x = torch.randn(1, 4, 16, 16)
    with torch.no_grad(), handles[0].sampling(scheduler), handles[1].sampling(scheduler):
        for t in scheduler.timesteps:
            for network in networks:
                network(x, t, TEXT)
    assert [(handle.summary().computed, handle.summary().reused) for handle in handles] == [(5, 5)] * 2


class Derived(UNet2DConditionModel):
    """Inherits the call."""


@pytest.mark.parametrize("options", [{"key_steps": "all"}, {"key_steps": [0, 4], "reuse": "output"}], ids=str)
def test_calls_are_counted_once_where_the_class_above_is_wrapped_too(options):
    torch.manual_seed(0)
    derived = Derived.from_config(toys.unet().config).eval()
    outer, inner = toys.stable_diffusion(), toys.stable_diffusion(derived)
    fd.enable(outer)
    handle, images = fd.enable(inner, **options), []
    images.append(toys.sample(inner))
    alone = handle.summary().computed

    def nested(pipe, step, t, tensors):
        if step == 2:
            images.append(toys.sample(inner))
        return {}

    toys.sample(outer, callback_on_step_end=nested)
    assert handle.summary().computed == alone
    assert torch.equal(*images)


def test_a_pipeline_that_is_not_enabled_is_itself_within_another_s_callback():
    pipe = toys.stable_diffusion()
    other = StableDiffusionPipeline.from_pipe(pipe)
    other.scheduler = DDIMScheduler(**toys.SCHEDULER)
    other.set_progress_bar_config(disable=True)
    baseline, made = toys.sample(other), []
    fd.enable(pipe)
    expected = toys.sample(pipe)

    def nested(pipe, step, t, tensors):
        if step == 6:
            made.append(toys.sample(other))
        return {}

    assert torch.equal(toys.sample(pipe, callback_on_step_end=nested), expected)
    assert torch.equal(made[0], baseline)


def test_pipelines_that_share_a_scheduler_get_none_of_each_other_s_noise():
    pipe = toys.stable_diffusion()
    other = toys.stable_diffusion()
    other.scheduler = pipe.scheduler
    baseline = toys.sample(other)
    fd.enable(pipe, prior_noise=fd.PriorNoise(0.05))
    expected, made = toys.sample(pipe), []
    barrier = threading.Barrier(2)

    def meet(pipe, step, t, tensors):
        if step == 6:  # noise is on from there
            barrier.wait(60)
        return {}

    def work():
        made.append(toys.sample(other, callback_on_step_end=meet))

    thread = threading.Thread(target=work)
    thread.start()
    image = toys.sample(pipe, callback_on_step_end=meet)
    thread.join()
    torch.testing.assert_close(made[0], baseline, rtol=0, atol=1e-4)
    torch.testing.assert_close(image, expected, rtol=0, atol=1e-4)


# What others put on


def test_what_others_put_on_or_take_off_in_between_stays_as_they_left_it():
    class Holder:
        pass

    holder = Holder()
    holder.step = "own"
    with overridden(holder, step="ours"):
        holder.step = "theirs, over ours"
    assert holder.step == "theirs, over ours"
    holder.step = "theirs, from before"
    with overridden(holder, step="ours"):
        holder.step = "own"
    assert holder.step == "own"
    first, second = overridden(holder, step=1), overridden(holder, step=2)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert holder.step == 2
    second.__exit__(None, None, None)
    assert holder.step == "own"


def test_another_tool_s_wrapper_of_a_pipeline_s_call_outlives_ours():
    pipe, own = toys.stable_diffusion(), vars(StableDiffusionPipeline)["__call__"]
    baseline, calls = toys.sample(pipe), []
    fd.enable(pipe)
    ours = StableDiffusionPipeline.__call__
    accelerated = toys.sample(pipe)

    def theirs(self, *args, **kwargs):
        calls.append(1)
        return ours(self, *args, **kwargs)

    StableDiffusionPipeline.__call__ = theirs
    try:
        assert torch.equal(toys.sample(pipe), accelerated)
        fd.disable(pipe)
        assert StableDiffusionPipeline.__call__ is theirs
        assert torch.equal(toys.sample(pipe), baseline)
        with fd.enable(pipe) as handle:
            assert torch.equal(toys.sample(pipe), accelerated)
            assert handle.summary().computed == 5
        assert StableDiffusionPipeline.__call__ is theirs
        assert len(calls) == 3
    finally:
        StableDiffusionPipeline.__call__ = own


def test_another_tool_s_wrapper_that_was_taken_off_does_not_come_back():
    pipe, own = toys.stable_diffusion(), vars(StableDiffusionPipeline)["__call__"]
    StableDiffusionPipeline.__call__ = lambda self, *args, **kwargs: own(self, *args, **kwargs)
    fd.enable(pipe)
    StableDiffusionPipeline.__call__ = own
    fd.disable(pipe)
    assert StableDiffusionPipeline.__call__ is own


# Copies


def test_a_shallow_copy_is_enabled_like_its_original_and_disabled_by_itself():
    pipe = toys.stable_diffusion()
    baseline = toys.sample(pipe)
    fd.enable(pipe, key_steps="uniform:3")
    accelerated = toys.sample(pipe)
    copied = copy.copy(pipe)
    assert torch.equal(toys.sample(copied), accelerated)
    fd.disable(copied)
    assert (fd.is_enabled(pipe), fd.is_enabled(copied)) == (True, False)
    assert torch.equal(toys.sample(pipe), accelerated)
    assert torch.equal(toys.sample(copied), baseline)
    other = copy.copy(pipe)
    fd.disable(pipe)
    assert torch.equal(toys.sample(pipe), baseline)
    assert torch.equal(toys.sample(other), accelerated)


def test_a_shallow_copy_with_other_options_leaves_the_original_s():
    pipe = toys.stable_diffusion()
    handle = fd.enable(pipe, key_steps="uniform:3")
    other = fd.enable(copy.copy(pipe), key_steps="all")
    toys.sample(pipe)
    assert handle.summary().computed == 4
    assert other is not handle


# A network enabled by itself


def test_a_network_enabled_by_itself_says_that_its_pipeline_is_not(caplog):
    pipe = toys.stable_diffusion()
    baseline = toys.sample(pipe)
    with fd.enable(pipe.unet) as handle:
        assert torch.equal(toys.sample(pipe), baseline)
        with pytest.raises(RuntimeError, match=r"within handle.sampling.* use fd.enable\(pipe\)"):
            handle.summary()
    assert "Nothing was accelerated: this UNet2DConditionModel was enabled by itself" in caplog.text
