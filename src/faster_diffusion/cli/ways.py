"""The acceleration that a command is asked for: by single options, as an arm, or as a profile."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from .errors import CliError, option
from .options import Acceleration

if TYPE_CHECKING:
    from ..arms import Arm

_SINGLE = ("key_steps", "parallel", "prior_noise")  # parameters


@dataclass(frozen=True)
class Way:
    """An arm, and what was given for it."""

    arm: Arm
    acceleration: Acceleration | None  # as single options

    def steps(self, asked: int) -> int:
        """The steps of a run."""
        return self.arm.steps(asked)

    def check(self, pipe: Any, steps: int) -> None:
        """Refuses key steps that a run with the scheduler of ``pipe`` does not have.

        Raises:
            CliError: one lies outside the run.
        """
        from ..generation import checks

        calls = checks.network_calls(pipe.scheduler, self.steps(steps))
        if self.acceleration is not None:
            self.acceleration.orders(calls)

    @property
    def guidance(self) -> float | None:
        """The guidance scale that a profile was made at, if it says."""
        from ..options.profile import Profile

        measured = Profile.load(self.arm.profile).measured if self.arm.profile else {}
        guidance = measured.get("guidance")
        return guidance if isinstance(guidance, (int, float)) else None

    def to_dict(self) -> dict[str, Any]:
        """For the record in a picture."""
        from ..generation.metadata import digest

        if self.acceleration is not None:
            return {"acceleration": asdict(self.acceleration)}
        if self.arm.profile is not None:
            made = digest(Path(self.arm.profile))  # another may come to have its name
            return {"acceleration": None, "profile": self.arm.profile, "profile_digest": made}
        return {"acceleration": None, "arm": self.arm.spec}


def chosen(context: typer.Context, arm: str | None, profile: Path | None, acceleration: Acceleration) -> Way:
    """What options say together; those of a command line come before those of a picture.

    Raises:
        CliError: two of them say the same thing, or one is not understood.
    """
    from ..arms import Arm

    given = [name for name in ("arm", "profile", *_SINGLE) if is_given(context, name)]
    if given:  # what a picture says is left out
        arm, profile = (arm if "arm" in given else None), (profile if "profile" in given else None)
    whole = "arm" if arm is not None else "profile" if profile is not None else None
    if whole is None:
        return Way(Arm(propagation=acceleration.config()), acceleration)
    if len(given) > 1:
        others = ", ".join(_option(name) for name in given if name != whole)
        raise CliError(f"--{whole} says all of the acceleration; leave {others} out.")
    try:
        made = Arm.parse(f"profile:{profile}" if arm is None else arm)
    except FileNotFoundError as error:
        raise CliError(f"--{whole}: there is no file {error.filename}.") from error
    except ValueError as error:
        raise CliError(f"--{whole}: {error}") from error
    says = {"scheduler": made.solver or made.profile, "steps": made.step_count}
    for name, value in says.items():
        if value is not None and is_given(context, name):
            raise CliError(f"--{whole} says its {name}; leave --{name} out.")
    return Way(made, None)


def is_given(context: typer.Context, name: str) -> bool:
    """Whether a parameter is on the command line."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _option(name: str) -> str:
    return "--sequential or --parallel" if name == "parallel" else option(name)
