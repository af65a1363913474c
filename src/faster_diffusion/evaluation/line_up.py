"""Which arms are seen beside each other."""

from __future__ import annotations

from collections.abc import Sequence

from ..arms import Arm

BASELINE = Arm()

_FRACTIONS = {"steps": (0.5,), "dpm++": (0.4, 0.2), "dpm++-karras": (0.4, 0.2), "unipc-karras": (0.4,)}  # of all steps

# What an arm does
AS_IT_IS = "baseline"
FEWER_STEPS = "fewer steps"  # or as many of another solver
KEY_STEPS = "key steps"
THIRD_PARTY = "third-party method"


def default_arms(steps: int) -> list[str]:
    """What is judged beside a run of ``steps`` unless it is said: the paper's plan, a plainer one, and fewer steps."""
    fewer = [
        f"{solver}:{round(fraction * steps)}"
        for solver, fractions in _FRACTIONS.items()
        for fraction in fractions
        if 1 <= round(fraction * steps) < steps
    ]
    return ["baseline", "paper", "paper + noise", "uniform:4", *dict.fromkeys(fewer)]


def line_up(arms: Sequence[Arm | str], references: Sequence[str] = ()) -> list[Arm]:
    """The arms, the baseline first, which all others are compared with.

    Raises:
        ValueError: two have one name, or a reference is none of them.
    """
    parsed = [Arm.parse(arm) if isinstance(arm, str) else arm for arm in arms]
    contest = [BASELINE, *(arm for arm in parsed if arm != BASELINE)]
    names = [arm.name for arm in contest]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"Two arms are called {twice!r}.")
    unknown = next((name for name in references if name not in names), None)
    if unknown is not None:
        raise ValueError(f"No arm is called {unknown!r}, which others are to be compared with: {', '.join(names)}.")
    return contest


def kind_of(arm: Arm) -> str:
    """What an arm does to the pipeline."""
    if arm.third_party:
        return THIRD_PARTY
    if arm.propagation is not None:
        return KEY_STEPS
    return AS_IT_IS if arm == BASELINE else FEWER_STEPS
