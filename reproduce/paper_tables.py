"""The paper's tables in miniature: its tasks, each on the embedded model for it, with and without propagation.

    python -m reproduce.paper_tables --list
    python -m reproduce.paper_tables ddim dpm++        # these rows; all by default
    python -m reproduce.paper_tables --publish         # what is finished, into docs/paper.md

A row is two evaluations, both of which go on where they were stopped: of quality, over --images images, and of cost and
fidelity, over 64 or 16 videos, where decoding one by one takes part too (its images are those of decoding in a batch).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from faster_diffusion.arms import Arm
from faster_diffusion.evaluation import Evaluation, Judges, evaluate
from faster_diffusion.evaluation.report.plots import png
from faster_diffusion.evaluation.report.tables import cell
from faster_diffusion.files import write_json, write_whole
from faster_diffusion.generation.loading import DTYPES
from faster_diffusion.generation.prompts import Prompt
from faster_diffusion.generation.sampling import Settings
from faster_diffusion.measuring.tables import markdown
from reproduce import pages, paper_plots
from reproduce.pages import DOCS, ROOT
from reproduce.paper_rows import ABLATIONS, ROWS, Row

RESULTS = pages.RESULTS / "paper"
PAGE = DOCS / "paper.md"
PLOTS = DOCS / "images" / "paper"

BATCHED, NOISY, ONE_BY_ONE = "propagated", "propagated, with noise", "propagated one by one"
QUALITY = ("fid_real", "clip_score", "obeyed")
COST = ("psnr", "ssim", "flops", "network_seconds", "call_seconds")
PARTS = {"quality": QUALITY, "cost": COST}
FEW, FEW_VIDEOS = 64, 16  # images that cost and fidelity are measured on


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
        plot(PLOTS)
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
    """How many key steps and where, what is reused or dropped between them, and how much noise."""
    run(ROWS["ddim"], ABLATIONS, FEW, (*COST, "clip_score", "obeyed"), folder, "ablations", where)


def run(
    row: Row, arms: Mapping[str, str | Arm], count: int, metrics: tuple[str, ...], folder: Path, name: str, where: Where
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


def plot(folder: Path) -> None:
    """A picture of each table."""
    figures = {
        "quality": paper_plots.quality(list(finished("quality")), [BATCHED, NOISY]),
        "cost": paper_plots.cost(list(finished("cost")), [BATCHED, ONE_BY_ONE]),
        "ablations": paper_plots.ablations(Evaluation.read(RESULTS / "ablations.json")),
    }
    folder.mkdir(exist_ok=True)
    for name, figure in figures.items():
        write_whole(folder / f"{name}.png", png(figure))


def finished(kind: str) -> Iterator[tuple[Row, Evaluation]]:
    for name, row in ROWS.items():
        path = RESULTS / f"{name}-{kind}.json"
        if path.is_file():
            yield row, Evaluation.read(path)


def quality_table() -> str:
    """Quality of each row without propagation, with, and with noise; and what the paper has."""
    head = ["task", "images", "", "FID to real images", "CLIP score", "prompt accuracy", "paper: FID, CLIP score"]
    rows = [
        [row.title, images(row, found), *cells, row.published.quality]
        for row, found in finished("quality")
        for cells in lines(row, found, QUALITY)
    ]
    return _table(head, rows)


def images(row: Row, found: Evaluation) -> str:
    """How many were drawn, and in which numbers if not in single precision."""
    count, dtype = f"{len(found.prompts) * (row.frames or 1):,}", found.model["parts"][0]["dtype"]
    return count if dtype == "float32" else f"{count}, {dtype}"


def cost_table() -> str:
    """Fidelity to the images without propagation, and cost, of each row."""
    head = ["task", "", *_FIDELITY_AND_COST, "paper: FLOPs, whole call"]
    rows = [
        [row.title, *cells, row.published.cost] for row, found in finished("cost") for cells in lines(row, found, COST)
    ]
    return _table(head, rows)


def ablation_table() -> str:
    path = RESULTS / "ablations.json"
    keys = (*COST, "clip_score", "obeyed")
    rows = list(lines(ROWS["ddim"], Evaluation.read(path), keys)) if path.is_file() else []
    return _table(["", *_FIDELITY_AND_COST, "CLIP score", "prompt accuracy"], rows)


_FIDELITY_AND_COST = ("PSNR", "SSIM", "network FLOPs an image", "network time", "whole call")


def lines(row: Row, found: Evaluation, keys: tuple[str, ...]) -> Iterator[list[str]]:
    """An arm's name and figures, fidelity being to the plain arm; costs are fractions of the baseline's."""
    for arm in found.arms:
        if arm.name == row.plain or arm.name != "baseline":
            columns = [f"{key}:{row.beside}" if row.beside and key in ("psnr", "ssim") else key for key in keys]
            cells = [cell(found, key, arm) for key in columns]
            yield [arm.name, *(f"{one.figure} {one.aside}".strip() for one in cells)]


def _table(head: list[str], rows: list[list[str]]) -> str:
    return markdown(head, rows) if rows else "Not run yet."


if __name__ == "__main__":
    main()
