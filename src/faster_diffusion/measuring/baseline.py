"""The arm that changes nothing: what it is called, and what earlier versions called it in their files."""

from __future__ import annotations

from collections.abc import Mapping

BASELINE = "baseline"
FORMERLY = "untouched"  # still understood as an arm


def current(text: str) -> str:
    """The text of an arm as it is today."""
    return BASELINE if text == FORMERLY else text


def current_names(specs: Mapping[str, str]) -> dict[str, str]:
    """What arms are called today, by their names in a file that says ``specs`` of them."""
    return {name: BASELINE if name == spec == FORMERLY else name for name, spec in specs.items()}


def current_specs(specs: Mapping[str, str]) -> dict[str, str]:
    """Names and texts of the arms in a file as they are today."""
    return {name: current(spec) for name, spec in zip(current_names(specs).values(), specs.values(), strict=True)}
