"""Reports as tables."""

from __future__ import annotations

from typing import Any

from ..measuring import tables
from ..measuring.timing import Timings
from .cases import Case

COLUMNS = (
    "arm",
    "network, seconds (min-max)",
    "whole call, seconds (min-max)",
    "network time ratio",
    "FLOP ratio",
    "speed-up network / call",
    "peak memory",
)


def rows(report: dict[str, Any]) -> list[list[str]]:
    """An entry a column for every arm; an arm that cannot be used has two: its name and the reason."""
    return [_row(arm, values) for arm, values in report["arms"].items()]


def markdown(report: dict[str, Any]) -> str:
    """A report's table."""
    return tables.markdown(COLUMNS, ([*row, *[""] * (len(COLUMNS) - len(row))] for row in rows(report)))


def caption(report: dict[str, Any]) -> str:
    """How a report was measured, in a line."""
    facts = [(key.replace("_", " "), value) for key, value in report["case"].items() if key not in ("arms", "vae")]
    shown = [f"{key} {_shown(value)}" for key, value in facts if value]
    if "vae" in report["case"]:
        shown.append(Case.from_dict(report["case"]).whole_call)
    rounds = max((len(values.get("call", ())) for values in report["arms"].values()), default=0)
    return f"{', '.join(shown)}; {rounds} rounds; {whereabouts(report['machine'])}"


def whereabouts(machine: dict[str, Any]) -> str:
    """A machine and its versions, in a line."""
    hardware = machine["gpu"] or f"{machine['processor']}, {machine['torch_threads']} threads"
    return f"{hardware}; torch {machine['torch']}, diffusers {machine['diffusers']}."


def _row(arm: str, values: dict[str, Any]) -> list[str]:
    if "reason" in values:
        return [arm, f"not measured: {values['reason']}"]
    times = Timings(values["unet"], values["call"])
    return [
        arm,
        f"{times.unet_seconds:.3f} ({min(times.unet):.3f}-{max(times.unet):.3f})",
        f"{times.call_seconds:.3f} ({min(times.call):.3f}-{max(times.call):.3f})",
        *_ratios(values),
        _memory(values["peak_memory_bytes"]),
    ]


def _ratios(values: dict[str, Any]) -> list[str]:
    if "unet_ratio" not in values:
        return ["-", "-", "-"]
    speed_up = f"{1 / values['unet_ratio']:.2f} / {1 / values['call_ratio']:.2f}"
    return [f"{values['unet_ratio']:.3f}", f"{values['flops_ratio']:.3f}", speed_up]


def _memory(peak: int | None) -> str:
    return "-" if peak is None else f"{peak / 2**20:,.0f} MiB"


def _shown(value: Any) -> str:
    return "x".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
