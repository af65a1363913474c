"""What depends on the kind of network alone is shown once for each kind, not for every pipeline."""

import pytest

from specimens.rows import KINDS, ROWS

for_each_kind = pytest.mark.parametrize(
    "row", [row for row in ROWS if row.name in KINDS], ids=lambda row: row.name, indirect=True
)
