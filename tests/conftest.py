"""Settings for every test: nothing is fetched from a hub, and libraries keep their advice to themselves."""

import os

# Before any import of the libraries, which read them once.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ["DIFFUSERS_VERBOSITY"] = "error"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"

import pytest

from specimens.rows import KINDS, QUICK
from specimens.rows.common import Row


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of the table's pipelines one for each kind of network runs by default, in most tests a few of those."""
    for item in items:
        row = getattr(item, "callspec", None) and item.callspec.params.get("row")
        if isinstance(row, Row) and row.name not in (KINDS if item.path.stem == "test_matrix" else QUICK):
            item.add_marker(pytest.mark.slow)
