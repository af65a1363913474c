"""Networks that see images: what distances between sets of images are measured in, and how well an image fits a text.

A network is named by one of

- "scenes", the CLIP that ships with the embedded models and needs no network connection;
- a transformers model with a vision tower (CLIP, SigLIP, DINOv2, ...), a folder or an id on the Hugging Face Hub, which
  comes with a preprocessor that says how it wants its images;
- a TorchScript file, as Inception weights for FID are handed out: it is called with uint8 (N, 3, H, W), red first, 0 to
  255, in the size the images have, and gives (N, D); ``return_features=True`` is passed if its forward takes that.
"""

from __future__ import annotations

import re
import warnings
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from PIL import Image

from .. import demo

EMBEDDED = "scenes"
SCRIPTS = (".pt", ".pth", ".ts", ".torchscript")  # suffixes of TorchScript files

_BATCH = 32

Thing = TypeVar("Thing")
_FILES = re.compile(r"\b(?:save|from_file|load)\b(?=\s*\()")  # operations of TorchScript that touch files


@dataclass(frozen=True)
class Extractor:
    """Sees images as features."""

    name: str
    see: Callable[[Sequence[Image.Image]], torch.Tensor]  # a batch of RGB images of one size -> (N, D)

    def __call__(self, images: Iterable[Image.Image]) -> np.ndarray:
        """Features (N, D) of images, of which a batch at a time is looked at."""
        with torch.inference_mode():
            parts = [self.see(batch).flatten(1).float().cpu() for batch in _batches(images)]
        return torch.cat(parts).numpy()


@dataclass(frozen=True)
class Scorer:
    """Says how well images fit texts."""

    name: str
    score: Callable[[Sequence[Image.Image], Sequence[str]], list[float]]  # cosines, -1 to 1

    def __call__(self, images: Iterable[Image.Image], texts: Iterable[str]) -> list[float]:
        """A cosine an image."""
        both = zip(_batches(images), _batches(texts), strict=True)
        return [score for pictures, words in both for score in self.score(pictures, words)]


def load_extractor(name: str, device: str = "cpu") -> Extractor:
    """The network ``name`` as a feature extractor.

    Raises:
        ValueError: it sees no images.
        OSError: it cannot be found.
    """
    if name == EMBEDDED:
        return Extractor(name, lambda images: demo.image_features(list(images), name))
    if name.lower().endswith(SCRIPTS):
        return Extractor(name, _script(name, device))
    return Extractor(name, _vision(name, device))


def load_scorer(name: str, device: str = "cpu") -> Scorer:
    """The CLIP ``name`` as a judge of images and texts.

    Raises:
        ValueError: it does not compare images with texts.
        OSError: it cannot be found.
    """
    if name == EMBEDDED:
        return Scorer(name, lambda images, texts: demo.clip_score(list(images), list(texts), name))
    return Scorer(name, _clip(name, device))


def find(name: str) -> str | None:
    """Why the network ``name`` cannot be had, if that can be told without loading or fetching it."""
    if name == EMBEDDED:
        return None
    path = Path(name).expanduser()
    if name.lower().endswith(SCRIPTS):
        return None if path.is_file() else f"there is no file {name}"
    if path.is_dir():
        return None if (path / "config.json").is_file() else f"{name} has no config.json"
    parts = name.split("/")
    return None if len(parts) == 2 and all(parts) and parts[0] != "." else f"there is no folder {name}"


def _batches(things: Iterable[Thing]) -> Iterator[list[Thing]]:
    waiting = iter(things)
    while batch := list(islice(waiting, _BATCH)):
        yield batch


def _script(name: str, device: str) -> Callable[[Sequence[Image.Image]], torch.Tensor]:
    _check_script(Path(name).expanduser())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of the format, which is the one such weights come in
        network: Any = torch.jit.load(str(Path(name).expanduser()), map_location=device).eval()
    takes = {argument.name for argument in network.forward.schema.arguments}
    options = {"return_features": True} if "return_features" in takes else {}

    def see(images: Sequence[Image.Image]) -> torch.Tensor:
        pixels = torch.from_numpy(np.stack([np.asarray(image) for image in images])).permute(0, 3, 1, 2)
        features: torch.Tensor = network(pixels.contiguous().to(device), **options)
        return features

    return see


def _check_script(path: Path) -> None:
    """Refuses a program that does more than compute: its language knows no files but by these operations.

    Raises:
        ValueError: says which.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            code = "\n".join(archive.read(name).decode() for name in archive.namelist() if name.endswith(".py"))
    except (zipfile.BadZipFile, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is no TorchScript program that can be read: {error}.") from error
    touched = _FILES.search(code)
    if touched:
        raise ValueError(f"{path} was not run: it calls {touched[0]}, and what sees images has no use for files.")


def _vision(name: str, device: str) -> Callable[[Sequence[Image.Image]], torch.Tensor]:
    network, processor = _load(name, device)
    both_towers = hasattr(network, "get_image_features")
    if not both_towers and getattr(network, "main_input_name", "") != "pixel_values":
        raise ValueError(f"{name} is a {type(network).__name__}, which sees no images.")

    def see(images: Sequence[Image.Image]) -> torch.Tensor:
        pixels = processor(list(images), return_tensors="pt").pixel_values.to(device)
        seen = network.get_image_features(pixel_values=pixels) if both_towers else network(pixel_values=pixels)
        if isinstance(seen, torch.Tensor):
            return seen
        pooled: torch.Tensor | None = getattr(seen, "pooler_output", None)
        return seen.last_hidden_state[:, 0] if pooled is None else pooled

    return see


def _clip(name: str, device: str) -> Callable[[Sequence[Image.Image], Sequence[str]], list[float]]:
    from transformers import AutoTokenizer

    network, processor = _load(name, device)
    if not hasattr(network, "get_text_features"):
        raise ValueError(f"{name} is a {type(network).__name__}, which does not compare images with texts.")
    words, length = AutoTokenizer.from_pretrained(name), network.config.text_config.max_position_embeddings

    def score(images: Sequence[Image.Image], texts: Sequence[str]) -> list[float]:
        tokens = words(list(texts), padding="max_length", truncation=True, max_length=length, return_tensors="pt")
        pixels = processor(list(images), return_tensors="pt").pixel_values
        with torch.inference_mode():
            both = network(input_ids=tokens.input_ids.to(device), pixel_values=pixels.to(device))
        return torch.cosine_similarity(both.image_embeds, both.text_embeds).tolist()

    return score


def _load(name: str, device: str) -> tuple[Any, Any]:
    from transformers import AutoImageProcessor, AutoModel

    network: Any = AutoModel.from_pretrained(name)
    return network.float().eval().to(device), AutoImageProcessor.from_pretrained(name)
