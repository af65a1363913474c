"""A callback that ends guidance midway halves the batch: every pipeline whose callbacks can do so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

import faster_diffusion as fd
from specimens.rows import ROWS

KEYS = [0, 3]
GUIDED = 4  # steps
TEXT = ("prompt_embeds",)
XL = (*TEXT, "add_text_embeds", "add_time_ids")
# Row -> what has a row for each half of the batch. Other pipelines hand their callbacks too little to halve it.
HALVED: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("stable-diffusion", "stable-diffusion-v-prediction", "image-to-image"), TEXT),
    "inpaint": (*TEXT, "mask", "masked_image_latents"),
    "inpaint-9-channels": (*TEXT, "mask", "masked_image_latents"),
    "depth-to-image": (*TEXT, "depth_mask"),
    **dict.fromkeys(("xl", "xl-base-of-two", "xl-image-to-image"), XL),
    "xl-inpaint": (*XL, "mask", "masked_image_latents"),
    **dict.fromkeys(("controlnet", "controlnet-several", "controlnet-guess-mode"), (*TEXT, "image")),
    "controlnet-image-to-image": (*TEXT, "control_image"),
    "controlnet-xl": (*XL, "image"),
    "controlnet-xl-image-to-image": (*XL, "control_image"),
    **dict.fromkeys(("animate-diff", "animate-diff-free-init", "animate-diff-free-noise"), TEXT),
    **dict.fromkeys(("animate-diff-sparse-controlnet", "animate-diff-video-to-video"), TEXT),
    "animate-diff-xl": XL,
    **dict.fromkeys(("kandinsky-2.2", "kandinsky-2.2-image-to-image"), ("image_embeds",)),
    "kandinsky-2.2-inpaint": ("image_embeds", "masked_image", "mask_image"),
    **dict.fromkeys(("kandinsky-3", "kandinsky-3-image-to-image"), (*TEXT, "attention_mask")),
}


@pytest.fixture(scope="module", params=[row for row in ROWS if row.name in HALVED], ids=lambda row: row.name)
def row(request):
    return request.param


def end_guidance() -> Callable[..., dict[str, Any]]:
    """A callback that leaves the unconditional half of the batch out from the fifth step on, once."""
    seen = []

    def callback(pipe: Any, step: int, t: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        seen.append(step)
        if len(seen) != GUIDED:
            return {}
        pipe._guidance_scale = 1.0
        return {name: second_half(value) for name, value in tensors.items()}

    return callback


def second_half(value: Any) -> Any:
    """Of a tensor, or of each in a list; a single row counts for both halves."""
    if isinstance(value, list):
        return [second_half(entry) for entry in value]
    return value[len(value) // 2 :]


def sample(row: Any, pipe: Any) -> torch.Tensor:
    names = list(HALVED[row.name])
    return row.sample(pipe, callback_on_step_end=end_guidance(), callback_on_step_end_tensor_inputs=names)


def test_a_callback_that_halves_the_batch_makes_a_key_step(row, pipe):
    untouched = sample(row, pipe)
    assert (untouched - row.sample(pipe)).abs().max() > 0.05
    with fd.enable(pipe, key_steps="all"):
        assert torch.equal(sample(row, pipe), untouched)
    made = []
    for parallel in (True, False):
        with fd.enable(pipe, key_steps=KEYS, parallel=parallel) as handle:
            made.append(sample(row, pipe))
            assert row.first + GUIDED in handle.summary().key_steps
    torch.testing.assert_close(*made, rtol=0, atol=1e-3)


def test_all_of_these_are_rows_of_the_table():
    assert {row.name for row in ROWS} >= set(HALVED)
