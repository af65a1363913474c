"""Predictions for a step and for those after it, as many in one batch as memory and attention allow."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

import torch
from torch import nn

from ..models.layout import Layout, unwrap
from ..models.patches import MARK
from ..options.config import PropagationConfig
from ..options.reuse import Split
from .cache import CacheEntry
from .call import NetworkCall, rebuild_like
from .compiled import as_a_step, is_compiled, is_compiled_whole
from .forward import Features, policies, run_partially
from .once import WarnOnce
from .tensors import map_tensors
from .watch import Watch

logger = logging.getLogger(__name__)


class Decoder:
    """Runs what is not reused, for one step or several.

    Args:
        root: what the sampling loop calls: a network, or ``torch.compile`` of one.
        split: its stages by what becomes of them.
    """

    def __init__(
        self,
        root: nn.Module,
        layout: Layout,
        split: Split,
        config: PropagationConfig,
        warn: WarnOnce,
        watch: Watch,
    ) -> None:
        self._watch = watch
        self._root, self._network = root, unwrap(root)
        self._split, self._forecast, self._warn = split, config.forecast, warn
        self._limit = 1 if split.before else config.group_limit  # a latent is not known ahead
        self._compiled = is_compiled(root)
        wide = layout.joins or config.forecast.order > 0
        self.stages_unmet: set[int] = set()  # states of the network in which its forward met none of the stages
        self._policies = policies(self._network, layout, split, wide) if split.after else {}

    def one_by_one(self) -> None:
        """From now on a step is predicted when it is asked for: what was thrown away unread once may be again."""
        self._limit = 1

    def decode(self, entry: CacheEntry, step: int, call: NetworkCall) -> int:
        """Adds the predictions from ``step`` on to an entry; gives how many steps the network ran for."""
        assert entry.history is not None
        if not self._split.after:
            entry.predictions[step] = entry.history.at([step])
            return 0
        if step == entry.key:
            self._check_compiled()
        output, steps = self._run_within_memory(entry, step, call)
        entry.rebuild = rebuild_like(output)
        if step == entry.key and self._split.kept[-1] not in entry.history.values[-1]:
            self.stages_unmet.add(call.state)  # all has run on the latent of this step: no other's prediction
            entry.predictions[step] = output[0].chunk(steps)[0]
            return 1
        entry.predictions.update(zip(range(step, step + steps), output[0].chunk(steps), strict=True))
        return steps

    def meets_stages(self, call: NetworkCall) -> bool:
        """Whether the network runs its stages, as far as is known; without that nothing can be kept of them."""
        return call.state not in self.stages_unmet

    def release(self, entry: CacheEntry, step: int, steps: int) -> None:
        """After decoding: frees features that no later step reads, copies those that a graph would overwrite."""
        assert entry.history is not None
        if step + steps == entry.until and not self._forecast.order:
            entry.history = None
        elif self._compiled and step == entry.key:
            entry.history.values[-1] = map_tensors(torch.clone, entry.history.values[-1])

    def _run_within_memory(self, entry: CacheEntry, step: int, call: NetworkCall) -> tuple[Any, int]:
        while True:
            steps = self._group_size(entry, step)
            try:
                return self._run(entry, step, steps, call), steps
            except RuntimeError as error:
                if steps == 1 or not _is_out_of_memory(error):
                    raise
            self._limit = steps // 2  # outside the handler, so that its traceback holds no tensors any more
            logger.warning("Out of memory decoding %d steps at once; going on with %d.", steps, self._limit)

    def _run(self, entry: CacheEntry, step: int, steps: int, call: NetworkCall) -> Any:
        timesteps = None
        if steps > 1:
            group = entry.trajectory.inputs[step : step + steps]
            form = call.timestep if isinstance(call.timestep, torch.Tensor) else group  # some networks compute in it
            timesteps = group.to(call.sample.device, form.dtype).repeat_interleave(call.batch)
        history = entry.history
        assert history is not None
        features: Features = history.values[-1]
        if step == entry.key:
            features.clear()  # of a try that ran out of memory
        spread = partial(history.at, range(step, step + steps)) if self._forecast.order else None
        encode = not features or bool(self._split.before) or spread is not None
        args, kwargs = call.arguments(steps, timesteps, entry.residuals, encode=encode, wide=spread is not None)
        run = as_a_step(run_partially) if self._compiled else run_partially
        return run(
            self._network,
            self._policies,
            args,
            kwargs,
            batch=call.batch,
            steps=steps,
            features=features,
            spread=spread,
        )

    def _group_size(self, entry: CacheEntry, step: int) -> int:
        rest = 1 if entry.pace is not None and step == entry.key else entry.until - step
        mixing = self._watch.patches.mixing
        if self._limit != 1 and rest > 1 and mixing is not None:
            self._warn(
                f"{mixing} may mix the samples of a batch: steps are decoded one by one, for the right image in more "
                f"time. If what it does to a sample depends on that sample alone, set {MARK} = True on it."
            )
            return 1
        return min(rest, self._limit or rest)

    def _check_compiled(self) -> None:
        if is_compiled_whole(self._root):
            self._warn(
                "The network is compiled as a whole; steps that keep or reuse features run eagerly there. "
                "network.compile_repeated_blocks() keeps the speed of both."
            )


def _is_out_of_memory(error: RuntimeError) -> bool:
    return isinstance(error, torch.cuda.OutOfMemoryError) or "not enough memory" in str(error)
