"""The paper's tables in miniature: its tasks, each on the embedded model for it, with and without propagation.

    python -m benchmarks.paper_tables --list
    python -m benchmarks.paper_tables ddim dpm++        # these rows; all by default
    python -m benchmarks.paper_tables --publish         # what is finished, into docs/paper.md

A row is two evaluations, both of which go on where they were stopped: of quality, over --images images, and of cost and
likeness, over 64 or 16 videos, where decoding one by one takes part too (its images are those of decoding in a batch).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from benchmarks import pages
from faster_diffusion import demo, solvers
from faster_diffusion.arms import Arm
from faster_diffusion.cli.models import DTYPES
from faster_diffusion.demo.scenes import parse, render
from faster_diffusion.evaluation import Evaluation, Judges, Prompt, Settings, class_prompts, embedded_prompts, evaluate
from faster_diffusion.evaluation.report.tables import cell
from faster_diffusion.files import write_json
from faster_diffusion.videos import as_video_pipeline
from recipes.card import table
from recipes.controlnet.conditions import CONDITIONS
from recipes.personalised.lessons import LESSONS

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "paper"
PAGE = ROOT / "docs" / "paper.md"

BATCHED, NOISY, ONE_BY_ONE = "propagated", "propagated, with noise", "propagated one by one"
QUALITY = ("fid_real", "clip_score", "obeyed")
COST = ("psnr", "ssim", "flops", "network_seconds", "call_seconds")
PARTS = {"quality": QUALITY, "cost": COST}
FEW, FEW_VIDEOS = 64, 16  # images that cost and likeness are measured on


@dataclass(frozen=True)
class Row:
    """A task of the paper.

    Args:
        title: what the paper calls it.
        models: embedded; each goes on from the images of the one before.
        steps: of each.
        published: what the paper has for it: FID, and CLIP score.
        solver: of ``solvers.SOLVERS``; the model's own by default.
        beside: another method, on both sides.
        make_prompts: so many of them, from a folder for pictures that they need; by default what the first model
            understands.
        frames: of each video; an embedded model of images draws videos by Text2Video-Zero.
    """

    title: str
    models: tuple[str, ...]
    steps: tuple[int, ...]
    published: str
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
        return self.beside or "untouched"

    def arms(self, specs: Mapping[str, str]) -> list[Arm]:
        """The plain arm and others by name, with what is beside on all of them."""
        with_it = f"{self.beside} + " if self.beside else ""
        return [Arm.parse(self.plain), *(Arm.parse(with_it + spec, name) for name, spec in specs.items())]

    def pipes(self) -> list[Any]:
        pipes = [demo.load(name) for name in self.models]
        for pipe in pipes if self.solver else []:
            pipe.scheduler = solvers.make(self.solver, pipe.scheduler.config)
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


ROWS = {
    "ddim": Row("Stable Diffusion, DDIM", ("scenes",), (50,), "21.75 → 21.08, .773 → .783"),
    "dpm": Row("Stable Diffusion, DPM-Solver", ("scenes",), (20,), "21.36 → 21.25, .780 → .779", "dpm"),
    "dpm++": Row("Stable Diffusion, DPM-Solver++", ("scenes",), (20,), "20.51 → 20.76, .782 → .781", "dpm++"),
    "tome": Row("Stable Diffusion, DDIM + ToMe", ("scenes",), (50,), "22.32 → 20.73, .782 → .781", beside="tome:0.5"),
    "xl": Row("SDXL, DDIM", ("scenes-xl",), (50,), "none"),
    "if": Row(
        "DeepFloyd-IF, DDPM",
        ("scenes-if-1", "scenes-if-2"),
        (100, 50),
        "23.89 → 23.73, .783 → .782",
    ),
    "zero": Row("Text2Video-Zero", ("scenes",), (50,), "none, .732 → .731", frames=8),
    "video": Row(
        "text to video, ModelScope",
        ("scenes-video",),
        (50,),
        "none, .700 → .700",
        frames=8,
    ),
    "canny": Row(
        "ControlNet, edges", ("scenes-canny",), (50,), "13.78 → 14.65, .769 → .767", make_prompts=followed("canny")
    ),
    "scribble": Row(
        "ControlNet, scribble",
        ("scenes-scribble",),
        (50,),
        "16.17 → 16.42, .775 → .775",
        make_prompts=followed("scribble"),
    ),
    "dreambooth": Row("DreamBooth", ("scenes-moon",), (50,), "none, .640 → .660", make_prompts=taught("moon")),
    "custom": Row("Custom Diffusion", ("scenes-mint",), (50,), "none, .640 → .650", make_prompts=taught("mint")),
    "reversion": Row("ReVersion", ("scenes-beside",), (50,), "none", make_prompts=taught("beside")),
    "dit": Row("DiT", ("scenes-dit",), (250,), "2.27 → 2.31, none", make_prompts=classes, guidance=2.0),
}

ABLATIONS = {
    "key steps, 9, as in the paper": "paper",
    "key steps, 9, evenly (reused: encoder)": "uniform:6",
    "key steps, 13, evenly": "uniform:4",
    "key steps, 25, evenly": "uniform:2",
    "key steps, denser early": "progressive",
    "reused: encoder and 1 decoder block": "uniform:6 + decoder:1",
    "reused: encoder and 2 decoder blocks": "uniform:6 + decoder:2",
    "reused: all but the outer blocks": "uniform:6 + deep:1",
    "reused: the prediction": "uniform:6 + output",
    "noise of the paper": "paper + noise",
    "noise, a third": "paper + noise:0.001",
    "noise, three times": "paper + noise:0.009",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", choices=[*ROWS, "ablations", []], help="all by default")
    parser.add_argument("--part", choices=PARTS, help="both by default")
    parser.add_argument("--images", type=int, default=2000, help="for quality (default: %(default)s)")
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "paper", help="images; resumed")
    parser.add_argument("--device", default="cpu", help="(default: %(default)s)")
    parser.add_argument("--dtype", choices=DTYPES, default="float32", help="of all numbers (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=8, help="images drawn at once; more fill a GPU (default: 8)")
    parser.add_argument("--list", action="store_true", help="name the rows, and stop")
    parser.add_argument("--publish", action="store_true", help="put what is finished into the documentation")
    given = parser.parse_args()
    where = Where(given.device, DTYPES[given.dtype], given.batch)
    if given.list:
        for name, row in ROWS.items():
            print(f"{name:10} {row.title}" + (f" (needs {', '.join(row.missing)})" if row.missing else ""))
    elif given.publish:
        PAGE.write_text(filled(PAGE.read_text()))
    else:
        for name in given.rows or [*ROWS, "ablations"]:
            if name == "ablations":
                ablate(given.runs / name, where)
            elif not ROWS[name].missing:
                for part in [given.part] if given.part else PARTS:
                    measure(name, part, given.images, given.runs / name, where)


@dataclass(frozen=True)
class Where:
    """The device that draws, in which numbers, and how many images at once."""

    device: str = "cpu"
    dtype: torch.dtype = torch.float32
    batch: int = 8


HERE = Where()


def measure(name: str, part: str, images: int, folder: Path, where: Where = HERE) -> None:
    """One of the evaluations of a row."""
    arms = {BATCHED: "paper", NOISY: "paper + noise"}
    row = ROWS[name]
    count = row.count(images)
    if part == "cost":
        arms, count = {**arms, ONE_BY_ONE: "paper + sequential"}, FEW_VIDEOS if row.frames else FEW
    run(row, arms, count, PARTS[part], folder / part, f"{name}-{part}", where)


def ablate(folder: Path, where: Where = HERE) -> None:
    """How many key steps and where, what is reused, and how much noise."""
    run(ROWS["ddim"], ABLATIONS, FEW, (*COST, "clip_score", "obeyed"), folder, "ablations", where)


def run(
    row: Row, arms: Mapping[str, str], count: int, metrics: tuple[str, ...], folder: Path, name: str, where: Where
) -> None:
    """An evaluation, whose figures go to `RESULTS` too, without where its pictures lie."""
    found = evaluate(
        [pipe.to(where.device, where.dtype) for pipe in row.pipes()],
        row.arms(arms),
        row.prompts(count, folder.parent / "starts"),
        Settings(row.steps, row.guidance, batch_size=where.batch, frames=row.frames),
        Judges(metrics, (row.beside,) if row.beside else (), features="scenes", clip="scenes"),
        out=folder,
        name=" then ".join(row.models),
        reports=False,
        progress=True,
    )
    RESULTS.mkdir(parents=True, exist_ok=True)
    prompts = tuple(Prompt(prompt.text, prompt.seed) for prompt in found.prompts)
    write_json(RESULTS / f"{name}.json", replace(found, prompts=prompts).to_dict())


def filled(text: str) -> str:
    """The page with its tables made from the results."""
    makers = {"quality": quality_table, "cost": cost_table, "ablations": ablation_table}
    return pages.filled(text, "|".join(makers), lambda name: makers[name]())


def finished(kind: str) -> Iterator[tuple[Row, Evaluation]]:
    for name, row in ROWS.items():
        path = RESULTS / f"{name}-{kind}.json"
        if path.is_file():
            yield row, Evaluation.read(path)


def quality_table() -> str:
    """Quality of each row without propagation, with, and with noise; and what the paper has."""
    head = ["task", "images", "", "FID to real images", "CLIP score", "prompts obeyed", "paper: FID, CLIP score"]
    rows = [
        [row.title, images(row, found), *cells, row.published]
        for row, found in finished("quality")
        for cells in lines(row, found, QUALITY)
    ]
    return markdown(head, rows)


def images(row: Row, found: Evaluation) -> str:
    """How many were drawn, and in which numbers if not in single precision."""
    count, dtype = f"{len(found.prompts) * (row.frames or 1):,}", found.model["parts"][0]["dtype"]
    return count if dtype == "float32" else f"{count}, {dtype}"


def cost_table() -> str:
    """Likeness to the images without propagation, and cost, of each row."""
    head = ["task", "", *_LIKENESS_AND_COST]
    rows = [[row.title, *cells] for row, found in finished("cost") for cells in lines(row, found, COST)]
    return markdown(head, rows)


def ablation_table() -> str:
    path = RESULTS / "ablations.json"
    keys = (*COST, "clip_score", "obeyed")
    rows = list(lines(ROWS["ddim"], Evaluation.read(path), keys)) if path.is_file() else []
    return markdown(["", *_LIKENESS_AND_COST, "CLIP score", "prompts obeyed"], rows)


_LIKENESS_AND_COST = ("PSNR", "SSIM", "network FLOPs an image", "network time", "whole call")


def lines(row: Row, found: Evaluation, keys: tuple[str, ...]) -> Iterator[list[str]]:
    """An arm's name and figures, likeness being to the plain arm; costs are shares of the untouched pipeline's."""
    for arm in found.arms:
        if arm.name == row.plain or arm.name != "untouched":
            columns = [f"{key}:{row.beside}" if row.beside and key in ("psnr", "ssim") else key for key in keys]
            cells = [cell(found, key, arm) for key in columns]
            yield [arm.name, *(f"{one.figure} {one.aside}".strip() for one in cells)]


def markdown(head: list[str], rows: list[list[str]]) -> str:
    return table(head, rows) if rows else "Not run yet."


if __name__ == "__main__":
    main()
