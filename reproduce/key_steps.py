"""What key steps keep of the image, placed as `faster-diffusion analyze` suggests, evenly, and as in the paper.

    python -m reproduce.key_steps --prompts 32

On the embedded model, 50 steps of DDIM, without prior noise. The analysis sees four other prompts than those that are
judged. Every placement samples the same prompts from the same seeds. Writes docs/results/key_steps.json and
prints a table.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from PIL import Image

import faster_diffusion as fd
from faster_diffusion import demo
from faster_diffusion.analysis import Placement, analyze
from faster_diffusion.analysis.suggest import place
from faster_diffusion.generation.prompts import embedded_prompts
from faster_diffusion.generation.sampling import AsItIs, Settings, sample
from faster_diffusion.measuring import intervals
from faster_diffusion.measuring.machine import machine
from faster_diffusion.measuring.pixels import decibels, mean_square_error, psnr
from faster_diffusion.measuring.tables import markdown
from faster_diffusion.options.key_steps import PRESETS
from reproduce.pages import RESULTS

STEPS = 50
SEEN = 4  # prompts of the analysis


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=32, help="to judge (default 32)")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the JSON file")
    options = parser.parse_args()
    report = measure(options.prompts, options.batch_size)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "key_steps.json").write_text(json.dumps(report, indent=1) + "\n")
    print(table(report))


def measure(count: int, batch_size: int, steps: int = STEPS) -> dict[str, Any]:
    """Analyses the model, and samples with every placement."""
    pipe: Any = demo.load("scenes")
    pipe.set_progress_bar_config(disable=True)
    seen = analyze(pipe, demo.prompts(SEEN, seed=5), steps=steps, guidance_scale=demo.GUIDANCE_SCALE)
    progressive = place("progressive", seen.drift, set(PRESETS["progressive"](steps)))
    placements = sorted((*seen.suggestions, *seen.others, progressive), key=lambda some: len(some.step_indices))
    wanted = embedded_prompts(count)
    settings = Settings((steps,), demo.GUIDANCE_SCALE, batch_size=batch_size)

    def images() -> list[Image.Image]:
        return [image for batch in sample(AsItIs(), [pipe], wanted, settings) for image in batch]

    def sampled(placement: Placement) -> list[Image.Image]:
        with fd.enable(pipe, key_steps=placement.step_indices, prior_noise=None):
            return images()

    original = images()
    return {
        "prompts": len(wanted),
        "steps": steps,
        "guidance": demo.GUIDANCE_SCALE,
        "machine": machine(),
        "placements": [{**some.to_dict(), **_fidelity(sampled(some), original)} for some in placements],
    }


def table(report: dict[str, Any]) -> str:
    """A report as Markdown."""
    head = (
        "key steps",
        "placement",
        "drift",
        "PSNR, mean (95 % interval)",
        "of the mean error",
        "worst image",
        "step indices",
    )
    return markdown(head, map(_cells, report["placements"]))


def _cells(row: dict[str, Any]) -> list[str]:
    low, high = row["psnr_interval"]
    return [
        str(len(row["step_indices"])),
        row["name"],
        f"{row['drift']:.4f}",
        f"{row['psnr']:.1f} dB ({low:.1f} to {high:.1f})",
        f"{row['psnr_of_mean_error']:.1f} dB",
        f"{row['worst']:.1f} dB",
        " ".join(map(str, row["step_indices"])),
    ]


def _fidelity(images: Sequence[Image.Image], original: Sequence[Image.Image]) -> dict[str, Any]:
    pairs = [*zip(images, original, strict=True)]
    values = [psnr(*pair) for pair in pairs]
    return {
        "psnr": fmean(values),
        "psnr_interval": intervals.mean(values),
        "psnr_of_mean_error": decibels(fmean(mean_square_error(*pair) for pair in pairs)),
        "worst": min(values),
    }


if __name__ == "__main__":
    main()
