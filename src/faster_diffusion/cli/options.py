"""Options that several commands share, and what they mean."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .errors import CliError
from .names import SOLVERS

if TYPE_CHECKING:
    from ..options.config import PropagationConfig
    from ..options.key_steps import KeySteps

Model = Annotated[str, typer.Argument(help="An embedded model, a folder in diffusers format, or a hub id.")]
ModelOption = Annotated[
    str,
    typer.Option("--model", help="An embedded model, a folder in diffusers format, a .safetensors file, or a hub id."),
]
PixelsOption = Annotated[int | None, typer.Option(min=1, help="Pixels; the model's own size by default.")]
SchedulerOption = Annotated[str | None, typer.Option("--scheduler", help=f"{SOLVERS}; the model's own by default.")]
KeyStepsOption = Annotated[
    str,
    typer.Option(
        "--key-steps",
        metavar="SPEC",
        help="Where the encoder runs: paper, uniform:N, progressive, all, another preset, or steps such as 0,2,5,10.",
    ),
]
ParallelOption = Annotated[
    bool,
    typer.Option("--parallel/--sequential", help="Decode the steps between key steps in one batch, or one by one."),
]
PriorNoiseOption = Annotated[
    bool,
    typer.Option("--prior-noise/--no-prior-noise", help="Mix a little of the initial noise into the late steps."),
]
DeviceOption = Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1, mps; the best there is by default.")]
DtypeOption = Annotated[
    str | None, typer.Option(help="float32, float16 or bfloat16; float16 on a GPU by default, else float32.")
]
ArmOption = Annotated[
    str | None,
    typer.Option("--arm", metavar="SPEC", help="All of the acceleration as an arm: 'dpm++:20 + paper + forecast:1'."),
]
ProfileOption = Annotated[
    Path | None, typer.Option("--profile", help="A file of tune or fit, which says all of the acceleration.")
]
SeedOption = Annotated[
    int, typer.Option("--seed", min=-1, help="Of the first image; the next ones count up from it; -1 takes any.")
]
OffloadOption = Annotated[
    str | None, typer.Option("--offload", help="Keep what does not run out of the GPU: model or sequential.")
]
CompileOption = Annotated[
    bool, typer.Option("--compile", help="Compile the network's repeated blocks: slow to start, then faster.")
]
VariantOption = Annotated[
    str | None, typer.Option("--variant", help="Of the weights, such as fp16; by itself where there is no other.")
]
ConfigOption = Annotated[
    str | None, typer.Option("--config", help="A folder or hub id with the configs that a model in one file takes.")
]
LoraOption = Annotated[
    list[str] | None,
    typer.Option("--lora", metavar="LORA[:WEIGHT]", help="A folder, file or hub id of a LoRA; may be repeated."),
]
EmbeddingOption = Annotated[
    list[str] | None,
    typer.Option("--embedding", help="A folder, file or hub id of a textual inversion; may be repeated."),
]
ImageOption = Annotated[Path | None, typer.Option("--image", help="A picture to start from.")]
StrengthOption = Annotated[
    float | None, typer.Option("--strength", min=0, max=1, help="How far to leave --image, 0 to 1; 0.8 by default.")
]
ControlOption = Annotated[Path | None, typer.Option("--control", help="A picture to follow: edges, a pose, a depth.")]
ControlNetOption = Annotated[
    str | None, typer.Option("--controlnet", help="A folder or hub id of the ControlNet that reads --control.")
]
ControlScaleOption = Annotated[float, typer.Option("--control-scale", min=0, help="How closely to follow --control.")]


@dataclass(frozen=True)
class Acceleration:
    """The acceleration options as given.

    Raises:
        CliError: the key steps are not understood.
    """

    key_steps: str
    parallel: bool
    prior_noise: bool

    def __post_init__(self) -> None:
        self._parsed()

    def orders(self, calls: int, classes: Iterable[str] = ()) -> tuple[int, ...]:
        """The key steps of a run of `calls` network calls; what "paper" means depends on the `classes` of a model.

        Raises:
            CliError: one lies outside the run.
        """
        from ..options.key_steps import Explicit

        parsed = self._parsed().for_classes(classes)
        beyond = [key for key in parsed.rule.keys if key >= calls] if isinstance(parsed.rule, Explicit) else []
        if beyond:
            raise CliError(f"Key step {beyond[0]} is out of range: this run has the steps 0 to {calls - 1}.")
        return parsed.orders(calls)

    def config(self) -> PropagationConfig:
        """The same for the engine."""
        from ..options.config import PropagationConfig

        return PropagationConfig(self._parsed(), self.parallel, self.prior_noise)

    def _parsed(self) -> KeySteps:
        from ..options.key_steps import KeySteps

        try:
            return KeySteps.parse(self.key_steps)
        except ValueError as error:
            raise CliError(str(error)) from error


def chosen_seed(seed: int) -> int:
    """The seed itself, or any for -1."""
    return secrets.randbelow(2**32) if seed == -1 else seed


def check_solver(name: str | None) -> None:
    """Raises CliError for a name that is not known; `None` is the model's own."""
    from ..models.schedulers import check

    if name is not None:
        try:
            check(name)
        except ValueError as error:
            raise CliError(str(error)) from error
