"""Profiles: the options that a tuner found best for one model, in a small file that ``fd.enable`` takes.

>>> handle = fd.enable(pipe, key_steps="fastest-at-35dB.json")
>>> image = pipe("a cat", num_inference_steps=handle.profile.steps).images[0]
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from math import isclose
from os import PathLike
from pathlib import Path
from typing import Any

import diffusers
import torch
from torch import nn

from . import solvers
from .config import PropagationConfig
from .correction import Correction
from .files import write_json
from .stages import unwrap

FORMAT = 1
SUFFIX = ".json"

_SAMPLES = 16  # weights that tell models apart
_RELATIVE, _ABSOLUTE = 2**-7, 1e-6  # how far a weight may be off: what rounding to bfloat16 or float16 does


@dataclass(frozen=True)
class Fingerprint:
    """What tells a model from others, in whatever precision and on whatever device it is."""

    pipeline: str  # class
    network: str  # class
    config: str  # digest of the network's config
    parameters: int  # of the network
    weights: tuple[float | None, ...]  # some of them; None where one is not in memory (offloaded)

    @classmethod
    def of(cls, pipe: Any, network: nn.Module) -> Fingerprint:
        """Of a pipeline and the network that it calls at every step."""
        network = unwrap(network)
        parameters = [parameter for _, parameter in sorted(network.named_parameters())]
        stride = max(1, len(parameters) // _SAMPLES)
        text = json.dumps(_not_default(type(network), dict(getattr(network, "config", {}))), sort_keys=True)
        return cls(
            type(pipe).__name__,
            type(network).__name__,
            hashlib.sha256(text.encode()).hexdigest()[:16],
            sum(parameter.numel() for parameter in parameters),
            tuple(map(_middle, parameters[::stride][:_SAMPLES])),
        )

    def differs(self, other: Fingerprint) -> str | None:
        """What ``other`` has otherwise, in words; ``None`` if it is the same model."""
        if self.pipeline != other.pipeline:
            return f"for {self.pipeline}, and this is {other.pipeline}"
        if (self.network, self.config) != (other.network, other.config):
            return f"for a {self.network} of another architecture"
        if self.parameters != other.parameters:
            return f"for {self.parameters:,} parameters, and this network has {other.parameters:,} (adapters count)"
        pairs = [(a, b) for a, b in zip(self.weights, other.weights, strict=False) if a is not None and b is not None]
        if not all(isclose(a, b, rel_tol=_RELATIVE, abs_tol=_ABSOLUTE) for a, b in pairs):
            return "for other weights of the same architecture"
        return None


@dataclass(frozen=True)
class Solver:
    """A scheduler: its class, and what its config has otherwise than the class by default."""

    name: str
    config: Mapping[str, Any]

    @classmethod
    def of(cls, scheduler: Any) -> Solver:
        config = json.loads(scheduler.to_json_string())
        return cls(type(scheduler).__name__, _not_default(type(scheduler), config))

    def make(self, own: Any) -> Any:
        """A scheduler like that, for a pipeline whose ``own`` may be of a class that diffusers does not have."""
        made_by = type(own) if type(own).__name__ == self.name else getattr(diffusers, self.name, None)
        if made_by is None:
            raise ValueError(
                f"diffusers {diffusers.__version__} has no scheduler {self.name}, which the profile needs."
            )
        return made_by.from_config(dict(self.config))


@dataclass(frozen=True)
class Profile:
    """Options for one model, and what was measured with them."""

    model: Fingerprint
    solver: Solver
    steps: int  # num_inference_steps
    config: PropagationConfig
    measured: Mapping[str, Any] = field(default_factory=dict)  # fidelity and time, and on what
    notes: tuple[str, ...] = ()
    path: Path | None = field(default=None, compare=False)  # where it was read from

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Profile:
        """Reads what ``save`` wrote.

        Raises:
            ValueError: it is no profile, or of a newer format.
            OSError: it cannot be read.
        """
        path = Path(path)
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            version = content["format"]
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(f"{path} is no profile of faster-diffusion: {_reason(error)}.") from error
        if version != FORMAT:
            raise ValueError(
                f"{path} is a profile of format {version!r}, and this version reads format {FORMAT}: "
                "update faster-diffusion, or tune again."
            )
        try:
            return cls.from_dict(content, path)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"{path} is a broken profile: {_reason(error)}.") from error

    @classmethod
    def from_dict(cls, content: Mapping[str, Any], path: Path | None = None) -> Profile:
        """The inverse of ``to_dict``."""
        steps, model = content["steps"], content["model"]
        if not isinstance(steps, int) or steps < 1:
            raise ValueError(f"steps is {steps!r}")
        return cls(
            Fingerprint(**{**model, "weights": tuple(model["weights"])}),
            Solver(**content["solver"]),
            steps,
            PropagationConfig.from_dict(content["config"]),
            dict(content["measured"]),
            tuple(content["notes"]),
            path,
        )

    def save(self, path: str | PathLike[str]) -> None:
        write_json(Path(path), self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "model": {**asdict(self.model), "weights": list(self.model.weights)},
            "solver": {"name": self.solver.name, "config": dict(self.solver.config)},
            "steps": self.steps,
            "config": self.config.to_dict(),
            "measured": dict(self.measured),
            "notes": list(self.notes),
        }

    def check(self, pipe: Any, network: nn.Module) -> None:
        """Refuses another model.

        Raises:
            ValueError: says what differs.
        """
        difference = self.model.differs(Fingerprint.of(pipe, network))
        if difference is not None:
            raise ValueError(f"{self} is for another model: {difference}. Tune this one with faster-diffusion tune.")

    def steps_differ(self, scheduler: Any) -> str | None:
        """What to say of a run that ``scheduler`` was set for; ``None`` if it took as many steps as the profile's."""
        steps = getattr(scheduler, "num_inference_steps", None)
        if steps is None or steps == self.steps:
            return None
        return (
            f"{self} was tuned for {self.steps} steps and this run took {steps}: what it promises does not hold. "
            f"Call the pipeline with num_inference_steps={self.steps}."
        )

    def __str__(self) -> str:
        return f"Profile {self.path}" if self.path else "This profile"


class Swap:
    """The scheduler of a profile in the place of a pipeline's own, until it is undone."""

    def __init__(self, own: Any, ours: Any) -> None:
        self._own, self._ours = own, ours

    @classmethod
    def of(cls, pipe: Any, profile: Profile) -> Swap:
        """Makes ``pipe`` sample with the scheduler of ``profile``."""
        ours = profile.solver.make(pipe.scheduler)
        swap = cls(pipe.scheduler, solvers.through(ours, Correction.parse(profile.config.correction)))
        pipe.scheduler = swap._ours
        return swap

    def undo(self, pipe: Any) -> None:
        """Gives the pipeline its own back, unless the user has given it another meanwhile."""
        if pipe.scheduler is self._ours:
            pipe.scheduler = self._own


def is_profile(key_steps: Any) -> bool:
    """Whether this names a profile instead of key steps."""
    return isinstance(key_steps, (str, PathLike)) and str(key_steps).lower().endswith(SUFFIX)


def _not_default(cls: type, config: Mapping[str, Any]) -> dict[str, Any]:
    """What a config has otherwise than ``cls`` by default, so that a new release's new options change nothing."""
    defaults = {name: parameter.default for name, parameter in inspect.signature(cls).parameters.items()}
    plain = json.loads(json.dumps(dict(config), default=str))
    usual = json.loads(json.dumps(defaults, default=str))
    return {name: value for name, value in plain.items() if name in usual and value != usual[name]}


def _middle(parameter: torch.Tensor) -> float | None:
    if parameter.is_meta or not parameter.numel():
        return None
    value = float(parameter.detach().reshape(-1)[parameter.numel() // 2])
    return float(f"{value:.4g}")


def _reason(error: Exception) -> str:
    return f"it has no {error}" if isinstance(error, KeyError) else str(error).rstrip(".")
