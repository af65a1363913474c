"""The benchmark scripts on models that take milliseconds."""

import json

import pytest

from reproduce import corrections, figures, flops, key_steps

pytestmark = pytest.mark.slow


def test_flops_of_a_plan():
    report = {name: flops.measure(config, 8) for name, (config, _) in flops.MODELS.items()}
    row = report["Stable Diffusion 1.5, 512"]
    paper = row["plans"][0]
    assert paper["keys"] == 9
    assert paper["saved"] == pytest.approx(41 / 50 * row["encoder_share"])
    assert len(flops.table(report).splitlines()) == 2 + len(report)


def test_corrected_runs_stand_beside_plain_ones(monkeypatch):
    monkeypatch.setattr(corrections, "REFERENCE", "ddim-trailing:6")
    monkeypatch.setattr(corrections, "MORE", (3,))
    first, report = corrections.measure("scenes", 5.0, [2], fitted=1, held_out=2)
    assert [(row["calls"], row["corrected"]) for row in report["rows"]].count((2, True)) == len(
        corrections.CORRECTED_SOLVERS
    ) + 1
    plain, corrected = (text.splitlines() for text in corrections.table(json.loads(json.dumps(report))).split("\n\n"))
    assert [line.count(" dB [") for line in plain[2:]] == [len(corrections.SOLVERS)] * 2  # two steps, and three
    assert corrected[0].count(", corrected |") == len(corrections.CORRECTED_SOLVERS)
    assert corrected[0].count(", optimised timesteps |") == 1
    assert [line.count(" dB [") for line in corrected[2:]] == [len(corrections.CORRECTED_SOLVERS) + 1]
    assert list(corrections.worth(report)) == [2]
    monkeypatch.setattr(corrections, "fit_to", None)  # what is known is not fitted again
    assert list(corrections.measure("scenes", 5.0, [2], 1, 2, first["rows"]))[-1]["rows"] == report["rows"]


def test_placements_of_key_steps_are_judged_by_what_they_keep(monkeypatch):
    monkeypatch.setattr(key_steps, "SEEN", 1)
    report = key_steps.measure(2, 2, steps=6)
    named = [(row["name"], len(row["step_indices"])) for row in report["placements"]]  # fewest key steps first
    assert named == [("progressive", 3), ("paper", 4), ("suggested", 5), ("uniform", 5)]
    for row in report["placements"]:
        assert 0 < row["worst"] <= row["psnr"] < 100
        assert row["psnr_interval"][0] <= row["psnr"] <= row["psnr_interval"][1]
    assert len(key_steps.table(report).splitlines()) == 2 + 4


def test_a_page_gets_its_tables():
    page = "before\n<!-- table flops -->\nold\n<!-- end -->\nafter"
    assert figures.filled(page) == f"before\n<!-- table flops -->\n\n{figures.table('flops')}\n\n<!-- end -->\nafter"


@pytest.mark.parametrize(
    ("psnr", "says"), [(19.0, "fewer than 4"), (20.0, "4.0"), (22.0, "5.0"), (27.0, "7.0"), (31.0, "more than 8")]
)
def test_placed_calls_are_worth_as_many_plain_ones_as_come_as_near(psnr, says):
    plain = {(4, "a"): 20.0, (4, "b"): 18.0, (6, "a"): 19.0, (6, "b"): 24.0, (8, "a"): 30.0, (8, "b"): 25.0}
    rows = [{"calls": calls, "psnr": value, "corrected": False} for (calls, _), value in plain.items()]
    rows.append({"calls": 4, "psnr": 50.0, "corrected": True, "placed": False})  # nothing to beat
    rows.append({"calls": 5, "psnr": psnr, "corrected": True, "placed": True})
    assert corrections.worth({"rows": rows}) == {5: says}
