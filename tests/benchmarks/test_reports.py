"""The benchmark scripts on models that take milliseconds."""

import json

import pytest

from benchmarks import fidelity, figures, flops, speed
from tests import toys


@pytest.fixture
def speed_report(monkeypatch):
    def toy(case):
        pipe = toys.stable_diffusion()
        return pipe, {**toys.prompt(case.batch), "num_inference_steps": case.steps, "guidance_scale": case.guidance}

    monkeypatch.setattr(speed, "_prepare", toy)
    case = speed.Case("toy", batch=2, steps=10)
    monkeypatch.setattr(speed, "_memory", lambda name, case, arm, sample: speed._peak_memory(case, arm))
    return speed.measure("toy", case, rounds=2)


def test_speed_tells_time_flops_and_memory_of_every_arm(speed_report):
    arms = speed_report["arms"]
    assert list(arms) == ["untouched", "idle", "sequential", "parallel"]
    assert arms["untouched"]["flops_ratio"] == arms["idle"]["flops_ratio"] == 1
    assert arms["sequential"]["flops_ratio"] == arms["parallel"]["flops_ratio"] < 1
    for arm in arms.values():
        assert len(arm["unet"]) == len(arm["call"]) == 2
        assert 0 < arm["unet_median"] < arm["call_median"]
        assert arm["peak_memory_bytes"] > 2**20
    assert arms["untouched"]["unet_ratio"] == 1
    assert speed_report["machine"]["torch_threads"] >= 1


def test_speed_report_survives_its_file_and_makes_a_row_an_arm(speed_report):
    table = speed.table(json.loads(json.dumps(speed_report)))
    assert [line.split(" | ")[0] for line in table.splitlines()[2:]] == [f"| {arm}" for arm in speed.ARMS]


def test_fidelity_compares_with_the_original_of_the_same_sampler():
    arms = (
        fidelity.Arm("ddim", 50),
        fidelity.Arm("ddim", 4),
        fidelity.Arm("ddim", 4, "all"),
        fidelity.Arm("ddim", 4, "0,2"),
    )
    report = fidelity.measure(2, 2, arms, converged=fidelity.Arm("ddim", 8))
    rows = report["arms"]
    assert rows["ddim 4"]["psnr_to_original"] is None
    assert rows["ddim 4, key steps all"]["psnr_to_original"] == float("inf")
    assert 0 < rows["ddim 4, key steps 0,2"]["psnr_to_original"] < 100
    assert rows["ddim 4, key steps 0,2"]["gflop_an_image"] < rows["ddim 4"]["gflop_an_image"]
    assert len(fidelity.table(report, ["ddim 4", "ddim 4, key steps 0,2"]).splitlines()) == 4


def test_flops_of_a_plan():
    report = {name: flops.measure(config, 8) for name, (config, _) in flops.MODELS.items()}
    row = report["Stable Diffusion 1.5, 512"]
    paper = row["plans"][0]
    assert paper["keys"] == 9
    assert paper["saved"] == pytest.approx(41 / 50 * row["encoder_share"])
    assert len(flops.table(report).splitlines()) == 2 + len(report)


def test_a_page_gets_its_tables():
    page = "before\n<!-- table flops -->\nold\n<!-- end -->\nafter"
    assert figures.filled(page) == f"before\n<!-- table flops -->\n\n{figures.table('flops')}\n\n<!-- end -->\nafter"
