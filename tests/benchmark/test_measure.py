"""What is measured of every arm, and what becomes of an arm that cannot be used."""

import json

import pytest
import torch

from faster_diffusion.accounting.flops import stage_flops
from faster_diffusion.arms import Arm
from faster_diffusion.benchmark import measure as measuring
from faster_diffusion.benchmark.cases import Case, case
from faster_diffusion.benchmark.measure import measure
from faster_diffusion.benchmark.prepared import Prepared, prepare
from faster_diffusion.measuring.flops import count_flops
from faster_diffusion.models.inputs import network_inputs
from specimens import toys

SMALL = {"size": (64, 64), "steps": 4, "batch": 2, "vae": False}


def arms(*specs):
    return tuple(map(Arm.parse, specs))


@pytest.fixture
def report(narrow_architectures):
    chosen = arms("all", "uniform:2 + sequential", "uniform:2", "steps:2", "deepcache:2", "tgate:2")
    return measure(case("sd15", **SMALL, arms=chosen), rounds=2, memory=False)


@pytest.mark.slow
def test_time_and_flops_of_every_arm(report):
    rows = report["arms"]
    assert list(rows) == [
        "baseline",
        "all",
        "uniform:2 + sequential",
        "uniform:2",
        "steps:2",
        "deepcache:2",
        "tgate:2",
    ]
    for row in rows.values():
        assert len(row["unet"]) == len(row["call"]) == 2
        assert 0 < row["unet_median"] < row["call_median"]
    ratios = {name: row["flops_ratio"] for name, row in rows.items()}
    assert ratios["baseline"] == ratios["all"] == rows["baseline"]["unet_ratio"] == 1
    assert ratios["uniform:2"] == ratios["uniform:2 + sequential"] < 1
    assert ratios["steps:2"] == 0.5
    assert ratios["deepcache:2"] < 1
    assert ratios["tgate:2"] < 1
    assert json.loads(json.dumps(report)) == report
    assert report["machine"]["torch"] == torch.__version__


def test_flops_are_those_of_the_stages_and_those_the_engine_tells(narrow_architectures):
    one = case("sd15", **SMALL)
    prepared = prepare(one)
    inputs = network_inputs(prepared.network, 2 * one.batch, 8, 8)
    step = sum(stage_flops(prepared.network, (), inputs).values())
    counted = count_flops(prepared.network, lambda: prepared.sample(4))
    assert counted.network == 4 * step
    with Arm.parse("uniform:2").applied(prepared.pipe) as handle:
        counted = count_flops(prepared.network, lambda: prepared.sample(4))
        assert counted.network == handle.summary().flops


def test_flops_of_the_call_have_the_control_network_and_the_vae(narrow_architectures):
    alone = prepare(case("sd15", **SMALL))
    controlled = prepare(case("controlnet", **SMALL))
    decoded = prepare(case("sd15", **{**SMALL, "vae": True}))
    counts = [
        count_flops(prepared.network, lambda prepared=prepared: prepared.sample(2))
        for prepared in (alone, controlled, decoded)
    ]
    assert len({count.network for count in counts}) == 1
    assert counts[0].call == counts[0].network
    assert counts[1].call > counts[0].call
    assert counts[2].call > counts[0].call


def test_an_arm_that_does_not_fit_has_a_row_with_the_reason(narrow_architectures):
    rows = measure(case("dit-xl", size=(64, 64), steps=2, arms=arms("uniform:2", "tome:0.5")), 1, memory=False)["arms"]
    assert rows["tome:0.5"] == {"reason": "tomesd patches a UNet; DiTPipeline has none."}
    assert rows["uniform:2"]["flops_ratio"] < 1


def test_an_arm_that_fails_in_its_call_has_a_row_with_the_error(narrow_architectures):
    one = case("sd15", **SMALL, guidance=1.0, arms=arms("tgate:2", "uniform:2"))
    rows = measure(one, 1, memory=False)["arms"]
    assert rows["tgate:2"]["reason"].startswith("ValueError: T-GATE needs guidance")
    assert "unet" in rows["uniform:2"]


def test_an_arm_that_fails_while_it_is_timed_does_not_take_the_others_with_it(narrow_architectures, monkeypatch):
    sample, calls = Prepared.sample, []

    def fails_at_the_fourth(self, steps):
        calls.append(steps)
        if len(calls) == 4:  # after two that were counted and the first that was timed
            raise RuntimeError("Monday")
        sample(self, steps)

    monkeypatch.setattr(Prepared, "sample", fails_at_the_fourth)
    rows = measure(case("sd15", **SMALL, arms=arms("steps:2")), 2, memory=False)["arms"]
    assert rows["steps:2"] == {"reason": "RuntimeError: Monday"}
    assert len(rows["baseline"]["call"]) == 2


def test_where_nothing_is_left_of_memory_the_row_says_so(narrow_architectures, monkeypatch):
    def full(*_):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate a lot.")

    monkeypatch.setattr(measuring, "count_flops", full)
    rows = measure(case("sd15", **SMALL, arms=arms("paper")), 1)["arms"]
    assert rows == {"baseline": {"reason": "out of memory"}, "paper": {"reason": "out of memory"}}


def test_a_model_that_cannot_be_loaded_has_rows_with_the_reason(tmp_path):
    rows = measure(Case(str(tmp_path), arms=arms("paper")), 1)["arms"]
    assert rows["baseline"]["reason"] == rows["paper"]["reason"]
    assert "model_index.json" in rows["paper"]["reason"]


@pytest.mark.parametrize(("mode", "options"), [("regional", {"dynamic": True}), ("full", {"mode": None})])
def test_the_network_is_compiled_after_flops_were_counted(narrow_architectures, monkeypatch, mode, options):
    """With a compiler that compiles nothing, since a real one takes minutes."""
    done = []
    method = {"regional": "compile_repeated_blocks", "full": "compile"}[mode]
    count = measuring.count_flops
    monkeypatch.setattr(measuring, "count_flops", lambda *args: done.append("flops") or count(*args))
    network = type(toys.unet())
    monkeypatch.setattr(network, method, lambda self, **kwargs: done.append(kwargs))
    rows = measure(case("sd15", **SMALL, mode=mode, arms=arms("uniform:2")), 1)["arms"]
    assert done == ["flops", "flops", options]
    assert all(len(row["call"]) == 1 for row in rows.values())
    assert rows["baseline"]["peak_memory_bytes"] is None  # compiling would take more than sampling


def test_stages_are_compiled_one_by_one(narrow_architectures, monkeypatch):
    compiled = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda self, **_: compiled.append(type(self).__name__))
    measure(case("sd15", **SMALL, mode="stages", arms=arms("uniform:2")), 1)
    assert compiled[0] == "Conv2d"
    assert any("DownBlock" in name for name in compiled)
    assert any("UpBlock" in name for name in compiled)
    assert "UNet2DConditionModel" not in compiled


@pytest.mark.parametrize(
    ("mode", "options"), [("stages", {"mode": None}), ("stage-graphs", {"mode": "reduce-overhead"})]
)
def test_stages_with_graphs_run_in_marked_steps(narrow_architectures, monkeypatch, mode, options):
    compiled, marks = [], []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda self, **given: compiled.append(given))
    monkeypatch.setattr(torch.compiler, "cudagraph_mark_step_begin", lambda: marks.append(1))
    prepared = prepare(case("sd15", **SMALL))
    measuring.set_mode(prepared, mode)
    assert len(compiled) > 2
    assert all(given == options for given in compiled)
    prepared.sample(4)
    assert len(marks) == (4 if mode == "stage-graphs" else 0)  # one before every call of the network


def test_channels_can_be_laid_out_last(narrow_architectures, monkeypatch):
    laid_out = []
    network = type(toys.unet())
    monkeypatch.setattr(network, "to", lambda self, *args, **kwargs: laid_out.append(kwargs) or self)
    rows = measure(case("sd15", **SMALL, mode="channels-last", arms=arms("uniform:2")), 1)["arms"]
    assert {"memory_format": torch.channels_last} in laid_out
    assert all(len(row["call"]) == 1 for row in rows.values())
