"""The benchmark scripts on models that take milliseconds."""

import pytest

from benchmarks import figures, flops


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
