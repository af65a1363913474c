"""What is searched: ways of sampling, as arms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from torch import nn

from ..arms import Arm
from ..options.reuse import Reuse


@dataclass(frozen=True)
class Space:
    """The ways of sampling that are tried; every combination that makes sense.

    Args:
        solvers: of ``solvers.SOLVERS``, for plans and for fewer steps.
        plain: more solvers of plain runs. What is found has to beat the strongest that one could take without this
            library, whatever solvers its plans are for.
        steps: of a plan, key steps and others.
        keys: how many of these are key.
        placements: where: ``uniform``, ``early`` (gaps that grow), ``measured`` (see `placement`).
        forecasts: that carry the prediction to the steps between: degree, and damping if it is damped.
        reuse: what plans reuse that run a part of the network at every step.
        gaps: between the key steps of these.
        gates: tolerances of gates that place key steps while sampling, in the longest of ``steps``.
        fewer: steps of plain runs, the baselines that plans have to beat.
        corrected: steps of runs that are corrected, see `fitting`, evenly spaced.
        fitted: prompts that these are fitted to, all generated at once: those that choose, with other seeds.
        placed: steps of runs that are corrected at optimised timesteps, see `steps`.
        placed_by: solvers of these, which have to take timesteps.
        guidance: fractions of the steps after which plain runs, and the best plans, compute the conditional half alone.
        beside: other baselines.
    """

    solvers: tuple[str, ...] = ("ddim-trailing", "unipc-trailing", "dpm++-karras")
    plain: tuple[str, ...] = ("dpm++-trailing", "unipc-trailing", "dpm++-karras", "unipc-karras")
    steps: tuple[int, ...] = (25, 50)
    keys: tuple[int, ...] = (4, 5, 6, 8, 10, 12, 15, 18)
    placements: tuple[str, ...] = ("uniform", "early", "measured")
    forecasts: tuple[str, ...] = ("1", "1:0.5", "1:0.25", "2")
    reuse: tuple[str, ...] = ("encoder", "decoder:2", "deep:1")
    gaps: tuple[int, ...] = (2, 4)
    gates: tuple[float, ...] = (0.02, 0.05, 0.1)
    fewer: tuple[int, ...] = (2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 28, 40)
    corrected: tuple[int, ...] = (4, 5, 6, 8, 10)
    fitted: int = 8
    placed: tuple[int, ...] = (2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 17, 20, 25, 30)
    placed_by: tuple[str, ...] = ("dpm++1-trailing",)
    guidance: tuple[float, ...] = (0.75,)
    beside: tuple[str, ...] = (
        "ddim:50 + paper",
        "dpm++:20 + paper",
        "ddim:50 + deepcache:3",
        "dpm++-trailing:20 + deepcache:2",
    )

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return asdict(self)

    @property
    def runs(self) -> list[tuple[str, int]]:
        """Solvers with the numbers of steps of plans."""
        return [(solver, steps) for solver in self.solvers for steps in self.steps]

    @property
    def corrected_runs(self) -> list[tuple[str, int, bool]]:
        """Solvers with few steps, to be corrected, and whether at optimised timesteps."""
        even = [(solver, steps, False) for solver in self.solvers for steps in self.corrected]
        return even + [(solver, steps, True) for solver in self.placed_by for steps in self.placed]

    @property
    def short_runs(self) -> list[tuple[str, int]]:
        """Solvers with few steps, which are tried without the unconditional half too."""
        return [(solver, steps) for solver in self.plain_solvers for steps in self.fewer] if self.guidance else []

    @property
    def plain_solvers(self) -> list[str]:
        """Those of plain runs."""
        return list(dict.fromkeys((*self.solvers, *self.plain)))

    def baselines(self, own: bool = True) -> list[Arm]:
        """What plans have to beat: fewer steps of each solver, the paper's plan, other methods.

        Args:
            own: whether the pipeline's own solver is none of these.
        """
        solvers = ["steps"] * own + self.plain_solvers
        plain = [f"{solver}:{steps}" for solver in solvers for steps in self.fewer]
        return [Arm.parse(spec) for spec in (*plain, *self.beside)]

    def budgets(self, steps: int) -> list[int]:
        """Numbers of key steps that leave something to save in a run of ``steps``."""
        return [keys for keys in self.keys if keys <= 0.7 * steps]

    def fitting(self, network: nn.Module) -> list[str]:
        """What of ``reuse`` a network has the parts for."""
        return [reuse for reuse in self.reuse if _fits(reuse, network)]

    def plans(self, network: nn.Module, placed: Mapping[tuple[str, int], Mapping[int, Sequence[int]]]) -> list[Arm]:
        """All plans for a network.

        Args:
            placed: solver and steps -> number of keys -> where they are best, as far as that is known.
        """
        fitting = self.fitting(network)
        specs = [
            spec for run in self.runs for spec in (*self._output(*run, placed.get(run, {})), *self._part(*run, fitting))
        ]
        specs += [
            f"{solver}:{max(self.steps)} + 0, + output + forecast:1 + gate:{gate:g}"
            for solver in self.solvers
            for gate in self.gates
        ]
        short = [Arm.parse(f"{solver}:{steps} + all") for solver, steps in self.short_runs]
        return [*map(Arm.parse, dict.fromkeys(specs)), *without_guidance(short, self.guidance)]

    def _output(self, solver: str, steps: int, placed: Mapping[int, Sequence[int]]) -> Iterator[str]:
        """Plans whose other steps run nothing."""
        for budget in self.budgets(steps):
            places = {"uniform": f"uniform:{-(-steps // budget)}", "early": _text(denser_early(steps, budget))}
            if budget in placed:
                places["measured"] = _text(placed[budget])
            for keys in (places[name] for name in self.placements if name in places):
                for forecast in self.forecasts:
                    yield f"{solver}:{steps} + {keys} + output + forecast:{forecast}"

    def _part(self, solver: str, steps: int, fitting: Sequence[str]) -> Iterator[str]:
        """Plans whose other steps run a part of the network."""
        for reuse in fitting:
            for gap in self.gaps:
                yield f"{solver}:{steps} + uniform:{gap} + {reuse} + forecast:1"


def without_guidance(plans: Sequence[Arm], fractions: Sequence[float]) -> list[Arm]:
    """Plans that compute the conditional half alone after some fractions of their steps."""
    configs = [(plan, plan.propagation) for plan in plans]
    return [
        replace(plan, propagation=replace(config, guidance_until=fraction), name="")
        for plan, config in configs
        if config is not None and config.guidance_until is None and config.correction is None  # fitted with both
        for fraction in fractions
    ]


def decoded_otherwise(plans: Sequence[Arm]) -> list[Arm]:
    """Plans, each that has something to decode also one by one and in small groups: the same images, otherwise fast."""
    found: list[Arm] = []
    for plan in plans:
        found.append(plan)
        config = plan.propagation
        if config is None or str(config.key_steps) == "all":
            continue
        if str(config.reuse).startswith(("encoder", "decoder")):
            found += [replace(plan, propagation=replace(config, parallel=limit), name="") for limit in (False, 4)]
    return found


def denser_early(steps: int, keys: int) -> list[int]:
    """Key steps whose gaps grow towards the end: ``keys`` different ones, the i-th near steps (i / keys)^1.5."""
    chosen: list[int] = []
    for number in range(keys):
        chosen.append(max(round(steps * (number / keys) ** 1.5), chosen[-1] + 1 if chosen else 0))
    return chosen


def _text(steps: Sequence[int]) -> str:
    return ",".join(map(str, steps)) + ("," if len(steps) == 1 else "")


def _fits(reuse: str, network: nn.Module) -> bool:
    try:
        Reuse.parse(reuse).split(network)
    except ValueError:
        return False
    return True
