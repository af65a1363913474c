"""What steers images besides the prompt: weights of one's own, an image to start from, an image to follow."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from importlib.util import find_spec
from inspect import signature
from math import ceil
from pathlib import Path
from typing import Any

from diffusers import AutoPipelineForImage2Image, AutoPipelineForText2Image, ControlNetModel
from PIL import Image

from .errors import InputError, MissingError, UnwantedError, first_line
from .metadata import digest
from .pictures import fitted, read_picture
from .progress import bar_config
from .weights import check_there, reason_of

_STRENGTH = 0.8  # how far a picture is left, unless told

# Pictures, and what is seen through them: white paper; on maps, which are black where there is no edge or limb, black.
_PICTURES = {"image": (255, 255, 255), "control": (0, 0, 0)}


@dataclass(frozen=True)
class Steering:
    """The options as given.

    Raises:
        InputError: one is missing that another needs.
    """

    lora: Sequence[str] = ()
    embedding: Sequence[str] = ()
    image: Path | None = None
    strength: float | None = None
    control: Path | None = None
    controlnet: str | None = None
    control_scale: float = 1.0

    def __post_init__(self) -> None:
        if self.controlnet is not None and self.control is None:
            raise MissingError("A ControlNet reads a picture", "control")
        if self.strength is not None and self.image is None:
            raise MissingError("A strength says how far to leave a picture", "image")
        for name, background in _PICTURES.items():
            path = getattr(self, name)
            if path is not None:
                self._read[name] = read_picture(path, background)

    @cached_property
    def _read(self) -> dict[Any, Image.Image]:
        """Pictures by the name of their argument, as they are and by size."""
        return {}

    def _picture(self, name: str, size: tuple[int, int] | None, count: int) -> list[Image.Image]:
        """A picture, so many times; cropped to a size if one is given."""
        if size is not None and (name, size) not in self._read:
            self._read[name, size] = fitted(self._read[name], size, getattr(self, name))
        return [self._read[name if size is None else (name, size)]] * count

    def applied(self, pipe: Any) -> Any:
        """The pipeline with its weights loaded, of the class that takes such pictures.

        Raises:
            InputError: it needs a picture that is not given, or takes none of those that are.
        """
        self._check_pictures(pipe)
        for embedding in self.embedding:
            _load(embedding, pipe.load_textual_inversion)
        if self.lora and find_spec("peft") is None:
            raise ImportError("A LoRA needs peft: pip install 'faster-diffusion[cli]'.")
        names = [f"lora{number}" for number in range(len(self.lora))]
        weights = []
        for name, lora in zip(names, self.lora, strict=True):
            path, weight = _path_and_weight(lora)
            _load(path, lambda path, name=name: pipe.load_lora_weights(path, adapter_name=name))
            if not any(name in adapters for adapters in pipe.get_list_adapters().values()):
                raise ValueError(f"{path} could not be loaded: it has no weights for {type(pipe).__name__}.")
            weights.append(weight)
        if names:
            pipe.set_adapters(names, weights)
        more: dict[str, Any] = {}
        if self.controlnet is not None:
            more["controlnet"] = _load(self.controlnet, lambda path: _controlnet(path, pipe))
        if not more and (self.image is None or needs_image(pipe)):
            return pipe
        auto = AutoPipelineForText2Image if self.image is None else AutoPipelineForImage2Image
        try:
            steered: Any = auto.from_pipe(pipe, **more)
        except ValueError as error:
            raise ValueError(f"{type(pipe).__name__} takes no such picture: {first_line(error)}") from error
        steered.set_progress_bar_config(**bar_config(pipe))
        return steered

    def _check_pictures(self, pipe: Any) -> None:
        name = type(pipe).__name__
        if needs_image(pipe):
            if self.image is None:
                raise MissingError(f"{name} makes something of a picture", "image")
            if self.strength is not None:
                raise UnwantedError(f"{name} has no strength", "strength")
        if _has_controlnet(pipe):
            if self.control is None:
                raise MissingError(f"{name} follows a picture", "control")
        elif self.control is not None and self.controlnet is None:
            raise MissingError("A picture to follow is read by a ControlNet", "controlnet")

    def check_steps(self, steps: int) -> None:
        """Refuses a start that leaves no step to sample.

        Raises:
            InputError: with the fewest steps that do.
        """
        strength = _STRENGTH if self.strength is None else self.strength
        if self.image is not None and int(steps * strength) < 1:
            fewest = "no number of steps" if strength == 0 else f"{ceil(1 / strength)} steps or more"
            raise InputError(
                f"A strength of {strength:g} runs the last {strength:g} of {steps} steps, which is none: "
                f"it needs {fewest}; give more of either."
            )

    @property
    def has_pictures(self) -> bool:
        """Whether pictures steer."""
        return self.image is not None or self.control is not None

    def arguments(self, pipe: Any, count: int, size: tuple[int, int]) -> dict[str, Any]:
        """Arguments of a call for ``count`` images of ``size`` (width, height)."""
        arguments: dict[str, Any] = {}
        if self.image is not None and needs_image(pipe):  # small ones are made large
            arguments["image"] = self._picture("image", None, count)
        elif self.image is not None:
            arguments["image"] = self._picture("image", size, count)
            arguments["strength"] = _STRENGTH if self.strength is None else self.strength
        if self.control is not None:
            name = "image" if self.image is None else "control_image"
            arguments[name] = self._picture("control", size, count)
            arguments["controlnet_conditioning_scale"] = self.control_scale
        return arguments

    def to_dict(self) -> dict[str, Any]:
        """What was given, for the record in a picture."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        plain = {name: str(value) if isinstance(value, Path) else value for name, value in given.items()}
        changed = {name: value for name, value in plain.items() if value != getattr(Steering, name)}
        digests = self._digests()
        return {**changed, "digests": digests} if digests else changed

    def _digests(self) -> dict[str, str]:
        """What is in the files that are given, in short, since another may come to have the same name."""
        weights = (_path_and_weight(lora)[0] for lora in self.lora)
        names = (*weights, *self.embedding, *(str(path) for path in (self.image, self.control) if path))
        return {name: digest(Path(name)) for name in names if Path(name).is_file()}


def needs_image(pipe: Any) -> bool:
    """Whether it makes something of a picture without a part of it that stays: upscalers, editing by instruction."""
    parameters = signature(type(pipe).__call__).parameters
    return "image" in parameters and "strength" not in parameters and not _has_controlnet(pipe)


def _has_controlnet(pipe: Any) -> bool:
    return getattr(pipe, "controlnet", None) is not None


def _controlnet(name: str, pipe: Any) -> Any:
    """The ControlNet of this name, for a pipeline.

    Raises:
        InputError: it is something else, or for another model.
    """
    config: Any = ControlNetModel.load_config(name)
    kind = config.get("_class_name")
    if kind != ControlNetModel.__name__:
        raise InputError(f"{name} is no ControlNet but a {kind or 'model of no known class'}.")
    width, own = config.get("cross_attention_dim"), pipe.unet.config.get("cross_attention_dim")
    if width != own:
        raise InputError(
            f"{name} is for another model: it reads text of width {width}, and {type(pipe).__name__} has {own}."
        )
    return ControlNetModel.from_pretrained(name, torch_dtype=pipe.unet.dtype).to(pipe.device)


def _path_and_weight(lora: str) -> tuple[str, float]:
    """``"style.safetensors:0.7"`` as path and weight; without a number after the colon the weight is 1."""
    path, _, weight = lora.rpartition(":")
    try:
        return (path, float(weight)) if path else (lora, 1.0)
    except ValueError:
        return lora, 1.0


def _load(name: str, load: Any) -> Any:
    check_there(name)
    try:
        return load(name)
    except InputError:
        raise
    except Exception as error:  # loaders fail on broken files in many ways
        raise ValueError(f"{name} could not be loaded: {reason_of(error)}") from error
