"""How the calls of a network get to the runs that answer them.

Calls are intercepted at a class's ``__call__``: that lies above whatever offloading, compilation and adapters put on a
module's ``forward``, before or after, and writes nothing on the module.
"""

from __future__ import annotations

import functools
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

from torch import nn

from .overriding import Layer, is_on_top, put_on, take_off
from .sessions import interceptors_here, opened


class Interceptor(Protocol):
    """Answers the calls of one network in a run."""

    @property
    def root(self) -> nn.Module:
        """The network."""

    @property
    def owner(self) -> object:
        """Who started the run."""

    def predict(self, network: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Answers ``root(*args, **kwargs)``, which is ``network(*args, **kwargs)`` without the engine."""


Watch = Callable[[Callable[[], Any]], Any]  # makes a call that is given to it, and returns what that returns
_watchers: ContextVar[tuple[tuple[nn.Module, Watch], ...]] = ContextVar("faster_diffusion_watchers", default=())


class CallPatch:
    """Wraps the ``__call__`` of a class for as long as someone needs it.

    Args:
        wrap: from the original ``__call__`` to the one in its place. What it gives has to hand calls on where nobody
            needs them: others may keep it, and put it back.
    """

    def __init__(self, wrap: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
        self._wrap = wrap
        self._users: Counter[type] = Counter()
        self._layers: dict[type, list[Layer]] = {}
        self._lock = threading.RLock()  # reentrant: the garbage collector may release in the middle of anything

    def acquire(self, cls: type) -> None:
        """Wraps the ``__call__`` of a class, if nobody else has done so, or others have put theirs over ours."""
        with self._lock:
            layers = self._layers.setdefault(cls, [])
            if not layers or not is_on_top(cls, "__call__", layers[-1]):
                original: Any = cls.__call__
                wrapped = functools.wraps(original)(self._wrap(_own_call(cls)))
                layers.append(put_on(cls, "__call__", wrapped))
            self._users[cls] += 1

    def release(self, cls: type) -> None:
        """Gives a class its ``__call__`` back, if nobody else needs the wrapped one; leaves what others put on."""
        with self._lock:
            self._users[cls] -= 1
            if not self._users[cls]:
                del self._users[cls]
                for layer in reversed(self._layers.pop(cls)):
                    take_off(cls, "__call__", layer)


def _own_call(cls: type) -> Callable[..., Any]:
    """The ``__call__`` that a class has now; an inherited one as it will be when it is called."""
    own: Callable[..., Any] | None = vars(cls).get("__call__")
    if own is not None:
        return own

    def inherited(self: Any, *args: Any, **kwargs: Any) -> Any:
        above: Any = super(cls, self)
        return above.__call__(*args, **kwargs)

    return inherited


_under_way = threading.local()  # the networks whose call is being answered: a base class may be wrapped too


def _hand_over(original: Callable[..., Any]) -> Callable[..., Any]:
    def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:
        answered: set[int] = _under_way.__dict__.setdefault("roots", set())
        if id(self) in answered:
            return original(self, *args, **kwargs)
        answered.add(id(self))
        try:
            return _answer(self, functools.partial(original, self), args, kwargs)
        finally:
            answered.discard(id(self))

    return __call__


def _answer(root: nn.Module, network: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    interceptor = next((each for each in interceptors_here() if each.root is root), None)
    if interceptor is not None:
        network = functools.partial(_predicted, interceptor, network)
    for watched_root, watch in _watchers.get():
        if watched_root is root:
            return watch(functools.partial(network, *args, **kwargs))
    return network(*args, **kwargs)


def _predicted(interceptor: Interceptor, network: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return interceptor.predict(network, args, kwargs)


_network_calls = CallPatch(_hand_over)


@contextmanager
def running(*run: Interceptor, loop: int | None = None) -> Iterator[None]:
    """Within it, these answer the calls of their networks that are made here; other networks are themselves.

    Args:
        loop: see `sessions.loop_around`.
    """
    classes = [type(interceptor.root) for interceptor in run]
    for cls in classes:
        _network_calls.acquire(cls)
    try:
        with opened(run, loop):
            yield
    finally:
        for cls in classes:
            _network_calls.release(cls)


@contextmanager
def watched(root: nn.Module, watch: Watch) -> Iterator[None]:
    """Within it, this thread's calls of a network go through ``watch``, whether a run answers them or not."""
    _network_calls.acquire(type(root))
    token = _watchers.set((*_watchers.get(), (root, watch)))
    try:
        yield
    finally:
        _watchers.reset(token)
        _network_calls.release(type(root))
