"""Configs of diffusers' classes."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from typing import Any


def not_default(cls: type, config: Mapping[str, Any]) -> dict[str, Any]:
    """What a config has otherwise than ``cls`` by default, so that a new release's new options change nothing."""
    defaults = {name: parameter.default for name, parameter in inspect.signature(cls).parameters.items()}
    plain = json.loads(json.dumps(dict(config), default=str))
    usual = json.loads(json.dumps(defaults, default=str))
    return {name: value for name, value in plain.items() if name in usual and value != usual[name]}
