"""Which run the current thread is in, and how its network calls get there.

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


interceptors: ContextVar[tuple[Interceptor, ...]] = ContextVar("faster_diffusion_interceptors", default=())

Watch = Callable[[Callable[[], Any]], Any]  # makes a call that is given to it, and returns what that returns
_watchers: ContextVar[tuple[tuple[nn.Module, Watch], ...]] = ContextVar("faster_diffusion_watchers", default=())


class CallPatch:
    """Wraps the ``__call__`` of a class for as long as someone needs it.

    Args:
        wrap: from the original ``__call__`` to the one in its place.
    """

    def __init__(self, wrap: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
        self._wrap = wrap
        self._users: Counter[type] = Counter()
        self._own: dict[type, Any] = {}  # what a class itself defined; classes may inherit __call__
        self._lock = threading.RLock()  # reentrant: the garbage collector may release in the middle of anything

    def acquire(self, cls: type) -> None:
        """Wraps the ``__call__`` of a class, if nobody else has done so."""
        with self._lock:
            if not self._users[cls]:
                self._own[cls] = vars(cls).get("__call__")
                original: Any = cls.__call__
                cls.__call__ = functools.wraps(original)(self._wrap(original))  # type: ignore[method-assign]
            self._users[cls] += 1

    def release(self, cls: type) -> None:
        """Gives a class its own ``__call__`` back, if nobody else needs the wrapped one."""
        with self._lock:
            self._users[cls] -= 1
            if not self._users[cls]:
                own = self._own.pop(cls)
                if own is None:
                    del cls.__call__
                else:
                    cls.__call__ = own  # type: ignore[method-assign]


def _hand_over(original: Callable[..., Any]) -> Callable[..., Any]:
    def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:
        network = functools.partial(original, self)
        for interceptor in interceptors.get():
            if interceptor.root is self:
                network = functools.partial(_predicted, interceptor, network)
                break
        for root, watch in _watchers.get():
            if root is self:
                return watch(functools.partial(network, *args, **kwargs))
        return network(*args, **kwargs)

    return __call__


def _predicted(interceptor: Interceptor, network: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return interceptor.predict(network, args, kwargs)


_network_calls = CallPatch(_hand_over)


@contextmanager
def running(*run: Interceptor) -> Iterator[None]:
    """Within it, these answer this thread's calls of their networks; other networks are themselves."""
    classes = [type(interceptor.root) for interceptor in run]
    for cls in classes:
        _network_calls.acquire(cls)
    token = interceptors.set(run)
    try:
        yield
    finally:
        interceptors.reset(token)
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
