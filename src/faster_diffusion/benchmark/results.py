"""Reports on disk: a run that is killed loses nothing, and is gone on with when it is started again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..files import write_json
from ..measuring.baseline import current_names, current_specs
from .cases import Case

_CHANGES = ("load_average",)  # of a machine, without its being another


class Results:
    """The reports in a JSON file, ``{"reports": [...]}``; the file is written whole or not at all."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.reports: list[dict[str, Any]] = read_reports(path) if path.is_file() else []

    def find(self, case: Case, rounds: int, memory: bool, machine: dict[str, Any]) -> dict[str, Any] | None:
        """The report of a case that was measured with the same settings, on the same machine and versions."""
        same = {"case": case.to_dict(), "rounds": rounds, "memory": memory}
        for report in self.reports:
            if all(report.get(key) == value for key, value in same.items()) and _same(report["machine"], machine):
                return report
        return None

    def add(self, report: dict[str, Any]) -> None:
        """Keeps a report, in place of an older one of the same case."""
        self.reports = [other for other in self.reports if other["case"] != report["case"]]
        self.reports.append(report)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_json(self.path, {"reports": self.reports})


def read_reports(path: Path) -> list[dict[str, Any]]:
    """The reports of a file, which may hold a single one.

    Raises:
        ValueError: the file holds something else.
    """
    content = json.loads(path.read_text())
    reports = content.get("reports", [content] if "arms" in content else None) if isinstance(content, dict) else None
    if reports is None:
        raise ValueError(f"{path} holds no reports of a benchmark; name another file.")
    return [_current(report) for report in reports]


def _current(report: dict[str, Any]) -> dict[str, Any]:
    """A report that an earlier version may have written, with arms as they are called today."""
    specs = report["case"]["arms"]
    names = current_names(specs)
    arms = {names.get(name, name): values for name, values in report["arms"].items()}
    return {**report, "case": {**report["case"], "arms": current_specs(specs)}, "arms": arms}


def _same(machine: dict[str, Any], other: dict[str, Any]) -> bool:
    def lasting(facts: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in facts.items() if key not in _CHANGES}

    return lasting(machine) == lasting(other)
