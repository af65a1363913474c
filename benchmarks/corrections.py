"""What fitted corrections are worth: fidelity of short runs with and without, on prompts that they were not fitted to.

    python -m benchmarks.corrections --model scenes --guidance 7.5

For each number of steps the runs of all solvers are corrected, and compared with plain ones, by PSNR to 150 steps of
DPM-Solver++, which they are fitted to. Writes benchmarks/results/corrections-MODEL-GUIDANCE.json and prints a table.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

from PIL import Image

from faster_diffusion import demo
from faster_diffusion.arms import Arm
from faster_diffusion.benchmark import machine
from faster_diffusion.evaluation import Settings, embedded_prompts
from faster_diffusion.evaluation.drawing import draw
from faster_diffusion.evaluation.fingerprint import versions
from faster_diffusion.evaluation.intervals import bootstrap
from faster_diffusion.evaluation.metrics.pixels import psnr
from faster_diffusion.tuning.fitting import fit_to, follow
from recipes.card import table as markdown_table

RESULTS = Path(__file__).parent / "results"
REFERENCE = "dpm++-trailing:150"
SOLVERS = ("ddim-trailing", "dpm++-trailing", "unipc-trailing")
MORE = (30,)  # steps of plain runs beside those that are corrected


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="scenes")
    parser.add_argument("--guidance", type=float, default=demo.GUIDANCE_SCALE)
    parser.add_argument("--steps", type=int, nargs="+", default=[4, 5, 6, 8, 10, 13, 16, 20])
    parser.add_argument("--fitted", type=int, default=8, help="prompts that corrections are fitted to (default 8)")
    parser.add_argument("--held-out", type=int, default=24, help="prompts that are judged (default 24)")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the JSON file")
    options = parser.parse_args()
    report = measure(options.model, options.guidance, options.steps, options.fitted, options.held_out)
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / f"corrections-{options.model}-{options.guidance:g}.json"
    path.write_text(json.dumps(report, indent=1) + "\n")
    print(table(report))


def measure(model: str, guidance: float, steps: Sequence[int], fitted: int, held_out: int) -> dict[str, Any]:
    """Fits, and samples in every way."""
    pipe: Any = demo.load(model)
    pipe.set_progress_bar_config(disable=True)
    prompts = embedded_prompts(fitted + held_out, model=model)
    settings = Settings(guidance=guidance, batch_size=8)

    def run(arm: Arm) -> list[Image.Image]:
        judged, size = prompts[fitted:], settings.batch_size
        with arm.applied(pipe):
            batches = [judged[first : first + size] for first in range(0, held_out, size)]
            return [image for batch in batches for image in draw(arm, [pipe], batch, settings)]

    long = Arm.parse(REFERENCE)
    reference = run(long)
    path = follow(pipe, long, prompts[:fitted], settings)

    def row(arm: Arm, images: Sequence[Image.Image], **more: Any) -> dict[str, Any]:
        values = [psnr(*pair) for pair in zip(images, reference, strict=True)]
        return {"arm": arm.spec, "calls": arm.step_count, "psnr": fmean(values), "interval": bootstrap(values), **more}

    rows = []
    for count in sorted({*steps, *MORE}):
        for solver in SOLVERS:
            arm = Arm(solver, count)
            rows.append(row(arm, run(arm), corrected=False))
            if count in steps:
                profile = fit_to(path, pipe, arm, held_out=0)
                images = run(replace(arm, propagation=profile.config, name=""))
                rows.append(row(arm, images, corrected=True, weights=profile.config.to_dict()["correction"]["weights"]))
    return {
        "model": model,
        "guidance": guidance,
        "reference": long.spec,
        "prompts": {"fitted": fitted, "held out": held_out},
        "machine": machine(),
        "versions": versions(),
        "rows": rows,
    }


def table(report: dict[str, Any]) -> str:
    """A report as Markdown: a row for each number of network calls."""
    columns = [(solver, corrected) for solver in SOLVERS for corrected in (False, True)]
    found = {(row["calls"], row["arm"].split(":")[0], row["corrected"]): row for row in report["rows"]}
    columns = [column for column in columns if any((calls, *column) in found for calls, _, _ in found)]
    names = [solver + (", corrected" if corrected else "") for solver, corrected in columns]
    counts = sorted({calls for calls, _, _ in found})
    rows = [[str(calls), *(_cell(found.get((calls, *column))) for column in columns)] for calls in counts]
    return markdown_table(["calls", *names], rows)


def _cell(row: dict[str, Any] | None) -> str:
    return "" if row is None else f"{row['psnr']:.1f} dB [{row['interval'][0]:.1f}, {row['interval'][1]:.1f}]"


if __name__ == "__main__":
    main()
