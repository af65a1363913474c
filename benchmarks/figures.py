"""Puts the measured tables into the documentation.

    python -m benchmarks.figures

A page asks for tables by a pair of comments, `<!-- table NAME -->` and `<!-- end -->`. NAME is flops, fidelity,
pipelines, or speed for all cases that were measured; what stands between the comments is made from benchmarks/results.
"""

import json
import re
from pathlib import Path
from typing import Any

from benchmarks import fidelity, flops, pipelines, speed

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
PAGES = (ROOT / "README.md", ROOT / "docs" / "benchmarks.md", ROOT / "docs" / "pipelines.md")
_TABLE = re.compile(r"<!-- table (?P<name>[^\n]+) -->\n.*?<!-- end -->", re.DOTALL)


def main() -> None:
    for page in PAGES:
        page.write_text(filled(page.read_text()))


def filled(text: str) -> str:
    """A page's text with every table made anew."""
    return _TABLE.sub(lambda match: f"<!-- table {match['name']} -->\n\n{table(match['name'])}\n\n<!-- end -->", text)


def table(name: str) -> str:
    """The tables that a page asks for, as Markdown; empty if nothing was measured."""
    make = {"flops": flops.table, "pipelines": pipelines.table, "fidelity": _fidelity, "speed": _speed}[name]
    return "\n\n".join(make(json.loads(path.read_text())) for path in sorted(RESULTS.glob(f"{name}*.json")))


def _fidelity(report: dict[str, Any]) -> str:
    return f"{report['prompts']} prompts, guidance {report['guidance']}; {_machine(report)}\n\n{fidelity.table(report)}"


def _speed(report: dict[str, Any]) -> str:
    case = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in report["case"].items() if value)
    rounds = len(report["arms"]["untouched"]["call"])
    return f"### {report['name']}\n\n{case}; {rounds} rounds; {_machine(report)}\n\n{speed.table(report)}"


def _machine(report: dict[str, Any]) -> str:
    machine = report["machine"]
    hardware = machine["gpu"] or f"{machine['processor']}, {machine['torch_threads']} threads"
    return f"{hardware}; torch {machine['torch']}, diffusers {machine['diffusers']}."


if __name__ == "__main__":
    main()
