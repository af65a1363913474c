"""Profiles: the options that a tuner found best for one model, in a small file that ``fd.enable`` takes.

>>> handle = fd.enable(pipe, key_steps="fastest-at-35dB.json")
>>> image = pipe("a cat", num_inference_steps=handle.profile.steps).images[0]
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

from torch import nn

from ..files import write_json
from ..models import schedulers
from ..models.calls import pixels_of
from ..models.fingerprint import Fingerprint
from ..models.schedulers import Solver
from .config import PropagationConfig

FORMAT = 1
SUFFIX = ".json"


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
        """The inverse of ``to_dict``.

        Args:
            path: where it was read, for people.

        Raises:
            ValueError, TypeError, KeyError, AttributeError: it is not what ``to_dict`` gives.
        """
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
        """Writes it whole or not at all; ``load`` reads it.

        Raises:
            OSError: it cannot be written.
        """
        write_json(Path(path), self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return {
            "format": FORMAT,
            "model": {**asdict(self.model), "weights": list(self.model.weights)},
            "solver": self.solver.to_dict(),
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

    def differences(
        self, pipe: Any, scheduler: Any, guidance: float | None, shapes: Iterable[Sequence[int]]
    ) -> Iterator[str]:
        """What to say of a run under other conditions than the profile's, as far as both are known.

        Args:
            scheduler: which was set for it.
            guidance: its guidance scale.
            shapes: of its latents, (..., H, W).
        """
        size = next((pixels_of(pipe, shape) for shape in shapes), None)
        steps, own_guidance = getattr(scheduler, "num_inference_steps", None), self.measured.get("guidance")
        own_size = tuple(self.measured.get("size") or ())
        if steps is not None and steps != self.steps:
            yield self._differs(
                f"for {self.steps} steps and this run took {steps}", f"num_inference_steps={self.steps}"
            )
        if guidance is not None and own_guidance is not None and guidance != own_guidance:
            at = f"at guidance {own_guidance:g} and this run was at {guidance:g}"
            yield self._differs(at, f"guidance_scale={own_guidance:g}, or tune at {guidance:g}")
        if size and own_size and size != own_size:
            sizes = "{}x{} pixels (height x width)".format(*own_size), "{}x{}".format(*size)
            here = "height={}, width={}".format(*own_size)
            yield self._differs(f"at {sizes[0]} and this run was at {sizes[1]}", f"{here}, or tune at {sizes[1]}")

    def _differs(self, how: str, remedy: str) -> str:
        return f"{self} was tuned {how}: what it promises does not hold. Call the pipeline with {remedy}."

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
        swap = cls(pipe.scheduler, schedulers.through(ours, profile.config.timesteps))
        pipe.scheduler = swap._ours
        return swap

    def undo(self, pipe: Any) -> None:
        """Gives the pipeline its own back, unless the user has given it another meanwhile."""
        if pipe.scheduler is self._ours:
            pipe.scheduler = self._own


def is_profile(key_steps: Any) -> bool:
    """Whether this names a profile instead of key steps."""
    return isinstance(key_steps, (str, PathLike)) and str(key_steps).lower().endswith(SUFFIX)


def _reason(error: Exception) -> str:
    return f"it has no {error}" if isinstance(error, KeyError) else str(error).rstrip(".")
