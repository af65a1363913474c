"""One way of sampling a pipeline, put on and taken off again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import faster_diffusion as fd

from ..measuring.baseline import FORMERLY
from ..models import schedulers
from ..options.config import PropagationConfig
from . import grammar
from .third_party import Method


@dataclass(frozen=True)
class Arm:
    """A solver with its steps, encoder propagation, third-party methods; each may be left out. See ``parse``."""

    solver: str | None = None  # of ``schedulers.SOLVERS``; the pipeline's own by default
    step_count: int | None = None
    propagation: PropagationConfig | None = None
    third_party: tuple[Method, ...] = ()
    profile: str | None = None  # the file that says all this, and the scheduler as it was tuned
    name: str = field(default="", compare=False)  # for people; two arms that do the same are equal

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.name or self.spec)

    @classmethod
    def parse(cls, spec: str, name: str | None = None) -> Arm:
        """Reads parts joined by ``+``, in any order.

        - ``baseline`` (in earlier versions ``untouched``), the pipeline as it is, with nothing beside it;
        - ``profile:FILE``, what a tuner or a fit has written, likewise;
        - ``steps:N``: as many steps of the pipeline's own solver, or ``SOLVER:N`` of another (``dpm++:20``);
        - key steps: ``paper``, ``uniform:4``, another preset, or step indices ``0,1,2,5``; with them ``sequential`` or
          ``parallel:N`` (at most N steps decoded at once), ``noise``, ``noise:ALPHA`` or ``noise:auto``, what is reused
          (``decoder:N``, ``deep:N``, ``output``), ``forecast:DEGREE`` or ``forecast:DEGREE:DAMPING``,
          ``gate:TOLERANCE`` or ``gate:TOLERANCE:LONGEST``, ``guidance:FRACTION`` (``guidance_until``), and
          ``corrected:FILE``, the correction of a profile;
        - third-party methods: ``deepcache:INTERVAL`` or ``deepcache:INTERVAL:BRANCH``, ``tome:RATIO`` or
          ``tome:RATIO:DOWNSAMPLE``, ``tgate:STEP``.

        Raises:
            ValueError: a part is not understood, or does not go with another.
            OSError: a profile cannot be read.
        """
        fields = grammar.parse(spec)
        return cls(**fields, name=name if name and (fields or name != FORMERLY) else "")

    @property
    def spec(self) -> str:
        """The canonical text: ``Arm.parse(arm.spec) == arm``."""
        if self.profile is not None:
            return f"profile:{self.profile}"
        return grammar.text(self.solver, self.step_count, self.propagation, self.third_party)

    @property
    def peers(self) -> tuple[Method, ...]:
        """What ``third_party`` was called in earlier versions."""
        return self.third_party

    @property
    def gated(self) -> bool:
        """Whether a gate places key steps while sampling; a profile's plan is not looked into."""
        return self.propagation is not None and self.propagation.gate is not None

    def steps(self, default: int) -> int:
        """How many steps to sample with, where other arms take ``default``."""
        return self.step_count or default

    @contextmanager
    def applied(self, pipe: Any) -> Iterator[fd.Handle | None]:
        """Within it ``pipe(...)`` samples this way; afterwards the pipeline is what it was before.

        Gives the handle of ``fd.enable``, or ``None`` if the arm has no key steps.

        Raises:
            ValueError: the arm does not fit the pipeline; see ``applicable``.
            ImportError: a third-party method is not installed.
        """
        if fd.is_enabled(pipe):
            raise ValueError("The pipeline is accelerated already; fd.disable(pipe) makes it ready for arms.")
        with ExitStack() as stack:
            stack.enter_context(schedulers.used(self._scheduler(pipe), pipe))
            for method in self.third_party:
                stack.enter_context(method.applied(pipe))
            if self.profile is not None:
                yield stack.enter_context(fd.enable(pipe, key_steps=self.profile))
            else:
                yield stack.enter_context(fd.enable(pipe, self.propagation)) if self.propagation else None

    def _scheduler(self, pipe: Any) -> Any:
        """That of a pipeline which samples this way; its own, if that does."""
        own = getattr(pipe, "scheduler", None)
        if self.profile is not None:
            return own  # until it is enabled
        timesteps = self.propagation.timesteps if self.propagation else None
        if self.solver is None:
            return schedulers.through(own, timesteps)
        if own is None:
            raise ValueError(f"{type(pipe).__name__} has no scheduler that {self.solver} could take the place of.")
        if own.config.get("timestep_type") == "continuous" and self.solver != "euler":
            name = type(pipe).__name__
            raise ValueError(f"{name} has continuous timesteps, which only euler takes; {self.solver} does not.")
        return schedulers.through(schedulers.make(self.solver, own.config), timesteps)

    def applicable(self, pipe: Any) -> str | None:
        """Why this arm cannot be used on a pipeline, in a sentence; ``None`` if it can."""
        try:
            with self.applied(pipe):
                return None
        except (ValueError, TypeError, ImportError) as error:
            return " ".join(str(error).split())
