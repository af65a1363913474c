"""Embedded models: small, real pipelines that need no download. `load("scenes")` draws shaded shapes from prompts.

pipe = faster_diffusion.demo.load()
image = pipe("a small red sphere left of a large blue cube", guidance_scale=GUIDANCE_SCALE).images[0]

`load("scenes-canny")` is that pipeline with a control network, `load("scenes-moon")` with a LoRA, and so on.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import additions

if TYPE_CHECKING:
    import torch
    from diffusers import DiffusionPipeline

__all__ = ["GUIDANCE_SCALE", "available", "clip_score", "image_features", "load", "profile", "prompts"]

GUIDANCE_SCALE = 2.5  # at which the embedded models obey best
_MODELS = Path(__file__).parent / "models"
_PROFILES = Path(__file__).parent / "profiles"


def available() -> list[str]:
    """Names of the embedded models that this installation has."""
    return sorted(path.name for path in _MODELS.glob("*") if _is_pipeline(path) or additions.has_any(path))


def load(name: str = "scenes", **from_pretrained: Any) -> DiffusionPipeline:
    """An embedded model as a stock diffusers pipeline, in float32 unless told otherwise. No network.

    What goes on top of a model, such as "scenes-canny", comes with it. Takes what `from_pretrained` takes.

    Raises:
        ValueError: there is no such model.
    """
    from diffusers import DiffusionPipeline

    options: dict[str, Any] = {"local_files_only": True, **from_pretrained}
    pipe = DiffusionPipeline.from_pretrained(pipeline_folder(name), **options)
    return additions.add(pipe, _folder(name))


def pipeline_folder(name: str = "scenes") -> Path:
    """The diffusers folder of an embedded model; of what goes on top of a model, that model's.

    Raises:
        ValueError: there is no such model.
    """
    folder = _folder(name)
    return folder if _is_pipeline(folder) else _folder(name.partition("-")[0])


def profile(model: str = "scenes", name: str = "fastest-at-35dB") -> Path:
    """A tuned profile of an embedded model, for `fd.enable(pipe, key_steps=...)`; see the page on tuning.

    Raises:
        ValueError: there is no such profile.
    """
    path = _PROFILES / model / f"{name}.json"
    if not path.is_file():
        have = ", ".join(sorted(f"{file.parent.name} {file.stem}" for file in _PROFILES.glob("*/*.json")))
        raise ValueError(f"there is no profile {name!r} of {model!r}; this installation has: {have or 'none'}")
    return path


def prompts(n: int = 6, seed: int = 0) -> list[str]:
    """Some prompts the scenes model understands, in full and casual, none of which it was trained on in full."""
    import numpy as np

    from .scenes import caption, held_out_prompts, parse, shorten

    rng = np.random.default_rng(seed)
    some = [held_out_prompts(1, things=2 - i % 3 // 2, seed=1000 * seed + i)[0] for i in range(n)]
    return [caption(shorten(parse(prompt), rng)) for prompt in some]


def clip_score(images: list, prompts: str | list[str], name: str = "scenes") -> list[float]:
    """How well each image fits its prompt: the cosine between their embeddings in the packaged CLIP, -1 to 1.

    Of the caption of a clip it is given the scene alone: it never saw a motion.

    Args:
        images: PIL images, or uint8 arrays (H, W, 3).
        prompts: one for all, or one for each.

    Raises:
        ValueError: there are not as many prompts as images, or there is no such model.
    """
    import torch

    from .clips import still

    clip, words = _clip(name)
    texts = [prompts] * len(images) if isinstance(prompts, str) else list(prompts)
    if len(texts) != len(images):
        raise ValueError(f"{len(images)} images and {len(texts)} prompts; give one prompt for all, or one for each")
    with torch.inference_mode():
        tokens = words([still(text) for text in texts], padding=True, truncation=True, return_tensors="pt")
        text = clip.text_projection(clip.text_model(tokens.input_ids).pooler_output)
        return torch.cosine_similarity(image_features(images, name), text).tolist()


def image_features(images: list, name: str = "scenes") -> torch.Tensor:
    """What the packaged CLIP sees in images (PIL or uint8 (H, W, 3)): its embeddings (N, D), not normalised."""
    import torch

    clip, _ = _clip(name)
    with torch.inference_mode():
        return clip.visual_projection(clip.vision_model(_pixels(images, clip)).pooler_output)


_LOADED: dict[str, tuple] = {}


def _clip(name: str) -> tuple:
    if name not in _LOADED:
        from transformers import CLIPModel, CLIPTokenizer

        folder = pipeline_folder(name) / "clip"
        clip = CLIPModel.from_pretrained(folder, local_files_only=True).float().eval()
        _LOADED[name] = clip, CLIPTokenizer.from_pretrained(folder, local_files_only=True)
    return _LOADED[name]


def _pixels(images: list, clip: Any) -> Any:
    """PIL images or uint8 arrays (H, W, 3) as the vision tower reads them: (N, 3, side, side) in [-1, 1]."""
    import numpy as np
    import torch
    from PIL import Image

    side = clip.config.vision_config.image_size
    pictures = [image if isinstance(image, Image.Image) else Image.fromarray(image) for image in images]
    pictures = [p.convert("RGB") if p.size == (side, side) else p.convert("RGB").resize((side, side)) for p in pictures]
    return torch.from_numpy(np.stack([np.asarray(p) for p in pictures])).permute(0, 3, 1, 2).float() / 127.5 - 1


def _is_pipeline(folder: Path) -> bool:
    return (folder / "model_index.json").is_file()


def _folder(name: str) -> Path:
    folder = _MODELS / name
    if not (_is_pipeline(folder) or additions.has_any(folder)):
        have = ", ".join(available())
        if not have:
            raise FileNotFoundError(
                f"no embedded model is installed in {_MODELS}; reinstall faster-diffusion, "
                "or train one with `python -m recipes.scenes` in a checkout of the repository"
            )
        raise ValueError(f"unknown embedded model {name!r}; this installation has: {have}")
    return folder
