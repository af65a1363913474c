"""Key steps: at which sampling steps the whole network runs. Pure functions of the number of steps; no torch.

An *order* is an index into ``scheduler.timesteps``: 0 is the first, noisiest step. Steps that are not key reuse the
encoder features of the last key step (Sec. 3.2 of arXiv 2312.09608).
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from operator import index
from types import MappingProxyType

from ..models.paper import key_steps_of

logger = logging.getLogger(__name__)

SD_50 = (0, 1, 2, 3, 5, 10, 15, 25, 35)
DPM_20 = (0, 1, 2, 3, 5, 10, 15)


@dataclass(frozen=True)
class Uniform:
    """Every ``every``-th step is key."""

    every: int

    def __call__(self, n: int) -> Iterable[int]:
        """The key steps of a run of ``n``."""
        return range(0, n, self.every)


@dataclass(frozen=True)
class Explicit:
    """A list of orders, taken as it is; what lies beyond the run is ignored with a warning."""

    keys: tuple[int, ...]

    def __call__(self, n: int) -> Iterable[int]:
        """The key steps of a run of ``n``."""
        _warn_of_orders_beyond(n, tuple(order for order in self.keys if order >= n))
        return [order for order in self.keys if order < n]


@dataclass(frozen=True)
class Scaled:
    """A published list, made for a number of steps, stretched over any other number.

    ``lists`` holds pairs (steps, orders); the one whose number of steps is nearest in ratio serves.
    """

    lists: tuple[tuple[int, tuple[int, ...]], ...]

    def __call__(self, n: int) -> Iterable[int]:
        """The key steps of a run of ``n``."""
        base, orders = min(self.lists, key=lambda entry: abs(math.log(n / entry[0])))
        return [order * n // base for order in orders]


@cache  # once
def _warn_of_orders_beyond(n: int, beyond: tuple[int, ...]) -> None:
    if beyond:
        logger.warning("Key steps %s lie beyond a run of %d steps (orders 0 to %d); ignored.", [*beyond], n, n - 1)


def progressive(n: int) -> Iterable[int]:
    """Gaps that grow by one: the orders o for which 9 + 8 o is a perfect square (0, 2, 5, 9, 14, ...)."""
    return [order for order in range(n) if math.isqrt(9 + 8 * order) ** 2 == 9 + 8 * order]


def _where(n: int, key: Callable[[int], bool]) -> Scaled:
    return Scaled(((n, tuple(order for order in range(n) if key(order))),))


Rule = Callable[[int], Iterable[int]]

PRESETS: Mapping[str, Rule] = MappingProxyType(
    {
        "paper": Scaled(((20, DPM_20), (50, SD_50))),
        "all": Uniform(1),
        "progressive": progressive,
        "pro": progressive,
        "50ls": Scaled(((50, SD_50),)),
        "50ls2": Scaled(((50, (0, 10, 11, 12, 15, 20, 25, 30, 35, 45)),)),
        "50ls3": Scaled(((50, (0, 20, 25, 30, 35, 45, 46, 47, 48, 49)),)),
        "50ls4": Scaled(((50, (0, 9, 13, 14, 15, 28, 29, 32, 36, 45)),)),
        "75ls": _where(75, lambda order: order < 10 or order > 65 or order % 5 == 0),
        "75ls2": Scaled(((75, (0, 1, 2, 3, 5, 10, 15, 25, 35, 45, 55, 65)),)),
        "100ls": _where(100, lambda order: order < 10 or order > 85 or order % 5 == 0),
        "s2": _where(50, lambda order: order < 20 or order > 40 or order % 2 == 0),
        "dpm": Scaled(((20, DPM_20),)),
        "dreambooth": Scaled(((50, (*SD_50, 40)),)),
        "custom-diffusion": Scaled(((50, (*SD_50, 40)),)),
    }
)


@dataclass(frozen=True)
class KeySteps:
    """Which steps of a run are key, for any number of steps.

    >>> KeySteps.parse("paper").orders(20)
    (0, 1, 2, 3, 5, 10, 15)
    >>> KeySteps.parse("uniform:4").orders(10)
    (0, 4, 8)
    """

    name: str
    rule: Rule

    @classmethod
    def parse(cls, spec: KeySteps | str | int | Iterable[int] | Rule) -> KeySteps:
        """Reads a preset name, ``"uniform:N"`` or N, a list of orders (also ``"0,2,5"``), or a callable n -> orders.

        What ``str`` makes of presets, uniform steps and lists is read back as the same.

        Raises:
            ValueError: the specification is not one of these.
        """
        if isinstance(spec, KeySteps):
            return spec
        if isinstance(spec, str):
            return cls._from_text(spec.strip())
        if isinstance(spec, int) and not isinstance(spec, bool):
            return cls._uniform(spec)
        if callable(spec):
            return cls(getattr(spec, "__qualname__", repr(spec)), spec)
        if isinstance(spec, Iterable):
            return cls._explicit(spec)
        raise ValueError(f"key_steps={spec!r} is not understood. {_HELP}")

    def orders(self, n: int) -> tuple[int, ...]:
        """The key steps of a run of ``n`` network evaluations: ascending, each in [0, n), always with order 0.

        Raises:
            ValueError: ``n`` < 1, or a callable gave an order that is no integer of [0, n).
        """
        if n < 1:
            raise ValueError(f"A run has at least one step; got {n}.")
        orders = _integers(self.rule(n))
        beyond = [order for order in orders if not 0 <= order < n]
        if beyond:
            raise ValueError(f"key_steps {self.name} gave orders {beyond}, outside 0 to {n - 1} of a run of {n} steps.")
        return tuple(sorted({0, *orders}))

    def for_classes(self, names: Iterable[str]) -> KeySteps:
        """What ``"paper"`` means for a pipeline whose class, bases and network have these names."""
        specific = key_steps_of(names) if self.name == "paper" else None
        return KeySteps.parse(specific) if specific else self

    def __str__(self) -> str:
        return self.name

    @classmethod
    def _from_text(cls, text: str) -> KeySteps:
        if text in PRESETS:
            return cls(text, PRESETS[text])
        kind, _, argument = text.partition(":")
        if kind == "uniform" and argument.strip().isdecimal():
            return cls._uniform(int(argument))
        if text.isdecimal():
            return cls._uniform(int(text))
        parts = text.removesuffix(",").split(",")
        if all(part.strip().isdecimal() for part in parts):
            return cls._explicit(int(part) for part in parts)
        raise ValueError(f"key_steps={text!r} is not understood. {_HELP}")

    @classmethod
    def _uniform(cls, every: int) -> KeySteps:
        if every < 1:
            raise ValueError(f"uniform:N needs N >= 1; got {every}.")
        return cls(f"uniform:{every}", Uniform(every))

    @classmethod
    def _explicit(cls, orders: Iterable[int]) -> KeySteps:
        keys = _integers(orders)
        if any(order < 0 for order in keys):
            raise ValueError(f"Key steps count from 0, the first step; got {list(keys)}.")
        keys = tuple(sorted({0, *keys}))
        name = ",".join(map(str, keys)) + ("," if len(keys) == 1 else "")  # "0" would be every 0th step
        return cls(name, Explicit(keys))


def _integers(orders: Iterable[int]) -> tuple[int, ...]:
    orders = tuple(orders)
    try:
        return tuple(index(order) for order in orders)
    except TypeError:
        raise ValueError(f"Key steps are whole numbers (indices of sampling steps); got {list(orders)}.") from None


_HELP = (
    f"Use a preset ({', '.join(PRESETS)}), 'uniform:N', a list of orders such as [0, 1, 2, 3, 5, 10], "
    "or a function from the number of steps to orders."
)
