"""The paper's tasks, each on the embedded model for it, and the ablations: what is compared, and what the paper has."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from faster_diffusion import demo
from faster_diffusion.arms import Arm
from faster_diffusion.demo.scenes import parse, render
from faster_diffusion.generation.prompts import Prompt, class_prompts, embedded_prompts
from faster_diffusion.generation.videos import as_video_pipeline
from faster_diffusion.models import schedulers
from faster_diffusion.options.forecast import Forecast
from specimens.conditions import CONDITIONS
from specimens.lessons import LESSONS

Change = tuple[float, float]  # without propagation, and with


@dataclass(frozen=True)
class Published:
    """What the paper has for a task, without propagation and with it."""

    fid: Change | None = None
    clip_score: Change | None = None
    gflops: Change | None = None
    seconds: Change | None = None  # an image, of the whole model

    @property
    def quality(self) -> str:
        return _listed(_change(self.fid, ".2f"), _change(self.clip_score, ".3f"))

    @property
    def cost(self) -> str:
        """As fractions of what it is without propagation."""
        return _listed(*(f"{fraction(change):.2f}" if change else "" for change in (self.gflops, self.seconds)))


def fraction(change: Change) -> float:
    before, after = change
    return after / before


def _change(change: Change | None, form: str) -> str:
    return " → ".join(f"{value:{form}}".removeprefix("0") for value in change or ())


def _listed(*figures: str) -> str:
    return ", ".join(figure or "none" for figure in figures) if any(figures) else "none"


@dataclass(frozen=True)
class Row:
    """A task of the paper.

    Args:
        title: what the paper calls it.
        models: embedded; each goes on from the images of the one before.
        steps: of each.
        solver: of ``schedulers.SOLVERS``; the model's own by default.
        beside: another method, on both sides.
        make_prompts: so many of them, from a folder for pictures that they need; by default what the first model
            understands.
        frames: of each video; an embedded model of images draws videos by Text2Video-Zero.
    """

    title: str
    models: tuple[str, ...]
    steps: tuple[int, ...]
    published: Published = Published()
    solver: str | None = None
    beside: str = ""
    make_prompts: Callable[[int, Path], list[Prompt]] | None = None
    guidance: float = demo.GUIDANCE_SCALE
    frames: int | None = None

    @property
    def missing(self) -> list[str]:
        """Models that this installation lacks."""
        return [name for name in self.models if name not in demo.available()]

    @property
    def plain(self) -> str:
        """The arm without propagation, which the others are compared with."""
        return self.beside or "baseline"

    def arms(self, named: Mapping[str, str | Arm]) -> list[Arm]:
        """The plain arm and others by name, with what is beside on all that are text."""
        with_it = f"{self.beside} + " if self.beside else ""
        others = [
            replace(arm, name=name) if isinstance(arm, Arm) else Arm.parse(with_it + arm, name)
            for name, arm in named.items()
        ]
        return [Arm.parse(self.plain), *others]

    def pipes(self) -> list[Any]:
        pipes = [demo.load(name) for name in self.models]
        for pipe in pipes if self.solver else []:
            pipe.scheduler = schedulers.make(self.solver, pipe.scheduler.config)
        if self.frames is not None:
            pipes[-1] = as_video_pipeline(pipes[-1])
        return pipes

    def prompts(self, count: int, folder: Path) -> list[Prompt]:
        if self.make_prompts is None:
            return embedded_prompts(count, model=self.models[0])
        return self.make_prompts(count, folder)

    def count(self, images: int) -> int:
        """Prompts that have so many images, or frames."""
        return images // (self.frames or 1)


def followed(kind: str) -> Callable[[int, Path], list[Prompt]]:
    """Prompts with a rendered picture of each, and its edges or a scribble of it to follow."""

    def make(count: int, folder: Path) -> list[Prompt]:
        folder.mkdir(parents=True, exist_ok=True)
        prompts = []
        for prompt in embedded_prompts(count):
            paths = [folder / f"{prompt.seed:05d}{suffix}.png" for suffix in ("", f"-{kind}")]
            if not all(path.is_file() for path in paths):
                rng = np.random.default_rng(prompt.seed)
                picture = render(parse(prompt.text), rng)
                for path, shown in zip(paths, (picture, CONDITIONS[kind](picture, rng)), strict=True):
                    Image.fromarray(shown).convert("RGB").save(path)
            prompts.append(Prompt(prompt.text, prompt.seed, *paths))
        return prompts

    return make


def taught(name: str) -> Callable[[int, Path], list[Prompt]]:
    """Prompts with what a personalised model was taught, each with a rendered picture of it."""

    def make(count: int, folder: Path) -> list[Prompt]:
        lesson = LESSONS[name]
        scenes = [lesson.asked[seed % len(lesson.asked)] for seed in range(count)]
        paths = [folder / f"{seed:05d}.png" for seed in range(count)]
        if not all(path.is_file() for path in paths):
            folder.mkdir(parents=True, exist_ok=True)
            for path, picture in zip(paths, lesson.pictures(tuple(scenes)), strict=True):
                Image.fromarray(picture).save(path)
        return [Prompt(lesson.say(scene), seed, paths[seed]) for seed, scene in enumerate(scenes)]

    return make


def classes(count: int, _: Path) -> list[Prompt]:
    return class_prompts(demo.load("scenes-dit").labels, count)


_SD_FLOPS, _SD_SECONDS = (37050, 27350), (2.42, 1.42)
_DPM_FLOPS = (14821, 11743)
_CASCADE = ("scenes-if-1", "scenes-if-2")

ROWS = {
    "ddim": Row(
        "Stable Diffusion, DDIM",
        ("scenes",),
        (50,),
        Published((21.75, 21.08), (0.773, 0.783), _SD_FLOPS, _SD_SECONDS),
    ),
    "dpm": Row(
        "Stable Diffusion, DPM-Solver",
        ("scenes",),
        (20,),
        Published((21.36, 21.25), (0.780, 0.779), _DPM_FLOPS, (1.14, 0.64)),
        "dpm",
    ),
    "dpm++": Row(
        "Stable Diffusion, DPM-Solver++",
        ("scenes",),
        (20,),
        Published((20.51, 20.76), (0.782, 0.781), _DPM_FLOPS, (1.13, 0.64)),
        "dpm++",
    ),
    "tome": Row(
        "Stable Diffusion, DDIM + ToMe",
        ("scenes",),
        (50,),
        Published((22.32, 20.73), (0.782, 0.781), (35123, 26053), (2.26, 1.33)),
        beside="tome:0.5",
    ),
    "xl": Row("SDXL, DDIM", ("scenes-xl",), (50,)),
    "if": Row(
        "DeepFloyd-IF, DDPM",
        _CASCADE,
        (100, 50),
        Published((23.89, 23.73), (0.783, 0.782), (734825, 626523), (34.55, 26.27)),
    ),
    "if-dpm++": Row(
        "DeepFloyd-IF, DPM-Solver++",
        _CASCADE,
        (50, 50),  # a hundred in all, as in the paper, which does not say how its three stages share them
        Published((20.79, 20.85), (0.784, 0.785), (370525, 313381), (16.09, 12.97)),
        "dpm++",
    ),
    "zero": Row(
        "Text2Video-Zero",
        ("scenes",),
        (50,),
        Published(None, (0.732, 0.731), (39670, 30690), (13.65, 10.54)),
        frames=8,
    ),
    "video": Row(
        "text to video, ModelScope",
        ("scenes-video",),
        (50,),
        Published(None, (0.700, 0.700), (224700, 148680), (17.93, 12.27)),
        frames=8,
    ),
    "canny": Row(
        "ControlNet, edges",
        ("scenes-canny",),
        (50,),
        Published((13.78, 14.65), (0.769, 0.767), (49500, 31400), (3.20, 1.52)),
        make_prompts=followed("canny"),
    ),
    "scribble": Row(
        "ControlNet, scribble",
        ("scenes-scribble",),
        (50,),
        Published((16.17, 16.42), (0.775, 0.775), (56850, 35990), (3.95, 1.93)),
        make_prompts=followed("scribble"),
    ),
    "dreambooth": Row(
        "DreamBooth",
        ("scenes-moon",),
        (50,),
        Published(None, (0.640, 0.660), _SD_FLOPS, _SD_SECONDS),
        make_prompts=taught("moon"),
    ),
    "custom": Row(
        "Custom Diffusion",
        ("scenes-mint",),
        (50,),
        Published(None, (0.640, 0.650), _SD_FLOPS, _SD_SECONDS),
        make_prompts=taught("mint"),
    ),
    "reversion": Row("ReVersion", ("scenes-beside",), (50,), make_prompts=taught("beside")),
    "dit": Row(
        "DiT",
        ("scenes-dit",),
        (250,),
        Published((2.27, 2.31), seconds=(5.13, 3.62)),
        make_prompts=classes,
        guidance=2.0,
    ),
}


class Nothing(Forecast):
    """Takes what is reused for zeros, but at the key step itself."""

    def weights(self, keys: Sequence[int], order: int) -> list[float]:
        return [float(key == order) for key in keys]


class Dropping(Arm):
    """Encoder dropping: between key steps the decoder finds zeros where the features of the encoder would be."""

    @classmethod
    def between(cls, key_steps: str) -> Dropping:
        propagation = Arm.parse(key_steps).propagation
        assert propagation is not None
        return cls(propagation=replace(propagation, forecast=Nothing()))

    @property
    def spec(self) -> str:
        assert self.propagation is not None
        return f"{self.propagation.key_steps} + dropped"


ABLATIONS: dict[str, str | Arm] = {
    "key steps, 9, as in the paper": "paper",
    "key steps, 9, evenly (reused: encoder)": "uniform:6",
    "key steps, 13, evenly": "uniform:4",
    "key steps, 25, evenly": "uniform:2",
    "key steps, denser early": "progressive",
    "reused: encoder and 1 decoder block": "uniform:6 + decoder:1",
    "reused: encoder and 2 decoder blocks": "uniform:6 + decoder:2",
    "reused: all but the outer blocks": "uniform:6 + deep:1",
    "reused: the prediction": "uniform:6 + output",
    "dropped: the encoder": Dropping.between("uniform:6"),
    "dropped: the steps between": "steps:9",
    "noise of the paper": "paper + noise",
    "noise, a third": "paper + noise:0.001",
    "noise, three times": "paper + noise:0.009",
}
