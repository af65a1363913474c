"""Local blending: where words look, over steps and layers, and what becomes of latents elsewhere."""

import pytest
import torch

from faster_diffusion.tasks import LocalBlend
from faster_diffusion.tasks.local_blend import Blending

TOKENS = torch.tensor([[False, True, False], [False, False, True]])  # of the source and of one edited prompt


def look(*places, side=4, tokens=TOKENS):
    """Maps of one image and two heads in which the prompts' words look at one place each, and other tokens anywhere."""
    maps = torch.ones(2, 1, 2, side * side, 3)
    for prompt, place in enumerate(places):
        maps[prompt, ..., tokens[prompt]] = 0
        maps[prompt, :, :, place, tokens[prompt]] = 1
    return maps


def latents(side=4):
    """The source's are 0, those of the edited prompt 1."""
    return torch.stack([torch.zeros(4, side, side), torch.ones(4, side, side)])


def edited_at(blending, side=4):
    """Where latents of the edited prompt remain, as positions in rows."""
    source, edited = blending.blend(latents(side))
    assert torch.equal(source, latents(side)[0])
    return edited[0].flatten().nonzero().flatten().tolist()


@pytest.fixture
def blending():
    return Blending(TOKENS, 0.3)


def test_an_edit_remains_where_the_words_of_either_prompt_look(blending):
    blending.see("layer", look(3, 10))
    assert edited_at(blending) == [3, 10]


def test_maps_are_averaged_over_steps(blending):
    blending.see("layer", look(0, 0))
    assert edited_at(blending) == [0]
    blending.see("layer", look(5, 5))
    assert edited_at(blending) == [0, 5]  # half the attention each
    for _ in range(3):
        blending.see("layer", look(5, 5))
        places = edited_at(blending)
    assert places == [5]  # one step of five is less than 0.3 of four


def test_maps_are_averaged_over_layers(blending):
    blending.see("one", look(0, 0))
    blending.see("other", look(7, 7))
    assert edited_at(blending) == [0, 7]


def test_a_layer_that_does_not_run_counts_with_what_it_saw_last(blending):
    blending.see("encoder", look(0, 0))
    blending.see("decoder", look(5, 5))
    edited_at(blending)
    for _ in range(5):
        blending.see("decoder", look(5, 5))
        assert edited_at(blending) == [0, 5]


def test_layers_nearest_to_sixteen_by_sixteen_count():
    blending = Blending(TOKENS, 0.3)
    blending.see("fine", look(5, 5, side=32))
    blending.see("middle", look(0, 0, side=16))
    blending.see("coarse", look(5, 5, side=8))
    assert blending.watches("coarse")
    places = edited_at(blending, side=32)
    assert max(places) < 3 * 32  # the corner
    assert [blending.watches(layer) for layer in ("fine", "middle", "coarse")] == [False, True, False]


def test_latents_need_not_be_square_or_even():
    blending = Blending(TOKENS, 0.3)
    blending.see("layer", look(0, 0, side=6)[..., : 3 * 5, :])  # 5 x 9, halved
    edited = blending.blend(torch.stack([torch.zeros(4, 5, 9), torch.ones(4, 5, 9)]))[1]
    assert edited[0, 0, 0] == 1
    assert edited[0, -1, -1] == 0


def test_a_higher_threshold_keeps_less_of_the_edit():
    kept = []
    for threshold in (0.0, 0.3, 0.6, 1.0):
        blending = Blending(TOKENS, threshold)
        blending.see("layer", torch.linspace(0, 1, 16)[:, None].expand(2, 1, 2, 16, 3))
        kept.append(len(edited_at(blending)))
    assert kept == sorted(kept, reverse=True)
    assert kept[0] == 15  # all that get attention
    assert kept[-1] == 0


def test_words_of_several_tokens_look_where_their_tokens_look_on_average():
    tokens = torch.tensor([[False, True, True], [False, True, True]])
    maps = torch.zeros(2, 1, 2, 16, 3)
    maps[..., 2, 1] = maps[..., 9, 2] = 1
    blending = Blending(tokens, 0.3)
    blending.see("layer", maps)
    assert edited_at(blending) == [2, 9]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"words": ()}, "LocalBlend.words is empty; name the words"),
        ({"words": "cat", "threshold": 1.5}, "a fraction of the most attention, 0 to 1; got 1.5"),
    ],
)
def test_options_without_sense_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        LocalBlend(**options)
