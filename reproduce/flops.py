"""What plans save of the network's FLOPs, for architectures everyone knows. Exact, and in seconds on any machine.

    python -m reproduce.flops

Writes docs/results/flops.json and prints a table. For any other model: `faster-diffusion info MODEL`.
"""

import json
from collections.abc import Mapping
from typing import Any

from diffusers import UNet2DConditionModel

from faster_diffusion import KeySteps
from faster_diffusion.accounting.flops import encoder_flops, stage_flops, twin
from faster_diffusion.benchmark.architectures import ARCHITECTURES
from faster_diffusion.measuring.tables import markdown
from faster_diffusion.models.inputs import network_inputs
from reproduce.pages import RESULTS

MODELS = {  # name -> config and side in pixels
    "Stable Diffusion 1.5, 512": (ARCHITECTURES["sd15"].network().config, 512),
    "Stable Diffusion 1.5, 768": (ARCHITECTURES["sd15"].network().config, 768),
    "SDXL, 1024": (ARCHITECTURES["sdxl"].network().config, 1024),
}
PLANS = (("paper", 50), ("paper", 20), ("uniform:4", 50))


def main() -> None:
    report = {name: measure(config, pixels // 8) for name, (config, pixels) in MODELS.items()}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "flops.json").write_text(json.dumps(report, indent=1) + "\n")
    print(table(report))


def measure(config: Mapping[str, Any], side: int) -> dict[str, Any]:
    """One step with guidance, latents of `side` x `side`, and what every plan makes of a run."""
    network: Any = twin(UNet2DConditionModel, config)
    stages = stage_flops(network, (), network_inputs(network, 2, side, side))
    step = sum(stages.values())
    encoder = encoder_flops(network, stages)
    plans = []
    for key_steps, steps in PLANS:
        keys = len(KeySteps.parse(key_steps).orders(steps))
        plans.append(
            {"key_steps": key_steps, "steps": steps, "keys": keys, "saved": (1 - keys / steps) * encoder / step}
        )
    return {"stages": stages, "step": step, "encoder_share": encoder / step, "plans": plans}


def table(report: dict[str, Any]) -> str:
    """A report as Markdown."""
    heads = [f"{key_steps}, {steps} steps" for key_steps, steps in PLANS]
    rows = []
    for name, row in report.items():
        saved = [f"{plan['saved']:.1%} saved, {1 / (1 - plan['saved']):.2f}x" for plan in row["plans"]]
        rows.append([name, f"{row['step'] / 1e12:.2f}", f"{row['encoder_share']:.1%}", *saved])
    return markdown(["UNet", "TFLOP a step", "fraction of encoder and bottleneck", *heads], rows)


if __name__ == "__main__":
    main()
