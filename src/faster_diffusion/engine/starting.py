"""From the beginning of a run to its end: what is put in place for it, and taken away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import nn

from ..options.prior_noise import PriorNoise
from .control import Control
from .interception import Interceptor, running
from .prior_noise import injected
from .run import Run


@contextmanager
def started(run: Run, control: Any, scheduler: Any, loop: int | None) -> Iterator[None]:
    """Within it, a run answers the calls of its network, and its latents get prior noise; reports at the end.

    Args:
        control: a control network that the run answers for, too, if it is one.
        scheduler: what the loop steps with; ``None`` leaves prior noise out.
        loop: see `sessions.loop_around`.
    """
    runs: list[Interceptor] = [run]
    if isinstance(control, nn.Module):
        runs.append(Control(control, run))
    with ExitStack() as stack:
        if isinstance(run.noise, PriorNoise) and scheduler is not None:
            stack.enter_context(injected(scheduler, run.noise, run))
        stack.enter_context(running(*runs, loop=loop))
        yield
    run.report()
