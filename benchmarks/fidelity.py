"""What acceleration costs in fidelity, on the embedded model, beside the plain alternative of fewer steps.

    python -m benchmarks.fidelity --prompts 64

Every arm samples the same prompts from the same seeds. Measured: PSNR to the unaccelerated image of the same sampler
and to a converged sample (DDIM, 250 steps); prompts obeyed, as read from the pixels; CLIP score; the network's FLOPs
and seconds. Writes benchmarks/results/fidelity.json and prints a table.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from diffusers import DDIMScheduler
from PIL import Image

import faster_diffusion as fd
from faster_diffusion import demo, solvers
from faster_diffusion.benchmark import UNetTimer, machine
from faster_diffusion.cli import sampling
from faster_diffusion.cli.errors import show_our_warnings_only
from faster_diffusion.demo import scenes
from faster_diffusion.demo.recognise import obeys
from faster_diffusion.evaluation.metrics.pixels import psnr

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Arm:
    """One way of sampling."""

    scheduler: str
    steps: int
    key_steps: str | None = None  # None: untouched
    prior_noise: bool = False

    def __str__(self) -> str:
        plan = f", key steps {self.key_steps}" if self.key_steps else ""
        return f"{self.scheduler} {self.steps}{plan}{' + prior noise' if self.prior_noise else ''}"


CONVERGED = Arm("ddim", 250)
ARMS = (
    Arm("ddim", 50),
    Arm("ddim", 50, "paper"),
    Arm("ddim", 50, "paper", prior_noise=True),
    Arm("ddim", 50, "uniform:4"),
    Arm("ddim", 50, "uniform:2"),
    Arm("ddim", 36),  # the FLOPs of ddim 50 with the paper's plan
    Arm("dpm++", 20),
    Arm("dpm++", 20, "paper"),
    Arm("dpm++", 20, "uniform:2"),
    Arm("dpm++", 15),
    Arm("dpm++", 10),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=64, help="half with one thing, half with two (default 64)")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the JSON file")
    options = parser.parse_args()
    show_our_warnings_only()
    report = measure(options.prompts, options.batch_size)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "fidelity.json").write_text(json.dumps(report, indent=1) + "\n")
    print(table(report))


def measure(count: int, batch_size: int, arms: Sequence[Arm] = ARMS, converged: Arm = CONVERGED) -> dict[str, Any]:
    """Samples and judges every arm."""
    pipe: Any = demo.load("scenes")
    pipe.set_progress_bar_config(disable=True)
    own = pipe.scheduler.config
    texts = [text for things in (1, 2) for text in scenes.held_out_prompts(count // 2, things, seed=1)]
    wanted = sampling.requests(texts, 1, seed=0)
    made: dict[Arm, list[Image.Image]] = {}
    rows: dict[str, dict[str, Any]] = {}
    last_batch = (len(wanted) - 1) % batch_size + 1  # which a summary is of
    for arm in (converged, *arms):
        pipe.scheduler = DDIMScheduler.from_config(own) if arm.scheduler == "ddim" else solvers.make(arm.scheduler, own)
        settings = sampling.Settings(arm.steps, demo.GUIDANCE_SCALE)
        options = {"key_steps": arm.key_steps or "all", "prior_noise": True if arm.prior_noise else None}
        with fd.enable(pipe, **options) as handle, UNetTimer(pipe.unet) as timer:
            made[arm] = sampling.sample(pipe, wanted, settings, batch_size)
        summary = handle.summary()
        original = made.get(Arm(arm.scheduler, arm.steps))
        rows[str(arm)] = {
            **asdict(arm),
            "gflop_an_image": summary.flops / last_batch / 1e9,
            "unet_seconds": timer.seconds,
            "psnr_to_original": _mean_psnr(made[arm], original) if arm.key_steps and original else None,
            "psnr_to_converged": _mean_psnr(made[arm], made[converged]) if arm != converged else None,
            "obeyed": fmean(_right(image, text) for image, text in zip(made[arm], texts, strict=True)),
            "clip_score": fmean(demo.clip_score(made[arm], texts)),
        }
    return {"prompts": len(texts), "guidance": demo.GUIDANCE_SCALE, "machine": machine(), "arms": rows}


def table(report: dict[str, Any], rows: Sequence[str] | None = None) -> str:
    """A report as Markdown, all of it or some rows; FLOPs and seconds relative to DDIM with 50 steps."""
    base = report["arms"][str(ARMS[0])]
    lines = [
        "| sampling | FLOPs | UNet time | PSNR to its original | PSNR to converged | prompts obeyed | CLIP score |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in rows or report["arms"]:
        row = report["arms"][name]
        lines.append(
            f"| {name} | {row['gflop_an_image'] / base['gflop_an_image']:.2f} "
            f"| {row['unet_seconds'] / base['unet_seconds']:.2f} "
            f"| {_decibels(row['psnr_to_original'])} | {_decibels(row['psnr_to_converged'])} "
            f"| {row['obeyed']:.1%} | {row['clip_score']:.3f} |"
        )
    return "\n".join(lines)


def _mean_psnr(made: Sequence[Image.Image], reference: Sequence[Image.Image]) -> float:
    return fmean(psnr(*pair) for pair in zip(made, reference, strict=True))


def _decibels(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} dB"


def _right(image: Image.Image, text: str) -> bool:
    verdict = obeys(image, text)
    return verdict.objects_right and verdict.relation_right


if __name__ == "__main__":
    main()
