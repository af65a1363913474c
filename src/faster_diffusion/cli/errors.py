"""What goes wrong is said in one line, never in a traceback."""

import functools
import logging
import os
import sys
import traceback
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from contextvars import ContextVar
from pathlib import Path
from tempfile import mkstemp
from typing import Any, TypeVar

import typer
from typer.core import TyperGroup

from ..generation.errors import InputError, MissingError, UnwantedError

Command = TypeVar("Command", bound=Callable[..., Any])

FAILED, USAGE = 1, 2  # exit codes
_SHOWN = 300  # characters of an unforeseen error
_GO_ON = ("evaluate", "tune", "fit", "bench")  # commands that keep what they have done


class CliError(Exception):
    """Something the user can put right. `code` is the exit code."""

    def __init__(self, message: str, code: int = USAGE) -> None:
        super().__init__(message)
        self.code = code


_resources: ContextVar[ExitStack] = ContextVar("resources")  # of the command that runs


def held(resource: AbstractContextManager[Any]) -> Any:
    """Enters a resource that the command that runs lets go of when it ends, whatever ends it."""
    return _resources.get().enter_context(resource)


def one_line(command: Command) -> Command:
    """Reports what a user can put right as `Error: ...` on stderr; a bug goes on to `LastResort`."""

    @functools.wraps(command)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        try:
            with ExitStack() as stack:
                before = _resources.set(stack)
                try:
                    return command(*args, **kwargs)
                finally:
                    _resources.reset(before)
        except BaseException as error:
            told = in_one_line(error)
            if told is None:
                raise
            if isinstance(error, KeyboardInterrupt) and command.__name__ in _GO_ON:
                told = CliError("Interrupted. The same command goes on from here.", FAILED)
        typer.echo(f"Error: {' '.join(str(told).split())}", err=True)
        raise typer.Exit(told.code)

    return wrapper  # type: ignore[return-value]


class LastResort(TyperGroup):
    """The commands; what nobody foresaw is told in one line too, with where its traceback was written."""

    def invoke(self, context: Any) -> Any:
        """Runs the command that was asked for."""
        try:
            return super().invoke(context)
        except Exception as error:
            if hasattr(error, "exit_code") or isinstance(error, (typer.Abort, BrokenPipeError)):
                raise  # typer tells those
            typer.echo(f"Error: {_unforeseen(error)}", err=True)
            raise typer.Exit(FAILED) from error


def _unforeseen(error: Exception) -> str:
    text = " ".join(str(error).split())
    what = f"{type(error).__name__}: {text if len(text) <= _SHOWN else f'{text[:_SHOWN]}...'}"
    try:
        number, log = mkstemp(prefix="faster-diffusion-", suffix=".log")
        os.close(number)
        details = f"{sys.argv}\n\n{''.join(traceback.format_exception(error))}"
        Path(log).write_text(details, encoding="utf-8", errors="backslashreplace")
    except OSError:
        return f"{what} (a bug of ours, or of a library we use, whose details could not be written)"
    return f"{what} (a bug of ours, or of a library we use; please report it with {log})"


def in_one_line(error: BaseException) -> CliError | None:
    """What a user is told of an error; none if that is a bug, or no error."""
    if isinstance(error, CliError):
        return error
    if isinstance(error, MissingError):
        return CliError(f"{error.reason}; give one as {option(error.name)}.")
    if isinstance(error, UnwantedError):
        return CliError(f"{error.reason}; leave {option(error.name)} out.")
    if isinstance(error, InputError):
        return CliError(str(error))
    if isinstance(error, KeyboardInterrupt):
        return CliError("Interrupted.", FAILED)
    if is_out_of_memory(error):
        return CliError("Out of memory. Try --sequential, --dtype float16, or a smaller --height and --width.", FAILED)
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return CliError(f"{error.filename}: {error.strerror}.", FAILED)
    if isinstance(error, (ValueError, OSError, ImportError)):
        return CliError(str(error), FAILED)
    return None


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a machine or its accelerator has too little memory."""
    too_little = isinstance(error, RuntimeError) and "not enough memory" in str(error)  # torch's words on a CPU
    return too_little or isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"  # torch's class


def show_our_warnings_only() -> None:
    """Sends this library's warnings to stderr, one line each, and silences what others say while loading a model."""
    logger = logging.getLogger("faster_diffusion")
    logger.handlers = [_Echo()]
    logger.propagate = False
    warnings.simplefilter("ignore")
    for library in ("diffusers", "transformers"):  # which read this when they are loaded, and may be loaded already
        os.environ[f"{library.upper()}_VERBOSITY"] = "error"
        if library in sys.modules:
            sys.modules[library].utils.logging.set_verbosity_error()


class _Echo(logging.Handler):
    """Says a thing once, however many batches it is true of."""

    def __init__(self) -> None:
        super().__init__()
        self._said: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        said = f"{record.levelname.capitalize()}: {record.getMessage()}"
        if said not in self._said:
            self._said.add(said)
            typer.echo(said, err=True)


def option(name: str) -> str:
    """How a command line calls a parameter."""
    return f"--{name.replace('_', '-')}"
