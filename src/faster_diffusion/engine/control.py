"""A control network does not run at steps whose encoder does not run: nothing would read its residuals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from torch import nn

from ..models.layout import Layout, unwrap
from .branches import Branches
from .call import NetworkCall
from .compiled import as_a_step, is_compiled
from .conditions import Conditions
from .counts import Counts
from .plan import Plan
from .trajectory import Trajectory
from .watch import Watch


class Controlled(Protocol):
    """The run of the network that is controlled, as far as this has to know it."""

    owner: object
    network: nn.Module
    layout: Layout
    plan: Plan
    counts: Counts
    watch: Watch
    residuals_new_at: int
    residuals_kept_at: int

    def locate(self, call: NetworkCall) -> int | None:
        """The step of a call; ``None`` if it is not known."""

    def reuses(self, step: int) -> bool:
        """Whether a step is to be answered on kept features."""


@dataclass
class Residuals:
    """What the control network gave at a key step, for the steps key < step < until."""

    trajectory: Trajectory
    key: int
    until: int
    conditions: Conditions
    controlled: int  # the state of the network that is controlled
    output: Any


@dataclass
class Branch:
    """The residuals that one of the control network's calls of a step left."""

    kept: Residuals | None = None


class Control:
    """Answers the calls of a control network in a run.

    The residuals of the last key step are handed out as long as what they were made for stays the same. When it
    changes (a scale, at the end of ``control_guidance_end``; a prompt), the control network runs, and the step of the
    controlled network becomes a key step.
    """

    def __init__(self, root: nn.Module, run: Controlled) -> None:
        self.root, self.owner = root, run.owner
        self._network, self._run = unwrap(root), run
        self._layout = Layout(encoder=(), decoder=(), sample=run.layout.sample)
        self._branches: Branches[Branch] = Branches(Branch)
        self._compiled = is_compiled(root)
        self._watch = Watch(root, alone=True)

    def predict(self, network: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Answers the call ``root(*args, **kwargs)``; ``network`` is that call as it is without the engine."""
        if self._compiled:
            network = as_a_step(network)
        run, plan = self._run, self._run.plan
        call = NetworkCall(self._network, self._layout, args, kwargs, self._watch.now())
        step = run.locate(call)
        if step is None:
            return network(*args, **kwargs)
        branch = self._branches.turn(plan.trajectory, step)
        if branch.kept is not None and self._serves(branch.kept, step, call):
            run.residuals_kept_at = step
            run.counts.control_reused += 1
            return branch.kept.output
        run.residuals_new_at = step
        run.counts.control_computed += 1
        output = network(*args, **kwargs)
        conditions, until = Conditions(call.conditions), plan.next_key(step)
        branch.kept = Residuals(plan.trajectory, step, until, conditions, run.watch.now(), output)
        return output

    def _serves(self, kept: Residuals, step: int, call: NetworkCall) -> bool:
        return (
            kept.trajectory is self._run.plan.trajectory
            and kept.key < step < kept.until
            and self._run.reuses(step)
            and kept.controlled == self._run.watch.now()
            and kept.conditions.still_hold(call.conditions)
        )
