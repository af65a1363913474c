"""enable, disable, is_enabled, the handle; what is refused; pipelines that share a network or run side by side."""

import gc
import threading
from dataclasses import replace

import pytest
import torch
from diffusers import (
    AutoencoderKL,
    DiffusionPipeline,
    DiTTransformer2DModel,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionPipeline,
    UNet1DModel,
)

import faster_diffusion as fd
from specimens import toys


@pytest.fixture
def pipe():
    return toys.stable_diffusion()


def traces(pipe):
    """What enabling might leave behind: attributes, classes, hooks."""
    return (
        set(vars(pipe)),
        set(vars(pipe.unet)),
        vars(StableDiffusionPipeline)["__call__"],
        type(pipe.unet).__call__,
        [list(module._forward_hooks) + list(module._forward_pre_hooks) for module in pipe.unet.modules()],
        [type(module) for module in pipe.unet.modules()],
        set(vars(pipe.scheduler)),
    )


def test_enabling_then_disabling_leaves_no_trace(pipe):
    toys.sample(pipe)
    before = traces(pipe)
    fd.enable(pipe)
    assert fd.is_enabled(pipe)
    toys.sample(pipe)
    fd.disable(pipe)
    assert not fd.is_enabled(pipe)
    assert traces(pipe) == before


def test_while_enabled_and_not_sampling_the_network_is_untouched(pipe):
    toys.sample(pipe)
    _, attributes, _, *rest = traces(pipe)
    fd.enable(pipe)
    toys.sample(pipe)
    _, attributes_now, _, *rest_now = traces(pipe)
    assert (attributes_now, rest_now) == (attributes, rest)


def test_disabling_twice_or_what_was_never_enabled_is_fine(pipe):
    fd.disable(pipe)
    fd.enable(pipe)
    fd.disable(pipe)
    fd.disable(pipe)
    assert not fd.is_enabled(pipe)


def test_enabling_twice_replaces_the_first(pipe):
    first = fd.enable(pipe, key_steps="uniform:2")
    second = fd.enable(pipe, key_steps="uniform:5")
    toys.sample(pipe)
    assert second.summary().key_steps == (0, 5)
    with pytest.raises(RuntimeError, match="no run to sum up"):
        first.summary()
    fd.disable(pipe)
    assert not fd.is_enabled(pipe)


def test_options_come_as_a_config_or_one_by_one_or_both(pipe):
    config = fd.PropagationConfig(key_steps="uniform:5", parallel=False, prior_noise=None)
    assert fd.enable(pipe, config).config == config
    assert fd.enable(pipe, config, parallel=3).config == replace(config, parallel=3)


def test_as_a_context_manager_it_disables_at_the_end_also_after_an_error(pipe):
    with pytest.raises(KeyError), fd.enable(pipe):
        assert fd.is_enabled(pipe)
        raise KeyError
    assert not fd.is_enabled(pipe)


def test_the_end_of_a_block_does_not_disable_what_was_enabled_in_it(pipe):
    with fd.enable(pipe):
        later = fd.enable(pipe, key_steps="uniform:5")
    assert fd.is_enabled(pipe)
    toys.sample(pipe)
    assert later.summary().reused == 8


def test_a_pipeline_thrown_away_while_enabled_takes_its_traces_along():
    gc.collect()  # what earlier tests threw away while enabled
    call = vars(StableDiffusionPipeline)["__call__"]
    pipe = toys.stable_diffusion()
    fd.enable(pipe)
    assert vars(StableDiffusionPipeline)["__call__"] is not call
    del pipe
    gc.collect()
    assert vars(StableDiffusionPipeline)["__call__"] is call


def test_the_call_keeps_its_signature_and_documentation(pipe):
    import inspect

    before = inspect.signature(pipe.__call__), pipe.__call__.__doc__
    fd.enable(pipe)
    assert (inspect.signature(pipe.__call__), pipe.__call__.__doc__) == before
    fd.disable(pipe)


def test_a_subclass_that_calls_its_parent_is_one_run(pipe):
    class Mine(StableDiffusionPipeline):
        def __call__(self, *args, **kwargs):
            return super().__call__(*args, **kwargs)

    mine = Mine(**pipe.components, requires_safety_checker=False)
    mine.set_progress_bar_config(disable=True)
    fd.enable(pipe)  # so that the parent's class is watched too
    expected = toys.sample(pipe)
    handle = fd.enable(mine)
    assert torch.equal(toys.sample(mine), expected)
    assert handle.summary().reused == 5


# Refusals


class NoNetwork(DiffusionPipeline):
    def __init__(self, vae):
        super().__init__()
        self.register_modules(vae=vae)


@pytest.mark.parametrize("target", ["a name", None, 3])
def test_what_is_neither_pipeline_nor_network_is_refused(target):
    with pytest.raises(TypeError, match="fd.enable takes a diffusers pipeline, or its UNet or transformer; got"):
        fd.enable(target)


def test_a_pipeline_without_a_unet_is_refused_with_what_can_be_accelerated():
    with pytest.raises(
        ValueError, match="NoNetwork cannot be accelerated: it has neither UNet nor.*UNet2DConditionModel"
    ):
        fd.enable(NoNetwork(toys.vae()))


@pytest.mark.parametrize("network", [toys.vae, UNet1DModel], ids=["vae", "unet1d"])
def test_a_network_with_unknown_stages_is_refused_with_what_can_be_accelerated(network):
    network = network()
    with pytest.raises(ValueError, match=f"{type(network).__name__} cannot be accelerated.*UNet2DConditionModel"):
        fd.enable(network)
    assert not fd.is_enabled(network)


def test_an_unknown_option_is_refused(pipe):
    with pytest.raises(TypeError, match="keysteps"):
        fd.enable(pipe, keysteps="paper")
    assert not fd.is_enabled(pipe)


def test_a_bad_option_leaves_the_first_enabling_in_force(pipe):
    fd.enable(pipe, key_steps="uniform:5")
    with pytest.raises(ValueError, match="not understood"):
        fd.enable(pipe, key_steps="sometimes")
    assert fd.is_enabled(pipe)


def test_summary_before_any_run_says_what_to_do(pipe):
    with pytest.raises(RuntimeError, match="call the pipeline"):
        fd.enable(pipe).summary()


def test_sampling_is_for_bare_networks(pipe):
    handle = fd.enable(pipe)
    with pytest.raises(RuntimeError, match="an enabled pipeline is just called"), handle.sampling(pipe.scheduler):
        pass


def test_a_vae_is_no_denoiser(pipe):
    assert isinstance(pipe.vae, AutoencoderKL)
    with pytest.raises(ValueError, match="AutoencoderKL cannot be accelerated"):
        fd.enable(pipe.vae)


# Sharing and threads


def test_a_pipeline_that_shares_the_network_is_not_enabled_with_it(pipe):
    other = StableDiffusionPipeline.from_pipe(pipe)
    other.set_progress_bar_config(disable=True)
    baseline = toys.sample(other)
    fd.enable(pipe)
    accelerated = toys.sample(pipe)
    assert torch.equal(toys.sample(other), baseline)
    fd.enable(other, key_steps="uniform:5")
    assert torch.equal(toys.sample(pipe), accelerated)
    fd.disable(pipe)
    assert fd.is_enabled(other)


def test_a_pipeline_called_within_another_s_callback_does_not_disturb_it(pipe):
    other = StableDiffusionPipeline.from_pipe(pipe)
    other.scheduler = type(pipe.scheduler).from_config(pipe.scheduler.config)
    other.set_progress_bar_config(disable=True)
    fd.enable(pipe)
    fd.enable(other, key_steps="uniform:5")
    alone, alone_other = toys.sample(pipe), toys.sample(other)
    inner = []

    def nested(pipe, step, t, tensors):
        if step == 6:
            inner.append(toys.sample(other))
        return {}

    assert torch.equal(toys.sample(pipe, callback_on_step_end=nested), alone)
    assert torch.equal(inner[0], alone_other)


def test_img2img_made_of_an_enabled_pipeline_is_enabled_by_itself(pipe):
    fd.enable(pipe)
    img2img = StableDiffusionImg2ImgPipeline.from_pipe(pipe)
    assert not fd.is_enabled(img2img)


def in_threads(*jobs):
    """Runs each job several times, all at once; the images of each."""
    results = [[] for _ in jobs]
    barrier = threading.Barrier(len(jobs))

    def work(job, result):
        barrier.wait()
        for _ in range(4):
            result.append(job())

    threads = [threading.Thread(target=work, args=pair) for pair in zip(jobs, results, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.mark.parametrize("shared", [False, True], ids=["own-networks", "one-network"])
def test_two_threads_with_two_pipelines(pipe, shared):
    other = toys.stable_diffusion(pipe.unet if shared else None)
    plain = toys.stable_diffusion(pipe.unet if shared else None)
    fd.enable(pipe, parallel=False)
    fd.enable(other, key_steps="uniform:3")
    jobs = [lambda p=p: toys.sample(p) for p in (pipe, other, plain)]
    expected = [job() for job in jobs]
    for images, image in zip(in_threads(*jobs), expected, strict=True):
        assert len(images) == 4
        for each in images:
            torch.testing.assert_close(each, image, rtol=0, atol=1e-4)


def test_the_paper_s_key_steps_and_noise_depend_on_the_kind_of_network():
    dit = DiTTransformer2DModel(
        num_attention_heads=1, attention_head_dim=8, in_channels=4, num_layers=2, sample_size=8, norm_num_groups=1
    )
    assert str(fd.enable(dit).config.key_steps) == "uniform:2"
    assert str(fd.enable(dit, key_steps="50ls").config.key_steps) == "50ls"
    assert fd.enable(dit).config.prior_noise is None
    assert fd.enable(dit, prior_noise=fd.PriorNoise()).config.prior_noise == fd.PriorNoise()
    assert fd.enable(toys.unet()).config.prior_noise == fd.PriorNoise()


def test_a_run_so_short_that_every_step_is_key_warns(pipe, caplog):
    with fd.enable(pipe):
        toys.sample(pipe, num_inference_steps=4)
    assert "all of 4 steps are key" in caplog.text
    caplog.clear()
    with fd.enable(pipe, key_steps="all"):
        toys.sample(pipe, num_inference_steps=4)
    assert not caplog.text


@pytest.mark.parametrize("target", ["a pipeline", 3, None])
def test_what_cannot_be_enabled_is_not_and_disabling_it_does_nothing(target):
    assert not fd.is_enabled(target)
    fd.disable(target)
