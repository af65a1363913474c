"""Third-party methods, from their own packages as they are: what they do to a pipeline, and how that is undone."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from types import ModuleType
from typing import Any, ClassVar, Protocol

from torch import nn

from ..models.pipelines import network_of
from ..models.stages import is_known, layout_of


class Method(Protocol):
    """A third-party method. Its text is its part of an arm."""

    name: ClassVar[str]

    def applied(self, pipe: Any) -> Any:
        """A context within which the pipeline samples this way.

        Raises:
            ValueError: it does not fit the pipeline, or fails on it.
            ImportError: its package is not installed.
        """


@dataclass(frozen=True)
class DeepCache:
    """Between every ``interval``-th step, all but the outermost layers reuse their last output (arXiv 2312.00858)."""

    interval: int
    branch: int = 0  # how many of the outer layers are computed at every step, counted from 0

    name: ClassVar[str] = "deepcache"

    @contextmanager
    def applied(self, pipe: Any) -> Iterator[None]:
        """Within it ``pipe`` samples with the method; afterwards it is as before. Raises as ``Method`` says."""
        package = _package("DeepCache")
        unet = _unet_of(pipe, "DeepCache")
        _refuse_classes(pipe, _DEEPCACHE_FAILS, "DeepCache")
        helper = package.DeepCacheSDHelper(pipe=pipe)
        helper.set_params(cache_interval=self.interval, cache_branch_id=self.branch)
        with _left_as_it_was(unet):
            _enable("DeepCache", pipe, helper.enable)
            yield

    def __str__(self) -> str:
        return f"deepcache:{self.interval}" + (f":{self.branch}" if self.branch else "")


@dataclass(frozen=True)
class ToMe:
    """Similar tokens are merged before self-attention and taken apart after it (arXiv 2303.17604).

    Tokens are chosen without random numbers (``use_rand=False``), so that an image depends on its seed alone.

    Raises:
        ValueError: a field is out of its range.
    """

    ratio: float  # fraction of the tokens that is merged away; at most 0.75
    downsample: int = 1  # blocks at 1/downsample of the resolution and above are merged; 1, 2, 4 or 8

    name: ClassVar[str] = "tome"

    def __post_init__(self) -> None:
        if not 0 < self.ratio <= 0.75:
            raise ValueError(f"tome:R merges a fraction of the tokens, 0 < R <= 0.75; got {self.ratio:g}.")
        if self.downsample not in (1, 2, 4, 8):
            raise ValueError(f"tome:R:D merges down to 1/D of the resolution, D = 1, 2, 4 or 8; got {self.downsample}.")

    @contextmanager
    def applied(self, pipe: Any) -> Iterator[None]:
        """Within it ``pipe`` samples with the method; afterwards it is as before. Raises as ``Method`` says."""
        package = _package("tomesd")
        unet = _unet_of(pipe, "tomesd")
        _refuse_classes(pipe, _TOME_FAILS, "tomesd")
        if is_known(unet) and layout_of(unet).frames is not None:
            raise ValueError(f"tomesd fails on {type(unet).__name__}: it takes frames for the height of an image.")
        blocks = _transformer_blocks(unet)
        if not blocks:
            raise ValueError(f"tomesd does nothing here: {type(unet).__name__} has none of the blocks it changes.")
        if not any(_transformer_blocks(level) for level in unet.down_blocks[: self.downsample.bit_length()]):
            finer = f"tome:{self.ratio:g}:{2 * self.downsample}"
            raise ValueError(f"{self} does nothing here: this network attends at lower resolutions only; try {finer}.")
        if any(hasattr(block, "fuser") for block in blocks):
            raise ValueError("tomesd leaves out the gated attention of GLIGEN, so that it would make another image.")
        with _left_as_it_was(unet):
            _enable("tomesd", pipe, lambda: package.apply_patch(pipe, self.ratio, self.downsample, use_rand=False))
            try:
                yield
            finally:
                package.remove_patch(pipe)

    def __str__(self) -> str:
        return f"tome:{self.ratio:g}" + (f":{self.downsample}" if self.downsample > 1 else "")


@dataclass(frozen=True)
class TGate:
    """From step ``gate`` on, cross-attention is reused and guidance left out (arXiv 2404.02747, version 2)."""

    gate: int

    name: ClassVar[str] = "tgate"

    @contextmanager
    def applied(self, pipe: Any) -> Iterator[None]:
        """Within it ``pipe`` samples with the method; afterwards it is as before. Raises as ``Method`` says."""
        package = _package("tgate")
        cls = type(pipe)
        loader = _TGATE_LOADERS.get(cls.__name__)
        if loader is None:
            raise ValueError(f"T-GATE does not know {cls.__name__}. Pipelines it knows: {', '.join(_TGATE_LOADERS)}.")
        with _left_as_it_was(network_of(pipe)):
            _enable("tgate", pipe, lambda: getattr(package, loader)(pipe))  # puts a loop of its own at pipe.tgate
            pipe.__class__ = type(cls.__name__, (cls,), {"__call__": _gated(cls.__call__, self.gate)})
            try:
                yield
            finally:
                pipe.__class__ = cls
                del pipe.tgate

    def __str__(self) -> str:
        return f"tgate:{self.gate}"


METHODS: dict[str, Any] = {method.name: method for method in (DeepCache, ToMe, TGate)}

# Pipelines on which a method fails in the middle of a call, as tried with diffusers 0.42.1 (start of the class's name).
_BY_NAME = "IndexError: tuple index out of range (it expects arguments that this pipeline passes by name)"
_DEEPCACHE_FAILS = {
    "KandinskyPipeline": _BY_NAME,
    "KandinskyI": _BY_NAME,
    "KandinskyV22": _BY_NAME,
    "TextToVideoZero": "RuntimeError: Sizes of tensors must match (the pipeline goes back to a step with more frames)",
}
_TOME_FAILS = {
    "Kandinsky": _BY_NAME,
    "StableDiffusionControlNetXS": _BY_NAME,
    "StableDiffusionXLControlNetXS": _BY_NAME,
}
_TGATE_LOADERS = {
    "StableDiffusionPipeline": "TgateSDLoader",
    "StableDiffusionXLPipeline": "TgateSDXLLoader",
    "StableVideoDiffusionPipeline": "TgateSVDLoader",
    "PixArtAlphaPipeline": "TgatePixArtAlphaLoader",
    "PixArtSigmaPipeline": "TgatePixArtSigmaLoader",
}


def _gated(original: Callable[..., Any], gate: int) -> Callable[..., Any]:
    @functools.wraps(original)
    def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:
        for name in ("guidance_scale", "max_guidance_scale"):
            if kwargs.get(name, 2) <= 1:
                raise ValueError(
                    f"T-GATE needs guidance, whose two halves it joins at its step; {name} is not above 1."
                )
        return self.tgate(*args, **kwargs, gate_step=gate)

    return __call__


def _package(name: str) -> ModuleType:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise ValueError(f"{name} cannot be imported: {error}.") from error
        raise ImportError(f"{name} is not installed: pip install 'faster-diffusion[peers]'.") from error
    except Exception as error:
        raise ValueError(f"{name} cannot be imported: {type(error).__name__}: {error}.") from error


def _transformer_blocks(network: nn.Module) -> list[nn.Module]:
    """Those that tomesd changes."""
    return [module for module in network.modules() if type(module).__name__ == "BasicTransformerBlock"]


def _unet_of(pipe: Any, package: str) -> Any:
    unet = getattr(pipe, "unet", None)
    if not isinstance(unet, nn.Module):
        raise ValueError(f"{package} patches a UNet; {type(pipe).__name__} has none.")
    if hasattr(unet, "_hf_hook"):
        raise ValueError(f"{package} patches a UNet in place, which offloading undoes; move the pipeline to a device.")
    return unet


def _refuse_classes(pipe: Any, fails: dict[str, str], package: str) -> None:
    reason = next((fails[start] for start in fails if type(pipe).__name__.startswith(start)), None)
    if reason is not None:
        raise _failed(package, pipe, reason)


def _enable(package: str, pipe: Any, enable: Callable[[], Any]) -> None:
    try:
        enable()
    except Exception as error:
        raise _failed(package, pipe, f"{type(error).__name__}: {error}") from error


def _failed(package: str, pipe: Any, reason: str) -> ValueError:
    return ValueError(f"{package} {version(package)} fails on {type(pipe).__name__}: {reason}.")


@contextmanager
def _left_as_it_was(network: nn.Module) -> Iterator[None]:
    """Afterwards, every module of a network has the class and the attributes that it had before."""
    before = [(module, type(module), dict(vars(module))) for module in network.modules()]
    try:
        yield
    finally:
        for module, cls, attributes in before:
            module.__class__ = cls
            vars(module).clear()
            vars(module).update(attributes)
