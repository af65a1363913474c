"""Tables and pictures of reports."""

import sys

import pytest
from PIL import Image

from faster_diffusion.benchmark import plots
from faster_diffusion.benchmark.cases import SWEPT_ARMS, case
from faster_diffusion.benchmark.report import COLUMNS, caption, markdown, rows
from faster_diffusion.measuring.machine import machine

ROW = {
    "unet": [2.0, 1.0, 4.0],
    "call": [3.0, 2.0, 5.0],
    "unet_median": 2.0,
    "call_median": 3.0,
    "flops": 10,
    "call_flops": 12,
    "flops_ratio": 0.7,
    "unet_ratio": 0.5,
    "call_ratio": 0.8,
    "peak_memory_bytes": 3 * 2**20,
}


def report(**options):
    one = case("sd15", **options)
    arms = {arm.name: ROW for arm in one.arms} | {"tome:0.5": {"reason": "it is Monday."}}
    return {"name": one.name, "case": one.to_dict(), "machine": machine(), "arms": arms}


def test_a_row_has_median_and_spread_ratios_speed_up_and_memory():
    assert rows(report())[0] == [
        "baseline", "2.000 (1.000-4.000)", "3.000 (2.000-5.000)", "0.500", "0.700", "2.00 / 1.25", "3 MiB",
    ]  # fmt: skip


def test_an_arm_that_was_not_measured_has_its_reason_in_the_table():
    line = next(line for line in markdown(report()).splitlines() if "tome:0.5" in line)
    assert line.startswith("| tome:0.5 | not measured: it is Monday. |")
    assert line.count("|") == len(COLUMNS) + 1


def test_without_a_base_there_are_no_ratios():
    alone = {name: value for name, value in ROW.items() if not name.endswith("ratio")}
    shown = rows({"arms": {"paper": {**alone, "peak_memory_bytes": None}}})
    assert shown[0][3:] == ["-", "-", "-", "-"]


def test_the_caption_says_how_and_where_and_whether_the_vae_is_in():
    text = caption(report(vae=False, batch=3))
    assert "model sd15" in text
    assert "batch 3" in text
    assert "size 512x512" in text
    assert "without VAE" in text
    assert "3 rounds" in text
    assert f"torch {machine()['torch']}" in text


def test_pictures_of_speed_and_of_what_was_swept(tmp_path):
    reports = [report(batch=batch, arms=SWEPT_ARMS) for batch in (1, 2, 4)]
    reports += [report(size=(side, side), arms=SWEPT_ARMS) for side in (256, 768)]  # with 512 pixels above, three
    reports += [report(steps=steps) for steps in range(2, 7)]
    paths = plots.draw(reports, tmp_path / "bench")
    assert [path.name for path in paths] == [
        "bench-speed.png",
        "bench-speed-2.png",
        "bench-sweep-1.png",
        "bench-sweep-2.png",
    ]
    for path in paths:
        assert min(Image.open(path).size) > 300


def test_a_report_in_which_nothing_could_be_measured_has_no_picture(tmp_path):
    failed = {**report(), "arms": {"baseline": {"reason": "out of memory"}}}
    assert plots.draw([failed], tmp_path / "bench") == []


def test_pictures_need_matplotlib_and_say_so(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"pip install 'faster-diffusion\[eval\]'"):
        plots.draw([report()], tmp_path / "bench")
