"""The times of a tuning anew: on other hardware only they are otherwise."""

import pytest

from faster_diffusion.tuning import retime, speed
from tests.evaluation import tiny as evaluated
from tests.tuning import tiny


def again(run, out, rounds=2):
    return retime(run.found, evaluated.pipeline(), tiny.PROMPTS[:1], out, rounds)


@pytest.mark.slow
def test_fidelity_and_profiles_stay_and_times_are_measured(run, tmp_path):
    found = again(run, tmp_path)
    assert [(p.arm, p.psnr, p.held_out) for p in found.points] == [
        (p.arm, p.psnr, p.held_out) for p in run.found.points
    ]
    assert found.profiles == run.found.profiles
    assert all(p.seconds != before.seconds for p, before in zip(found.points, run.found.points, strict=True))
    assert found.points[0].ratio.value == 1
    assert found.settings["timed"] == {"images": 1, "rounds": 2}


def test_fronts_and_levels_are_those_of_the_new_times(run, tmp_path, monkeypatch):
    """Here all take as long, so that the nearest is the only one on the front."""
    monkeypatch.setattr(speed, "_rounds", lambda pipe, arms, *_, **__: {arm.spec: [1.0] for arm in arms})
    found = again(run, tmp_path)
    assert found.pareto_front == (max(found.points, key=lambda point: point.psnr.value).arm,)
    assert [level.psnr for level in found.levels] == [level.psnr for level in run.found.levels]
    assert {level.gain.value for level in found.levels if level.gain} <= {1.0}


@pytest.mark.slow
def test_rounds_that_were_measured_are_not_measured_again(run, tmp_path, monkeypatch):
    first = again(run, tmp_path)
    monkeypatch.setattr(speed, "_rounds", lambda *_, **__: pytest.fail("measured again"))
    assert again(run, tmp_path).points == first.points


@pytest.mark.slow
def test_times_of_another_tuning_are_not_gone_on_with(run, tmp_path):
    again(run, tmp_path, rounds=1)
    with pytest.raises(ValueError, match="holds another"):
        retime(tiny.run(tmp_path / "other", rounds=1, budget_minutes=0), evaluated.pipeline(), [], tmp_path)
