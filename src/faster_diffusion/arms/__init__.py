"""Arms: ways of sampling one pipeline that are measured against each other, from a line of text each.

>>> arm = Arm.parse("dpm++:20 + uniform:2 + sequential")
>>> with arm.applied(pipe):
...     image = pipe("a cat", num_inference_steps=arm.steps(50)).images[0]
"""

from .arm import Arm
from .files import read_arms

__all__ = ["Arm", "read_arms"]
