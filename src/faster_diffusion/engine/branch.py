"""What belongs to one of the network calls of a step."""

from __future__ import annotations

from dataclasses import dataclass

from .cache import CacheEntry
from .conditions import Conditions
from .correction import Corrector
from .guidance import Guidance
from .pairing import Pairing


@dataclass
class Branch:
    """What one of the network calls of a step leaves for the same call of later steps."""

    guidance: Guidance | None  # where the unconditional half is left out late in sampling
    corrector: Corrector | None
    pairing: Pairing
    entry: CacheEntry | None = None
    conditions: Conditions | None = None  # of the last call that was computed
