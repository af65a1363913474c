"""Benchmarks of speed: arms interleaved in one process, on any pipeline or known architecture.

The command is `faster-diffusion bench`.
"""

from ..measuring.machine import machine
from ..measuring.timing import NetworkTimer, Timings, interleave

UNetTimer = NetworkTimer  # its former name

__all__ = ["NetworkTimer", "Timings", "UNetTimer", "interleave", "machine"]
