"""A seeded training loop that can be killed at any moment and resumed to exactly the same weights."""

from __future__ import annotations

import csv
import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from tqdm import tqdm

Movable = TypeVar("Movable", bound=Any)


@dataclass(frozen=True)
class TrainingPlan:
    """How long and how fast to learn."""

    steps: int
    learning_rate: float
    warmup: int = 200
    weight_decay: float = 0.01
    clip: float = 1.0  # norm of the gradient
    ema: float = 0.999  # the longest memory of the averaged weights; shorter at the start
    save_every: int = 500
    seed: int = 0
    minutes: float = math.inf  # ends early: the fall of the rate is then over the time instead of the steps

    def asked(self, settings: TrainingSettings) -> TrainingPlan:
        """The same, as long as the settings say, with as many checkpoints."""
        longer = settings.longer
        return replace(
            self,
            steps=round(self.steps * longer),
            save_every=max(1, round(self.save_every * longer)),
            minutes=min(self.minutes * longer, settings.minutes),
        )


@dataclass(frozen=True)
class TrainingSettings:
    """What a user may want otherwise than the recipe says.

    Args:
        device: where training runs.
        longer: so many times the steps.
        wider: so many times the batch.
        minutes: that each part may take; the rate then falls over the time.
    """

    device: str = "cpu"
    longer: float = 1.0
    wider: int = 1
    minutes: float = math.inf


_settings = TrainingSettings()


def train(
    parts: nn.Module,
    loss: Callable[[int, torch.Generator], Tensor | tuple[Tensor, dict[str, float]]],
    plan: TrainingPlan,
    folder: Path,
    name: str,
    watch: Callable[[int, nn.Module], None] | None = None,
) -> nn.Module:
    """Minimise `loss` over the weights of `parts` and return their exponential average, in place.

    `loss(step, generator)` gets a generator seeded by (seed, step) and must draw all its randomness from it: then a
    step does not depend on how the run came to it. `watch(step, averaged)` is called at every checkpoint.

    Under torchrun each process takes its `share` of a batch and gradients are averaged. Two processes of one thread are
    faster than one of two where operations are small, and other work on the machine slows them less.
    """
    plan, parts = plan.asked(_settings), on_device(parts)
    rank, processes = place()
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint, log = folder / f"{name}.pt", folder / f"{name}.csv"
    weights = [p for p in parts.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(_decayed(weights, plan.weight_decay), lr=plan.learning_rate, betas=(0.9, 0.99))
    average = [p.detach().clone() for p in weights]
    step, spent = 0, 0.0
    if checkpoint.exists():
        state = torch.load(checkpoint, map_location="cpu", weights_only=True)
        step, spent = state["step"], state["seconds"]
        optimiser.load_state_dict(state["optimiser"])
        with torch.no_grad():
            for p, a, kept, kept_average in zip(weights, average, state["weights"], state["average"], strict=True):
                p.copy_(kept)
                a.copy_(kept_average)
        if rank == 0:
            _truncate(log, step)

    began = time.monotonic() - spent
    records: list[dict[str, float]] = []
    bar = tqdm(total=plan.steps, initial=step, desc=name, mininterval=5, dynamic_ncols=True, disable=rank > 0)
    while step < plan.steps:
        seconds = _agree(time.monotonic() - began)
        done = max(step / plan.steps, seconds / 60 / plan.minutes)
        if done >= 1:
            break
        for group in optimiser.param_groups:
            group["lr"] = plan.learning_rate * _schedule(step, done, plan)
        generator = torch.Generator().manual_seed(plan.seed * 1_000_003 + step)
        result = loss(step, generator)
        value, extra = result if isinstance(result, tuple) else (result, {})
        optimiser.zero_grad(set_to_none=True)
        value.backward()
        _average_gradients(weights, processes)
        norm = nn.utils.clip_grad_norm_(weights, plan.clip)
        if torch.isfinite(norm):  # one bad batch must not spoil the weights
            optimiser.step()
        step += 1
        with torch.no_grad():
            decay = min(plan.ema, (1 + step) / (10 + step))
            torch._foreach_lerp_(average, weights, 1 - decay)
        records.append({"step": step, "seconds": round(time.monotonic() - began, 1), "loss": value.item(), **extra})
        bar.update()
        if step % 50 == 0:
            bar.set_postfix({k: f"{v:.4f}" for k, v in records[-1].items() if k not in ("step", "seconds")})
        if (step % plan.save_every == 0 or step == plan.steps) and rank == 0:
            _save(checkpoint, step, time.monotonic() - began, optimiser, weights, average)
            _append(log, records)
            records.clear()
            if watch is not None:
                with Averaged(parts, average):
                    watch(step, parts)
    bar.close()
    if rank == 0:
        _append(log, records)
        _save(checkpoint, step, time.monotonic() - began, optimiser, weights, average)
    with torch.no_grad():
        for p, a in zip(weights, average, strict=True):
            p.copy_(a)
    return parts


def begin(settings: TrainingSettings = _settings) -> None:
    """What a recipe does first: as many threads as help, unless told how many; under torchrun the other processes."""
    global _settings
    _settings = settings
    if "RANK" in os.environ:
        dist.init_process_group("gloo")
        torch.set_num_threads(1)
    elif "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(min(2, os.cpu_count() or 1))


def kept(path: Path, make: Callable[[], Any]) -> Any:
    """What `make` returns, from `path` if it was made before."""
    if not path.exists():  # under torchrun run the one process that makes it first
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, make())
    return torch.load(path, map_location="cpu", weights_only=True)


def place() -> tuple[int, int]:
    """Which process this is, and of how many."""
    return (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)


def share(batch: Tensor) -> Tensor:
    """The rows of a batch that fall to this process, on its device.

    Draw the whole batch first, on the CPU: then it is the same for any number of processes, and on any device.
    """
    rank, processes = place()
    return on_device(batch[rank::processes])


def wide(batch: int) -> int:
    """Of a batch that a recipe says, as large as it was asked to be."""
    return batch * _settings.wider


def on_device(thing: Movable) -> Movable:
    """A tensor, module or pipeline where training runs."""
    return thing.to(_settings.device)


def captured(network: nn.Module, **example: Tensor) -> nn.Module:
    """What a network of diffusers predicts from these tensors, given in this order; on a GPU by CUDA graphs.

    Small networks take a GPU less time than it takes Python to ask for all of their operations, backwards too.

    Args:
        network: where training runs; its weights stay where they are.
        example: its arguments, as large as all that follow.
    """
    prediction = _Prediction(network, tuple(example))
    if next(iter(example.values())).is_cuda:
        torch.cuda.make_graphed_callables(prediction, tuple(example.values()), allow_unused_input=True)
    return prediction


class _Prediction(nn.Module):
    def __init__(self, network: nn.Module, names: tuple[str, ...]) -> None:
        super().__init__()
        self.network, self.names = network, names

    def forward(self, *tensors: Tensor) -> Tensor:
        output: tuple[Tensor] = self.network(**dict(zip(self.names, tensors, strict=True)), return_dict=False)
        return output[0]


def _agree(seconds: float) -> float:
    """The clock of the first process: all must follow the same schedule."""
    if place()[1] == 1:
        return seconds
    clock = torch.tensor(seconds, dtype=torch.float64)
    dist.broadcast(clock, 0)
    return clock.item()


@torch.no_grad()
def _average_gradients(weights: list[nn.Parameter], processes: int) -> None:
    if processes == 1:
        return
    flat = torch.cat([p.grad.flatten() for p in weights])
    dist.all_reduce(flat)
    for p, grad in zip(weights, flat.div_(processes).split([p.numel() for p in weights]), strict=True):
        p.grad.copy_(grad.view(p.shape))


class Averaged:
    """Within the block, `parts` has the averaged weights."""

    def __init__(self, parts: nn.Module, average: list[Tensor]) -> None:
        self.weights, self.average = [p for p in parts.parameters() if p.requires_grad], average

    def __enter__(self) -> None:
        self._swap()

    def __exit__(self, *_: object) -> None:
        self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        for p, a in zip(self.weights, self.average, strict=True):
            kept = p.clone()
            p.copy_(a)
            a.copy_(kept)


def load_average(parts: nn.Module, checkpoint: Path) -> nn.Module:
    """Give `parts` the averaged weights of a checkpoint, finished or not."""
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    with torch.no_grad():
        for p, a in zip([p for p in parts.parameters() if p.requires_grad], state["average"], strict=True):
            p.copy_(a)
    return parts


def _schedule(step: int, done: float, plan: TrainingPlan) -> float:
    """A linear warm-up, a long level stretch, and a linear fall to nothing over the last third."""
    return min(1.0, (step + 1) / plan.warmup, 3 * (1 - done))


def _decayed(weights: list[nn.Parameter], decay: float) -> list[dict]:
    """Matrices and kernels decay; gains and biases do not."""
    return [
        {"params": [p for p in weights if p.ndim > 1], "weight_decay": decay},
        {"params": [p for p in weights if p.ndim <= 1], "weight_decay": 0.0},
    ]


def _save(path: Path, step: int, seconds: float, optimiser: torch.optim.Optimizer, weights, average) -> None:
    """Write a checkpoint."""
    state = {
        "step": step,
        "seconds": seconds,
        "optimiser": optimiser.state_dict(),
        "weights": [p.detach() for p in weights],
        "average": average,
    }
    _write(path, state)


def _write(path: Path, content: Any) -> None:
    """Write a file whole or not at all."""
    unfinished = path.with_suffix(".part")
    torch.save(content, unfinished)
    unfinished.replace(path)


def _append(path: Path, records: list[dict[str, float]]) -> None:
    if not records:
        return
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(records[0]))
        if new:
            writer.writeheader()
        writer.writerows(records)


def _truncate(path: Path, step: int) -> None:
    """Forget what was logged after the checkpoint."""
    if not path.exists():
        return
    lines = path.read_text().splitlines(keepends=True)
    kept = [lines[0], *(line for line in lines[1:] if int(line.split(",")[0]) <= step)]
    path.write_text("".join(kept))
