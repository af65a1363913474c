"""Puts the measured tables into the documentation.

    python -m benchmarks.figures

A page asks for a table by a pair of comments, `<!-- table speed-sd15-cpu -->` and `<!-- end -->`; what stands between
them is made from benchmarks/results/speed-sd15-cpu.json. `fidelity:ddim 50|dpm++ 20` is these rows of fidelity.json.
"""

import json
import re
from pathlib import Path

from benchmarks import fidelity, flops, speed

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
PAGES = (ROOT / "README.md", ROOT / "docs" / "benchmarks.md")
_TABLE = re.compile(r"<!-- table (?P<name>[^\n]+) -->\n.*?<!-- end -->", re.DOTALL)


def main() -> None:
    for page in PAGES:
        page.write_text(filled(page.read_text()))


def filled(text: str) -> str:
    """A page's text with every table made anew."""
    return _TABLE.sub(lambda match: f"<!-- table {match['name']} -->\n\n{table(match['name'])}\n\n<!-- end -->", text)


def table(spec: str) -> str:
    """The table that a page asks for, as Markdown."""
    name, _, rows = spec.partition(":")
    report = json.loads((RESULTS / f"{name}.json").read_text())
    if name == "fidelity":
        return fidelity.table(report, rows.split("|") if rows else None)
    return flops.table(report) if name == "flops" else speed.table(report)


if __name__ == "__main__":
    main()
