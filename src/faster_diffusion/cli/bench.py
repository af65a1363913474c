"""`faster-diffusion bench`: how fast arms are on a model or an architecture, on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..generation.errors import InputError
from . import names, options, outputs
from .errors import FAILED, CliError, one_line

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from ..arms import Arm
    from ..benchmark.architectures import Size
    from ..benchmark.cases import Case, Suite
    from ..benchmark.results import Results

WIDTH = 150  # of tables that are not written to a terminal


@one_line
def bench(
    model: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[MODEL]...",
            help=f"An architecture with random weights ({names.ARCHITECTURES}), an embedded model, a folder, or a "
            "hub id; scenes by default. Of a suite: which of its models.",
        ),
    ] = None,
    suite: Annotated[
        str | None, typer.Option(help=f"Cases that belong together ({names.SUITES}), instead of one's own.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="The suite quick: about a minute on two cores.")] = False,
    arm: Annotated[
        list[str] | None, typer.Option("--arm", help="An arm, such as 'paper + sequential'; may be repeated.")
    ] = None,
    arms: Annotated[Path | None, typer.Option(help="A JSON or YAML file that names arms.")] = None,
    batch: Annotated[list[int] | None, typer.Option(min=1, help="Images at once; may be repeated.")] = None,
    size: Annotated[
        list[str] | None, typer.Option(metavar="SIDE|HxW", help="Pixels; the model's own by default; may be repeated.")
    ] = None,
    mode: Annotated[list[str] | None, typer.Option(help=f"{names.MODES}; may be repeated.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Sampling steps; the model's own by default.")] = None,
    guidance: Annotated[float | None, typer.Option(help="Guidance scale; 1 is none.")] = None,
    vae: Annotated[bool | None, typer.Option("--vae/--no-vae", help="Whether a whole call ends with the VAE.")] = None,
    rounds: Annotated[int | None, typer.Option(min=1, help="Times that every arm is measured; 5 by default.")] = None,
    memory: Annotated[
        bool | None, typer.Option("--memory/--no-memory", help="Peak memory, on a CPU by a process for each arm.")
    ] = None,
    dtype: options.DtypeOption = None,
    device: options.DeviceOption = None,
    out: Annotated[Path, typer.Option(help="JSON file; pictures are written beside it.")] = Path("bench.json"),
    again: Annotated[bool, typer.Option("--again", help="Measure anew what the file has already.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List the cases and their arms, and stop.")] = False,
) -> None:
    """Times arms against each other, interleaved in one process. A run that was stopped goes on where it was."""
    if not dry_run:
        outputs.hold_file(out)

    from rich.console import Console

    from ..benchmark.results import Results
    from ..generation import loading

    chosen = _suite("quick" if quick else suite)
    given: dict[str, Any] = {"steps": steps, "guidance": guidance, "vae": vae, "arms": _arms(arm, arms)}
    more = {name: value for name, value in given.items() if value is not None}
    sizes: list[Size | None] = [_size(text) for text in size or ()] or [None]
    if chosen is None:
        for name in model or ():
            _check_model(name)
        device = loading.check_device(device)
        more |= {"device": device, "dtype": _dtype(dtype, device)}
        wanted = [
            _case(name, batch=count, size=side, mode=how, **more)
            for name, side, count, how in product(model or ["scenes"], sizes, batch or [1], mode or ["eager"])
        ]
    else:
        more |= {"dtype": _dtype(dtype, "cpu")} if dtype else {}
        more |= {"device": device} if device else {}
        kept = _kept(chosen, model, batch, mode)
        wanted = list(dict.fromkeys(_changed(one, side, more) for one in kept for side in sizes))
    console = Console() if Console().is_terminal else Console(width=WIDTH)
    if dry_run:
        _list(console, wanted)
        return
    _check_device(wanted)
    if chosen is not None:
        console.print(f"{chosen.about[0].upper()}{chosen.about[1:]}.\n", highlight=False, soft_wrap=True)
        rounds = rounds or chosen.rounds
        memory = chosen.memory if memory is None else memory
    _run(console, wanted, Results(out), rounds or 5, memory is not False, again)


def _run(console: Console, wanted: Sequence[Case], results: Results, rounds: int, memory: bool, again: bool) -> None:
    from ..benchmark.measure import measure
    from ..benchmark.report import caption
    from ..measuring.machine import machine

    here = machine()
    reports = []
    for number, one in enumerate(wanted, 1):
        report = None if again else results.find(one, rounds, memory, here)
        before = " (measured before)" if report is not None else ""
        console.print(f"{number} of {len(wanted)}: {one.name}{before}", style="bold", highlight=False, soft_wrap=True)
        if report is None:
            with console.status("measuring"):
                report = measure(one, rounds, memory)
            results.add(report)
        reports.append(report)
        console.print(_table(report))
        for name, values in report["arms"].items():
            if "reason" in values:
                console.print(f"{name} was not measured: {values['reason']}", highlight=False, soft_wrap=True)
        console.print(f"{caption(report)}\n", highlight=False, soft_wrap=True)
    typer.echo(results.path)
    if not any("unet" in values for report in reports for values in report["arms"].values()):
        raise CliError("No arm could be measured; the tables say why.", FAILED)
    for path in _plots(reports, results.path):
        typer.echo(path)


def _plots(reports: list[dict[str, Any]], out: Path) -> list[Path]:
    from ..benchmark import plots

    try:
        return plots.draw(reports, out.with_suffix(""))
    except ImportError as error:
        typer.echo(f"No pictures. {error}", err=True)
        return []


def _table(report: dict[str, Any]) -> Table:
    from rich.table import Table

    from ..benchmark.report import COLUMNS, rows

    table = Table(COLUMNS[0])
    for column in COLUMNS[1:]:
        table.add_column(column, justify="right")
    for row in rows(report):
        table.add_row(*(row if len(row) == len(COLUMNS) else (row[0], "not measured")))  # the reason stands below
    return table


def _list(console: Console, wanted: Sequence[Case]) -> None:
    for number, one in enumerate(wanted, 1):
        console.print(f"{number}: {one.name}", style="bold", highlight=False, soft_wrap=True)
        console.print(f"   {' | '.join(arm.name for arm in one.arms)}", highlight=False, soft_wrap=True)
    typer.echo(f"{len(wanted)} cases. An arm that does not fit a pipeline is shown with the reason.")


def _suite(name: str | None) -> Suite | None:
    from ..benchmark.cases import SUITES

    if name is None:
        return None
    if name not in SUITES:
        raise CliError(f"Unknown suite {name!r}. Known: {', '.join(SUITES)}.")
    return SUITES[name]


def _kept(
    suite: Suite, names: Sequence[str] | None, batches: Sequence[int] | None, modes: Sequence[str] | None
) -> list[Case]:
    """The cases of a suite that are asked for."""
    kept = [
        one
        for one in suite.cases
        if (not names or one.model in names)
        and (not batches or one.batch in batches)
        and (not modes or one.mode in modes)
    ]
    if not kept:
        raise CliError("No case of the suite is like that; --dry-run lists them.")
    return kept


def _changed(one: Case, size: Size | None, more: dict[str, Any]) -> Case:
    try:
        return replace(one, size=size or one.size, **more)
    except ValueError as error:
        raise CliError(f"{one.name}: {error}") from error


def _case(name: str, **more: Any) -> Case:
    from ..benchmark.cases import case

    try:
        return case(name, **more)
    except ValueError as error:
        raise CliError(str(error)) from error


def _arms(specs: Sequence[str] | None, path: Path | None) -> tuple[Arm, ...] | None:
    from ..arms import Arm, read_arms

    try:
        named = read_arms(path) if path is not None else []
        return (*named, *map(Arm.parse, specs or ())) or None
    except (ValueError, ImportError) as error:
        raise CliError(str(error)) from error


def _size(text: str) -> Size:
    height, _, width = text.lower().partition("x")
    if not (height.isdecimal() and (width or height).isdecimal()) or int(height) % 8 or int(width or height) % 8:
        raise CliError(f"--size {text} is not a number of pixels such as 512 or 576x1024, in multiples of 8.")
    return int(height), int(width or height)


def _dtype(name: str | None, device: str) -> str:
    from ..generation import loading

    return str(loading.check_dtype(name, device)).removeprefix("torch.")


def _check_model(name: str) -> None:
    from ..benchmark.architectures import ARCHITECTURES
    from ..generation import loading

    if name not in ARCHITECTURES:
        try:
            loading.folder_of(name)
        except InputError as error:
            raise CliError(f"{error} Architectures with random weights: {', '.join(ARCHITECTURES)}.") from error


def _check_device(wanted: Sequence[Case]) -> None:
    from ..generation import loading

    for device in dict.fromkeys(one.device for one in wanted):
        try:
            loading.check_device(device)
        except InputError as error:
            raise CliError(f"{error}. --device cpu measures there; --dry-run lists the cases.") from error
