"""How much faster: untouched, idle engine, sequential and parallel, interleaved in one process.

    python -m benchmarks.speed                    # every case this machine has the hardware for
    python -m benchmarks.speed sd15-cpu --rounds 5

Writes benchmarks/results/speed-CASE.json and prints a table. The ratio of UNet times stands beside the ratio of FLOPs:
what is below it was gained by batching, what is above it is overhead. Memory is measured in a process of its own for
each arm on a CPU, where one process cannot tell the arms' peaks apart.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

import faster_diffusion as fd
from benchmarks import sd15
from faster_diffusion import demo
from faster_diffusion.benchmark import Timings, interleave, machine
from faster_diffusion.benchmark.machine import MALLOC
from faster_diffusion.cli.errors import show_our_warnings_only

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Case:
    """One model on one device."""

    model: str  # "scenes", the embedded one, or "sd15", Stable Diffusion 1.5 with random weights
    device: str = "cpu"
    dtype: str = "float32"
    batch: int = 1
    pixels: int | None = None  # height and width; the model's own by default
    steps: int = 50
    key_steps: str = "paper"
    guidance: float = 7.5
    compiled: bool = False  # the repeated blocks of the UNet, in every arm alike
    output: str | None = None  # "latent" leaves the VAE out, whose memory is more than the UNet's


CASES = {
    "scenes-cpu": Case("scenes", guidance=demo.GUIDANCE_SCALE),
    "scenes-cpu-batch4": Case("scenes", batch=4, guidance=demo.GUIDANCE_SCALE),
    # One key step of five leaves the share of FLOPs that nine of fifty do (0.74, 0.73). No guidance, to halve the time.
    "sd15-cpu": Case("sd15", steps=5, key_steps="uniform:5", guidance=1.0),
    "sd15-cpu-latent": Case("sd15", steps=5, key_steps="uniform:5", guidance=1.0, output="latent"),
    **{
        f"sd15-cuda-batch{batch}-{pixels}{'-compiled' if compiled else ''}": Case(
            "sd15", "cuda", "float16", batch, pixels, compiled=compiled
        )
        for pixels in (512, 768)
        for batch in (1, 4)
        for compiled in (False, True)
    },
}
ARMS: dict[str, dict[str, Any] | None] = {  # options of fd.enable; prior noise costs a scheduler step, not a network's
    "untouched": None,
    "idle": {"key_steps": "all", "prior_noise": None},
    "sequential": {"parallel": False, "prior_noise": None},
    "parallel": {"parallel": True, "prior_noise": None},
}


def main() -> None:
    here = [name for name, case in CASES.items() if case.device == "cpu" or torch.cuda.is_available()]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}; default: {', '.join(here)}")
    parser.add_argument("--rounds", type=int, default=5, help="measured rounds, each arm once a round (default 5)")
    parser.add_argument("--steps", type=int, help="instead of the case's own")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the JSON files")
    parser.add_argument("--memory-of", choices=ARMS, help=argparse.SUPPRESS)  # how the script calls itself
    options = parser.parse_args()
    show_our_warnings_only()
    unknown = set(options.cases) - set(CASES)
    if unknown:
        parser.error(f"unknown case {', '.join(unknown)}; known: {', '.join(CASES)}")
    for name in options.cases or here:
        case = CASES[name]
        if options.steps:
            case = Case(**{**asdict(case), "steps": options.steps})
        if options.memory_of:
            print(json.dumps(_peak_memory(case, options.memory_of)))
            continue
        report = measure(name, case, options.rounds)
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / f"speed-{name}.json").write_text(json.dumps(report, indent=1) + "\n")
        print(f"{name}: {case}\n\n{table(report)}\n", flush=True)


def measure(name: str, case: Case, rounds: int) -> dict[str, Any]:
    """Times, FLOPs and memory of all arms of a case."""
    pipe, call = _prepare(case)
    handles: dict[str, fd.Handle] = {}
    arms = {arm: _sampler(pipe, call, case, arm, handles) for arm in ARMS}
    timings = interleave(pipe.unet, arms, rounds)
    summaries = {arm: handle.summary() for arm, handle in handles.items()}
    flops = {"untouched": summaries["idle"].flops_untouched, **{arm: sums.flops for arm, sums in summaries.items()}}
    memory = {arm: _memory(name, case, arm, arms[arm]) for arm in ARMS}
    return {
        "name": name,
        "case": asdict(case),
        "machine": machine(),
        "arms": {
            arm: {
                **timings[arm].to_dict(),
                "flops": flops[arm],
                "flops_ratio": flops[arm] / flops["untouched"],
                "unet_ratio": timings[arm].unet_seconds / timings["untouched"].unet_seconds,
                "call_ratio": timings[arm].call_seconds / timings["untouched"].call_seconds,
                "peak_memory_bytes": memory[arm],
            }
            for arm in ARMS
        },
    }


def table(report: dict[str, Any]) -> str:
    """A report as Markdown."""
    lines = [
        "| arm | UNet, seconds (min-max) | whole call, seconds (min-max) | UNet time ratio | FLOP ratio "
        "| speed-up UNet / call | peak memory |",
        "|---|---|---|---|---|---|---|",
    ]
    for arm, values in report["arms"].items():
        times = Timings(values["unet"], values["call"])
        lines.append(
            f"| {arm} | {times.unet_seconds:.3f} ({min(times.unet):.3f}-{max(times.unet):.3f}) "
            f"| {times.call_seconds:.3f} ({min(times.call):.3f}-{max(times.call):.3f}) "
            f"| {values['unet_ratio']:.3f} | {values['flops_ratio']:.3f} "
            f"| {1 / values['unet_ratio']:.2f} / {1 / values['call_ratio']:.2f} "
            f"| {values['peak_memory_bytes'] / 2**20:,.0f} MiB |"
        )
    return "\n".join(lines)


def _prepare(case: Case) -> tuple[Any, dict[str, Any]]:
    """The pipeline and the arguments of its call."""
    dtype = getattr(torch, case.dtype)
    if case.model == "scenes":
        pipe: Any = demo.load("scenes", torch_dtype=dtype).to(case.device)
        call: dict[str, Any] = {"prompt": demo.prompts(case.batch)}
    else:
        pipe = sd15.pipeline(case.device, dtype)
        call = sd15.embeddings(pipe, case.batch)
        if case.guidance <= 1:
            del call["negative_prompt_embeds"]
    pipe.set_progress_bar_config(disable=True)
    if case.compiled:
        pipe.unet.compile_repeated_blocks(dynamic=True)
    if case.output:
        call |= {"output_type": case.output}
    if case.pixels:
        call |= {"height": case.pixels, "width": case.pixels}
    return pipe, {**call, "num_inference_steps": case.steps, "guidance_scale": case.guidance}


def _sampler(pipe: Any, call: dict[str, Any], case: Case, arm: str, handles: dict[str, fd.Handle]) -> Callable[[], Any]:
    """A call that samples as `arm` does, and leaves what `fd.enable` gave in `handles`."""
    options = ARMS[arm]

    def sample() -> Any:
        fd.disable(pipe)
        if options is not None:
            handles[arm] = fd.enable(pipe, **{"key_steps": case.key_steps, **options})
        generators = [torch.Generator("cpu").manual_seed(number) for number in range(case.batch)]
        return pipe(**call, generator=generators)

    return sample


def _memory(name: str, case: Case, arm: str, sample: Callable[[], Any]) -> int:
    if case.device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        sample()
        return torch.cuda.max_memory_allocated()
    command = [sys.executable, "-m", "benchmarks.speed", name, "--steps", str(case.steps), "--memory-of", arm]
    environment = {key: value for key, value in os.environ.items() if key not in MALLOC}  # they keep freed memory
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    peak: int = json.loads(answer.splitlines()[-1])
    return peak


def _peak_memory(case: Case, arm: str) -> int:
    pipe, call = _prepare(case)
    _sampler(pipe, call, case, arm, {})()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    main()
