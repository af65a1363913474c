"""Weights from folders and single files, of which none runs code.

Pickled weights are read by diffusers and transformers as weights alone (`weights_only` of `torch.load`). Folders with
code of their own, which older versions of diffusers run, are refused here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import diffusers
from diffusers import pipelines
from safetensors import SafetensorError, safe_open

from .errors import FetchError, InputError, first_line

SUFFIXES = (".safetensors", ".ckpt", ".bin", ".pt", ".pth", ".msgpack", ".h5")
SINGLE_FILES = (".safetensors", ".ckpt", ".pt", ".pth", ".bin")  # a whole model in one

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_LIBRARIES = ("diffusers", "transformers")
_FILE = re.compile(r"[\w-]+(?:\.(?P<variant>[A-Za-z]\w*))?(?:-\d{5}-of-\d{5})?\.(?:safetensors|bin)")
# The pipelines that files of one model are loaded as, by the repository whose configs they take.
_TYPES = {
    "stable-diffusion-v1-5/stable-diffusion-v1-5": "StableDiffusionPipeline",
    "stabilityai/stable-diffusion-2-1": "StableDiffusionPipeline",
    "stabilityai/stable-diffusion-xl-base-1.0": "StableDiffusionXLPipeline",
    "stabilityai/stable-diffusion-xl-refiner-1.0": "StableDiffusionXLImg2ImgPipeline",
    "stabilityai/stable-diffusion-x4-upscaler": "StableDiffusionUpscalePipeline",
}


def is_hub_id(name: str) -> bool:
    """Whether a name can be one of the hub, as none can that looks like a path or a file of weights."""
    looks_local = name.startswith((".", "~", "/")) or Path(name).suffix.lower() in SUFFIXES
    return bool(_HUB_ID.fullmatch(name)) and not looks_local


def check_there(name: str) -> None:
    """Refuses what is neither here nor on the hub, without asking the hub.

    Raises:
        InputError: there is nothing of that name.
    """
    if not Path(name).expanduser().exists() and not is_hub_id(name):
        raise InputError(f"{name} could not be loaded: there is no such file or folder.")


def check_code(name: str, index: Mapping[str, Any], folder: Path | None) -> None:
    """Refuses a pipeline that brings code of its own.

    Args:
        name: what to call it.
        index: its ``model_index.json``.
        folder: where it is, if that is here.

    Raises:
        InputError: says which part.
    """
    if not isinstance(index.get("_class_name"), str):
        raise InputError(f"{name} brings a pipeline as code of its own, which is never run.")
    for part, value in index.items():
        if part.startswith("_") or not isinstance(value, (list, tuple)) or len(value) != 2:
            continue
        library, class_name = value
        known = library is None or library in _LIBRARIES or hasattr(pipelines, str(library))
        if not known or (folder is not None and (folder / part / f"{library}.py").is_file()):
            raise InputError(f"{name} brings {part} ({library}.{class_name}) as code of its own, which is never run.")
        config = (folder or Path()) / part / "config.json"
        there = folder is not None and str(class_name).startswith("Auto") and config.is_file()
        if there and "auto_map" in config.read_text(encoding="utf-8", errors="replace"):
            raise InputError(f"{name} brings {part} as code of its own (auto_map), which is never run.")


def variant_of(folder: Path, asked: str | None = None) -> str | None:
    """The variant of a folder's weights, as in ``model.fp16.safetensors``, to ask for; none for plain ones.

    Raises:
        InputError: the folder has none of the one that is asked for.
    """
    parts: dict[Path, set[str | None]] = {}
    for file in folder.rglob("*"):
        match = _FILE.fullmatch(file.name)
        if match is not None:
            parts.setdefault(file.parent, set()).add(match["variant"])
    known = sorted({variant for variants in parts.values() for variant in variants if variant is not None})
    if asked is not None:
        if asked not in known:
            raise InputError(
                f"{folder} has no weights of variant {asked!r}. It has: {', '.join(known) or 'plain ones'}."
            )
        return asked
    without_plain = [variants for variants in parts.values() if None not in variants]
    common = [variant for variant in known if all(variant in variants for variants in without_plain)]
    return common[0] if without_plain and common else None


def reason_of(error: Exception) -> str:
    """Why weights could not be loaded, in one line."""
    if isinstance(error, UnpicklingError):  # whose own advice is to run what it holds
        return "it has a pickle of more than weights, which is never run. Convert it to .safetensors."
    return first_line(error)


def load_single_file(path: Path, config: str | None, read_config: Callable[[str, str], Any], **options: Any) -> Any:
    """The pipeline in one file, with the configs of another of its kind.

    Args:
        path: weights in the layout of the original code, as people share them.
        config: a folder or hub id whose configs fit; those of the model that the file looks like by default.
        read_config: gives a JSON file of a model by name and path.
        options: for ``from_single_file``.

    Raises:
        InputError: it is no such file, or the configs that it needs are not here; says which.
    """
    from diffusers.loaders.single_file_utils import fetch_diffusers_config, load_single_file_checkpoint

    _check_whole(path)
    try:
        looks_like = (
            config or fetch_diffusers_config(load_single_file_checkpoint(str(path)))["pretrained_model_name_or_path"]
        )
    except Exception as error:  # loaders fail on broken files in many ways
        raise InputError(f"{path} is a file, but no weights that can be read: {_reason(path, error)}") from error
    try:
        index = read_config(looks_like, "model_index.json")
    except FetchError as error:
        raise InputError(
            f"{path} looks like {looks_like}, whose configs are not on this machine and could not be fetched. "
            "Give a folder with the configs of such a pipeline (its model_index.json, tokenizer and so on) as config."
        ) from error
    class_name = (index or {}).get("_class_name") or _TYPES.get(looks_like)
    if not isinstance(class_name, str):
        raise InputError(f"{looks_like} has no model_index.json, which would say what {path} is.")
    pipeline: Any = getattr(diffusers, class_name, None)
    if not hasattr(pipeline, "from_single_file"):
        raise InputError(f"diffusers loads no {class_name} from one file; convert {path} to a folder.")
    try:
        return pipeline.from_single_file(str(path), config=looks_like, **options)
    except Exception as error:  # loaders fail on broken files in many ways
        raise ValueError(f"{path} could not be loaded as a {class_name}: {first_line(error)}") from error


def _check_whole(path: Path) -> None:
    """Refuses weights that are no whole model."""
    if path.suffix.lower() not in SINGLE_FILES:
        raise InputError(f"{path} is a file, but none of {', '.join(SINGLE_FILES)}; a model may be a folder, too.")
    if path.suffix.lower() != ".safetensors":
        return
    try:
        with safe_open(path, "pt") as file:
            names = list(file.keys())
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path} is a file, but no weights that can be read: {first_line(error)}") from error
    if any("lora" in name.lower() for name in names):
        raise InputError(f"{path} is a LoRA, not a model; give it as lora beside a model.")


def _reason(path: Path, error: Exception) -> str:
    if path.suffix.lower() != ".safetensors":
        return "it is broken, or a pickle of more than weights, which is never run. Convert it to .safetensors."
    return first_line(error)
