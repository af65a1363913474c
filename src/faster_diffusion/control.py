"""A control network does not run at steps whose encoder does not run: nothing would read its residuals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn

from .call import NetworkCall
from .compiled import as_a_step, is_compiled
from .conditions import Conditions, adapters
from .engine import Run
from .plan import Lanes
from .stages import Layout, unwrap
from .trajectory import Trajectory


@dataclass
class Residuals:
    """What the control network gave at a key step, for the steps key < order < until."""

    trajectory: Trajectory
    key: int
    until: int
    conditions: Conditions
    adapters: tuple[Any, ...]  # of the network that is controlled
    output: Any


class Control:
    """Takes the calls of a control network in a run.

    The residuals of the last key step are handed out as long as what they were made for stays the same. When it
    changes (a scale, at the end of ``control_guidance_end``; a prompt), the control network runs, and the step of the
    controlled network becomes a key step.
    """

    def __init__(self, root: nn.Module, run: Run) -> None:
        self.root = root
        self.owner = run.owner
        self._run = run
        self._layout = Layout(encoder=(), decoder=(), sample=run.layout.sample)
        self._lanes: Lanes[Residuals] = Lanes()
        self._compiled = is_compiled(root)

    def predict(self, network: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Answers the call ``root(*args, **kwargs)``; ``network`` is that call as it is without the engine."""
        if self._compiled:
            network = as_a_step(network)
        call = NetworkCall(unwrap(self.root), self._layout, args, kwargs)
        order = self._run.locate(call)
        if order is None:
            return network(*args, **kwargs)
        lane = self._lanes.turn(self._run.plan.trajectory, order)
        kept = self._lanes.slots[lane]
        if kept is not None and self._serves(kept, order, call):
            self._run.residuals_kept_at = order
            self._run.counts.control_reused += 1
            return kept.output
        self._run.residuals_new_at = order
        self._run.counts.control_computed += 1
        output = network(*args, **kwargs)
        plan = self._run.plan
        self._lanes.slots[lane] = Residuals(
            plan.trajectory,
            order,
            plan.next_key(order),
            Conditions(call.conditions, unwrap(self.root)),
            adapters(self._run.network),
            output,
        )
        return output

    def _serves(self, kept: Residuals, order: int, call: NetworkCall) -> bool:
        return (
            kept.trajectory is self._run.plan.trajectory
            and kept.key < order < kept.until
            and self._run.reuses(order)
            and kept.adapters == adapters(self._run.network)
            and kept.conditions.still_hold(call.conditions, unwrap(self.root))
        )
