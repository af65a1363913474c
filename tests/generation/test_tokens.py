"""What of a prompt has no effect is told."""

import pytest
import torch

from faster_diffusion.generation.tokens import cut_off, warn_of_cuts
from tests.evaluation import tiny


@pytest.fixture(scope="module")
def pipe():
    return tiny.pipeline()


def test_a_prompt_that_fits_is_read_in_full(pipe, caplog):
    assert cut_off(pipe, "a" * 75) is None
    warn_of_cuts(pipe, ["a", "b"])
    assert caplog.text == ""


def test_what_is_cut_is_what_changes_nothing(pipe):
    text = "a" * 75 + "bcd"
    rest, limit = cut_off(pipe, text)
    assert limit == 77
    assert rest.replace(" ", "") == "bcd"
    embedded = [pipe.encode_prompt(each, "cpu", 1, False)[0] for each in (text, "a" * 75 + "xyz")]
    assert torch.equal(*embedded)


def test_it_is_told_once_for_all_prompts(pipe, caplog):
    warn_of_cuts(pipe, ["a", "b" * 80, "c" * 200, "b" * 80])
    assert len(caplog.records) == 1
    assert "2 of 3 prompts are longer than the 77 tokens that StableDiffusionPipeline reads" in caplog.text
    assert "bbbbb" in caplog.text
