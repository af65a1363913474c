"""Solvers (schedulers, as diffusers calls them) by the short names people use."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from inspect import signature
from math import isclose
from typing import Any

import diffusers

from . import spacing
from .configs import not_default

_NOISE_ALONE = "rescale_betas_zero_snr"
_DPM = "DPMSolverMultistepScheduler"

# name -> class, and what its config gains over the model's own
SOLVERS: dict[str, tuple[str, dict[str, Any]]] = {
    "ddim": ("DDIMScheduler", {}),
    "ddpm": ("DDPMScheduler", {}),
    "deis": ("DEISMultistepScheduler", {}),
    "dpm": (_DPM, {"algorithm_type": "dpmsolver", "final_sigmas_type": "sigma_min"}),
    "dpm++": (_DPM, {"algorithm_type": "dpmsolver++"}),
    "dpm++1": (_DPM, {"algorithm_type": "dpmsolver++", "solver_order": 1}),  # DDIM, but that it takes any timesteps
    "dpm++3": (_DPM, {"algorithm_type": "dpmsolver++", "solver_order": 3}),
    "dpm++-sde": (_DPM, {"algorithm_type": "sde-dpmsolver++"}),
    "dpm++-single": ("DPMSolverSinglestepScheduler", {"algorithm_type": "dpmsolver++"}),
    "euler": ("EulerDiscreteScheduler", {}),
    "euler-a": ("EulerAncestralDiscreteScheduler", {}),
    "heun": ("HeunDiscreteScheduler", {}),
    "kdpm2": ("KDPM2DiscreteScheduler", {}),
    "kdpm2-a": ("KDPM2AncestralDiscreteScheduler", {}),
    "lms": ("LMSDiscreteScheduler", {}),
    "pndm": ("PNDMScheduler", {"skip_prk_steps": True}),
    "unipc": ("UniPCMultistepScheduler", {}),
}
# Where a solver takes its steps, after its name and a hyphen. Those of `spacing` are made of Karras's.
SPACINGS: dict[str, dict[str, Any]] = {
    "trailing": {"timestep_spacing": "trailing"},  # begins at the noisiest step, however few there are
    "karras": {"use_karras_sigmas": True},  # noise levels of Eq. 5 of arXiv 2206.00364, from the noisiest on
    "exponential": {"use_exponential_sigmas": True},
    "beta": {"use_beta_sigmas": True},
    "lu": {"use_lu_lambdas": True},
}
NAMES = f"{', '.join(SOLVERS)}; with -{', -'.join(SPACINGS)}, -ays, -ays-xl or -rho4 (any number) where they have it"


@dataclass(frozen=True)
class Solver:
    """A scheduler: its class, what its config has otherwise than the class by default, and a spacing of `spacing`."""

    name: str
    config: Mapping[str, Any]
    spacing: str = ""

    @classmethod
    def of(cls, scheduler: Any) -> Solver:
        """That of a scheduler."""
        config = json.loads(scheduler.to_json_string())
        return cls(type(scheduler).__name__, not_default(type(scheduler), config), getattr(scheduler, "spacing", ""))

    def make(self, own: Any) -> Any:
        """A scheduler like that, for a pipeline whose ``own`` may be of a class that diffusers does not have.

        Raises:
            ValueError: this diffusers has no such class, or the spacing is not known.
        """
        made_by = type(own) if type(own).__name__ == self.name else getattr(diffusers, self.name, None)
        if made_by is None:
            raise ValueError(
                f"diffusers {diffusers.__version__} has no scheduler {self.name}, which the profile needs."
            )
        if self.spacing and self.spacing != getattr(made_by, "spacing", ""):
            made_by = _spaced(made_by, self.spacing)
        return made_by.from_config(dict(self.config))

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return {"name": self.name, "config": dict(self.config)} | ({"spacing": self.spacing} if self.spacing else {})


def network_calls(scheduler: Any, steps: int) -> int:
    """How often a run of ``steps`` evaluates the network: more than once a step where a solver is of second order.

    Sets the timesteps of ``scheduler``.
    """
    scheduler.set_timesteps(steps)
    return len(scheduler.timesteps)


def is_known(name: str) -> bool:
    """Whether ``name`` is a solver, alone or with a spacing that its class has."""
    try:
        check(name)
    except ValueError:
        return False
    return True


def check(name: str) -> None:
    """Raises ValueError for a name that is not known."""
    _of_name(name.lower())


@functools.cache
def _of_name(name: str) -> tuple[Any, dict[str, Any]]:
    """The class of schedulers of that name, and what its config gains over the model's own."""
    base = max((base for base in SOLVERS if name == base or name.startswith(f"{base}-")), key=len, default=None)
    unknown = f"Unknown scheduler {name!r}"
    if base is None:
        raise ValueError(f"{unknown}. Known: {NAMES}.")
    class_name, config = SOLVERS[base]
    solver = getattr(diffusers, class_name)
    if name == base:
        return solver, config
    how = name[len(base) + 1 :]
    if spacing.parse(how) is not None:
        solver, more = _spaced(solver, how), SPACINGS["karras"]
    elif how in SPACINGS:
        more = SPACINGS[how]
    else:
        raise ValueError(f"{unknown}. Known: {NAMES}.")
    if not more.keys() <= signature(solver.__init__).parameters.keys():
        raise ValueError(f"{unknown}: {class_name} has no {how}. Known: {NAMES}.")
    return solver, {**config, **more}


def _spaced(solver: Any, how: str) -> Any:
    made = spacing.parse(how)
    if made is None or not hasattr(solver, "_convert_to_karras") or solver is diffusers.DEISMultistepScheduler:
        # The last step of DEIS leads to the last level again, which has to be that of an image.
        raise ValueError(f"{solver.__name__} has no spacing {how!r}.")
    return spacing.spaced(solver, made)


def make(name: str, config: Any) -> Any:
    """The solver ``name`` over the noise schedule of ``config``, the config of the model's own scheduler.

    Raises:
        ValueError: the name is not known, or the solver cannot start from noise alone and the model does.
    """
    solver, extra = _of_name(name.lower())
    if config.get(_NOISE_ALONE) and _NOISE_ALONE not in signature(solver.__init__).parameters:
        why = f"The model starts from noise alone ({_NOISE_ALONE}), which {solver.__name__} cannot"
        raise ValueError(f"{why}; take ddim, dpm++, unipc or euler.")
    return solver.from_config(config, **extra)


@contextmanager
def used(scheduler: Any, pipe: Any) -> Iterator[None]:
    """Within it a pipeline samples by ``scheduler``."""
    own = getattr(pipe, "scheduler", None)
    if scheduler is own:
        yield
        return
    pipe.scheduler = scheduler
    try:
        yield
    finally:
        pipe.scheduler = own


def through(scheduler: Any, timesteps: Sequence[float] | None) -> Any:
    """The scheduler, or one like it whose runs of so many steps go through these timesteps.

    Raises:
        ValueError: see `placed`.
    """
    if timesteps is None:
        return scheduler
    scheduler.set_timesteps(len(timesteps))
    if are_same(timesteps, scheduler.timesteps.tolist()):
        return scheduler
    return placed(scheduler, timesteps)


def are_same(timesteps: Sequence[float], others: Sequence[float]) -> bool:
    """Whether timesteps are the same, but for how they are rounded."""
    return all(isclose(a, b, rel_tol=1e-4, abs_tol=1e-4) for a, b in zip(timesteps, others, strict=False))


def placed(scheduler: Any, timesteps: Sequence[float]) -> Any:
    """A scheduler like this one whose runs of so many steps go through these timesteps; other runs as before.

    Raises:
        ValueError: its class does not take timesteps of one's own, or not with its config.
    """
    solver: Any = type(scheduler)
    if "timesteps" not in signature(solver.set_timesteps).parameters:
        raise ValueError(f"{solver.__name__} takes no timesteps of one's own; take dpm++.")
    made = _placed(solver).from_config(scheduler.config)
    made.placed_at = tuple(timesteps)
    made.set_timesteps(len(timesteps))
    return made


def _placed(solver: Any) -> Any:
    """The class of schedulers of that class which have timesteps of their own."""

    @functools.wraps(solver.set_timesteps)  # pipelines look at its parameters
    def set_timesteps(self: Any, num_inference_steps: int | None = None, device: Any = None, **kwargs: Any) -> None:
        if num_inference_steps == len(self.placed_at) and kwargs.get("timesteps") is None:
            num_inference_steps, kwargs["timesteps"] = None, list(self.placed_at)
        solver.set_timesteps(self, num_inference_steps, device, **kwargs)

    body = {"placed_at": (), "set_timesteps": set_timesteps, "__module__": solver.__module__}
    return type(solver.__name__, (solver,), body)


def upcoming_step(scheduler: Any) -> int | None:
    """The index of the step that a scheduler takes next, if it counts them; before the first it may not know."""
    step = getattr(scheduler, "step_index", None)
    step = getattr(scheduler, "begin_index", None) if step is None else step
    return step if isinstance(step, int) else None
