"""What fitted corrections are worth: fidelity of short runs with and without, on prompts that they were not fitted to.

    python -m reproduce.corrections --model scenes --guidance 7.5

For each number of steps the runs of some solvers are corrected, those of one also at optimised timesteps, and compared
with plain ones, by PSNR to 150 steps of DPM-Solver++, which they are fitted to. After every number of steps this writes
docs/results/corrections-MODEL-GUIDANCE.json; with --go-on, what is there is kept. At last it prints the tables.
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from itertools import accumulate
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from PIL import Image

from faster_diffusion import demo
from faster_diffusion.arms import Arm
from faster_diffusion.files import write_json
from faster_diffusion.generation.prompts import embedded_prompts
from faster_diffusion.generation.sampling import Settings, sample
from faster_diffusion.measuring import intervals
from faster_diffusion.measuring.identity import versions
from faster_diffusion.measuring.machine import machine
from faster_diffusion.measuring.pixels import psnr
from faster_diffusion.measuring.tables import markdown
from faster_diffusion.tuning.fitting import fit_to
from faster_diffusion.tuning.following import Followed, follow
from reproduce.pages import RESULTS

REFERENCE = "dpm++-trailing:150"
CORRECTED_SOLVERS = ("ddim-trailing", "dpm++-trailing", "unipc-trailing")
SOLVERS = (*CORRECTED_SOLVERS, "dpm++-karras", "unipc-karras")
PLACED_SOLVER = "dpm++1-trailing"
PLAIN, CORRECTED, OPTIMISED = "", ", corrected", ", optimised timesteps"  # what is done to runs, as columns say it
_CORRECTED_KINDS = [*((solver, CORRECTED) for solver in CORRECTED_SOLVERS), (PLACED_SOLVER, OPTIMISED)]
MORE = (30,)  # steps of plain runs beside those that are corrected


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="scenes")
    parser.add_argument("--guidance", type=float, default=demo.GUIDANCE_SCALE)
    parser.add_argument("--steps", type=int, nargs="+", default=[4, 5, 6, 8, 10, 13, 16, 20])
    parser.add_argument("--fitted", type=int, default=8, help="prompts that corrections are fitted to (default 8)")
    parser.add_argument("--held-out", type=int, default=24, help="prompts that are judged (default 24)")
    parser.add_argument("--go-on", action="store_true", help="measure what the JSON file lacks")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the JSON file")
    options = parser.parse_args()
    path = options.out / f"corrections-{options.model}-{options.guidance:g}.json"
    known = json.loads(path.read_text())["rows"] if options.go_on else []
    options.out.mkdir(parents=True, exist_ok=True)
    for report in measure(options.model, options.guidance, options.steps, options.fitted, options.held_out, known):
        write_json(path, report)
    print(table(report))


def measure(
    model: str, guidance: float, steps: Sequence[int], fitted: int, held_out: int, known: Sequence[dict[str, Any]] = ()
) -> Iterator[dict[str, Any]]:
    """Fits, and samples in every way but those that are known; the report after every number of steps."""
    pipe: Any = demo.load(model)
    pipe.set_progress_bar_config(disable=True)
    prompts = embedded_prompts(fitted + held_out, model=model)
    settings = Settings(guidance=guidance, batch_size=8)

    def run(arm: Arm) -> list[Image.Image]:
        with arm.applied(pipe):
            return [image for batch in sample(arm, [pipe], prompts[fitted:], settings) for image in batch]

    long = Arm.parse(REFERENCE)
    reference = run(long)

    @cache  # only if something is fitted
    def path() -> Followed:
        return follow(pipe, long, prompts[:fitted], settings, listen=True)

    def row(arm: Arm, images: Sequence[Image.Image], **more: Any) -> dict[str, Any]:
        values = [psnr(*pair) for pair in zip(images, reference, strict=True)]
        return {
            "arm": arm.spec,
            "calls": arm.step_count,
            "psnr": fmean(values),
            "interval": intervals.mean(values),
            **more,
        }

    def corrected(arm: Arm, place: bool) -> dict[str, Any]:
        config = fit_to(path(), pipe, arm, held_out=0, place=place).config
        made: Any = config.correction
        images = run(replace(arm, propagation=config, name=""))
        return row(arm, images, corrected=True, placed=place, weights=made.weights, timesteps=made.timesteps)

    rows = {_key(row): row for row in known}
    for count in sorted({*steps, *MORE}):
        for solver, kind in _kinds(count in steps):
            arm = Arm(solver, count)
            if (count, solver, kind) not in rows:
                found = row(arm, run(arm), corrected=False) if kind == PLAIN else corrected(arm, kind == OPTIMISED)
                rows[count, solver, kind] = found
        yield {
            "model": model,
            "guidance": guidance,
            "reference": long.spec,
            "prompts": {"fitted": fitted, "held out": held_out},
            "machine": machine(),
            "versions": versions(),
            "rows": list(rows.values()),
        }


def _kinds(corrected: bool) -> list[tuple[str, str]]:
    """Solvers, and what is done to their runs."""
    plain = [(solver, PLAIN) for solver in SOLVERS]
    return [*plain, *_CORRECTED_KINDS] if corrected else plain


def _key(row: Mapping[str, Any]) -> tuple[int, str, str]:
    kind = (OPTIMISED if row.get("placed") else CORRECTED) if row["corrected"] else PLAIN
    return row["calls"], row["arm"].split(":")[0], kind


def table(report: dict[str, Any]) -> str:
    """A report as Markdown: of plain runs, and of corrected ones, a row for each number of network calls."""
    return f"{_table(report, _kinds(False))}\n\n{_table(report, _CORRECTED_KINDS)}"


def _table(report: dict[str, Any], columns: Sequence[tuple[str, str]]) -> str:
    found = {_key(row): row for row in report["rows"]}
    columns = [column for column in columns if any((calls, *column) in found for calls, _, _ in found)]
    counts = sorted({calls for calls, *column in found if tuple(column) in columns})
    rows = [[str(calls), *(_cell(found.get((calls, *column))) for column in columns)] for calls in counts]
    return markdown(["calls", *(solver + kind for solver, kind in columns)], rows)


def worth(report: dict[str, Any]) -> dict[int, str]:
    """Calls of the best plain solver that come as near as optimised timesteps do, interpolated linearly."""
    rows = report["rows"]
    plain = [(row["calls"], row["psnr"]) for row in rows if not row["corrected"]]
    calls = sorted({count for count, _ in plain})
    curve = list(accumulate((max(psnr for of, psnr in plain if of == count) for count in calls), max))
    return {row["calls"]: _plain_calls(row["psnr"], calls, curve) for row in rows if row.get("placed")}


def _plain_calls(psnr: float, calls: Sequence[int], curve: Sequence[float]) -> str:
    if psnr > curve[-1]:
        return f"more than {calls[-1]}"
    if psnr < curve[0]:
        return f"fewer than {calls[0]}"
    return f"{np.interp(psnr, curve, calls):.1f}"


def _cell(row: dict[str, Any] | None) -> str:
    return "" if row is None else f"{row['psnr']:.1f} dB [{row['interval'][0]:.1f}, {row['interval'][1]:.1f}]"


if __name__ == "__main__":
    main()
