"""What a sampling run computes, what it reuses, and when it must not reuse."""

import pytest
import torch
from diffusers import DDIMScheduler, EulerDiscreteScheduler, StableDiffusionImg2ImgPipeline
from diffusers.callbacks import SDCFGCutoffCallback
from diffusers.models.attention_processor import AttnProcessor

import faster_diffusion as fd
from faster_diffusion.engine import decoder, tensors
from specimens import toys

MODES = pytest.mark.parametrize("parallel", [True, False, 2], ids=["parallel", "sequential", "two-at-once"])


@pytest.fixture
def pipe():
    return toys.stable_diffusion()


def images(pipe, **call):
    """The image in parallel and in sequential mode, with a handle of each."""
    made = []
    for parallel in (True, False):
        handle = fd.enable(pipe, parallel=parallel)
        made.append((toys.sample(pipe, **call), handle.summary()))
    fd.disable(pipe)
    return made


def assert_parallel_is_sequential(pipe, **call):
    (parallel, summary), (sequential, _) = images(pipe, **call)
    torch.testing.assert_close(parallel, sequential, rtol=0, atol=1e-4)  # latents have a spread of about 10
    return summary


def calls_of(module, monkeypatch):
    """Batch sizes with which a module is called."""
    sizes, forward = [], module.forward

    def counting(x):
        sizes.append(len(x))
        return forward(x)

    counting.batch_independent = True
    monkeypatch.setattr(module, "forward", counting)
    return sizes


def test_a_step_that_is_not_key_runs_the_decoder_only(pipe, monkeypatch):
    encoder, decoder = calls_of(pipe.unet.conv_in, monkeypatch), calls_of(pipe.unet.conv_out, monkeypatch)
    with fd.enable(pipe, key_steps=[0, 4], parallel=False):
        toys.sample(pipe)
    assert encoder == [2] * 2  # conditional and unconditional
    assert decoder == [2] * 10


def test_parallel_mode_decodes_a_group_in_one_batch_at_its_key_step(pipe, monkeypatch):
    encoder, decoder = calls_of(pipe.unet.conv_in, monkeypatch), calls_of(pipe.unet.conv_out, monkeypatch)
    with fd.enable(pipe, key_steps=[0, 4]):
        toys.sample(pipe)
    assert encoder == [2] * 2
    assert decoder == [2 * 4, 2 * 6]


def test_a_number_caps_how_many_steps_are_decoded_at_once(pipe, monkeypatch):
    decoder = calls_of(pipe.unet.conv_out, monkeypatch)
    with fd.enable(pipe, key_steps=[0, 4], parallel=4):
        toys.sample(pipe)
    assert decoder == [2 * 4, 2 * 4, 2 * 2]


def test_the_summary_counts_what_happened(pipe):
    handle = fd.enable(pipe, key_steps=[0, 4], parallel=4, prior_noise=None)
    toys.sample(pipe)
    summary = handle.summary()
    assert (summary.steps, summary.computed, summary.reused, summary.decoder_batches) == (10, 2, 8, 3)
    assert summary.key_steps == (0, 4)
    assert 0 < summary.flops < summary.flops_untouched
    assert summary.flops_saved == pytest.approx(1 - summary.flops / summary.flops_untouched)
    assert summary.cache_bytes > 0
    assert "2 of 10 network calls" in str(summary)
    assert summary.to_dict()["config"] == {
        "key_steps": "0,4",
        "parallel": 4,
        "prior_noise": None,
        "reuse": "encoder",
        "forecast": {"order": 0, "damping": 1.0},
        "gate": None,
        "guidance_until": None,
        "correction": None,
    }


def test_cache_memory_is_that_of_kept_features_and_waiting_predictions(pipe):
    handle = fd.enable(pipe, key_steps=[0], parallel=False)
    toys.sample(pipe)
    unet = pipe.unet
    kept = {}
    hooks = [
        stage.register_forward_hook(lambda module, args, output: kept.update({module: output}))
        for stage in (unet.conv_in, *unet.down_blocks, unet.mid_block)
    ]
    fd.disable(pipe)
    toys.sample(pipe, num_inference_steps=1)
    for hook in hooks:
        hook.remove()
    distinct = {}
    for output in kept.values():
        for tensor in [output] if isinstance(output, torch.Tensor) else [output[0], *output[1]]:
            distinct[tensor.data_ptr()] = tensor.nbytes
    prediction = 2 * 4 * 16 * 16 * 4
    assert handle.summary().cache_bytes == sum(distinct.values()) + prediction


@MODES
def test_the_second_image_equals_the_first_and_disabling_leaves_no_trace(pipe, parallel):
    untouched = toys.sample(pipe)
    with fd.enable(pipe, parallel=parallel):
        first, second = toys.sample(pipe), toys.sample(pipe)
    assert torch.equal(first, second)
    assert not torch.equal(first, untouched)
    assert torch.equal(toys.sample(pipe), untouched)


@MODES
def test_a_batch_is_its_images_one_by_one(pipe, parallel):
    pipe.to(torch.float64)  # in which rounding is far below what is allowed
    prompts = {name: embeds.double() for name, embeds in toys.prompt(3).items()}
    with fd.enable(pipe, parallel=parallel):
        together = toys.sample(pipe, 3)
        for i in range(3):
            alone = toys.sample(pipe, 1, seed=3 + i, **{name: embeds[i : i + 1] for name, embeds in prompts.items()})
            torch.testing.assert_close(together[i : i + 1], alone, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    "call",
    [
        {"guidance_scale": 1.0},
        {"guidance_rescale": 0.7},
        {"eta": 1.0},
        {"num_images_per_prompt": 3, "generator": [torch.Generator().manual_seed(i) for i in range(3)]},
        {"height": 32, "width": 64},
        {"height": 40, "width": 24},  # latents of 20 x 12: no multiple of the network's factor of 8
        {"num_inference_steps": 1},
        {"num_inference_steps": 2},
        {"num_inference_steps": 50},
        {"output_type": "np"},
        {"cross_attention_kwargs": {}},
    ],
    ids=lambda call: "-".join(call),
)
def test_parallel_equals_sequential_for_every_way_to_call(pipe, call):
    made = []
    for parallel in (True, False):
        for i, generator in enumerate(call.get("generator", ())):
            generator.manual_seed(i)
        with fd.enable(pipe, parallel=parallel):
            made.append(torch.as_tensor(toys.sample(pipe, **call)))
    torch.testing.assert_close(*made, rtol=0, atol=1e-4)


def test_timesteps_of_the_user_s_own(pipe):
    pipe.scheduler = EulerDiscreteScheduler.from_config(pipe.scheduler.config)
    summary = assert_parallel_is_sequential(pipe, timesteps=[999, 700, 650, 300, 200, 100, 20, 1])
    assert (summary.steps, summary.key_steps) == (8, fd.KeySteps.parse("paper").orders(8))


def test_one_generator_for_a_batch(pipe):
    with fd.enable(pipe):
        first = toys.sample(pipe, 2, generator=torch.Generator().manual_seed(0))
        second = toys.sample(pipe, 2, generator=torch.Generator().manual_seed(0))
    assert torch.equal(first, second)


@MODES
@pytest.mark.parametrize("strength", [0.3, 0.75, 1.0])
def test_img2img_begins_in_the_middle_with_a_key_step(pipe, parallel, strength):
    img2img = StableDiffusionImg2ImgPipeline.from_pipe(pipe)
    img2img.set_progress_bar_config(disable=True)
    handle = fd.enable(img2img, key_steps=[0, 8], parallel=parallel)
    start = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    call = {"image": start, "strength": strength, "num_inference_steps": 10}
    toys.sample(img2img, **call)
    first = 10 - int(10 * strength)
    assert handle.summary().key_steps == (first, 8)
    assert handle.summary().reused == 10 - first - 2


def test_img2img_parallel_equals_sequential(pipe):
    img2img = StableDiffusionImg2ImgPipeline.from_pipe(pipe)
    img2img.set_progress_bar_config(disable=True)
    start = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    assert_parallel_is_sequential(img2img, image=start, strength=0.75, num_inference_steps=20)


# Callbacks


@MODES
def test_a_changed_prompt_makes_a_key_step(pipe, parallel):
    other = torch.cat(list(toys.prompt(seed=9).values()))

    def change(pipe, step, t, tensors):
        return {"prompt_embeds": other} if step == 5 else {}

    handle = fd.enable(pipe, key_steps=[0, 3], parallel=parallel)
    toys.sample(pipe, callback_on_step_end=change, callback_on_step_end_tensor_inputs=["prompt_embeds"])
    assert handle.summary().key_steps == (0, 3, 6)


@MODES
def test_a_prompt_changed_in_place_makes_a_key_step(pipe, parallel):
    def change(pipe, step, t, tensors):
        if step == 5:
            tensors["prompt_embeds"].mul_(1.5)
        return tensors

    handle = fd.enable(pipe, key_steps=[0, 3], parallel=parallel)
    toys.sample(pipe, callback_on_step_end=change, callback_on_step_end_tensor_inputs=["prompt_embeds"])
    assert handle.summary().key_steps == (0, 3, 6)


@MODES
def test_a_changed_batch_size_makes_a_key_step(pipe, parallel):
    handle = fd.enable(pipe, key_steps=[0, 3], parallel=parallel)
    toys.sample(pipe, callback_on_step_end=SDCFGCutoffCallback(cutoff_step_ratio=None, cutoff_step_index=6))
    assert handle.summary().key_steps == (0, 3, 7)


def test_callbacks_that_change_things_give_the_same_image_in_both_modes(pipe):
    assert_parallel_is_sequential(
        pipe, callback_on_step_end=SDCFGCutoffCallback(cutoff_step_ratio=None, cutoff_step_index=6)
    )


def test_a_callback_sees_every_step(pipe):
    seen = []

    def look(pipe, step, t, tensors):
        seen.append((step, int(t), tensors["latents"].clone()))
        return {}

    with fd.enable(pipe):
        image = toys.sample(pipe, callback_on_step_end=look)
    assert [step for step, _, _ in seen] == list(range(10))
    assert torch.equal(seen[-1][2], image)


@MODES
def test_an_interrupted_run_ends_and_the_next_one_is_clean(pipe, parallel):
    def stop(pipe, step, t, tensors):
        pipe._interrupt = step >= 4
        return tensors

    with fd.enable(pipe, parallel=parallel):
        clean = toys.sample(pipe)
        toys.sample(pipe, callback_on_step_end=stop)
        assert torch.equal(toys.sample(pipe), clean)


@MODES
def test_after_an_exception_in_the_middle_the_next_run_is_clean(pipe, parallel):
    def fail(pipe, step, t, tensors):
        if step == 4:
            raise KeyboardInterrupt
        return tensors

    with fd.enable(pipe, parallel=parallel):
        clean = toys.sample(pipe)
        with pytest.raises(KeyboardInterrupt):
            toys.sample(pipe, callback_on_step_end=fail)
        assert "step" not in vars(pipe.scheduler)
        assert type(pipe.unet).__call__ is torch.nn.Module.__call__
        assert torch.equal(toys.sample(pipe), clean)


# Loops of the user's own


def own_loop(unet, scheduler, handle, *, calls_a_step=1, timesteps=None):
    """Guidance by one call, or by one call each for the two prompts."""
    embeds = list(toys.prompt().values())
    latent = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(0)) * scheduler.init_noise_sigma
    with torch.no_grad(), handle.sampling(scheduler if timesteps is None else timesteps):
        for t in scheduler.timesteps:
            x = scheduler.scale_model_input(latent, t)
            if calls_a_step == 2:
                positive, negative = (unet(x, t, text).sample for text in embeds)
            else:
                positive, negative = unet(torch.cat([x] * 2), t, torch.cat(embeds), return_dict=False)[0].chunk(2)
            latent = scheduler.step(negative + 5 * (positive - negative), t, latent).prev_sample
    return latent


@MODES
@pytest.mark.parametrize("scheduler", ["DDIMScheduler", "HeunDiscreteScheduler"])
def test_separate_calls_for_the_two_prompts_equal_one_call(pipe, parallel, scheduler):
    cls = next(cls for cls in pipe.scheduler.compatibles if cls.__name__ == scheduler)
    scheduler = cls.from_config(pipe.scheduler.config)
    scheduler.set_timesteps(10)
    handle = fd.enable(pipe.unet, parallel=parallel)
    one = own_loop(pipe.unet, scheduler, handle)
    computed = handle.summary().computed
    scheduler.set_timesteps(10)
    two = own_loop(pipe.unet, scheduler, handle, calls_a_step=2)
    torch.testing.assert_close(one, two, rtol=0, atol=1e-4)
    assert handle.summary().computed == 2 * computed


def test_a_bare_network_is_accelerated_within_sampling_only(pipe):
    scheduler, unet = pipe.scheduler, pipe.unet
    scheduler.set_timesteps(10)
    x, text = torch.randn(2, 4, 16, 16), torch.cat(list(toys.prompt().values()))
    with torch.no_grad():
        before = unet(x, 500, text).sample
        handle = fd.enable(unet)
        own_loop(unet, scheduler, handle)
        assert handle.summary().reused == 5
        assert torch.equal(unet(x, 500, text).sample, before)


def test_timesteps_alone_suffice_but_for_prior_noise(pipe, caplog):
    scheduler, unet = pipe.scheduler, pipe.unet
    scheduler.set_timesteps(10)
    without = own_loop(unet, scheduler, fd.enable(unet, prior_noise=None))
    scheduler.set_timesteps(10)
    assert not caplog.text
    alone = own_loop(unet, scheduler, fd.enable(unet), timesteps=scheduler.timesteps)
    assert torch.equal(alone, without)
    assert "Prior noise is left out: pass the scheduler" in caplog.text


def test_with_gradients_the_network_is_itself(pipe, caplog):
    scheduler, unet = pipe.scheduler, pipe.unet
    scheduler.set_timesteps(10)
    text = toys.prompt()["prompt_embeds"]
    x = torch.randn(1, 4, 16, 16, requires_grad=True)
    with fd.enable(unet).sampling(scheduler):
        for t in scheduler.timesteps[:3]:
            unet(x, t, text).sample.sum().backward()
            assert x.grad is not None
    assert "Gradients are on" in caplog.text


def test_timesteps_that_do_not_tell_the_step_run_in_full_with_a_warning(pipe, caplog):
    scheduler, unet = pipe.scheduler, pipe.unet
    scheduler.set_timesteps(10)
    text = toys.prompt()["prompt_embeds"]
    handle = fd.enable(unet)
    with torch.no_grad(), handle.sampling(scheduler):
        for t in (12345, 12346, torch.tensor(12347)):
            unet(torch.randn(1, 4, 16, 16), t, text)
    assert handle.summary().computed == 3
    assert caplog.text.count("is no step of the scheduler") == 1


@pytest.mark.parametrize("cls", [DDIMScheduler, EulerDiscreteScheduler])
@pytest.mark.parametrize("steps", [10, 40])
def test_timesteps_cast_to_the_precision_of_the_latents_are_followed(pipe, cls, steps, caplog):
    scheduler, unet = cls.from_config(pipe.scheduler.config), pipe.unet.bfloat16()
    text = toys.prompt()["prompt_embeds"].bfloat16()
    made = []
    for cast in (lambda t: t, lambda t: t[None].to(torch.bfloat16)):
        scheduler.set_timesteps(steps)
        latent = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(0)).bfloat16()
        handle = fd.enable(unet, prior_noise=None, parallel=False)
        with torch.no_grad(), handle.sampling(scheduler):
            for t in scheduler.timesteps:
                x = scheduler.scale_model_input(latent, t)
                latent = scheduler.step(unet(x, cast(t), text).sample, t, latent).prev_sample
        made.append(handle.summary().key_steps)
    assert made[0] == made[1]
    assert not caplog.text


def test_conditioning_that_changes_with_every_step_is_said_to_prevent_acceleration(pipe, caplog):
    scheduler, unet = pipe.scheduler, pipe.unet
    scheduler.set_timesteps(10)
    with torch.no_grad(), fd.enable(unet).sampling(scheduler):
        for t in scheduler.timesteps:
            unet(torch.randn(1, 4, 16, 16), t, torch.randn(1, 5, 32))
    assert "Nothing was accelerated: every step was computed" in caplog.text


def test_a_run_that_never_reaches_the_network_says_so(pipe, caplog):
    with fd.enable(pipe.unet).sampling(pipe.scheduler):
        pass
    assert "the network was not called" in caplog.text


def test_a_step_that_is_taken_back_is_computed_again(pipe):
    scheduler, unet = pipe.scheduler, pipe.unet
    scheduler.set_timesteps(10)
    x, text = torch.randn(1, 4, 16, 16), toys.prompt()["prompt_embeds"]
    handle = fd.enable(unet, key_steps=[0])
    with torch.no_grad(), handle.sampling(scheduler):
        forth = [unet(x, t, text).sample for t in scheduler.timesteps]
        back = unet(x, scheduler.timesteps[4], text).sample
        full = unet.forward(x, scheduler.timesteps[4], text).sample
    torch.testing.assert_close(back, full, rtol=0, atol=1e-5)
    assert (forth[4] - full).abs().max() > 1e-3


# What attention may see


class AcrossTheBatch(AttnProcessor):
    """Every sample attends to the first one, as cross-frame attention does."""

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, **kwargs):
        if encoder_hidden_states is None:
            encoder_hidden_states = hidden_states[:1].expand_as(hidden_states)
        return super().__call__(attn, hidden_states, encoder_hidden_states, **kwargs)


def test_attention_across_the_batch_is_decoded_step_by_step(pipe, caplog):
    pipe.unet.set_attn_processor(AcrossTheBatch())
    summary = assert_parallel_is_sequential(pipe, n=2)
    assert summary.decoder_batches == 10
    assert "custom attention processor" in caplog.text


# Memory


def test_out_of_memory_falls_back_to_smaller_groups_with_a_warning(pipe, monkeypatch, caplog):
    pipe.to(torch.float64)  # in which rounding is far below what is allowed
    with fd.enable(pipe, key_steps=[0, 2], parallel=False):
        expected = toys.sample(pipe)
    conv_out = pipe.unet.conv_out
    forward, sizes = conv_out.forward, []

    def too_small_a_device(x):
        if len(x) > 2 * 3:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        sizes.append(len(x))
        return forward(x)

    too_small_a_device.batch_independent = True
    monkeypatch.setattr(conv_out, "forward", too_small_a_device)
    with fd.enable(pipe, key_steps=[0, 2]):
        image = toys.sample(pipe)
    torch.testing.assert_close(image, expected, rtol=0, atol=1e-4)
    assert sizes == [4, 4, 4, 4, 4]
    assert "Out of memory decoding 8 steps at once; going on with 4" in caplog.text
    assert "Out of memory decoding 4 steps at once; going on with 2" in caplog.text


def test_out_of_memory_for_a_single_step_is_the_user_s_to_know(pipe, monkeypatch):
    def no_memory(x):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(pipe.unet.conv_out, "forward", no_memory)
    with fd.enable(pipe), pytest.raises(torch.OutOfMemoryError):
        toys.sample(pipe)


def test_other_errors_are_not_taken_for_lack_of_memory(pipe, monkeypatch):
    def broken(x):
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(pipe.unet.conv_out, "forward", broken)
    with fd.enable(pipe), pytest.raises(RuntimeError, match="shapes do not match"):
        toys.sample(pipe)


def test_nothing_kept_is_changed_in_place(pipe, monkeypatch):
    """A kept tensor that some block scaled in place would be another one at the next step."""
    kept, run = [], decoder.run_partially

    def recording(*args, features, **kwargs):
        output = run(*args, features=features, **kwargs)
        kept.extend((tensor, tensor.clone()) for tensor in tensors.leaves(list(features.values())))
        return output

    monkeypatch.setattr(decoder, "run_partially", recording)
    pipe.enable_freeu(s1=0.9, s2=0.2, b1=1.2, b2=1.4)  # scales the bottleneck's output in place
    with fd.enable(pipe, parallel=False):
        toys.sample(pipe)
    assert kept
    assert all(torch.equal(now, then) for now, then in kept)
