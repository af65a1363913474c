"""Benchmarks of speed: arms interleaved in one process, on any pipeline or known architecture.

The command is `faster-diffusion bench`.
"""

from .machine import machine
from .timing import Timings, UNetTimer, interleave

__all__ = ["Timings", "UNetTimer", "interleave", "machine"]
