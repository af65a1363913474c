"""Control of attention: what becomes of the maps, in which layers and steps, and that nothing of it stays."""

import pytest
import torch
from diffusers.models.attention_processor import AttnProcessor

import faster_diffusion as fd
from faster_diffusion.tasks import PromptToPrompt
from faster_diffusion.tasks.attention import ControlledAttention, Edit

SWAP = ["a cat on a mat", "a dog on a mat"]


def maps(*shape):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0)).softmax(-1)


def edit(alignment=None, fraction=1.0, scale=1.0):
    """Of one edited prompt of three tokens."""
    alignment = torch.eye(3) if alignment is None else alignment
    return Edit(alignment[None], torch.tensor(fraction).expand(1, 3), torch.tensor(scale).expand(1, 3), 0.0, 0)


SOURCE, OWN = maps(2, 2, 4, 3), maps(1, 2, 2, 4, 3).flip(-1)  # two images, two heads, four positions


def test_maps_are_the_sources_until_tau_and_then_the_prompts_own():
    assert torch.equal(edit(fraction=0.8).maps(SOURCE, OWN, progress=0.79)[0], SOURCE)
    assert torch.equal(edit(fraction=0.8).maps(SOURCE, OWN, progress=0.8), OWN)


def test_each_token_has_a_tau_of_its_own():
    edited = edit(fraction=[1.0, 0.0, 0.5]).maps(SOURCE, OWN, progress=0.5)[0]
    assert torch.equal(edited[..., 0], SOURCE[..., 0])
    assert torch.equal(edited[..., 1:], OWN[0, ..., 1:])


def test_maps_follow_their_tokens():
    moved = torch.eye(3).roll(1, dims=1)  # the source's token 0 is token 1 of the edited prompt
    assert torch.equal(edit(moved).maps(SOURCE, OWN, progress=0.0)[0], SOURCE.roll(1, dims=-1))


def test_reweighting_multiplies_the_map_of_a_token_alone_at_any_time():
    for progress, before in ((0.0, SOURCE), (0.9, OWN[0])):
        edited = edit(fraction=0.5, scale=[1.0, -2.0, 1.0]).maps(SOURCE, OWN, progress)[0]
        assert torch.equal(edited, before * torch.tensor([1.0, -2.0, 1.0]))


@pytest.mark.parametrize("processors", ["stock", "the user's"])
@pytest.mark.parametrize("fails", [False, True], ids=["a call", "an exception"])
def test_processors_are_the_same_objects_after(toy, processors, fails):
    if processors == "the user's":
        toy.unet.set_attn_processor({name: AttnProcessor() for name in toy.unet.attn_processors})
    before = dict(toy.unet.attn_processors)
    during = []

    def look(pipe, step, timestep, tensors):
        during.extend(pipe.unet.attn_processors.values())
        if fails:
            raise InterruptedError
        return {}

    edit = PromptToPrompt(toy, SWAP)
    if fails:
        with pytest.raises(InterruptedError):
            edit(num_inference_steps=2, callback_on_step_end=look)
    else:
        edit(num_inference_steps=2, callback_on_step_end=look)
    assert {type(processor) for processor in during} == {ControlledAttention}
    after = toy.unet.attn_processors
    assert after.keys() == before.keys()
    assert all(after[name] is processor for name, processor in before.items())


def test_rows_without_an_edit_go_through_the_users_processors(toy):
    rows = []

    class Counting(AttnProcessor):
        def __call__(self, attn, hidden_states, *args, **kwargs):
            rows.append(len(hidden_states))
            return super().__call__(attn, hidden_states, *args, **kwargs)

    toy.unet.set_attn_processor(Counting())
    PromptToPrompt(toy, SWAP, cross_steps=0.5, self_steps=0.5)(num_inference_steps=2, guidance_scale=3.0)
    first, second = rows[: len(rows) // 2], rows[len(rows) // 2 :]
    assert set(first) == {3}  # without prompt twice, and the source
    assert set(second) == {4}


@pytest.fixture
def progress(monkeypatch):
    """What each edit of maps is told about how far sampling is, in order."""
    told = []
    original = Edit.maps

    def maps(self, source, own, progress):
        told.append(progress)
        return original(self, source, own, progress)

    monkeypatch.setattr(Edit, "maps", maps)
    return told


@pytest.mark.parametrize("parallel", [True, False], ids=["parallel", "sequential"])
def test_the_step_is_known_where_encoder_layers_do_not_run(toy, progress, parallel):
    layers = sum(name.endswith("attn2.processor") for name in toy.unet.attn_processors)
    in_decoder = sum(name.endswith("attn2.processor") for name in toy.unet.attn_processors if name.startswith("up"))
    assert in_decoder < layers
    with fd.enable(toy, key_steps=[0, 3], parallel=parallel) as handle:
        PromptToPrompt(toy, SWAP, cross_steps=1.0)(num_inference_steps=5)
        summary = handle.summary()
    assert summary.key_steps == (0, 3)
    assert summary.decoder_batches == 5  # one step at a time
    assert [progress.count(step / 5) for step in range(5)] == [layers, in_decoder, in_decoder, layers, in_decoder]
    assert progress == sorted(progress)


def test_self_attention_is_the_sources_in_coarse_layers_alone(toy):
    def edited(self_pixels):
        edit = PromptToPrompt(toy, SWAP, cross_steps=0, self_steps=1, self_pixels=self_pixels)
        return edit(generator=torch.Generator().manual_seed(0), num_inference_steps=2, output_type="latent")[1]

    nothing, coarse, everything = edited(0), edited(8 * 8), edited(16 * 16)
    assert not torch.equal(coarse, nothing)
    assert not torch.equal(coarse, everything)


def test_another_number_of_rows_is_refused(toy):
    def drop(pipe, step, timestep, tensors):
        return {name: tensor[:1] for name, tensor in tensors.items()}

    with pytest.raises(RuntimeError, match="expects 2 or 4 rows in a batch, not 1; leave the number of prompts"):
        PromptToPrompt(toy, SWAP)(
            num_inference_steps=2,
            guidance_scale=1.0,
            callback_on_step_end=drop,
            callback_on_step_end_tensor_inputs=["latents", "prompt_embeds"],
        )
