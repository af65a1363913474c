"""What is measured: a model, how it is called, and the arms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from .. import demo
from ..arms import Arm
from .architectures import ARCHITECTURES, Size

MODES = {
    "eager": "as it is",
    "channels-last": "the network's weights have their channels last in memory",
    "regional": "the network's repeated blocks are compiled",
    "stages": "each block of the encoder and the decoder is compiled",
    "full": "the network is compiled as a whole",
    "graphs": "the network is compiled as a whole, with CUDA graphs",
    "stage-graphs": "each block of the encoder and the decoder is compiled, with CUDA graphs",
}
GRAPHS = ("graphs", "stage-graphs")
BASELINE = Arm()


def _arms(*specs: str) -> tuple[Arm, ...]:
    return tuple(map(Arm.parse, specs))


# "all" has every step key: what the engine itself costs.
ALL_ARMS = _arms("baseline", "all", "paper + sequential", "paper", "deepcache:5", "tome:0.5", "tgate:10", "dpm++:20")
_TOME, _HALF_TOME = _arms("tome:0.5", "tome:0.5:2")
_ATTEND_FROM_HALF = ("sdxl", "if-3")  # half the resolution and below, so that the usual merging finds nothing
# For runs of five steps: one key step of five leaves the fraction of FLOPs that nine of fifty do (0.74 and 0.73).
FIVE_STEP_ARMS = _arms("baseline", "all", "uniform:5 + sequential", "uniform:5", "deepcache:5", "tome:0.5", "tgate:2")
SWEPT_ARMS = _arms("baseline", "paper + sequential", "paper + parallel:4", "paper")


@dataclass(frozen=True)
class Case:
    """One model on one device, and the arms. The baseline, which others are compared with, is always added.

    Raises:
        ValueError: the mode is unknown or needs a GPU, a number is less than 1, or two arms have one name.
    """

    model: str  # of ``ARCHITECTURES``, an embedded one, a folder, or an id on the hub
    device: str = "cpu"
    dtype: str = "float32"
    batch: int = 1
    size: Size | None = None  # by default the pipeline's own
    steps: int = 50
    guidance: float = 7.5
    mode: str = "eager"
    vae: bool = True  # whether the whole call ends with an image; if not, with a latent
    arms: tuple[Arm, ...] = ALL_ARMS

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ValueError(f"Unknown mode {self.mode!r}. Known: {', '.join(MODES)}.")
        if self.mode in GRAPHS and not self.device.startswith("cuda"):
            raise ValueError(f"CUDA graphs need a GPU; the device is {self.device}.")
        if self.batch < 1 or self.steps < 1:
            raise ValueError(f"Batch and steps are at least 1; got {self.batch} and {self.steps}.")
        known = ARCHITECTURES.get(self.model)
        if known is not None and not (known.has_vae and known.latents):
            object.__setattr__(self, "vae", known.has_vae)
        arms = self.arms if BASELINE in self.arms else (BASELINE, *self.arms)
        object.__setattr__(self, "arms", tuple(dict.fromkeys(arms)))
        names = [arm.name for arm in self.arms]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"Two arms are called {twice!r}; give them names of their own.")

    @property
    def name(self) -> str:
        """What tells the case from others, for people."""
        size = f" {self.size[0]}x{self.size[1]}" if self.size else ""
        guided = "" if self.guidance > 1 else ", no guidance"
        return (
            f"{self.model}{size}, batch {self.batch}, {self.steps} steps{guided}, {self.whole_call}, "
            f"{self.dtype} on {self.device}, {self.mode}"
        )

    @property
    def whole_call(self) -> str:
        """What a whole call has beside sampling."""
        known = ARCHITECTURES.get(self.model)
        if known is not None and not known.has_vae:
            return "no VAE"
        return "with VAE" if self.vae else "without VAE"

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        own = {name: value for name, value in vars(self).items() if name != "arms"}
        size = None if self.size is None else list(self.size)
        return {**own, "size": size, "arms": {arm.name: arm.spec for arm in self.arms}}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Case:
        """The inverse of ``to_dict``."""
        size = None if fields["size"] is None else tuple(fields["size"])
        arms = tuple(Arm.parse(spec, name) for name, spec in fields["arms"].items())
        return cls(**{**fields, "size": size, "arms": arms})


def case(model: str, **options: Any) -> Case:
    """A case of a model, with the model's own size, steps and guidance where the options do not say."""
    known = ARCHITECTURES.get(model)
    own: dict[str, Any] = {}
    if known is not None:
        arms = tuple(_HALF_TOME if arm == _TOME and model in _ATTEND_FROM_HALF else arm for arm in ALL_ARMS)
        own = {"size": known.size, "steps": known.steps, "guidance": known.guidance, "arms": arms}
    elif model in demo.available():
        own = {"guidance": demo.GUIDANCE_SCALE}
    return Case(model, **{**own, **{name: value for name, value in options.items() if value is not None}})


@dataclass(frozen=True)
class Suite:
    """Cases that are measured together."""

    about: str
    cases: tuple[Case, ...]
    rounds: int = 5
    memory: bool = True


def _sd15_on_cpu(**options: Any) -> Case:
    """Guidance is left out to halve the time."""
    return case("sd15", **{"steps": 5, "guidance": 1.0, "arms": FIVE_STEP_ARMS, "vae": False, **options})


def _on_a_gpu(
    models: Sequence[tuple[str, Size | None]],
    batches: Sequence[int] = (1,),
    modes: Sequence[str] = ("eager",),
    **options: Any,
) -> list[Case]:
    return [
        case(model, device="cuda", dtype="float16", size=size, batch=batch, mode=mode, **options)
        for (model, size), batch, mode in product(models, batches, modes)
    ]


_SIDES = (256, 384, 512, 768, 1024)
_PUBLISHED: tuple[tuple[str, Size | None], ...] = (
    ("sd15", None),
    ("sd15", (768, 768)),
    ("sdxl", None),
    ("controlnet", None),
    ("if-1", None),
    ("modelscope", None),
    ("svd", None),
    ("dit-xl", None),
)

SUITES: Mapping[str, Suite] = {
    "quick": Suite(
        "about a minute on two cores. Scaled down: the embedded model takes 20 steps instead of 50; Stable Diffusion "
        "1.5 makes 128 pixels instead of 512, in 5 steps, without guidance and VAE; 2 rounds instead of 5; no memory",
        (case("scenes", steps=20, arms=(*ALL_ARMS[:-1], Arm.parse("dpm++:10"))), _sd15_on_cpu(size=(128, 128))),
        rounds=2,
        memory=False,
    ),
    "cpu": Suite(
        "half an hour on two cores: the embedded model, and Stable Diffusion 1.5 in 5 steps without guidance, three "
        "arms of it also with the VAE; 3 rounds",
        (
            case("scenes"),
            case("scenes", batch=4),
            _sd15_on_cpu(),
            _sd15_on_cpu(vae=True, arms=_arms("baseline", "uniform:5", "deepcache:5")),
        ),
        rounds=3,
    ),
    "gpu": Suite(
        "hours on a GPU: all that is published of one. Every model in batches of 1, 4 and 16, eager and compiled; "
        "then batch sizes and resolutions one by one, to show where decoding steps together stops paying",
        tuple(
            dict.fromkeys(
                (
                    *_on_a_gpu(_PUBLISHED, batches=(1, 4, 16), modes=("eager", "regional")),
                    *_on_a_gpu([("sd15", None), ("sdxl", None)], modes=("full", "graphs", "stage-graphs")),
                    *_on_a_gpu([("sd15", None)], batches=(1, 2, 4, 8, 16, 32), arms=SWEPT_ARMS, vae=False),
                    *_on_a_gpu([("sd15", (side, side)) for side in _SIDES], arms=SWEPT_ARMS, vae=False),
                )
            )
        ),
    ),
}
