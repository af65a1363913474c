"""What a gate is worth, beside key steps placed beforehand, parts of the network, and fewer steps.

    python -m reproduce.parts --model scenes --guidance 7.5

PSNR to 100 steps of DPM-Solver++ with Karras's noise levels. With a gate one image is sampled at a time, since those of
a batch share the key steps that it makes. The cost is the network's FLOPs, in full network calls. After every arm this
writes docs/results/parts-MODEL-GUIDANCE.json; with --go-on, what is there is kept.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any

from PIL import Image
from tqdm import tqdm

from faster_diffusion import PropagationConfig, demo
from faster_diffusion.arms import Arm
from faster_diffusion.files import write_json
from faster_diffusion.generation.prompts import embedded_prompts
from faster_diffusion.generation.sampling import Settings, sample
from faster_diffusion.measuring import intervals
from faster_diffusion.measuring.identity import versions
from faster_diffusion.measuring.machine import machine
from faster_diffusion.measuring.pixels import psnr
from faster_diffusion.measuring.tables import markdown
from reproduce.pages import RESULTS

REFERENCE = "dpm++-karras:100"
CLOSER_EARLY = "0,1,3,6,8,12,16,20,24,29,34,39,44"
CLOSER_EARLY_OF_40 = "0,1,2,3,5,7,9,11,13,16,19,22,25,28,31,34,37"
ARMS = (
    # fewer steps
    *(f"dpm++-karras:{steps}" for steps in (13, 17, 21)),
    *(f"ddim-trailing:{steps}" for steps in (13, 17)),
    # nothing is computed between key steps
    *(f"ddim-trailing:50 + {keys} + output + forecast:1" for keys in ("uniform:4", CLOSER_EARLY)),
    *(f"ddim-trailing:50 + 0, + output + forecast:1 + gate:{tolerance}" for tolerance in (0.02, 0.05, 0.1)),
    f"dpm++-karras:40 + {CLOSER_EARLY_OF_40} + output + forecast:1",
    *(f"dpm++-karras:40 + 0, + output + forecast:1 + gate:{tolerance}" for tolerance in (0.01, 0.02, 0.05)),
    # a part of the network is
    *(
        f"ddim-trailing:50 + uniform:4 + {reuse} + forecast:1"
        for reuse in ("encoder", "decoder:1", "decoder:2", "deep:1")
    ),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="scenes")
    parser.add_argument("--guidance", type=float, default=demo.GUIDANCE_SCALE)
    parser.add_argument("--count", type=int, default=16, help="prompts (default 16)")
    parser.add_argument("--go-on", action="store_true", help="measure what the JSON file lacks")
    options = parser.parse_args()
    path = RESULTS / f"parts-{options.model}-{options.guidance:g}.json"
    rows = json.loads(path.read_text())["rows"] if options.go_on and path.exists() else []
    pipe: Any = demo.load(options.model)
    pipe.set_progress_bar_config(disable=True)
    prompts = embedded_prompts(options.count, model=options.model)

    def sampled(spec: str) -> tuple[list[Image.Image], list[float]]:
        """Images, and the network's FLOPs of each, in calls of the whole network."""
        images, calls, arm = [], [], Arm.parse(spec)
        if arm.propagation is None:
            arm = replace(arm, propagation=PropagationConfig(key_steps="all"))
        with arm.applied(pipe) as handle:
            together = 8 if arm.propagation.gate is None else 1
            for batch in sample(arm, [pipe], prompts, Settings(guidance=options.guidance, batch_size=together)):
                images += batch
                summary = handle.summary()
                calls.append((1 - summary.flops_saved) * (summary.computed + summary.reused))
        return images, calls

    reference: list[Image.Image] = []
    for spec in tqdm([spec for spec in ARMS if spec not in [row["arm"] for row in rows]], unit="arm"):
        reference = reference or sampled(REFERENCE)[0]
        images, calls = sampled(spec)
        values = [psnr(*pair) for pair in zip(images, reference, strict=True)]
        rows.append(
            {
                "arm": spec,
                "calls": fmean(calls),
                "psnr": fmean(values),
                "interval": intervals.mean(values),
                "each": values,
            }
        )
        about = {"model": options.model, "guidance": options.guidance, "reference": REFERENCE, "prompts": len(prompts)}
        write_json(path, {**about, "machine": machine(), "versions": versions(), "rows": rows})
    print(table([json.loads(path.read_text())]))


def table(reports: Sequence[dict[str, Any]]) -> str:
    """Reports side by side as Markdown: calls of the whole network, and PSNR, an arm a row."""
    head = [f"{report['model']}, {report['guidance']:g}" for report in reports]
    by_arm = [{row["arm"]: row for row in report["rows"]} for report in reports]
    return markdown(["", *head], [[f"`{spec}`", *(_cell(rows[spec]) for rows in by_arm)] for spec in by_arm[0]])


def _cell(row: dict[str, Any]) -> str:
    return f"{row['calls']:.1f} calls, {row['psnr']:.1f} dB [{row['interval'][0]:.1f}, {row['interval'][1]:.1f}]"


if __name__ == "__main__":
    main()
