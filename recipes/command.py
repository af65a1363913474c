"""The command line that recipes share: train, assemble and evaluate, in order or one of them."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import diffusers
import torch

import faster_diffusion as fd

from .training import TrainingSettings, begin, on_device

MODELS = Path(__file__).parents[1] / "src/faster_diffusion/demo/models"

Part = Callable[[argparse.Namespace], None]


@dataclass(frozen=True)
class Recipe:
    """How a model comes about.

    `train` are the parts that are trained, in their order; `assemble` writes the packaged folders, and their cards if
    there is a report; `evaluate` returns what the report says.
    """

    name: str
    about: str
    train: dict[str, Part]
    assemble: Part
    evaluate: Callable[[argparse.Namespace], dict]

    def main(self, **defaults: float | str | tuple[str, ...]) -> None:
        """Parse and do. `defaults` are options of the parts; of a tuple one may be chosen, by default the first."""
        parts = {**self.train, "assemble": self.assemble, "evaluate": self._report}
        parser = argparse.ArgumentParser(prog=f"python -m recipes.{self.name}", description=self.about)
        parser.add_argument("part", nargs="?", choices=parts, help="one part; without it, everything in order")
        parser.add_argument("--runs", type=Path, default=Path("runs") / self.name, help="checkpoints and logs; resumed")
        parser.add_argument("--out", type=Path, default=MODELS, help="the folder of the embedded models")
        parser.add_argument("--report", type=Path, default=Path(__file__).parent / self.name / "obedience.json")
        for name, value in defaults.items():
            several = isinstance(value, tuple)
            kind = {"choices": value, "default": value[0]} if several else {"type": type(value), "default": value}
            parser.add_argument(f"--{name}", **kind, help="(default: %(default)s)")
        add_settings(parser)
        options = parser.parse_args()
        begin(settings_of(options))
        for part in [options.part] if options.part else [*parts, "assemble"]:  # the card wants the report
            parts[part](options)

    def _report(self, options: argparse.Namespace) -> None:
        report = self.evaluate(options)
        report["versions"] = {"torch": torch.__version__, "diffusers": diffusers.__version__}
        options.report.write_text(json.dumps(report, indent=2) + "\n")
        print(json.dumps(report))


def add_settings(parser: argparse.ArgumentParser) -> None:
    """The options of `TrainingSettings`."""
    parser.add_argument("--device", default="cpu", help="where to train, and to sample (default: %(default)s)")
    parser.add_argument("--longer", type=float, default=1.0, help="so many times the steps (default: %(default)s)")
    parser.add_argument(
        "--wider", type=int, default=1, help="so many times the batch, for a GPU (default: %(default)s)"
    )
    parser.add_argument("--minutes", type=float, default=math.inf, help="that training a part may take (default: any)")


def settings_of(options: argparse.Namespace) -> TrainingSettings:
    """What was given of these."""
    return TrainingSettings(options.device, options.longer, options.wider, options.minutes)


def kept_report(options: argparse.Namespace) -> dict:
    """The last report; empty if there is none."""
    return json.loads(options.report.read_text()) if options.report.exists() else {}


def note(runs: Path, step: int, found: dict[str, dict]) -> None:
    """Write down the shares and means that a training had come to at a step."""
    with (runs / "watch.jsonl").open("a") as file:
        line = {"step": step, **{name: one.get("share", one.get("mean")) for name, one in found.items()}}
        file.write(json.dumps(line) + "\n")


def compare(options: argparse.Namespace, pipes: list, obedience: Callable[..., dict[str, dict]]) -> dict:
    """The report on pipelines as they are, and accelerated with the library's defaults.

    `obedience(*pipes, count=, steps=, guidance=)` gives shares by what they are of.
    """
    asked = {"count": options.count, "steps": options.steps, "guidance": options.guidance}
    for pipe in pipes:
        on_device(pipe).set_progress_bar_config(disable=True)
    arms = {"plain": obedience(*pipes, **asked)}
    for pipe in pipes:
        fd.enable(pipe)
    try:
        arms["accelerated"] = obedience(*pipes, **asked)
    finally:
        for pipe in pipes:
            fd.disable(pipe)
    return {"sampler": type(pipes[0].scheduler).__name__, **asked, "arms": arms}
