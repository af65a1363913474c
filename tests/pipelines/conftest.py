"""Every row of the table, and its pipeline."""

import pytest

from specimens.rows import ROWS


@pytest.fixture(scope="module", params=ROWS, ids=lambda row: row.name)
def row(request):
    return request.param


@pytest.fixture(scope="module")
def pipe(row):
    return row.pipe()
