"""What goes wrong is said in one line, never in a traceback."""

import functools
import logging
import warnings
from collections.abc import Callable
from typing import Any, TypeVar

import diffusers
import torch
import transformers
import typer

from ..generation.errors import InputError, MissingError, UnwantedError

Command = TypeVar("Command", bound=Callable[..., Any])

FAILED, USAGE = 1, 2  # exit codes


class CliError(Exception):
    """Something the user can put right. `code` is the exit code."""

    def __init__(self, message: str, code: int = USAGE) -> None:
        super().__init__(message)
        self.code = code


def one_line(command: Command) -> Command:
    """Reports what a user can put right as `Error: ...` on stderr. A bug still shows its traceback."""

    @functools.wraps(command)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except CliError as error:
            _fail(str(error), error.code)
        except MissingError as error:
            _fail(f"{error.reason}; give one as --{_option(error.name)}.", USAGE)
        except UnwantedError as error:
            _fail(f"{error.reason}; leave --{_option(error.name)} out.", USAGE)
        except InputError as error:
            _fail(str(error), USAGE)
        except torch.OutOfMemoryError:
            _fail("Out of memory. Try --sequential, --dtype float16, or a smaller --height and --width.", FAILED)
        except (ValueError, OSError, ImportError) as error:
            _fail(str(error), FAILED)

    return wrapper  # type: ignore[return-value]


def show_our_warnings_only() -> None:
    """Sends this library's warnings to stderr, one line each, and silences what others say while loading a model."""
    logger = logging.getLogger("faster_diffusion")
    logger.handlers = [_Echo()]
    logger.propagate = False
    warnings.simplefilter("ignore")
    for library in (diffusers.utils.logging, transformers.utils.logging):
        library.set_verbosity_error()
        library.disable_progress_bar()


class _Echo(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        typer.echo(f"{record.levelname.capitalize()}: {record.getMessage()}", err=True)


def _option(name: str) -> str:
    """How a command calls an argument."""
    return name.replace("_", "-")


def _fail(message: str, code: int) -> None:
    typer.echo(f"Error: {' '.join(message.split())}", err=True)
    raise typer.Exit(code)
