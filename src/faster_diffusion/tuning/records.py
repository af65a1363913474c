"""A tuning on disk: what is there is whole and is not measured again.

manifest.json            what is tuned; another tuning does not go on from it
corrections/             profiles of short runs that are corrected
calibration/, held-out/  images that others are compared with, see `measuring.store`
fidelity/ARM.json        fidelity of an arm's images, batch by batch
speed.json               seconds a network call and a step, for ranking
times.json               seconds of calls, round by round
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..arms import Arm
from ..files import read_json, write_json
from ..measuring.store import check_resumable


class Records:
    """What a tuning has measured so far.

    Raises:
        ValueError: the folder holds a tuning of something else.
    """

    def __init__(self, folder: Path, manifest: Mapping[str, Any]) -> None:
        check_resumable(folder, manifest)
        self.folder = folder
        (folder / "fidelity").mkdir(parents=True, exist_ok=True)
        write_json(folder / "manifest.json", manifest)

    def fidelity(self, arm: Arm) -> dict[str, Any]:
        """Batches of an arm by split and first prompt, such as "calibration-00004"."""
        known = read_json(self._path(arm))
        return dict(known["batches"]) if known else {}

    def put_fidelity(self, arm: Arm, batches: Mapping[str, Any]) -> None:
        """Keeps what is known of an arm's batches."""
        write_json(self._path(arm), {"arm": self._spec(arm), "batches": dict(sorted(batches.items()))})

    def fact(self, name: str) -> Any:
        """A fact of the tuning as a whole, if it is known."""
        return read_json(self.folder / f"{name}.json")

    def put_fact(self, name: str, value: Any) -> None:
        """Keeps a fact of the tuning as a whole."""
        write_json(self.folder / f"{name}.json", value)

    def _path(self, arm: Arm) -> Path:
        return self.folder / "fidelity" / f"{hashlib.sha256(self._spec(arm).encode()).hexdigest()[:16]}.json"

    def _spec(self, arm: Arm) -> str:
        """An arm's text with files of this folder told from here on, so that it may be moved."""
        return arm.spec.replace(f"{self.folder}{os.sep}", "")
