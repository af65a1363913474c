"""All classes of networks whose stages are known."""

from __future__ import annotations

from .transformers import TRANSFORMERS
from .unets import UNETS

LAYOUTS = {**UNETS, **TRANSFORMERS}
