"""What a network calls its arguments."""

from __future__ import annotations

import inspect
from functools import cache
from typing import Any

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@cache
def argument_names(cls: Any, sample: str) -> tuple[str, ...]:
    """The names of the positional arguments of a network's ``forward``, in order.

    A class whose ``forward`` passes everything on (``*args, **kwargs``), or that calls the latent otherwise than
    ``sample``, has those of the class that it inherits from.
    """
    for base in cls.__mro__:
        forward: Any = vars(base).get("forward")
        if forward is None:
            continue
        parameters = list(inspect.signature(forward).parameters.values())[1:]  # without self
        names = tuple(parameter.name for parameter in parameters if parameter.kind in _POSITIONAL)
        passes_on = any(parameter.kind is inspect.Parameter.VAR_POSITIONAL for parameter in parameters)
        if not passes_on and {sample, "timestep"} <= set(names):
            return names
    return (sample, "timestep", "encoder_hidden_states")
