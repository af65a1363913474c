"""Reports on disk."""

import json
import os

import pytest

from faster_diffusion.benchmark.cases import case
from faster_diffusion.benchmark.results import Results, read_reports
from faster_diffusion.measuring.machine import machine

ONE, TWO = case("sd15"), case("sd15", batch=2)


def report(one, **more):
    return {"case": one.to_dict(), "rounds": 3, "memory": True, "machine": machine(), "arms": {}, **more}


def test_what_was_measured_is_found_again(tmp_path):
    path = tmp_path / "deep" / "bench.json"
    Results(path).add(report(ONE))
    results = Results(path)
    assert results.find(ONE, 3, True, machine())["case"] == ONE.to_dict()
    assert results.find(TWO, 3, True, machine()) is None


@pytest.mark.parametrize(
    "change", [{"rounds": 5}, {"memory": False}, {"torch": "1.0"}, {"tomesd": None}, {"gpu": "other"}]
)
def test_with_other_settings_or_versions_it_counts_as_not_measured(tmp_path, change):
    results = Results(tmp_path / "bench.json")
    results.add(report(ONE))
    settings = {"rounds": 3, "memory": True, **change}
    here = {**machine(), **change, "load_average": [0, 0, 0]}
    assert results.find(ONE, settings["rounds"], settings["memory"], here) is None


def test_a_case_measured_anew_takes_the_place_of_the_old_report(tmp_path):
    results = Results(tmp_path / "bench.json")
    for one, number in ((ONE, 1), (TWO, 2), (ONE, 3)):
        results.add(report(one, number=number))
    assert [one["number"] for one in read_reports(tmp_path / "bench.json")] == [2, 3]


def test_a_file_that_cannot_be_finished_leaves_the_old_one(tmp_path, monkeypatch):
    results = Results(tmp_path / "bench.json")
    results.add(report(ONE))

    def killed(file):
        os.truncate(file, 10)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", killed)
    with pytest.raises(KeyboardInterrupt):
        results.add(report(TWO))
    monkeypatch.undo()
    assert [one["case"] for one in read_reports(tmp_path / "bench.json")] == [ONE.to_dict()]


def test_what_an_earlier_version_measured_of_the_untouched_pipeline_is_found_as_the_baseline(tmp_path):
    path = tmp_path / "bench.json"
    arms = {arm.name: {"call": [1.0]} for arm in ONE.arms}
    Results(path).add(report(ONE, arms=arms))
    path.write_text(path.read_text().replace('"baseline"', '"untouched"'))
    assert Results(path).find(ONE, 3, True, machine())["arms"] == arms


def test_a_file_of_a_single_report_is_read_too(tmp_path):
    path = tmp_path / "speed.json"
    path.write_text(json.dumps(report(ONE)))
    assert [one["case"] for one in read_reports(path)] == [ONE.to_dict()]


def test_a_file_of_something_else_is_not_overwritten(tmp_path):
    path = tmp_path / "bench.json"
    path.write_text('{"precious": 1}')
    with pytest.raises(ValueError, match="holds no reports of a benchmark"):
        Results(path)
