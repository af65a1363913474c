"""What the tables mean for a user, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...measuring.verdicts import beyond_chance, chance, fewest
from ..line_up import BASELINE, FEWER_STEPS, KEY_STEPS, THIRD_PARTY
from ..results import ArmResult, Evaluation
from .tables import COSTS, SHARED, Table, cell, cost_key, fraction, least

_IDENTICAL = 100.0  # dB that equal images, whose PSNR is infinite, count for beside others


def sentences(evaluation: Evaluation, table: Table) -> list[str]:
    """What a table says to someone who wants to choose an arm."""
    keys = [key for key in table.keys if key not in COSTS]
    if keys and evaluation.columns[keys[0]].reference is not None:
        return list(_against_others(evaluation, keys[0]))
    return [sentence for key in keys for sentence in _by_themselves(evaluation, key)]


def not_measured(evaluation: Evaluation) -> list[str]:
    """What the tables lack, and why."""
    columns = [f"{column.title}: {column.missing}." for column in evaluation.columns.values() if column.missing]
    few: dict[int, list[str]] = {}
    for key, column in evaluation.columns.items():
        if not column.missing and len(evaluation.prompts) < least(evaluation, key):
            few.setdefault(least(evaluation, key), []).append(column.title)
    noise = [
        f"{', '.join(titles)}: mostly noise with {len(evaluation.prompts)} images; from {count} on they are shown "
        "(results.json has them)."
        for count, titles in few.items()
    ]
    return columns + noise + [f"{arm.name}: {arm.failed}" for arm in evaluation.arms if arm.failed]


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
        yield from _compared(evaluation, key, arms, kind, called)


def _compared(evaluation: Evaluation, key: str, arms: Sequence[ArmResult], kind: str, called: str) -> Iterator[str]:
    """How arms with key steps stand against the best of another kind that costs no more, as far as it can be told."""
    costs = f"{called} that cost no more"
    pairs = []
    for arm in (arm for arm in arms if arm.kind == KEY_STEPS):
        own = fraction(evaluation, arm)
        as_cheap = [other for other in arms if other.kind == kind and fraction(evaluation, other) <= own]
        if as_cheap:
            pairs.append((arm, _best(evaluation, key, as_cheap)))
    told = beyond_chance([_chance(key, *pair) for pair in pairs])
    won, lost, open_ = [], [], []
    for (arm, other), sure in zip(pairs, told, strict=True):
        if not sure:
            open_.append(arm.name)
        elif _best(evaluation, key, [other, arm]) is arm:
            won.append(arm.name)
        else:
            lost.append(f"{_with_cost(evaluation, key, arm)} to {_with_cost(evaluation, key, other)}")
    if lost:
        yield f"Key steps lose to {costs} (in fractions of {SHARED[str(cost_key(evaluation))]}): {'; '.join(lost)}."
    if won:
        yield f"Key steps stay nearer than {costs}: {', '.join(won)}."
    if open_:
        yield f"Not to be told from {costs}, on {_prompts(evaluation, len(pairs))}: {', '.join(open_)}."


def _by_themselves(evaluation: Evaluation, key: str) -> Iterator[str]:
    """Which arms differ from the baseline by more than chance, over the same prompts."""
    column, base = evaluation.columns[key], evaluation.arm(BASELINE.name)
    others = [arm for arm in evaluation.arms if key in arm.values and arm is not base]
    if not base.values[key].each or not others:
        return
    told = beyond_chance([_chance(key, arm, base) for arm in others])
    apart = [f"{arm.name} ({_text(evaluation, key, arm)})" for arm, sure in zip(others, told, strict=True) if sure]
    which = f"these arms differ from the baseline by more than chance: {', '.join(apart)}"
    none = f"no arm can be told from the baseline, on {_prompts(evaluation, len(others))}"
    yield f"{column.name[0].upper()}{column.name[1:]}: {which if apart else none}."


def _chance(key: str, arm: ArmResult, other: ArmResult) -> float:
    """How often chance makes two arms differ as much; of figures of all images at once, by their intervals."""
    own, others = arm.values[key], other.values[key]
    if own.each and others.each:
        pairs = zip(own.each, others.each, strict=True)
        return chance([min(a, _IDENTICAL) - min(b, _IDENTICAL) for a, b in pairs])
    if own.interval is None or others.interval is None:
        return 1.0
    return float(own.interval[0] <= others.interval[1] and others.interval[0] <= own.interval[1])


def _prompts(evaluation: Evaluation, comparisons: int) -> str:
    count, least = len(evaluation.prompts), fewest(comparisons)
    some = f"{count} prompt{'s' * (count != 1)}"
    return some if count >= least else f"{some}, too few for any difference to tell; {least} are the least"


def _best(evaluation: Evaluation, key: str, arms: Sequence[ArmResult]) -> ArmResult:
    """The first of the arms with the best figure."""
    sign = 1 if evaluation.columns[key].higher_is_better else -1
    return max(arms, key=lambda arm: sign * arm.values[key].value)


def _with_cost(evaluation: Evaluation, key: str, arm: ArmResult) -> str:
    return f"{arm.name} ({_text(evaluation, key, arm)} in {fraction(evaluation, arm):.2f})"


def _text(evaluation: Evaluation, key: str, arm: ArmResult) -> str:
    return cell(evaluation, key, arm).figure
