"""Without a terminal a bar is a line now and then."""

import re
import sys

import pytest

from faster_diffusion.generation import progress
from specimens import toys


@pytest.fixture
def stderr(capsys):
    return lambda: capsys.readouterr().err


@pytest.fixture
def at_once(monkeypatch):
    """Half a minute is over at once."""
    monkeypatch.setattr(progress, "SECONDS", 0)


def test_what_is_done_soon_says_nothing(stderr):
    for _ in progress.bar(range(3), "timing", "round", shown=True):
        pass
    assert stderr() == ""


def test_what_takes_long_says_how_far_it_is_in_lines(at_once, stderr):
    for _ in progress.bar(range(3), "timing", "round", shown=True):
        pass
    lines = stderr().split("\n")
    assert [line.partition(" in ")[0] for line in lines] == [*(f"timing: {n} of 3" for n in range(4)), ""]
    assert not any("\r" in line for line in lines)


def test_on_a_terminal_it_is_drawn_over_itself(at_once, stderr, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with progress.bar(2, "sampling", "image", shown=True) as bar:
        bar.update(2)
    assert "\rsampling: 100%" in stderr()


def test_it_is_shown_only_where_asked_for(at_once, stderr):
    for _ in progress.bar(range(3), "timing", "round", shown=False):
        pass
    assert stderr() == ""


def test_a_pipeline_shows_its_own_so(at_once, stderr):
    pipe = toys.stable_diffusion()
    pipe.set_progress_bar_config(leave=False, **progress.drawn())
    toys.sample(pipe, num_inference_steps=4)
    assert re.search(r"^2 of 4 in [0-9:]+, about [0-9:]+ left$", stderr(), re.MULTILINE)
