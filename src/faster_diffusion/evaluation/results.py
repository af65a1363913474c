"""What an evaluation found, as plain data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..generation.prompts import Prompt
from ..measuring.baseline import BASELINE, FORMERLY, current, current_names
from .metrics import Value

_KINDS = {FORMERLY: BASELINE, "other method": "third-party method"}  # as earlier versions wrote them

EQUAL = "identical"  # how an infinite figure is written: JSON has no infinity


@dataclass(frozen=True)
class Column:
    """A metric as it was measured: against one of the references, if it compares."""

    metric: str  # its key
    name: str
    unit: str
    higher_is_better: bool
    form: str
    repeats: bool  # the same in every run; times are not
    reference: str | None = None
    missing: str | None = None  # why no arm has it

    @property
    def title(self) -> str:
        """As a table's heading has it."""
        return f"{self.name} to {self.reference}" if self.reference else self.name


@dataclass(frozen=True)
class ArmResult:
    """One way of sampling, and its figures by column."""

    name: str
    spec: str
    kind: str  # what it does, see `contest`
    failed: str | None  # why it generated nothing
    values: Mapping[str, Value]


@dataclass(frozen=True)
class Evaluation:
    """Everything that was measured. Reads and writes `results.json`."""

    model: Mapping[str, Any]
    settings: Mapping[str, Any]
    machine: Mapping[str, Any]
    judges: Mapping[str, str | None]  # feature extractor, CLIP, real images
    prompts: tuple[Prompt, ...]
    columns: Mapping[str, Column]
    arms: tuple[ArmResult, ...]

    def arm(self, name: str) -> ArmResult:
        """The arm of a name."""
        return next(arm for arm in self.arms if arm.name == name)

    def to_dict(self) -> dict[str, Any]:
        """As JSON. What repeats in every run is under "metrics", what does not under "times"."""
        return {
            "model": dict(self.model),
            "settings": dict(self.settings),
            "machine": dict(self.machine),
            "judges": dict(self.judges),
            "prompts": [prompt.to_dict() for prompt in self.prompts],
            "columns": {key: asdict(column) for key, column in self.columns.items()},
            "arms": {arm.name: self._arm(arm) for arm in self.arms},
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Evaluation:
        """The inverse of `to_dict`; reads what earlier versions wrote too."""
        names = current_names({name: arm["spec"] for name, arm in content["arms"].items()})
        return cls(
            **{name: content[name] for name in ("model", "settings", "machine", "judges")},
            prompts=tuple(map(Prompt.from_dict, content["prompts"])),
            columns={
                key: Column(**{**column, "reference": names.get(column["reference"], column["reference"])})
                for key, column in content["columns"].items()
            },
            arms=tuple(
                ArmResult(
                    names[name],
                    current(arm["spec"]),
                    _KINDS.get(arm["kind"], arm["kind"]),
                    arm["failed"],
                    {key: _value(value) for key, value in {**arm["metrics"], **arm["times"]}.items()},
                )
                for name, arm in content["arms"].items()
            ),
        )

    @classmethod
    def read(cls, path: Path) -> Evaluation:
        """From a `results.json`."""
        return cls.from_dict(json.loads(path.read_text(encoding="utf-8")))

    def _arm(self, arm: ArmResult) -> dict[str, Any]:
        def values(repeats: bool) -> dict[str, Any]:
            wanted = {key: value for key, value in arm.values.items() if self.columns[key].repeats is repeats}
            return {key: _json(asdict(value)) for key, value in wanted.items()}

        return {
            "spec": arm.spec,
            "kind": arm.kind,
            "failed": arm.failed,
            "metrics": values(repeats=True),
            "times": values(repeats=False),
        }


def _json(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _json(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [_json(value) for value in content]
    return EQUAL if content == float("inf") else content


def _value(content: Mapping[str, Any]) -> Value:
    def number(value: Any) -> float:
        return float("inf") if value == EQUAL else value

    interval = content["interval"]
    return Value(
        number(content["value"]),
        None if interval is None else (number(interval[0]), number(interval[1])),
        tuple(map(number, content["each"])),
    )
