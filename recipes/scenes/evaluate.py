"""Obedience: how often the pixels of a picture agree with its prompt, on prompts that training never saw."""

from __future__ import annotations

import json
import time
from pathlib import Path

import torch
from diffusers import DPMSolverMultistepScheduler

from faster_diffusion.demo.recognise import Verdict, obeys
from faster_diffusion.demo.scenes import held_out_prompts

from ..card import share
from ..training import on_device

UNSEEN = 1  # seed of the prompts that are reported; watching a run and choosing guidance go by others


def sample(pipe, prompts: list, steps: int, guidance: float, seed: int = 0, batch: int = 20, **rows) -> list:
    """One image or clip a prompt. Each has its own seed, so the size of the batch does not matter.

    `rows` are arguments with one entry a prompt.
    """
    images = []
    for start in range(0, len(prompts), batch):
        part = slice(start, start + batch)
        seeds = [torch.Generator().manual_seed(seed + start + i) for i in range(len(prompts[part]))]
        call = {name: values[part] for name, values in rows.items()}
        made = pipe(prompts[part], num_inference_steps=steps, guidance_scale=guidance, generator=seeds, **call)
        images += list(made[0])
    return images


def quick(pipe):
    """The pipeline with a solver that needs few steps, and no progress bar, where training runs."""
    pipe.scheduler = DPMSolverMultistepScheduler.from_config(pipe.scheduler.config)
    pipe.set_progress_bar_config(disable=True)
    return on_device(pipe)


def obedience(pipe, count: int = 100, steps: int = 50, guidance: float = 4.0, seed: int = 0) -> dict:
    """Shares of `count` one-object and `count` two-object prompts obeyed, with 95 % intervals."""
    report: dict = {}
    began = time.perf_counter()
    for things, name in ((1, "one object"), (2, "two objects")):
        prompts = held_out_prompts(count, things, seed)
        images = sample(pipe, prompts, steps, guidance, seed=1000 * things + seed)
        report[name] = summary([obeys(image, prompt) for image, prompt in zip(images, prompts, strict=True)])
    report["seconds"] = round(time.perf_counter() - began, 1)
    return report


def summary(verdicts: list[Verdict]) -> dict:
    """What was asked for and seen, in shares. "right" is the bar: objects, and with two of them their relation."""
    measures = {
        "right": [v.objects_right and v.relation_right for v in verdicts],
        "objects": [v.objects_right for v in verdicts],
        "relation": [v.relation_right for v in verdicts],
        "sizes": [v.sizes_right for v in verdicts],
        "background": [v.background_right for v in verdicts],
        "everything": [v.all_right for v in verdicts],
    }
    return {name: share(sum(right), len(right)) for name, right in measures.items()}


def evaluate(report: Path, accelerated: bool, count: int, steps: int, guidance: float) -> dict:
    """Measure the packaged model, plain and if asked accelerated with the library's defaults; write both as JSON."""
    import diffusers

    from faster_diffusion import demo

    pipe = demo.load("scenes")
    pipe.set_progress_bar_config(disable=True)
    result = {
        "model": "scenes",
        "sampler": f"{type(pipe.scheduler).__name__}, {steps} steps, guidance {guidance}",
        "versions": {"torch": torch.__version__, "diffusers": diffusers.__version__},
        "plain": obedience(pipe, count, steps, guidance, UNSEEN),
    }
    if accelerated:
        import faster_diffusion as fd

        with fd.enable(pipe):
            result["accelerated"] = obedience(pipe, count, steps, guidance, UNSEEN)
    report.write_text(json.dumps(result, indent=2) + "\n")
    return result
