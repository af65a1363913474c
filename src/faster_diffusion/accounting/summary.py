"""What a run saved."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from torch import nn

from ..engine.counts import Counts
from ..options.config import PropagationConfig
from ..options.forecast import Forecast
from ..options.reuse import Reuse
from .flops import reused_flops, stage_flops


@dataclass(frozen=True)
class Summary:
    """What the last run computed, reused and saved. ``print(summary)`` shows it in a few lines."""

    steps: int  # of the scheduler; a solver of second order evaluates the network more often than its number of steps
    key_steps: tuple[int, ...]  # at which the whole network ran
    computed: int  # network calls in which all of it ran
    reused: int  # network calls in which only what is not reused ran: the decoder, where the encoder is reused
    decoder_batches: int  # times the last stages ran, each for one or more calls
    flops: int  # of the network in this run (2 x multiply-adds)
    flops_baseline: int  # the same without acceleration
    halves: int  # network calls without the unconditional half of the batch
    control_computed: int  # calls of a control network
    control_reused: int  # calls of a control network answered by what it gave at a key step
    noisy_steps: int  # steps whose latent has prior noise
    cache_bytes: int  # peak memory of kept features and waiting predictions
    config: PropagationConfig
    uncounted: str | None = None  # why FLOPs could not be counted, where that is so; they are 0 then

    @property
    def flops_untouched(self) -> int:
        """What `flops_baseline` was called in earlier versions."""
        return self.flops_baseline

    @property
    def flops_saved(self) -> float:
        """Fraction of the network's FLOPs that was saved, 0 to 1; 0 where none were counted."""
        return 1 - self.flops / self.flops_baseline if self.flops_baseline else 0.0

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        derived = {"flops_saved": self.flops_saved, "flops_untouched": self.flops_untouched}
        return {**asdict(self), "config": self.config.to_dict(), **derived}

    def __str__(self) -> str:
        calls = self.computed + self.reused
        noise = self.config.prior_noise if self.noisy_steps else None
        controlled = self.control_computed + self.control_reused
        control = (f"Control network ran in {self.control_computed} of {controlled} calls.",) if controlled else ()
        reuse = str(self.config.reuse)
        part = {"encoder": "Encoder", "output": "Network"}.get(reuse, f"All stages ({reuse} is reused)")
        forecast = "" if self.config.forecast == Forecast(0) else f" {self.config.forecast}."
        halves = (
            (f"Without the unconditional half of the batch: {self.halves} of {calls} calls.",) if self.halves else ()
        )
        memory = f"cache at most {self.cache_bytes / 2**20:,.1f} MiB."
        priced = (
            f"Network: {self.flops / 1e9:,.1f} instead of {self.flops_baseline / 1e9:,.1f} GFLOP, "
            f"{self.flops_saved:.1%} saved; {memory}"
        )
        return "\n".join(
            (
                f"{part} ran in {self.computed} of {calls} network calls (key steps {self.config.key_steps}: "
                f"{', '.join(map(str, self.key_steps))} of {self.steps}).{forecast}",
                f"Decoder ran {self.decoder_batches} times, up to {self.config.group_limit or 'all'} steps at once.",
                *control,
                *halves,
                priced if self.uncounted is None else f"FLOPs are not counted: {self.uncounted}; {memory}",
                f"Prior noise: {noise or 'none'}.",
            )
        )


def summarise(counts: Counts, config: PropagationConfig, network: nn.Module) -> Summary:
    """Puts a price on what a run of ``network`` counted."""
    baseline, saved, uncounted = 0, 0, None
    try:
        baseline, saved = _price(counts, config.reuse, network)
    except Exception as error:  # a class of one's own, or a network changed by hand, may fail without data in any way
        reason = (str(error).strip().splitlines() or [""])[0]
        uncounted = f"{type(network).__name__} does not run on tensors without data ({type(error).__name__}: {reason})"
    return Summary(
        steps=counts.steps,
        key_steps=tuple(sorted(set(counts.key_steps))),
        computed=counts.computed,
        reused=counts.reused,
        decoder_batches=counts.batches,
        flops=baseline - saved,
        flops_baseline=baseline,
        halves=sum(calls.computed_half + calls.reused_half for calls in counts.calls.values()),
        control_computed=counts.control_computed,
        control_reused=counts.control_reused,
        noisy_steps=counts.noisy_steps,
        cache_bytes=counts.cache_bytes,
        config=config,
        uncounted=uncounted,
    )


def _price(counts: Counts, reuse: Reuse, network: nn.Module) -> tuple[int, int]:
    """FLOPs of all calls without acceleration, and those that were saved."""
    baseline = saved = 0
    for calls in counts.calls.values():
        if not calls.computed + calls.reused:
            continue  # the first failed
        flops = stage_flops(network, *calls.arguments, stages=reuse.split(network).stages)
        whole, reused = sum(flops.values()), reused_flops(network, flops, reuse)
        baseline += (calls.computed + calls.reused) * whole
        saved += calls.reused * reused
        saved += (calls.computed_half * whole + calls.reused_half * (whole - reused)) // 2
    return baseline, saved
