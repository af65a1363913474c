"""Arms from a file that names them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .arm import Arm


def read_arms(path: str | Path) -> list[Arm]:
    """The arms of a JSON or YAML file that maps names to specifications (see ``Arm.parse``), in its order.

    Raises:
        ValueError: the file is not such a map, or an arm is not understood.
        ImportError: it is YAML and PyYAML is not installed.
    """
    path = Path(path)
    named = _load(path)
    if not isinstance(named, dict) or not named:
        raise ValueError(f"{path} is no map from names to arms, such as {{'fast': 'dpm++:20 + paper'}}.")
    try:
        return [Arm.parse(str(spec), str(name)) for name, spec in named.items()]
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _load(path: Path) -> Any:
    text = path.read_text()
    if path.suffix.lower() == ".json":
        try:
            return json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(f"{path} is no JSON: {error}.") from error
    try:
        import yaml
    except ModuleNotFoundError as error:
        raise ImportError(f"{path} is read as YAML, which needs PyYAML: pip install pyyaml, or use JSON.") from error
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"{path} is no YAML: {' '.join(str(error).split())}.") from error
