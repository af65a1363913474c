"""A tuning as a whole: what it finds and writes, what a killed one loses, what it promises."""

import itertools
import json
import shutil
from dataclasses import replace

import pytest
import torch

import faster_diffusion as fd
from faster_diffusion.arms import Arm
from faster_diffusion.generation.sampling import Settings
from faster_diffusion.options.profile import Profile
from faster_diffusion.tuning import budget as budget_module
from faster_diffusion.tuning import profiles
from faster_diffusion.tuning import run as run_module
from faster_diffusion.tuning.lab import Lab
from faster_diffusion.tuning.records import Records
from faster_diffusion.tuning.report import markdown
from faster_diffusion.tuning.results import FEWER_STEPS, OTHER, PLAN, Figure
from faster_diffusion.tuning.speed import Speed
from specimens import toys
from tests.evaluation import tiny as evaluated
from tests.tuning import tiny


def test_fd_tune_is_the_tuner():
    from faster_diffusion.tuning import tune

    assert fd.tune is tune


def test_writes_the_front_with_a_picture_and_profiles(run):
    assert {"manifest.json", "tuning.json", "tuning.md", "pareto-front.png", "profiles"} <= {
        path.name for path in run.folder.iterdir()
    }
    assert json.loads((run.folder / "tuning.json").read_text()) == json.loads(json.dumps(run.found.to_dict()))
    assert (run.folder / "tuning.md").read_text() == markdown(run.found)
    assert {path.name for path in (run.folder / "profiles").iterdir()} == set(run.found.profiles)


def test_the_front_rises_in_time_and_fidelity(run):
    points = [run.found.point(arm) for arm in run.found.pareto_front]
    for before, after in itertools.pairwise(points):
        assert before.ratio.value <= after.ratio.value
        assert before.psnr.value < after.psnr.value


def test_every_kind_is_timed_beside_the_baseline(run):
    assert {point.kind for point in run.found.points} == {PLAN, FEWER_STEPS, OTHER}
    assert run.found.points[0].arm == "steps:6"
    assert run.found.points[0].ratio.value == 1


def test_figures_have_intervals_and_plans_a_likeness_to_their_full_run(run):
    for point in run.found.points:
        low, high = point.psnr.interval
        assert low <= point.psnr.value <= high
        arm = Arm.parse(point.arm)
        known = (arm.solver, arm.step_count) in [*tiny.SPACE.runs, *tiny.SPACE.short_runs]  # its full run was sampled
        assert (point.psnr_full is not None) == (point.kind == PLAN and known)


def test_the_best_plans_are_tried_without_the_unconditional_half_at_their_end(run):
    tried = [json.loads(text)["arm"] for text in tiny.fidelity(run.folder).values()]
    assert any("output" in spec and spec.endswith("guidance:0.5") for spec in tried)


def test_of_a_gate_it_is_known_what_each_image_took(run):
    tried = [json.loads(text) for text in tiny.fidelity(run.folder).values()]
    (gated,) = (plan for plan in tried if plan["arm"] == "ddim-trailing:8 + 0, + output + forecast:1 + gate:0.5")
    for batch in gated["batches"].values():
        assert len(batch["computed"]) == len(batch["psnr"])
        assert all(1 <= calls < 8 for calls in batch["computed"])


def test_short_runs_are_corrected_too_and_each_is_fitted_once(run, monkeypatch):
    tried = {json.loads(text)["arm"] for text in tiny.fidelity(run.folder).values()}
    for solver, file in (("ddim-trailing", "ddim-trailing-3"), ("dpm++1-trailing", "dpm++1-trailing-3-placed")):
        assert f"{solver}:3 + all + corrected:corrections/{file}.json" in tried
        measured = Profile.load(run.folder / f"corrections/{file}.json").measured
        assert measured["reference"] == "ddim-trailing:12"
        assert measured["prompts"] == {"fitted": 3, "held out": 0}
    monkeypatch.setattr(run_module, "follow_and_keep", lambda *args, **options: pytest.fail("fitted anew"))
    tiny.run(run.folder, max_seconds=100)


def test_held_out_prompts_confirm_what_became_a_profile(run):
    assert all(run.found.point(arm).held_out is not None for arm in run.found.profiles.values())


def test_a_profile_samples_as_the_arm_that_it_came_from(run):
    file, spec = next(item for item in run.found.profiles.items())
    by_hand, pipe = evaluated.pipeline(), evaluated.pipeline()
    call = {"prompt": "a", "guidance_scale": 3.0, "output_type": "latent"}
    handle = fd.enable(pipe, key_steps=run.folder / "profiles" / file)
    made = pipe(**call, num_inference_steps=handle.profile.steps, generator=torch.Generator().manual_seed(0)).images
    arm = Arm.parse(spec)
    with arm.applied(by_hand):
        expected = by_hand(**call, num_inference_steps=arm.steps(6), generator=torch.Generator().manual_seed(0)).images
    assert torch.equal(made, expected)
    assert handle.profile.measured["reference"] == "ddim-trailing:12"


def test_a_profile_for_a_time_is_the_nearest_within_it_that_is_faster_than_the_baseline(run):
    best = run.found.point(run.found.profiles["best-within-100s.json"])
    faster = [point for point in run.found.points if point.ratio.value < 1]
    assert best.psnr.low == max(point.psnr.low for point in faster if not Arm.parse(point.arm).third_party)


@pytest.fixture(scope="module")
def hurried(tmp_path_factory):
    """A tuning without time for plans, of texts; with the pipeline, and what that drew before."""
    pipe, folder = evaluated.pipeline(), tmp_path_factory.mktemp("hurried")
    before = pipe.scheduler, toys.sample(pipe)
    found = tiny.run(folder, pipe=pipe, prompts=["a", "b"], calibration=1, seed=5, budget_minutes=0, rounds=1)
    return found, folder, pipe, before


def test_leaves_the_pipeline_as_it_was(hurried):
    _, _, pipe, (own, expected) = hurried
    assert pipe.scheduler is own
    assert not fd.is_enabled(pipe)
    assert torch.equal(toys.sample(pipe), expected)


@pytest.mark.slow
def test_times_can_be_estimated_instead_of_measured(tmp_path, run, monkeypatch):
    monkeypatch.setattr(run_module.speed, "time", lambda *args: pytest.fail("measured"))
    found = tiny.run(tmp_path, rounds=0)
    assert found.settings["timed"] == {"images": 1, "rounds": 0}
    assert all(point.seconds.value == point.estimate and point.seconds.interval is None for point in found.points)
    assert {point.arm for point in found.points if point.kind == FEWER_STEPS} == {
        point.arm for point in run.found.points if point.kind == FEWER_STEPS
    }
    assert found.pareto_front
    assert "estimated from network calls and FLOPs" in markdown(found)


@pytest.mark.slow
def test_what_other_methods_save_is_not_estimated(tmp_path):
    found = tiny.run(tmp_path, rounds=0, budget_minutes=0)
    assert not any(Arm.parse(point.arm).third_party for point in found.points)
    assert "has to be measured" in found.unfit["dpm++:4 + deepcache:2"]


def test_without_time_the_baseline_alone_is_measured_and_the_report_opens_with_what_was_left_out(hurried):
    found = hurried[0]
    assert not found.complete
    assert [point.arm for point in found.points] == ["steps:6"]
    assert found.profiles == {}
    text = markdown(found)
    assert "the budget ended before all were" in text
    opening = text.splitlines()[2]
    assert opening.startswith("**The budget was not enough for everything. Left out: all ")
    for what in ("runs of fewer steps", "corrected runs", "plans", "times, which are estimated"):
        assert what in opening


class Clock:
    """A second for every image, and none beside."""

    def __init__(self, monkeypatch):
        self.seconds = 0.0
        generate = Lab.generate

        def counted(lab, arm, split, batch):
            self.seconds += len(batch)
            return generate(lab, arm, split, batch)

        monkeypatch.setattr(budget_module, "now", lambda: self.seconds)
        monkeypatch.setattr(Lab, "generate", counted)
        monkeypatch.setattr(Speed, "measured", lambda *_, **__: Speed(0.0, 0.0, 1.0, {"encoder": 0.7}))


@pytest.mark.parametrize("minutes", [0.2, *(pytest.param(more, marks=pytest.mark.slow) for more in (0.5, 1.0))])
def test_a_budget_holds_and_what_is_left_out_is_said(tmp_path, monkeypatch, minutes):
    clock = Clock(monkeypatch)
    space = replace(tiny.SPACE, placed=(), corrected=())
    found = tiny.run(tmp_path / "run", budget_minutes=minutes, rounds=1, space=space)
    assert 60 * minutes / 2 < clock.seconds <= 60 * minutes
    assert not found.complete
    assert found.left_out
    assert {len(point.psnr.interval or ()) for point in found.points if point.kind == PLAN} <= {2}
    tried = {json.loads(text)["arm"] for text in tiny.fidelity(tmp_path / "run").values()}
    assert tried - {arm.spec for arm in tiny.SPACE.baselines()} - {"steps:6"}  # plans were tried too


def test_texts_get_seeds_that_count_up(hurried):
    prompts = json.loads((hurried[1] / "manifest.json").read_text())["prompts"]
    assert prompts == {
        "calibration": [{"prompt": "a", "seed": 5}],
        "held-out": [{"prompt": "b", "seed": 6}],
    }


class Killed(BaseException):
    """What no handler of errors takes."""


@pytest.mark.slow
def test_a_killed_tuning_goes_on_and_measures_the_same_to_the_byte(run, tmp_path, monkeypatch):
    folder, draws = tmp_path / "run", 0
    generate = Lab.generate

    def killed(self, *args):
        nonlocal draws
        draws += 1
        if draws % 14 == 0:
            raise Killed
        return generate(self, *args)

    monkeypatch.setattr(Lab, "generate", killed)
    kills, measured = 0, 0
    while True:
        try:
            tiny.run(folder, max_seconds=100)
            break
        except Killed:
            kills += 1
            batches = sum(len(json.loads(text)["batches"]) for text in tiny.fidelity(folder).values())
            assert batches > measured or kills == 1
            measured = batches
    assert kills >= 2
    common = tiny.fidelity(folder).keys() & tiny.fidelity(run.folder).keys()
    assert len(common) >= len(tiny.SPACE.baselines())
    for name in common:
        there, here = (json.loads(tiny.fidelity(place)[name])["batches"] for place in (run.folder, folder))
        assert all(here[key] == there[key] for key in here.keys() & there.keys())


def test_a_finished_tuning_draws_nothing_anew(run, monkeypatch):
    before = tiny.fidelity(run.folder), (run.folder / "times.json").read_bytes()
    monkeypatch.setattr(Lab, "generate", lambda *args: pytest.fail("drawn anew"))
    again = tiny.run(run.folder, max_seconds=100)
    assert (tiny.fidelity(run.folder), (run.folder / "times.json").read_bytes()) == before
    assert again.pareto_front == run.found.pareto_front
    assert (again.profiles, again.points) == (run.found.profiles, run.found.points)


@pytest.mark.slow
def test_a_larger_space_goes_on_with_what_was_measured(run, tmp_path, monkeypatch):
    folder = tmp_path / "run"
    shutil.copytree(run.folder, folder)
    drawn: set[str] = set()
    generate = Lab.generate

    def watched(self, arm, split, batch):
        drawn.add(f"{arm.spec.replace(f'{folder}/', '')}, {split}-{batch.start:05d}")
        return generate(self, arm, split, batch)

    monkeypatch.setattr(Lab, "generate", watched)
    larger = replace(tiny.SPACE, fewer=(2, 4, 5), keys=(2, 3, 4), reuse=("encoder", "deep:1"), placed=(3, 5))
    before = [json.loads(text) for text in tiny.fidelity(folder).values()]
    found = tiny.run(folder, space=larger)
    known = {f"{record['arm']}, {batch}" for record in before for batch in record["batches"]}
    assert drawn
    assert known.isdisjoint(drawn)
    assert not any(one.startswith("ddim-trailing:12,") for one in drawn)
    tried = {json.loads(text)["arm"] for text in tiny.fidelity(folder).values()}
    assert {"ddim-trailing:5", "dpm++1-trailing:5 + all + corrected:corrections/dpm++1-trailing-5-placed.json"} <= tried
    assert found.settings["space"]["placed"] == (3, 5)
    assert found.tried == len(tried) > run.found.tried
    fresh = tiny.run(tmp_path / "fresh", space=larger)
    assert {point.arm: point.psnr for point in found.points if point.kind != PLAN} == {
        point.arm: point.psnr for point in fresh.points if point.kind != PLAN
    }


def test_corrections_of_other_prompts_are_another_tuning(run):
    with pytest.raises(ValueError, match="fitted is 2, there 3"):
        tiny.run(run.folder, space=replace(tiny.SPACE, fitted=2))


def test_another_tuning_does_not_go_on_from_it(run):
    with pytest.raises(ValueError, match="settings guidance is 4"):
        tiny.run(run.folder, settings=Settings((6,), 4.0, batch_size=1))


@pytest.mark.parametrize("calibration", [0, 4])
def test_prompts_are_left_to_confirm_with_or_it_is_said(tmp_path, calibration):
    with pytest.raises(ValueError, match=f"calibration={calibration} of 4 prompts leaves none .* at most 3"):
        tiny.run(tmp_path, calibration=calibration)


def test_one_prompt_is_not_enough(tmp_path):
    with pytest.raises(ValueError, match="two prompts or more"):
        tiny.run(tmp_path, prompts=["a"])


def test_a_record_is_there_whole_or_not_at_all(tmp_path):
    records = Records(tmp_path, {"of": "this"})
    arm = Arm.parse("paper")
    records.put_fidelity(arm, {"b": {"psnr": [1.0]}, "a": {"psnr": [2.0]}})
    assert list(records.fidelity(arm)) == ["a", "b"]
    assert records.fidelity(Arm.parse("uniform:2")) == {}
    assert [path.suffix for path in (tmp_path / "fidelity").iterdir()] == [".json"]


@pytest.mark.parametrize(("held_out", "marked"), [((36.0, (34.9, 37.1)), True), ((36.0, (35.0, 37.0)), False)])
def test_a_profile_that_held_out_prompts_do_not_confirm_is_marked(run, held_out, marked):
    arm = next(point for point in run.found.points if point.kind == PLAN)
    point = replace(arm, psnr=Figure(37.0, (35.5, 38.0)), held_out=Figure(*held_out))
    made = profiles.profile(evaluated.pipeline(), run.found, "fastest-at-35dB.json", point)
    assert (
        any(
            "NOT CONFIRMED: 36.0 [34.9, 37.1] dB on held-out prompts, for 35 dB promised." in note
            for note in made.notes
        )
        == marked
    )
    assert made.measured["held_out_keeps_promise"] is not marked


def timed(point, time, sure, interval=(34.0, 38.0)):
    """A point with these figures."""
    psnr = Figure(36.0, interval)
    return replace(point, psnr=psnr, seconds=Figure(time, None), ratio=Figure(time, None), sure=sure)


def test_a_promise_is_what_a_mean_surely_has_of_all_that_are_chosen_from(run):
    sure, unsure = timed(run.found.points[0], 0.8, 35.2, (35.2, 37.0)), timed(run.found.points[1], 0.4, 34.0)
    chosen = profiles.choose([sure, unsure], [35.0, 50.0], max_seconds=0.6)
    assert chosen == {"fastest-at-35dB.json": sure.arm, "best-within-0.6s.json": unsure.arm}


@pytest.mark.parametrize(("time", "sure"), [(1.0, 40.0), (1.2, 40.0), (0.5, None)])
def test_what_is_no_faster_than_the_baseline_is_no_profile_nor_what_too_few_prompts_were_measured_of(run, time, sure):
    assert profiles.choose([timed(run.found.points[0], time, sure)], [35.0], max_seconds=0.1) == {}


def test_few_held_out_prompts_confirm_nothing_and_refute_nothing(run):
    point = replace(timed(run.found.points[0], 0.5, 36.0), held_out=Figure.mean([40.0, 40.5]))
    made = profiles.profile(evaluated.pipeline(), run.found, "fastest-at-35dB.json", point)
    assert made.measured["held_out_keeps_promise"] is None
    assert "Neither confirmed nor refuted: 2 held-out prompts are too few to tell, 6 are the least." in made.notes


def test_the_best_within_a_time_promises_that_alone(run):
    point = replace(timed(run.found.points[0], 0.5, 36.0), held_out=Figure(20.0, (19.0, 21.0)))
    made = profiles.profile(evaluated.pipeline(), run.found, "best-within-1s.json", point)
    assert (made.measured["promise_psnr"], made.measured["held_out_keeps_promise"]) == (None, None)
