"""What the tables mean for a user, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...measuring.intervals import bootstrap
from ..line_up import BASELINE, FEWER_STEPS, KEY_STEPS, THIRD_PARTY
from ..results import ArmResult, Evaluation
from .tables import COSTS, SHARED, Table, cell, cost_key, fraction


def sentences(evaluation: Evaluation, table: Table) -> list[str]:
    """What a table says to someone who wants to choose an arm."""
    keys = [key for key in table.keys if key not in COSTS]
    if keys and evaluation.columns[keys[0]].reference is not None:
        return list(_against_others(evaluation, keys[0]))
    return [sentence for key in keys for sentence in _by_themselves(evaluation, key)]


def not_measured(evaluation: Evaluation) -> list[str]:
    """What the tables lack, and why."""
    columns = [f"{column.title}: {column.missing}." for column in evaluation.columns.values() if column.missing]
    return columns + [f"{arm.name}: {arm.failed}" for arm in evaluation.arms if arm.failed]


def _against_others(evaluation: Evaluation, key: str) -> Iterator[str]:
    """Which arm is nearest to a reference at which cost, and how arms with key steps stand against the others."""
    column, cost = evaluation.columns[key], cost_key(evaluation)
    if cost is None:
        return
    arms = [arm for arm in evaluation.arms if key in arm.values and arm.name != column.reference]
    cheaper = [arm for arm in arms if fraction(evaluation, arm) < 1]
    if not cheaper:
        return
    nearest = _best(evaluation, key, cheaper)
    cost_of_it = f"{fraction(evaluation, nearest):.2f} of {SHARED[cost]}"
    yield (
        f"Of the arms that cost less than the baseline, {nearest.name} is nearest to {column.reference} "
        f"({column.name} {_text(evaluation, key, nearest)}), with {cost_of_it}."
    )
    for kind, called in ((FEWER_STEPS, "fewer steps"), (THIRD_PARTY, "third-party methods")):
        won, lost = [], []
        for arm in (arm for arm in arms if arm.kind == KEY_STEPS):
            own = fraction(evaluation, arm)
            as_cheap = [other for other in arms if other.kind == kind and fraction(evaluation, other) <= own]
            if not as_cheap:
                continue
            best = _best(evaluation, key, [*as_cheap, arm])  # the arm itself only if it is nearer than all of them
            if best is arm:
                won.append(arm.name)
            else:
                lost.append(f"{_with_cost(evaluation, key, arm)} to {_with_cost(evaluation, key, best)}")
        if lost:
            yield f"Key steps lose to {called} that cost no more (in fractions of {SHARED[cost]}): {'; '.join(lost)}."
        if won:
            yield f"Key steps stay nearer than {called} that cost no more: {', '.join(won)}."


def _by_themselves(evaluation: Evaluation, key: str) -> Iterator[str]:
    """Which arms differ from the baseline by more than chance, over the same prompts."""
    column, base = evaluation.columns[key], evaluation.arm(BASELINE.name)
    if not base.values[key].each:
        return
    apart = []
    for arm in (arm for arm in evaluation.arms if key in arm.values and arm is not base):
        pairs = zip(arm.values[key].each, base.values[key].each, strict=True)
        interval = bootstrap([own - others for own, others in pairs])
        if interval and not interval[0] <= 0 <= interval[1]:
            apart.append(f"{arm.name} ({_text(evaluation, key, arm)})")
    which = f"these arms differ from the baseline by more than chance: {', '.join(apart)}"
    none = "no arm differs from the baseline by more than chance"
    yield f"{column.name[0].upper()}{column.name[1:]}: {which if apart else none}."


def _best(evaluation: Evaluation, key: str, arms: Sequence[ArmResult]) -> ArmResult:
    """The first of the arms with the best figure."""
    sign = 1 if evaluation.columns[key].higher_is_better else -1
    return max(arms, key=lambda arm: sign * arm.values[key].value)


def _with_cost(evaluation: Evaluation, key: str, arm: ArmResult) -> str:
    return f"{arm.name} ({_text(evaluation, key, arm)} in {fraction(evaluation, arm):.2f})"


def _text(evaluation: Evaluation, key: str, arm: ArmResult) -> str:
    return cell(evaluation, key, arm).figure
