"""The paper's tables on the embedded models: what a row compares, and that the page says what was measured."""

import pytest
import torch

from benchmarks import paper_tables
from benchmarks.paper_tables import ABLATIONS, ROWS, Row, Where
from faster_diffusion import demo, solvers
from faster_diffusion.evaluation import Evaluation
from tests.evaluation import tiny


def test_its_tables_are_made_from_the_raw_results():
    text = paper_tables.PAGE.read_text()
    assert paper_tables.filled(text) == text


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_a_row_compares_propagation_with_the_same_pipeline_without(row):
    plain, *others = row.arms(ABLATIONS)
    assert plain.name == (row.beside or "untouched")
    assert all(arm.propagation is not None and arm.peers == plain.peers for arm in others)
    assert row.solver is None or row.solver in solvers.SOLVERS
    assert len(row.models) == len(row.steps)


@pytest.mark.parametrize("name", ["canny", "custom", "dit"])
def test_prompts_of_a_row_are_as_many_as_wanted_and_the_same_each_time(name, tmp_path):
    row = ROWS[name]
    prompts = row.prompts(3, tmp_path / "starts")
    pictures = {path.name: path.read_bytes() for path in tmp_path.glob("starts/*.png")}
    assert len(prompts) == len({prompt.seed for prompt in prompts}) == 3
    assert row.prompts(3, tmp_path / "starts") == prompts
    assert {path.name: path.read_bytes() for path in tmp_path.glob("starts/*.png")} == pictures


def test_what_a_row_measures_is_shown_beside_what_the_paper_has(tmp_path, monkeypatch):
    monkeypatch.setattr(paper_tables, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(paper_tables, "ROWS", {"x": Row("A task", ("scenes",), (10,), "1.0 → 2.0", beside="tome:0.5")})
    monkeypatch.setattr(paper_tables, "FEW", 3)
    monkeypatch.setattr(Row, "pipes", lambda row: [tiny.pipeline()])
    for part, where in (("quality", Where(dtype=torch.bfloat16)), ("cost", Where())):
        paper_tables.measure("x", part, 3, tmp_path / "runs", where)
    found = Evaluation.read(tmp_path / "results" / "x-cost.json")
    assert [arm.name for arm in found.arms][:2] == ["untouched", "tome:0.5"]

    quality, cost = paper_tables.quality_table().splitlines(), paper_tables.cost_table().splitlines()
    assert [line.split(" | ")[2] for line in quality[2:]] == ["tome:0.5", "propagated", "propagated, with noise"]
    assert all(line.startswith("| A task | 3, bfloat16 |") and line.endswith("| 1.0 → 2.0 |") for line in quality[2:])
    assert cost[2].startswith("| A task | tome:0.5 | identical |")
    assert "propagated one by one" in cost[5]
    assert "dB" in cost[3]


def test_the_embedded_models_that_ship_are_in_it():
    used = {name for row in ROWS.values() for name in row.models}
    assert set(demo.available()) <= used
