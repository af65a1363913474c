"""Pipelines that cannot be accelerated say so when that is asked for, and go on as they are."""

import pytest

import faster_diffusion as fd
from specimens.rows import ROWS
from specimens.rows.refused import REFUSED, stable_audio


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_with_the_reason(name):
    build, reason = REFUSED[name]
    pipe = build()
    with pytest.raises(ValueError, match=rf"{type(pipe).__name__} cannot be accelerated: .*{reason}.*\."):
        fd.enable(pipe)
    assert not fd.is_enabled(pipe)


def test_a_class_that_inherits_from_a_refused_one_is_refused_too():
    pipe = REFUSED["karras-ve"][0]()
    pipe.__class__ = type("OfMyOwn", (type(pipe),), {})
    with pytest.raises(ValueError, match="OfMyOwn cannot be accelerated: .*noise level"):
        fd.enable(pipe)


def test_a_transformer_whose_stages_are_not_known_is_refused_by_its_name():
    with pytest.raises(ValueError, match="StableAudioDiTModel cannot be accelerated: its stages are not known"):
        fd.enable(stable_audio())


@pytest.mark.parametrize("name", ["ledits", "ledits-xl"])
def test_an_edit_with_attention_masks_is_refused_when_it_is_called_for(name):
    row = next(row for row in ROWS if row.name == name)
    pipe = row.pipe()
    with fd.enable(pipe), pytest.raises(ValueError, match="attention maps .* Pass use_intersect_mask=False, use_cross"):
        row.sample(pipe, use_intersect_mask=True)
