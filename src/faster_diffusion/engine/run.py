"""One sampling run of one network: which calls run in full, which in part, and which are answered from the cache."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn

from ..models.layout import unwrap
from ..models.rows import Rows
from ..models.stages import layout_of
from ..options.config import PropagationConfig
from .branch import Branch
from .branches import Branches
from .cache import CacheEntry
from .call import NetworkCall, rebuild_like
from .compiled import as_a_step, is_compiled
from .conditions import Conditions
from .correction import Corrector
from .counts import Counts
from .course import Move
from .decoder import Decoder
from .guidance import Guidance
from .history import History
from .once import WarnOnce
from .pace import Pace
from .pairing import Pairing
from .plan import Plan
from .prospects import Obstacle, Prospects
from .watch import Watch

logger = logging.getLogger(__name__)


_UNMET = (
    "The network's forward has been replaced by one that does not run its blocks (TensorRT, a trace, another network), "
    "so that nothing can be kept of them: every step runs in full, and no time is saved. "
    'reuse="output", which keeps the prediction, works with it.'
)


class Run:
    """Made when a sampling run starts and dropped when it ends, whatever ends it.

    A network call is located in the run (`locate`); its branch tells what is kept for it. A step that is covered by a
    cache entry is answered from its predictions, which the decoder makes for as many steps at once as it may; any other
    step is a key step, and begins a new entry.

    Args:
        root: what the sampling loop calls: a network, or ``torch.compile`` of one.
        timesteps: gives the scheduler's timesteps, shape (n,).
        inputs: gives what the network is called with for them, where that is something else, shape (n,).
        upcoming: gives the step that the scheduler takes next, ``None`` where it does not know.
        owner: who started the run.
        rows: gives what the rows of a batch are, ``None`` where nobody knows.
        warn: gives warnings; shared by the runs of an owner, so that each is given once.
    """

    def __init__(
        self,
        root: nn.Module,
        config: PropagationConfig,
        timesteps: Callable[[], torch.Tensor],
        inputs: Callable[[], torch.Tensor] | None = None,
        upcoming: Callable[[], int | None] = lambda: None,
        rows: Callable[[], Rows | None] = lambda: None,
        owner: object = None,
        warn: WarnOnce | None = None,
    ) -> None:
        self.root, self.owner, self.warn = root, owner, warn or WarnOnce()
        self.network, self.layout = unwrap(root), layout_of(root)
        self.counts, self.noise = Counts(), config.prior_noise
        self.plan = Plan(config.key_steps, timesteps, inputs, upcoming)
        self.residuals_new_at = -1  # the step for which a control network has run
        self.residuals_kept_at = -1  # the step for which it has not
        self.prospects = Prospects(self.plan)
        self.hands_on = False  # whether the calls are made after the run, in another one
        self._config, self._rows = config, rows
        self._split = config.reuse.split(root)
        self.watch = Watch(root, alone=config.group_limit == 1)
        self._decoder = Decoder(root, self.layout, self._split, config, self.warn, self.watch)
        self._branches: Branches[Branch] = Branches(self._branch)
        self._compiled = is_compiled(root)

    def predict(self, network: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Answers the call ``root(*args, **kwargs)``; ``network`` is that call as it is without the engine."""
        if self._compiled:
            network = as_a_step(network)
        call = NetworkCall(self.network, self.layout, args, kwargs, self.watch.now())
        calls = self.counts.like(call, args, kwargs)
        step = self.locate(call)
        if step is None:
            calls.add(computed=True)
            self.counts.batches += 1
            return network(*args, **kwargs)
        branch = self._turn(step)
        half = self._leaves_out_guidance(branch, step, call)
        if half:
            output, computed = self._answer_half(branch, step, call, network)
        else:
            output, computed = self._answer(branch, step, call, partial(network, *args, **kwargs))
            if branch.guidance is not None and computed:
                branch.guidance.learn(step, output[0], call)
        calls.add(computed=computed, half=half)
        if not computed:
            self.prospects.reused()
        return self._corrected(branch, output, call, step)

    def locate(self, call: NetworkCall) -> int | None:
        """The step of a call; ``None`` if the network has to run as it is."""
        if torch.is_grad_enabled():
            self.warn("Gradients are on, so the network runs in full. Sample under torch.no_grad() to accelerate it.")
            self.prospects.computed(Obstacle.GRADIENTS)
            return None
        trajectory = self.plan.trajectory
        self.counts.steps = len(trajectory)
        step = self.plan.step_of(call.timestep)
        if step is None:
            self.warn(
                f"The network was called with {call.timestep}, which is no step of the scheduler's timesteps, "
                "or one of several with that value: such calls run in full, so that the image is right and takes as "
                "long as ever. Loop over scheduler.timesteps itself to accelerate it.",
                "unknown timestep",
            )
            self.prospects.computed(Obstacle.TIMESTEPS)
        return step

    def reuses(self, step: int) -> bool:
        """Whether a step is to be answered on kept features, as far as can be known before its network calls."""
        trajectory = self.plan.trajectory
        return all(branch.entry is not None and branch.entry.covers(trajectory, step) for branch in self._branches)

    def report(self) -> None:
        """Says at the end of a run if nothing came of it."""
        said = self._decoder.stages_unmet and not self.counts.reused
        reason = None if self.hands_on or said else self.prospects.failure(self.counts, type(self.root).__name__)
        if reason is not None:
            logger.warning("Nothing was accelerated: %s", reason)

    def _branch(self) -> Branch:
        config, conditional = self._config, self.layout.conditional
        return Branch(
            None if config.guidance_until is None else Guidance(config.forecast, conditional),
            None if config.correction is None else Corrector(config.correction, conditional, self.warn),
            Pairing(self.network, self.layout, self._rows),
        )

    def _turn(self, step: int) -> Branch:
        """The branch of the present call; takes note of where the loop goes."""
        unread = any(branch.entry is not None and branch.entry.predictions for branch in self._branches)
        branch = self._branches.turn(self.plan.trajectory, step)
        if self._branches.move is Move.BEGINS:
            self.prospects.begin()
        if self._branches.move is Move.GOES_BACK or (unread and self._branches.move is Move.BEGINS):
            self._decoder.one_by_one()
        return branch

    def _corrected(self, branch: Branch, output: Any, call: NetworkCall, step: int) -> Any:
        corrector = branch.corrector
        if corrector is None:
            return output
        first = self._branches.first.corrector
        if first is not corrector and first is not None:
            first.take_back()
            return output
        return corrector(output, call, step, self.plan.trajectory.values, branch.pairing.rows(call))

    def _answer(self, branch: Branch, step: int, call: NetworkCall, in_full: Callable[[], Any]) -> tuple[Any, bool]:
        """The output for a call, and whether the whole network ran for it."""
        entry = branch.entry
        if entry is None or not self._serves(entry, step, call):
            self._note_obstacle(branch, step, call)
            history, pace = self._past(entry, step, call)
            branch.entry = entry = None  # freed before more is allocated
            return self._key_step(branch, step, call, history, pace, in_full), True
        if step not in entry.predictions:
            self._decode(entry, step, call)
        return entry.answer(step), False

    def _answer_half(
        self, branch: Branch, step: int, call: NetworkCall, network: Callable[..., Any]
    ) -> tuple[Any, bool]:
        """The output for a call from its conditional half, and whether the whole network ran for that."""
        guidance, entry = branch.guidance, branch.entry
        assert guidance is not None
        args, kwargs = call.half(guidance.conditional)
        half = NetworkCall(self.network, self.layout, args, kwargs, call.state)
        if branch.conditions is not None and branch.conditions.still_hold(call.conditions):
            branch.conditions = Conditions(half.conditions)
            if entry is not None:
                branch.entry = entry.halved(guidance, branch.conditions)
        output, computed = self._answer(branch, step, half, partial(network, *args, **kwargs))
        return rebuild_like(output)(guidance.complete(step, output[0])), computed

    def _leaves_out_guidance(self, branch: Branch, step: int, call: NetworkCall) -> bool:
        """Whether the conditional half of the batch is enough."""
        guidance, until = branch.guidance, self._config.guidance_until
        if guidance is None or until is None or step < until * len(self.plan.trajectory):
            return False
        if branch.pairing.rows(call) is Rows.PAIRED and self.watch.patches.mixing is None:
            return guidance.serves(call)
        self.warn(
            "guidance_until is left out: the batch is not two halves of the same latents that differ in what they are "
            "conditioned on, or attention mixes it. The image is right, and takes as long as with guidance_until=None."
        )
        return False

    def _note_obstacle(self, branch: Branch, step: int, call: NetworkCall) -> None:
        """Takes note of why a step is computed, unless it is because the plan or the beginning of a pass wants it."""
        move, entry = self._branches.move, branch.entry
        kept = entry is not None and entry.covers(self.plan.trajectory, step)
        changed = (kept and self.residuals_new_at == step) or (
            branch.conditions is not None and not branch.conditions.still_hold(call.conditions)
        )
        # What changes between key steps, or before anything was reused, may do so again, and waste what was decoded.
        if (changed and (kept or not self.counts.reused)) or (entry is not None and entry.predictions):
            self._decoder.one_by_one()
        if branch.conditions is not None or move is Move.GOES_BACK:  # else it is the first of a pass
            self.prospects.key_step(step, move, entry, changed)

    def _past(self, entry: CacheEntry | None, step: int, call: NetworkCall) -> tuple[History, Pace | None]:
        """What earlier key steps computed under the conditions of this call, if a forecast or a gate can use it."""
        forecast, gate = self._config.forecast, self._config.gate
        history, pace = History(forecast), Pace(gate, forecast) if gate else None
        if (
            entry is not None
            and (forecast.order or gate)
            and entry.trajectory is self.plan.trajectory
            and entry.key < step
            and entry.conditions.still_hold(call.conditions)
        ):
            return entry.history or history, entry.pace
        return history, pace

    def _key_step(
        self,
        branch: Branch,
        step: int,
        call: NetworkCall,
        history: History,
        pace: Pace | None,
        in_full: Callable[[], Any],
    ) -> Any:
        self.counts.key_steps.append(step)
        until = self.plan.next_key(step)
        conditions = Conditions(call.conditions) if self.plan.propagates else None
        branch.conditions = conditions
        needless = pace is None and not self.plan.reused_after(step, keys=self._config.forecast.order)
        if conditions is None or needless or not self._decoder.meets_stages(call):
            self.counts.batches += 1
            return in_full()  # the user's own call, compiled if they compiled it
        if self.residuals_kept_at == step:
            self.warn("The conditioning changed, but not that of the control network: its residuals are not new.")
        entry = CacheEntry(self.plan.trajectory, step, until, conditions, call.residuals, history, pace)
        branch.entry = entry
        if self._split.after:
            history.add(step, {})
            self._decode(entry, step, call)
            output = entry.answer(step)
            if not self._decoder.meets_stages(call):
                self.warn(_UNMET)
                branch.entry = None
                return output
        else:
            self.counts.batches += 1
            output = in_full()
            entry.rebuild = rebuild_like(output)
            history.add(step, output[0].clone())  # the loop may change its own in place
            self._weigh()
        if pace is not None:
            entry.until = min(until, pace.next_key(step, output[0]))
        return output

    def _serves(self, entry: CacheEntry, step: int, call: NetworkCall) -> bool:
        return (
            entry.covers(self.plan.trajectory, step)
            and self.residuals_new_at != step
            and entry.conditions.still_hold(call.conditions)
        )

    def _decode(self, entry: CacheEntry, step: int, call: NetworkCall) -> None:
        """Predicts the steps from ``step`` on, as many as the decoder takes at once."""
        steps = self._decoder.decode(entry, step, call)
        if steps:
            self.counts.batches += 1
            self._weigh()
            self._decoder.release(entry, step, steps)

    def _weigh(self) -> None:
        size = sum(branch.entry.nbytes() for branch in self._branches if branch.entry is not None)
        self.counts.cache_bytes = max(self.counts.cache_bytes, size)
