"""What users call: enable, disable, and the handle between them."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from copy import deepcopy
from dataclasses import replace
from functools import partial
from inspect import isgenerator
from typing import Any, TypeAlias
from weakref import finalize, ref

import torch
from diffusers import DiffusionPipeline, ModularPipeline
from torch import nn

from .accounting.plan_picture import Drawing, draw
from .accounting.summary import Summary, summarise
from .engine.counts import Counts
from .engine.interception import CallPatch
from .engine.once import WarnOnce
from .engine.prospects import by_itself
from .engine.run import Run
from .engine.sessions import hidden, interceptors_here, loop_around
from .engine.starting import started
from .models.calls import guidance_of
from .models.model import Model
from .models.pipelines import inputs_of, network_of, refuse_call, rows_of
from .models.rows import Rows
from .models.schedulers import upcoming_step
from .options.config import PropagationConfig
from .options.profile import Profile, Swap, is_profile

logger = logging.getLogger(__name__)

_ENTRY = "_faster_diffusion"  # the one attribute put on an enabled pipeline or network

Pipeline: TypeAlias = DiffusionPipeline | ModularPipeline
Target: TypeAlias = Pipeline | nn.Module


def enable(target: Target, config: PropagationConfig | None = None, **overrides: Any) -> Handle:
    """Accelerates a pipeline, or a bare network in a sampling loop of your own. Enabling again replaces the options.

    A pipeline is then called as always; a bare network is accelerated within ``with handle.sampling(scheduler):``.
    A copy is enabled like its original, and disabled by itself; a pipeline that merely shares the network
    (``from_pipe``) is not enabled.

    Args:
        target: a pipeline with a UNet or a transformer that is known, or that network; offloaded, compiled, with
            adapters, before or after.
        config: the options as one object; by default the paper's.
        overrides: single options of [`PropagationConfig`], such as ``key_steps="uniform:4"``. ``key_steps`` may be a
            profile, the JSON file of a tuner: it sets all options that are not given beside it, and the scheduler of
            the pipeline until ``disable``.

    Returns:
        A handle: ``handle.summary()`` tells what was saved; as a context manager it disables at the end.

    Raises:
        TypeError: ``target`` is neither pipeline nor network, or an option has an unknown name.
        ValueError: it cannot be accelerated, an option has no sensible value, or a profile is for another model.
    """
    if not isinstance(target, Target):
        raise TypeError(
            f"fd.enable takes a diffusers pipeline, or its UNet or transformer; got {type(target).__name__}."
        )
    model = Model.of(target)
    profile = None
    if is_profile(overrides.get("key_steps")):
        profile = _profile(target, model.network, config, overrides.pop("key_steps"))
        config = profile.config
    config = replace(config or PropagationConfig(), **overrides).resolve(model)
    _detach(target)
    handle = Handle(target, config, profile, Swap.of(target, profile) if profile else None)
    setattr(target, _ENTRY, _Entry(target, handle))
    return handle


def disable(target: Target) -> None:
    """Makes ``target`` what it was before ``enable``. Without effect if it is not enabled."""
    handle = _handle_of(target)
    if handle is not None and isinstance(target, nn.Module) and handle._counts is None:
        logger.warning("Nothing was accelerated: %s", by_itself(target))
    _detach(target)


def is_enabled(target: Target) -> bool:
    """Whether ``enable`` is in force on ``target``."""
    return _handle_of(target) is not None


class Handle:
    """What ``enable`` returns. ``with fd.enable(pipe): ...`` disables at the end of the block."""

    def __init__(
        self,
        target: Target,
        config: PropagationConfig,
        profile: Profile | None = None,
        swap: Swap | None = None,
        warn: WarnOnce | None = None,
    ) -> None:
        self.config = config
        self.profile = profile  # which the options come from, if they do
        self._swap = swap
        self._target = ref(target)
        self._counts: Counts | None = None
        self._warn = warn or WarnOnce()

    def summary(self) -> Summary:
        """What the last run computed, reused and saved.

        Raises:
            RuntimeError: there was no run yet.
        """
        target = self._target()
        if self._counts is None or target is None:
            otherwise = "call the pipeline (or sample within handle.sampling)."
            how = by_itself(target) if isinstance(target, nn.Module) else otherwise
            raise RuntimeError(f"There is no run to sum up yet: {how}")
        return summarise(self._counts, self.config, _network_of(target))

    def plan(self, steps: int) -> Drawing:
        """Which stage is computed, kept or forecast at which of ``steps`` network calls; prints as a table.

        Raises:
            RuntimeError: the pipeline is gone.
        """
        target = self._target()
        if target is None:
            raise RuntimeError("The pipeline that was enabled is gone.")
        return draw(_network_of(target), self.config, steps)

    @contextmanager
    def sampling(self, scheduler: Any) -> Iterator[None]:
        """One sampling run of a bare network in a loop of your own.

        Args:
            scheduler: the scheduler, with its timesteps set; or the timesteps alone, shape (n,), which leaves prior
                noise out. Loop over these very timesteps.

        Raises:
            RuntimeError: the handle is of a pipeline, or its network is not enabled any more.
        """
        network = self._target()
        if not isinstance(network, nn.Module) or _handle_of(network) is not self:
            raise RuntimeError("sampling() is for a network enabled by itself; an enabled pipeline is just called.")
        alone = isinstance(scheduler, torch.Tensor)
        if alone and self.config.prior_noise is not None:
            logger.warning("Prior noise is left out: pass the scheduler, or prior_noise=None if that is meant.")
        timesteps = (lambda: scheduler) if alone else (lambda: scheduler.timesteps)
        with self._run(network, None, timesteps, None if alone else scheduler, loop=loop_around()):
            yield

    @contextmanager
    def _run(
        self,
        network: nn.Module,
        control: Any,
        timesteps: Callable[[], torch.Tensor],
        scheduler: Any,
        inputs: Callable[[], torch.Tensor] | None = None,
        rows: Callable[[], Rows | None] = lambda: None,
        loop: int | None = None,
        guidance: float | None = None,
    ) -> Iterator[Run]:
        run = Run(network, self.config, timesteps, inputs, partial(upcoming_step, scheduler), rows, self, self._warn)
        self._counts = run.counts
        with started(run, control, scheduler, loop):
            yield run
        if self.profile is not None and not run.hands_on:
            for difference in self.profile.differences(self._target(), scheduler, guidance, run.counts.calls):
                run.warn(difference)

    def __enter__(self) -> Handle:
        return self

    def __exit__(self, *exception: object) -> None:
        target = self._target()
        if target is not None and _handle_of(target) is self:
            disable(target)

    def __getstate__(self) -> tuple[Any, ...]:
        """Of a pickled target: what it takes to be enabled with the same options where it is read."""
        return self._target(), self.config, self.profile, self._swap

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        Handle.__init__(self, *state)

    def _for(self, copied: Target) -> Handle:
        """That of a shallow copy of its target."""
        return Handle(copied, self.config, self.profile, self._swap, self._warn)

    def __deepcopy__(self, memo: dict[int, Any]) -> Handle:
        """Belongs to the copy of its target, if that is being copied."""
        target: Any = self._target()
        return Handle(memo.get(id(target), target), self.config, self.profile, deepcopy(self._swap, memo))


class _Entry:
    """What an enabled pipeline or network has of its handle, and asks that for the rest.

    It keeps the class's ``__call__`` wrapped: a shallow copy needs that even when its original is disabled.
    """

    def __init__(self, target: Target, handle: Handle) -> None:
        if isinstance(target, Pipeline):
            _pipeline_calls.acquire(type(target))
            finalize(self, _pipeline_calls.release, type(target))
        self.handle = handle

    def __getattr__(self, name: str) -> Any:
        return getattr(vars(self)["handle"], name) if "handle" in vars(self) else object.__getattribute__(self, name)

    def __getstate__(self) -> tuple[Any, ...]:
        return self.handle._target(), self.handle

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _Entry.__init__(self, *state)

    def __deepcopy__(self, memo: dict[int, Any]) -> _Entry:
        """Belongs to the copy of the target, if that is being copied."""
        target: Any = self.handle._target()
        return _Entry(memo.get(id(target), target), deepcopy(self.handle, memo))


def _handle_of(target: Target) -> Handle | None:
    entry: _Entry | None = getattr(target, "__dict__", {}).get(_ENTRY)  # a wrapper hands on what its network has
    if entry is None:
        return None
    if entry.handle._target() is not target:
        entry = _Entry(target, entry.handle._for(target))
        setattr(target, _ENTRY, entry)
    return entry.handle


def _detach(target: Target) -> None:
    handle = _handle_of(target)
    if handle is not None:
        delattr(target, _ENTRY)
        if handle._swap is not None:
            handle._swap.undo(target)


def _network_of(target: Target) -> nn.Module:
    return target if isinstance(target, nn.Module) else network_of(target)


def _profile(target: Target, network: nn.Module, config: PropagationConfig | None, path: Any) -> Profile:
    if config is not None:
        raise ValueError("A profile is a set of options already: give single options beside it, and no config.")
    if not isinstance(target, Pipeline):
        raise ValueError("A profile is for a pipeline, whose scheduler it sets; a bare network takes options only.")
    profile = Profile.load(path)
    profile.check(target, network)
    return profile


def _start_run(original: Callable[..., Any]) -> Callable[..., Any]:
    def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:
        handle = _handle_of(self)
        running_here = interceptors_here()
        if handle is None:
            part = not running_here or any(_is_part(self, interceptor.owner) for interceptor in running_here)
            with nullcontext() if part else hidden():
                return original(self, *args, **kwargs)
        if any(interceptor.owner is handle for interceptor in running_here):  # a subclass's super()
            return original(self, *args, **kwargs)
        refuse_call(self, original, args, kwargs)
        guidance = guidance_of(original, self, args, kwargs)
        with _run_of(self, handle, guidance=guidance) as run:
            result = original(self, *args, **kwargs)
            run.hands_on = isgenerator(result)
        return _streamed(self, handle, result, guidance=guidance) if run.hands_on else result

    return __call__


def _run_of(pipe: Any, handle: Handle, **more: Any) -> AbstractContextManager[Run]:
    control, about = getattr(pipe, "controlnet", None), (inputs_of(pipe), partial(rows_of, pipe))
    return handle._run(network_of(pipe), control, lambda: pipe.scheduler.timesteps, pipe.scheduler, *about, **more)


def _streamed(pipe: Any, handle: Handle, steps: Generator[Any, Any, Any], **more: Any) -> Generator[Any, Any, Any]:
    """The steps of a pipeline that yields as it samples, in a run that lasts as long."""
    with _run_of(pipe, handle, loop=id(sys._getframe()), **more):
        return (yield from steps)


def _is_part(pipe: Any, owner: object) -> bool:
    """Whether a pipeline belongs to the one that ``owner`` is the handle of, and samples for it."""
    whole = owner._target() if isinstance(owner, Handle) else None
    return whole is not None and any(part is pipe for part in vars(whole).values())


_pipeline_calls = CallPatch(_start_run)
