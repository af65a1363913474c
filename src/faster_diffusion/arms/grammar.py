"""Arms as text: what ``Arm.parse`` reads and ``Arm.spec`` writes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ..measuring.baseline import BASELINE, FORMERLY
from ..models import schedulers
from ..options.config import PropagationConfig
from ..options.correction import Correction
from ..options.forecast import Forecast
from ..options.gate import Gate
from ..options.key_steps import PRESETS, KeySteps
from ..options.prior_noise import PriorNoise
from ..options.profile import Profile
from ..options.reuse import Reuse
from .third_party import METHODS, DeepCache, Method, TGate, ToMe

_PLANS = ("reuse", "forecast", "gate", "guidance", "correction")  # in the order of PropagationConfig's fields
_JOIN = re.compile(r"(?<!\+)\+(?!\+)")  # not the pluses of dpm++


def parse(spec: str) -> dict[str, Any]:
    """The fields of an arm, from its text.

    Raises:
        ValueError: a part is not understood, or does not go with another.
    """
    parts = [part.strip() for part in _JOIN.split(spec)]
    if not all(parts):
        raise ValueError(f"Arm {spec!r} has an empty part. {HELP}")
    alone = next((name for name in (BASELINE, FORMERLY) if name in parts), None)
    if parts == [alone]:
        return {}
    if len(parts) == 1 and parts[0].lower().startswith("profile:"):
        return of_profile(parts[0].partition(":")[2].strip())
    if alone is not None:
        raise ValueError(f"Arm {spec!r}: {alone} stands alone; leave it out, or leave out the rest.")
    read: dict[str, Any] = {}
    for part in parts:
        kind, value = _part(part)
        if kind in read:
            raise ValueError(f"Arm {spec!r} says its {kind} twice; leave one out.")
        read[kind] = value
    solver, steps = read.get("number of steps", (None, None))
    third_party = tuple(read[name] for name in METHODS if name in read)
    propagation = _propagation(spec, read)
    _check_together(spec, propagation, third_party)
    return {"solver": solver, "step_count": steps, "propagation": propagation, "third_party": third_party}


def of_profile(path: str) -> dict[str, Any]:
    """The fields of the arm of a profile."""
    if not path:
        raise ValueError("Arm part 'profile:' lacks its file, as in profile:fastest-at-35dB.json.")
    profile = Profile.load(path)
    return {"step_count": profile.steps, "propagation": profile.config, "profile": path}


def text(
    solver: str | None, steps: int | None, propagation: PropagationConfig | None, third_party: Sequence[Method]
) -> str:
    """The canonical text of an arm with these fields."""
    parts: list[str] = [] if steps is None else [f"{solver or 'steps'}:{steps}"]
    if propagation is not None:
        parts.append(str(propagation.key_steps))
        if propagation.reuse != Reuse():
            parts.append(str(propagation.reuse))
        forecast = propagation.forecast
        if forecast.order:
            parts.append(f"forecast:{forecast.order}" + (f":{forecast.damping:g}" if forecast.damping != 1 else ""))
        gate = propagation.gate
        if gate is not None:
            parts.append(f"gate:{gate.tolerance:g}" + (f":{gate.longest}" if gate.longest != Gate.longest else ""))
        if propagation.guidance_until is not None:
            parts.append(f"guidance:{propagation.guidance_until:g}")
        correction = propagation.correction
        if correction is not None:
            parts.append(f"corrected:{correction.source or 'not saved'}")
        if propagation.parallel is not True:
            parts.append("sequential" if propagation.group_limit == 1 else f"parallel:{propagation.parallel}")
        noise = propagation.prior_noise
        if isinstance(noise, PriorNoise):
            parts.append("noise" if noise == PriorNoise() else f"noise:{noise.alpha:g}")
        elif noise:
            parts.append("noise:auto")
    return " + ".join([*parts, *map(str, third_party)]) or BASELINE


def _part(part: str) -> tuple[str, Any]:
    """What kind of thing a part says, and what it says."""
    name, _, argument = part.partition(":")
    if name.strip().lower() == "corrected":
        return "correction", _correction(part, argument.strip())
    name, arguments = name.strip().lower(), [value.strip() for value in argument.split(":")] if argument else []
    if name == "steps" or (schedulers.is_known(name) and arguments):
        return "number of steps", (None if name == "steps" else name, _number(part, arguments))
    if name == "profile":
        raise ValueError(f"Arm part {part!r} stands alone: a profile says all there is to say; leave out the rest.")
    if schedulers.is_known(name) and name not in PRESETS:
        raise ValueError(f"Arm part {part!r} lacks its number of steps, as in {name}:20.")
    if name == "sequential" and not arguments:
        return "way of decoding", False
    if name == "parallel":
        return "way of decoding", _number(part, arguments) if arguments else True
    if name in ("encoder", "decoder", "deep", "layers", "output"):
        return "reuse", Reuse.parse(part.lower())
    if name == "forecast":
        return "forecast", _forecast(part, arguments)
    if name == "gate":
        longest = (_number(part, arguments[1:]),) if len(arguments) > 1 else ()
        return "gate", Gate(_fraction(part, arguments[:1]), *longest)
    if name == "guidance":
        return "guidance", _fraction(part, arguments)
    if name == "noise" and arguments == ["auto"]:  # as fd.enable has it by default
        return "noise", True
    if name == "noise":
        return "noise", PriorNoise(_fraction(part, arguments)) if arguments else PriorNoise()
    if name in METHODS:
        return name, _method(part, name, arguments)
    try:
        return "key steps", KeySteps.parse(part)
    except ValueError:
        raise ValueError(f"Arm part {part!r} is not understood. {HELP}") from None


def _forecast(part: str, arguments: list[str]) -> Forecast:
    damping = {"damping": _fraction(part, arguments[1:])} if len(arguments) > 1 else {}
    return Forecast(_number(part, arguments[:1]), **damping)


def _correction(part: str, path: str) -> Correction:
    """That of a profile."""
    if not path:
        raise ValueError(f"Arm part {part!r} lacks the profile that has the correction, as in corrected:fitted.json.")
    correction = Profile.load(path).config.correction
    if correction is None:
        raise ValueError(f"Arm part {part!r}: that profile has no correction; fd.fit makes one that has.")
    return replace(correction, source=path)


def _method(part: str, name: str, arguments: list[str]) -> Method:
    if name == "deepcache" and 1 <= len(arguments) <= 2:
        return DeepCache(*(_number(part, [value], least) for value, least in zip(arguments, (1, 0), strict=False)))
    if name == "tgate":
        return TGate(_number(part, arguments))
    return ToMe(_fraction(part, arguments[:1]), *(_number(part, [value]) for value in arguments[1:2]))


def _propagation(spec: str, read: dict[str, Any]) -> PropagationConfig | None:
    if "key steps" not in read:
        alone = next((kind for kind in ("way of decoding", "noise", *_PLANS) if kind in read), None)
        if alone is not None:
            raise ValueError(f"Arm {spec!r} has no key steps, without which its {alone} means nothing: add paper, say.")
        return None
    return PropagationConfig(
        read["key steps"],
        read.get("way of decoding", True),
        read.get("noise"),
        read.get("reuse", Reuse()),
        *(read.get(kind) for kind in _PLANS[1:]),
    )


def _check_together(spec: str, propagation: PropagationConfig | None, third_party: Sequence[Method]) -> None:
    names = [method.name for method in third_party]
    if "tgate" in names and (propagation is not None or "deepcache" in names):
        raise ValueError(f"Arm {spec!r}: T-GATE goes with neither key steps nor DeepCache; leave one out.")
    if "deepcache" in names and propagation is not None and propagation.group_limit != 1:
        raise ValueError(f"Arm {spec!r}: DeepCache counts steps one by one; add sequential.")


def _number(part: str, arguments: list[str], least: int = 1) -> int:
    if len(arguments) == 1 and arguments[0].isdecimal() and int(arguments[0]) >= least:
        return int(arguments[0])
    raise ValueError(f"Arm part {part!r} needs a whole number of at least {least}. {HELP}")


def _fraction(part: str, arguments: list[str]) -> float:
    try:
        (value,) = map(float, arguments)
    except ValueError:
        raise ValueError(f"Arm part {part!r} needs one number. {HELP}") from None
    return value


HELP = (
    "Join by +: baseline; steps:N or a solver with its steps (dpm++:20); key steps (paper, uniform:4, progressive, "
    "all, 0,1,2,5) with output, decoder:N or deep:N, forecast:1 or forecast:2:0.8, gate:0.05, guidance:0.7, "
    "corrected:fitted.json, sequential, parallel:N, noise, noise:0.003 or noise:auto; deepcache:5, tome:0.5, tgate:10; "
    "or alone, profile:FILE."
)
