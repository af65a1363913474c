"""`faster-diffusion info`: a model's stages, their part of the FLOPs, and what a plan saves, from its config alone."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import typer

from . import options
from .errors import CliError, one_line

GUIDED = 2  # rows of a network call: with and without the prompt


@dataclass(frozen=True)
class Stage:
    """One stage of the network, with the FLOPs of one call."""

    name: str
    part: str  # "encoder": reused on steps that are not key; "decoder": computed at every step
    flops: int
    fraction: float  # of the whole call, 0 to 1


@dataclass(frozen=True)
class Savings:
    """What a plan saves of the network's FLOPs; where arithmetic binds, `speed_up` is what it gains."""

    key_steps: str
    step_indices: tuple[int, ...]  # of the key steps
    steps: int
    flops_baseline: int
    flops: int

    @property
    def saved(self) -> float:
        """Fraction of the FLOPs that the plan saves, 0 to 1."""
        return 1 - self.flops / self.flops_baseline

    @property
    def speed_up(self) -> float:
        """How many times fewer FLOPs."""
        return self.flops_baseline / self.flops


@one_line
def info(
    model: options.Model = "scenes",
    steps: Annotated[int, typer.Option(min=1, help="Network calls of a run.")] = 50,
    height: options.PixelsOption = None,
    width: options.PixelsOption = None,
    key_steps: options.KeyStepsOption = "paper",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Shows a model's stages, their fraction of the FLOPs, and what a plan saves. Loads no weights."""
    from ..accounting.flops import stage_flops, twin
    from ..models.inputs import network_inputs
    from ..models.stages import layout_of, stage_names

    config = _network_config(model)
    cls = _network_class(config)
    factor = _pixels_per_latent(model)
    height, width = (_latent(size, factor, config) for size in (height, width))
    network: Any = twin(cls, config)
    conditional = config.get("cross_attention_dim") or config.get("num_embeds_ada_norm")
    rows = GUIDED if conditional else 1
    inputs = network_inputs(network, rows, height, width)
    flops = stage_flops(network, (), inputs)
    encoder, total = stage_names(network)[0], sum(flops.values())
    stages = [
        Stage(name, "encoder" if name in encoder else "decoder", count, count / total) for name, count in flops.items()
    ]
    acceleration = options.Acceleration(key_steps, parallel=True, prior_noise=False)
    plan = _savings(acceleration, acceleration.orders(steps, (cls.__name__,)), steps, stages)
    facts = {
        "model": model,
        "network": type(network).__name__,
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "latents": list(inputs[layout_of(network).sample].shape),
        "pixels": [height * factor, width * factor],
    }
    if as_json:
        former = {"orders": plan.step_indices, "flops_untouched": plan.flops_baseline}  # names of earlier versions
        derived = {"saved": plan.saved, "speed_up": plan.speed_up}
        shown = [{**asdict(stage), "share": stage.fraction} for stage in stages]
        typer.echo(json.dumps({**facts, "stages": shown, "plan": {**asdict(plan), **derived, **former}}))
    else:
        _show(facts, stages, plan)


def _savings(acceleration: options.Acceleration, keys: tuple[int, ...], steps: int, stages: list[Stage]) -> Savings:
    total = sum(stage.flops for stage in stages)
    encoder = sum(stage.flops for stage in stages if stage.part == "encoder")
    flops = steps * total - (steps - len(keys)) * encoder
    return Savings(acceleration.key_steps, keys, steps, steps * total, flops)


def _show(facts: dict[str, Any], stages: list[Stage], plan: Savings) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    guidance = "with" if facts["latents"][0] == GUIDED else "without"
    console.print(
        f"{facts['model']}: {facts['network']}, {facts['parameters'] / 1e6:.1f} M parameters; latents "
        f"{'x'.join(map(str, facts['latents']))} ({'x'.join(map(str, facts['pixels']))} pixels, {guidance} guidance)",
        highlight=False,
        soft_wrap=True,
    )
    total = sum(stage.flops for stage in stages)
    unit, scale = ("GFLOP", 1e9) if total >= 1e10 else ("MFLOP", 1e6)
    table = Table("stage", "part", show_footer=True)
    table.add_column(f"{unit} a step", justify="right", footer=f"{total / scale:,.1f}")
    table.add_column("fraction", justify="right", footer="100.0 %")
    for stage in stages:
        table.add_row(stage.name, stage.part, f"{stage.flops / scale:,.1f}", f"{stage.fraction:.1%}".replace("%", " %"))
    console.print(table)
    console.print(
        f"Key steps {plan.key_steps}: the encoder runs in {len(plan.step_indices)} of {plan.steps} steps "
        f"({', '.join(map(str, plan.step_indices))}).\n"
        f"Network FLOPs of a run: {plan.flops_baseline / scale:,.0f} -> {plan.flops / scale:,.0f} {unit}, "
        f"{plan.saved:.1%} saved; {plan.speed_up:.2f}x where arithmetic is what takes the time.",
        highlight=False,
        soft_wrap=True,
    )


def _network_config(model: str) -> dict[str, Any]:
    from ..generation import loading
    from ..models.families import LAYOUTS

    index = loading.read_config(model, "model_index.json")
    component = ""
    if index is not None:
        transformer = index.get("transformer", ("", ""))[1] in LAYOUTS
        component = "unet" if "unet" in index else "transformer" if transformer else ""
        if not component:
            raise CliError(
                f"{model} is a {index.get('_class_name')}, which has no network that is known. "
                f"Known: {', '.join(LAYOUTS)}."
            )
    config = loading.read_config(model, f"{component}/config.json" if component else "config.json")
    if config is None:
        raise CliError(f"{model} has neither unet/config.json nor config.json, so its network is not known.")
    return config


def _network_class(config: dict[str, Any]) -> type:
    import diffusers

    from ..models.families import LAYOUTS

    name = config.get("_class_name")
    if name not in LAYOUTS:
        raise CliError(f"The network is a {name}, whose stages are not known. Networks known: {', '.join(LAYOUTS)}.")
    cls: type = getattr(diffusers, name)
    return cls


def _pixels_per_latent(model: str) -> int:
    from ..generation import loading

    vae = loading.read_config(model, "vae/config.json")
    blocks = (vae or {}).get("block_out_channels")
    return 2 ** (len(blocks) - 1) if blocks else 1 if loading.read_config(model, "model_index.json") else 8


def _latent(pixels: int | None, factor: int, config: dict[str, Any]) -> int:
    if pixels is not None:
        if pixels % factor:
            nearest = max(factor, round(pixels / factor) * factor)
            raise CliError(f"{pixels} pixels are not a multiple of {factor}; the nearest that is: {nearest}.")
        return pixels // factor
    size = config.get("sample_size")
    if not isinstance(size, int):
        raise CliError("The model's config does not say a size; give --height and --width.")
    return size
