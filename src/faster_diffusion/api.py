"""What users call: enable, disable, and the handle between them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from dataclasses import replace
from typing import Any, TypeAlias
from weakref import finalize, ref

import torch
from diffusers import DiffusionPipeline, ModularPipeline
from torch import nn

from .accounting.plan_picture import Drawing, draw
from .accounting.summary import Summary, summarise
from .engine.control import Control
from .engine.counts import Counts
from .engine.interception import CallPatch, Interceptor, interceptors, running
from .engine.once import WarnOnce
from .engine.prior_noise import injected
from .engine.run import Run
from .models.model import Model
from .models.pipelines import inputs_of, network_of, refuse_call
from .models.schedulers import upcoming_step
from .options.config import PropagationConfig
from .options.prior_noise import PriorNoise
from .options.profile import Profile, Swap, is_profile

logger = logging.getLogger(__name__)

_ENTRY = "_faster_diffusion"  # the one attribute put on an enabled pipeline or network

Pipeline: TypeAlias = DiffusionPipeline | ModularPipeline
Target: TypeAlias = Pipeline | nn.Module


def enable(target: Target, config: PropagationConfig | None = None, **overrides: Any) -> Handle:
    """Accelerates a pipeline, or a bare network in a sampling loop of your own. Enabling again replaces the options.

    A pipeline is then called as always; a bare network is accelerated within ``with handle.sampling(scheduler):``.
    A deepcopy is enabled like its original; a pipeline that merely shares the network (``from_pipe``) is not.

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
    disable(target)
    handle = Handle(target, config, profile, Swap.of(target, profile) if profile else None)
    setattr(target, _ENTRY, handle)
    return handle


def disable(target: Target) -> None:
    """Makes ``target`` what it was before ``enable``. Without effect if it is not enabled."""
    handle = _handle_of(target)
    if handle is not None:
        delattr(target, _ENTRY)
        handle._release()
        if handle._swap is not None:
            handle._swap.undo(target)


def is_enabled(target: Target) -> bool:
    """Whether ``enable`` is in force on ``target``."""
    return _handle_of(target) is not None


class Handle:
    """What ``enable`` returns. ``with fd.enable(pipe): ...`` disables at the end of the block."""

    def __init__(
        self, target: Target, config: PropagationConfig, profile: Profile | None = None, swap: Swap | None = None
    ) -> None:
        self.config = config
        self.profile = profile  # which the options come from, if they do
        self._swap = swap
        self._target = ref(target)
        self._counts: Counts | None = None
        self._warn = WarnOnce()
        self._release: Callable[[], object] = lambda: None
        if isinstance(target, Pipeline):
            _pipeline_calls.acquire(type(target))
            self._release = finalize(self, _pipeline_calls.release, type(target))  # at disable, or with the pipeline

    def summary(self) -> Summary:
        """What the last run computed, reused and saved.

        Raises:
            RuntimeError: there was no run yet.
        """
        target = self._target()
        if self._counts is None or target is None:
            raise RuntimeError("There is no run to sum up yet: call the pipeline (or sample within handle.sampling).")
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
        if isinstance(scheduler, torch.Tensor):
            if self.config.prior_noise is not None:
                logger.warning("Prior noise is left out: pass the scheduler, or prior_noise=None if that is meant.")
            started = self._run(network, None, lambda: scheduler, None)
        else:
            started = self._run(network, None, lambda: scheduler.timesteps, scheduler)
        with started:
            yield

    @contextmanager
    def _run(
        self,
        network: nn.Module,
        control: Any,
        timesteps: Callable[[], torch.Tensor],
        scheduler: Any,
        inputs: Callable[[], torch.Tensor] | None = None,
    ) -> Iterator[None]:
        run = Run(
            network, self.config, timesteps, inputs, lambda: upcoming_step(scheduler), owner=self, warn=self._warn
        )
        runs: list[Interceptor] = [run]
        if isinstance(control, nn.Module):
            runs.append(Control(control, run))
        self._counts = run.counts
        with ExitStack() as stack:
            noise = self.config.prior_noise
            if isinstance(noise, PriorNoise) and scheduler is not None:
                stack.enter_context(injected(scheduler, noise, run.plan, run.warn))
            stack.enter_context(running(*runs))
            yield
        run.report()
        steps_differ = self.profile and self.profile.steps_differ(scheduler)
        if steps_differ:
            run.warn(steps_differ)

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

    def __deepcopy__(self, memo: dict[int, Any]) -> Handle:
        """Belongs to the copy of its target, if that is being copied."""
        target: Any = self._target()
        return Handle(memo.get(id(target), target), self.config, self.profile, deepcopy(self._swap, memo))


def _handle_of(target: Target) -> Handle | None:
    return vars(target).get(_ENTRY)  # a wrapper hands on what its network has


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
        inner = any(interceptor.owner is handle for interceptor in interceptors.get())  # a subclass's super()
        if handle is None or inner:
            return original(self, *args, **kwargs)
        refuse_call(self, original, args, kwargs)
        control = getattr(self, "controlnet", None)
        inputs = inputs_of(self)
        with handle._run(_network_of(self), control, lambda: self.scheduler.timesteps, self.scheduler, inputs):
            return original(self, *args, **kwargs)

    return __call__


_pipeline_calls = CallPatch(_start_run)
