"""The known architectures, narrow."""

import pytest

from faster_diffusion.benchmark.architectures import ARCHITECTURES
from tests.narrow import all_narrow


@pytest.fixture
def narrow_architectures(monkeypatch):
    """Puts the narrow ones in place of the real ones."""
    for name, architecture in all_narrow().items():
        monkeypatch.setitem(ARCHITECTURES, name, architecture)
