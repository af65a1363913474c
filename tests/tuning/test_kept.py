"""A long run that is killed goes on with the batch that it was at."""

from pathlib import Path

import pytest
import torch

import faster_diffusion as fd
from faster_diffusion.arms import Arm
from faster_diffusion.generation.prompts import Prompt
from faster_diffusion.generation.sampling import Settings
from faster_diffusion.tuning import kept
from faster_diffusion.tuning.following import follow
from tests.evaluation import tiny

PROMPTS = [Prompt(letter, 10 + number) for number, letter in enumerate("abcde")]
SETTINGS = Settings(guidance=3.0, batch_size=2)
LONG = Arm.parse("ddim:6")


@pytest.fixture(scope="module")
def pipe():
    return tiny.pipeline()


@pytest.fixture
def followed(monkeypatch):
    """The prompts of the batches that were sampled, and at which it is killed."""
    seen, at = [], {"kill": None}

    def counted(pipe, arm, prompts, settings, **options):
        seen.append("".join(prompt.text for prompt in prompts))
        if seen[-1] == at["kill"]:
            raise KeyboardInterrupt
        return follow(pipe, arm, prompts, settings, **options)

    monkeypatch.setattr(kept, "follow", counted)
    return seen, at


def run(pipe, folder, settings=SETTINGS):
    return kept.follow_and_keep(pipe, LONG, PROMPTS, settings, folder, listen=True)


def assert_same(one, other):
    torch.testing.assert_close(one.path.latents, other.path.latents, rtol=0, atol=1e-4)
    torch.testing.assert_close(one.said, other.said, rtol=0, atol=1e-4)
    assert (one.path.times, one.path.schedule) == (other.path.times, other.path.schedule)
    assert one.prompts == other.prompts


def test_in_batches_it_is_the_run_of_all_at_once(pipe, followed):
    assert_same(run(pipe, None), follow(pipe, LONG, PROMPTS, SETTINGS, listen=True))
    assert followed[0] == ["ab", "cd", "e"]


def test_killed_and_started_again_it_goes_on(pipe, followed, tmp_path):
    seen, at = followed
    at["kill"] = "cd"
    with pytest.raises(KeyboardInterrupt):
        run(pipe, tmp_path)
    at["kill"] = None
    found = run(pipe, tmp_path)
    assert seen == ["ab", "cd", "cd", "e"]
    assert_same(found, run(pipe, None))


def test_what_is_torn_is_made_anew(pipe, followed, tmp_path):
    before = run(pipe, tmp_path)
    torn = tmp_path / "0001.pt"
    torn.write_bytes(torn.read_bytes()[:99])
    followed[0].clear()
    assert_same(run(pipe, tmp_path), before)
    assert followed[0] == ["cd"]


def test_what_was_made_otherwise_is_made_anew(pipe, followed, tmp_path):
    run(pipe, tmp_path)
    followed[0].clear()
    run(pipe, tmp_path, Settings(guidance=5.0, batch_size=2))
    assert followed[0] == ["ab", "cd", "e"]


def test_a_fit_goes_on_with_it(pipe, followed, tmp_path):
    how = {"settings": SETTINGS, "reference": LONG, "held_out": 1, "folder": tmp_path}
    first = fd.fit(pipe, "ddim:2", PROMPTS, **how)
    followed[0].clear()
    assert fd.fit(pipe, "ddim:2", PROMPTS, **how) == first
    assert followed[0] == []


def test_code_in_what_was_kept_is_not_run(pipe, followed, tmp_path):
    class Evil:
        def __reduce__(self):
            return Path.touch, (tmp_path / "escaped",)

    before = run(pipe, tmp_path / "parts")
    torch.save({"made": Evil()}, tmp_path / "parts" / "0000.pt")
    assert_same(run(pipe, tmp_path / "parts"), before)
    assert not (tmp_path / "escaped").exists()


def test_what_was_kept_is_forgotten_and_nothing_else(pipe, followed, tmp_path):
    for folder in (tmp_path / "ours", tmp_path / "shared"):
        run(pipe, folder)
    (tmp_path / "shared" / "theirs.pt").touch()
    for folder in (tmp_path / "ours", tmp_path / "shared", tmp_path / "missing"):
        kept.forget(folder)
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")] == ["shared", "shared/theirs.pt"]
