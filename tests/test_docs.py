"""The documentation says what was measured: every table in it is made from the raw results in the repository."""

import json
import re
from pathlib import Path

import pytest

from faster_diffusion.models.schedulers import SOLVERS
from faster_diffusion.options.key_steps import KeySteps
from reproduce import figures
from specimens.rows import ROWS

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("page", figures.PAGES, ids=lambda page: page.name)
def test_every_table_is_made_from_the_raw_results(page):
    text = page.read_text()
    assert "<!-- table " in text
    assert figures.filled(text) == text


def test_every_raw_result_is_shown():
    text = "".join(page.read_text() for page in figures.PAGES)
    names = {"flops", "speed", "fidelity", "pipelines", "key_steps", "compiled", "corrections", "forecasts", "parts"}
    for name in names:
        assert f"<!-- table {name} -->" in text
    assert {path.stem.partition("-")[0] for path in figures.RESULTS.glob("*.json")} <= names


def test_every_pipeline_of_the_tests_is_in_the_table():
    measured = json.loads((figures.RESULTS / "pipelines.json").read_text())
    assert [row["row"] for row in measured] == [row.name for row in ROWS]


def test_the_paper_plan_is_as_described():
    assert len(KeySteps.parse("paper").orders(50)) == 9
    assert len(KeySteps.parse("paper").orders(20)) == 7


def test_every_scheduler_is_listed():
    for name in SOLVERS:
        assert re.search(rf"[ ,]{re.escape(name)}[ ,.]", (ROOT / "docs" / "cli.md").read_text()), name


def test_the_readme_fits_a_person_in_a_hurry():
    assert len((ROOT / "README.md").read_text().splitlines()) < 150
