"""Which runs answer the network calls that are made here and now.

A run is open in the context that it was started in: other threads, and other tasks, do not see it. A loop that yields
from within its run, as servers stream previews, is advanced in whatever context and thread comes along; its run is
open wherever the frame of the loop is on the stack, and between two yields nowhere.
"""

from __future__ import annotations

import inspect
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import count
from types import FrameType
from typing import Any

_numbers = count(1)
_PASSED_ON = ("contextlib", "faster_diffusion")  # modules that enter a run on behalf of whoever called them


class Session:
    """Interceptors that answer calls while it is open.

    Args:
        loop: identifies the frame of a generator that the run was started in, see `loop_around`.
    """

    def __init__(self, interceptors: tuple[Any, ...], loop: int | None) -> None:
        self.interceptors, self.loop = interceptors, loop
        self.number = next(_numbers)
        self.open = True
        self.entered = False  # whether a call came from within the loop

    def is_here(self, frames: set[int], opened_here: bool) -> bool:
        """Whether calls that are made here are its own."""
        if self.loop in frames:
            self.entered = True
            return True
        # A generator that no call comes from is no loop, but something that enters the run for others, as fixtures do.
        return opened_here and not (self.loop is not None and self.entered)


_opened: ContextVar[tuple[Session, ...]] = ContextVar("faster_diffusion_sessions", default=())
_hidden: ContextVar[int] = ContextVar("faster_diffusion_hidden", default=0)  # sessions up to this number
_loops: list[Session] = []  # those of generators
_lock = threading.Lock()


@contextmanager
def opened(interceptors: tuple[Any, ...], loop: int | None = None) -> Iterator[Session]:
    """Within it, interceptors answer the calls of their networks; those of a session opened later come first."""
    session = Session(interceptors, loop)
    _opened.set((*(other for other in _opened.get() if other.open), session))
    if loop is not None:
        with _lock:
            _loops.append(session)
    try:
        yield session
    finally:
        session.open = False
        # Not by a token: a generator may be closed in another context than it was started in.
        _opened.set(tuple(other for other in _opened.get() if other.open))
        if loop is not None:
            with _lock:
                _loops.remove(session)


@contextmanager
def hidden() -> Iterator[None]:
    """Within it, the sessions that are open now answer nothing."""
    before = _hidden.get()
    _hidden.set(next(_numbers))
    try:
        yield
    finally:
        _hidden.set(before)


def interceptors_here() -> list[Any]:
    """All that may answer a call that is made here, those of the innermost run first."""
    here = [session for session in _opened.get() if session.open]
    loops = list(_loops)
    if not here and not loops:
        return []
    frames = _frames() if loops else set()
    after = _hidden.get()
    found = [
        session
        for session in {*here, *loops}
        if session.number > after and session.open and session.is_here(frames, session in here)
    ]
    found.sort(key=lambda session: session.number, reverse=True)
    return [interceptor for session in found for interceptor in session.interceptors]


def loop_around() -> int | None:
    """Identifies the generator that asks for a run, if one does and not a plain function."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and (_is_passed_on(frame) or _is_manager(frame)):
        frame = frame.f_back
    return id(frame) if frame is not None and frame.f_code.co_flags & inspect.CO_GENERATOR else None


def _is_passed_on(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0] in _PASSED_ON


def _is_manager(frame: FrameType) -> bool:
    """Whether a frame is that of a generator made a context manager by ``contextlib``."""
    back = frame.f_back
    generator = bool(frame.f_code.co_flags & inspect.CO_GENERATOR)
    return generator and back is not None and back.f_globals.get("__name__") == "contextlib"


def _frames() -> set[int]:
    """The frames on the stack of this thread. Not held, since that would keep what a loop holds alive."""
    found, frame = set(), sys._getframe(1)
    while frame is not None:
        found.add(id(frame))
        frame = frame.f_back  # type: ignore[assignment]
    return found
