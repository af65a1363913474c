"""Encoder propagation over one sampling run: which network calls run, on what, and which are answered from memory."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from torch import nn

from .call import NetworkCall, rebuild_like
from .compiled import as_a_step, compiled_around, is_compiled, is_compiled_whole
from .conditions import Conditions
from .config import PropagationConfig
from .correction import Correction, Terms
from .forecast import Forecast, History
from .gate import Gate, Pace
from .guidance import Guidance, is_guided
from .partial import Features, run_partially
from .plan import Lanes, Plan
from .reuse import Reuse
from .schedule import KeySteps, Uniform
from .stages import layout_of, unwrap
from .trajectory import Trajectory
from .trees import map_tensors, size_in_bytes

logger = logging.getLogger(__name__)


@dataclass
class Calls:
    """The network calls on latents of one shape."""

    arguments: tuple[tuple[Any, ...], dict[str, Any]]  # of the first, without data
    computed: int = 0  # calls in which the whole network ran
    reused: int = 0  # calls in which only what is not reused ran
    computed_half: int = 0  # those of the computed without the unprompted half of the batch
    reused_half: int = 0  # those of the reused


@dataclass
class Counts:
    """What happened in a run."""

    steps: int = 0  # of the scheduler's trajectory
    calls: dict[torch.Size, Calls] = field(default_factory=dict)  # by shape of the latent
    control_computed: int = 0  # calls of a control network
    control_reused: int = 0  # calls of a control network answered by the residuals of a key step
    batches: int = 0  # times the decoder ran; fewer than the calls when steps are decoded together
    key_orders: list[int] = field(default_factory=list)  # one entry a computed call
    cache_bytes: int = 0  # peak of kept features and of predictions that wait for their step

    @property
    def computed(self) -> int:
        return sum(calls.computed for calls in self.calls.values())

    @property
    def reused(self) -> int:
        return sum(calls.reused for calls in self.calls.values())


@dataclass
class Memory:
    """What is kept of a key step for the steps key < order < until, for one of the network calls of a step."""

    trajectory: Trajectory
    key: int
    until: int
    conditions: Conditions
    residuals: dict[str, Any]
    history: History | None  # what the last key steps computed; None when it is not needed any more
    pace: Pace | None  # where a gate decides about key steps
    predictions: dict[int, torch.Tensor] = field(default_factory=dict)
    rebuild: Callable[[torch.Tensor], Any] | None = None  # from a prediction to what the network returns

    def answer(self, order: int) -> Any:
        assert self.rebuild is not None
        return self.rebuild(self.predictions.pop(order))

    def halved(self, guidance: Guidance, conditions: Conditions) -> Memory:
        """The same for the prompted half of the batch."""
        history = None if self.history is None else self.history.mapped(guidance.part)
        pace = None if self.pace is None else self.pace.mapped(guidance.part)
        return replace(
            self,
            conditions=conditions,
            history=history,
            pace=pace,
            residuals=guidance.part(self.residuals),
            predictions=guidance.part(self.predictions),
        )

    def nbytes(self) -> int:
        history = [] if self.history is None else list(self.history.values)
        return size_in_bytes([history, self.residuals, self.predictions])


class Run:
    """One sampling run of one network. Made when the run starts and dropped when it ends, whatever ends it.

    Args:
        root: what the sampling loop calls: a network, or ``torch.compile`` of one.
        timesteps: gives the scheduler's timesteps, shape (n,).
        inputs: gives what the network is called with for them, where that is something else, shape (n,).
        owner: who started the run.
        warned: warnings given already; shared by the runs of an owner, so that each is given once.
    """

    def __init__(
        self,
        root: nn.Module,
        config: PropagationConfig,
        timesteps: Callable[[], torch.Tensor],
        inputs: Callable[[], torch.Tensor] | None = None,
        owner: object = None,
        warned: set[str] | None = None,
    ) -> None:
        self.root = root
        self.owner = owner
        self.network = unwrap(root)
        self.counts = Counts()
        self.plan = Plan(KeySteps.parse(config.key_steps), timesteps, inputs)
        self.residuals_new_at = -1  # the order for which a control network has run
        self.residuals_kept_at = -1  # the order for which it has not
        self.layout = layout_of(root)
        self._split = Reuse.parse(config.reuse).split(root)
        self._forecast = Forecast.parse(config.forecast)
        self._gate = Gate.parse(config.gate)
        self._guided_until = config.guidance_until
        self._guidance: dict[int, Guidance] = {}  # of each lane
        self._correction = Correction.parse(config.correction)
        self._terms: Terms | None = None  # of the correction, from its first call on
        self._limit = 1 if self._split.before else config.group_limit  # a latent is not known ahead
        self._lanes: Lanes[Memory] = Lanes()
        self._compiled = is_compiled(root)
        self._warned = set() if warned is None else warned

    def predict(self, network: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Answers the call ``root(*args, **kwargs)``; ``network`` is that call as it is without the engine."""
        if self._compiled:
            network = as_a_step(network)
        call = NetworkCall(self.network, self.layout, args, kwargs)
        calls = self._calls_like(call, args, kwargs)
        order = self.locate(call)
        if order is None:
            calls.computed += 1
            self.counts.batches += 1
            return network(*args, **kwargs)

        lane = self._lanes.turn(self.plan.trajectory, order)
        guidance = self._guidance_of(lane)
        if guidance is not None and self._leaves_out_guidance(order, call, guidance):
            output, computed = self._answer_half(lane, order, call, guidance, network)
            calls.computed_half += computed
            calls.reused_half += not computed
        else:
            output, computed = self._answer(lane, order, call, partial(network, *args, **kwargs))
            if guidance is not None and computed:
                guidance.learn(order, output[0], call, self.network)
        calls.computed += computed
        calls.reused += not computed
        return output if self._correction is None else self._corrected(lane, order, call, output)

    def _answer_half(
        self, lane: int, order: int, call: NetworkCall, guidance: Guidance, network: Callable[..., Any]
    ) -> tuple[Any, bool]:
        """The output for a call from its prompted half, and whether the whole network ran for that."""
        args, kwargs = call.half(guidance.prompted)
        half = NetworkCall(self.network, self.layout, args, kwargs)
        memory = self._lanes.slots[lane]
        if memory is not None and memory.conditions.still_hold(call.conditions, self.network):
            self._lanes.slots[lane] = memory.halved(guidance, Conditions(half.conditions, self.network))
        output, computed = self._answer(lane, order, half, partial(network, *args, **kwargs))
        return rebuild_like(output)(guidance.complete(order, output[0])), computed

    def _answer(self, lane: int, order: int, call: NetworkCall, in_full: Callable[[], Any]) -> tuple[Any, bool]:
        """The output for a call, and whether the whole network ran for it."""
        memory = self._lanes.slots[lane]
        if memory is None or not self._serves(memory, order, call):
            history, pace = self._past(memory, order, call)
            self._lanes.slots[lane] = memory = None  # freed before more is allocated
            return self._key_step(lane, order, call, history, pace, in_full), True
        if order not in memory.predictions:
            self._decode(memory, order, call)
        return memory.answer(order), False

    def _corrected(self, lane: int, order: int, call: NetworkCall, output: Any) -> Any:
        """The output with what is to be added to the prediction of this step."""
        correction = self._correction
        assert correction is not None
        reason = correction.fits(self.plan.trajectory.values, is_guided(call))
        if lane:
            reason = "the network is called several times a step"
        if reason is not None:
            self.warn(f"The correction is left out: {reason}.")
            return output
        if self._terms is None:
            self._terms = Terms(correction.channels, correction.guided, self.layout.prompted)
        terms = self._terms.at(order, output[0], call.sample)
        weights = terms.new_tensor(correction.weights[order])
        return rebuild_like(output)(self._terms.corrected(output[0], terms, weights))

    def _guidance_of(self, lane: int) -> Guidance | None:
        if self._guided_until is None:
            return None
        if lane not in self._guidance:
            self._guidance[lane] = Guidance(self._forecast, self.layout.prompted)
        return self._guidance[lane]

    def _leaves_out_guidance(self, order: int, call: NetworkCall, guidance: Guidance) -> bool:
        """Whether the prompted half of the batch is enough."""
        assert self._guided_until is not None
        if order < self._guided_until * len(self.plan.trajectory) or not guidance.serves(call, self.network):
            return False
        if is_guided(call) and not mixes_batch(self.network):
            return True
        self.warn("guidance_until is left out: the batch is not two halves of the same latents, or attention mixes it.")
        return False

    def reuses(self, order: int) -> bool:
        """Whether a step is to be answered on kept features, as far as can be known before its network calls."""
        return all(memory is not None and self._covers(memory, order) for memory in self._lanes.slots)

    def report(self) -> None:
        """Says at the end of a run if nothing came of it."""
        if not self.counts.computed:
            logger.warning("Nothing was accelerated: the network was not called as %s.", type(self.root).__name__)
        elif self.plan.propagates and self.counts.computed > 1 and not self.counts.reused:
            logger.warning("Nothing was accelerated: every step was computed, since the conditioning changes with it.")
        elif not self.plan.propagates and self.plan.key_steps.rule != Uniform(1):
            logger.warning(
                "Nothing was accelerated: with key_steps=%s all of %d steps are key. Take more steps, or fewer keys.",
                self.plan.key_steps,
                self.counts.steps,
            )

    def _calls_like(self, call: NetworkCall, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Calls:
        shape = call.sample.shape
        if shape not in self.counts.calls:
            without_data = map_tensors(lambda x: torch.empty_like(x, device="meta"), (args, kwargs))
            self.counts.calls[shape] = Calls(without_data)
        return self.counts.calls[shape]

    def _past(self, memory: Memory | None, order: int, call: NetworkCall) -> tuple[History, Pace | None]:
        """What earlier key steps computed under the conditions of this call, if a forecast or a gate can use it."""
        history = History(self._forecast)
        pace = Pace(self._gate, self._forecast) if self._gate else None
        if (
            memory is not None
            and (self._forecast.order or self._gate)
            and memory.trajectory is self.plan.trajectory
            and memory.key < order
            and memory.conditions.still_hold(call.conditions, self.network)
        ):
            return memory.history or history, memory.pace
        return history, pace

    def _key_step(
        self,
        lane: int,
        order: int,
        call: NetworkCall,
        history: History,
        pace: Pace | None,
        in_full: Callable[[], Any],
    ) -> Any:
        self.counts.key_orders.append(order)
        until = self.plan.next_key(order)
        if pace is None and not self.plan.reused_after(order, keys=self._forecast.order):
            self.counts.batches += 1
            return in_full()  # the user's own call, compiled if they compiled it
        if self.residuals_kept_at == order:
            self.warn("The conditioning changed, but not that of the control network: its residuals are not new.")
        conditions = Conditions(call.conditions, self.network)
        memory = Memory(self.plan.trajectory, order, until, conditions, call.residuals, history, pace)
        self._lanes.slots[lane] = memory
        if self._split.after:
            self._check_compiled()
            history.add(order, {})
            self._decode(memory, order, call)
            output = memory.answer(order)
        else:
            self.counts.batches += 1
            output = in_full()
            memory.rebuild = rebuild_like(output)
            history.add(order, output[0].clone())  # the loop may change its own in place
            self._weigh()
        if pace is not None:
            memory.until = min(until, pace.next_key(order, output[0]))
        return output

    def _serves(self, memory: Memory, order: int, call: NetworkCall) -> bool:
        return (
            self._covers(memory, order)
            and self.residuals_new_at != order
            and memory.conditions.still_hold(call.conditions, self.network)
        )

    def _covers(self, memory: Memory, order: int) -> bool:
        return (
            memory.trajectory is self.plan.trajectory
            and memory.key < order < memory.until
            and (order in memory.predictions or memory.history is not None)
        )

    def _decode(self, memory: Memory, order: int, call: NetworkCall) -> None:
        """Predicts the steps from ``order`` on up to the next key step, as many in one batch as the limit allows."""
        assert memory.history is not None
        if not self._split.after:
            memory.predictions[order] = memory.history.at([order])
            return
        output, steps = self._run_within_memory(memory, order, call)
        self.counts.batches += 1
        memory.rebuild = rebuild_like(output)
        memory.predictions.update(zip(range(order, order + steps), output[0].chunk(steps), strict=True))
        self._weigh()
        if order + steps == memory.until and not self._forecast.order:
            memory.history = None  # freed early
        elif self._compiled and order == memory.key:
            memory.history.values[-1] = map_tensors(torch.clone, memory.history.values[-1])

    def _weigh(self) -> None:
        peak = sum(kept.nbytes() for kept in self._lanes.slots if kept is not None)
        self.counts.cache_bytes = max(self.counts.cache_bytes, peak)

    def _run_within_memory(self, memory: Memory, order: int, call: NetworkCall) -> tuple[Any, int]:
        while True:
            steps = self._group_size(memory, order)
            try:
                return self._run(memory, order, steps, call), steps
            except RuntimeError as error:
                if steps == 1 or not _is_out_of_memory(error):
                    raise
            self._limit = steps // 2  # outside the handler, so that its traceback holds no tensors any more
            logger.warning("Out of memory decoding %d steps at once; going on with %d.", steps, self._limit)

    def _run(self, memory: Memory, order: int, steps: int, call: NetworkCall) -> Any:
        timesteps = None
        if steps > 1:
            group = memory.trajectory.inputs[order : order + steps]
            form = call.timestep if isinstance(call.timestep, torch.Tensor) else group  # some networks compute in it
            timesteps = group.to(call.sample.device, form.dtype).repeat_interleave(call.batch)
        history = memory.history
        assert history is not None
        features: Features = history.values[-1]
        if order == memory.key:
            features.clear()  # of a try that ran out of memory
        spread: Callable[[str], Any] | None = None
        if self._forecast.order:
            spread = partial(history.at, range(order, order + steps))
        encode = not features or bool(self._split.before) or spread is not None
        args, kwargs = call.arguments(steps, timesteps, memory.residuals, encode=encode, wide=spread is not None)
        run = as_a_step(run_partially) if self._compiled else run_partially
        return run(
            self.network,
            self.layout,
            self._split,
            args,
            kwargs,
            batch=call.batch,
            steps=steps,
            features=features,
            spread=spread,
        )

    def _group_size(self, memory: Memory, order: int) -> int:
        rest = 1 if memory.pace is not None and order == memory.key else memory.until - order
        if self._limit != 1 and rest > 1 and mixes_batch(self.network):
            self.warn("A custom attention processor may mix the samples of a batch: steps are decoded one by one.")
            self._limit = 1
        return min(rest, self._limit or rest)

    def locate(self, call: NetworkCall) -> int | None:
        """The order of a call; ``None`` if the network has to run as it is."""
        if torch.is_grad_enabled():
            self.warn("Gradients are on, so the network runs in full. Sample under torch.no_grad() to accelerate it.")
            return None
        trajectory = self.plan.trajectory
        self.counts.steps = len(trajectory)
        order = trajectory.order_of(call.timestep)
        if order is None:
            self.warn(
                f"Timestep {call.timestep} is no step of the scheduler's timesteps, or one of several with that value: "
                "the network runs in full. Loop over scheduler.timesteps itself to accelerate it."
            )
        return order

    def _check_compiled(self) -> None:
        if is_compiled_whole(self.root):
            what = "The network is compiled as a whole"
        elif compiled_around(self.network, self._split.stages):
            what = "Blocks are compiled that the plan cuts into layers"
        else:
            return
        self.warn(
            f"{what}; steps that keep or reuse features run eagerly there. "
            "network.compile_repeated_blocks() keeps the speed of both."
        )

    def warn(self, message: str) -> None:
        """Warns once."""
        if message not in self._warned:
            self._warned.add(message)
            logger.warning(message)


def mixes_batch(network: nn.Module) -> bool:
    """Whether attention may look across the samples of a batch, so that several steps must not share one.

    diffusers' own processors attend within a sample, but for perturbed-attention guidance; what others do is unknown.
    """
    processors = getattr(network, "attn_processors", {}).values()
    return any(
        not type(processor).__module__.startswith("diffusers.models.attention")
        or type(processor).__name__.startswith("PAG")
        for processor in processors
    )


def _is_out_of_memory(error: RuntimeError) -> bool:
    return isinstance(error, torch.cuda.OutOfMemoryError) or "not enough memory" in str(error)
