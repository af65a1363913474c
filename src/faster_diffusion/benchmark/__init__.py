"""Benchmarks of speed: arms interleaved in one process, on any pipeline or known architecture.

The command is `faster-diffusion bench`.
"""

from ..measuring.machine import machine
from ..measuring.timing import Timings, UNetTimer, interleave

__all__ = ["Timings", "UNetTimer", "interleave", "machine"]
