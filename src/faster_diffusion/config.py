"""What a user can choose: frozen dataclasses that check themselves."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from .correction import Correction
from .forecast import Forecast
from .gate import Gate
from .reuse import Reuse
from .schedule import PAPER, KeySteps, Rule


@dataclass(frozen=True)
class PriorNoise:
    """A little of the initial latent, added in the late steps: z_t <- z_t + alpha * z_T (Sec. 3.4, Eq. 4).

    It restores the texture that propagated features lose. Added before the network (and ``scale_model_input``) sees
    z_t, at every step with t / num_train_timesteps < start.
    """

    alpha: float = 0.003  # share of the initial latent z_T; 0 to about 0.01 is sensible
    start: float = 0.5  # in [0, 1]: 0.5 is the last half of sampling, 1 every step

    def __post_init__(self) -> None:
        if not 0 <= self.alpha < 1:
            raise ValueError(f"PriorNoise.alpha is a share of the initial latent, 0 <= alpha < 1; got {self.alpha}.")
        if not 0 <= self.start <= 1:
            raise ValueError(f"PriorNoise.start is a fraction of the training timesteps, 0 to 1; got {self.start}.")


# Networks and pipelines whose images it takes away from the untouched ones without mending anything (docs/paper.md):
# transformers with every second step key, and pixels, which no autoencoder smooths. These are all that have key steps
# of their own, but for the upscaler of latents.
_WITHOUT_NOISE = frozenset(PAPER) - {"StableDiffusionUpscalePipeline"}


@dataclass(frozen=True)
class PropagationConfig:
    """How encoder propagation runs. The defaults are the paper's.

    Args:
        key_steps: at which steps the encoder runs: ``"paper"``, another preset, ``"uniform:N"``, a list of orders, or a
            function from the number of steps to orders. Fewer key steps: faster, less like the original.
        parallel: ``True`` decodes all steps up to the next key step in one batch (fastest, most memory); a number caps
            how many steps are decoded at once; ``False`` decodes step by step (memory stays flat). Same image.
        prior_noise: ``True`` restores texture, but for transformers and DeepFloyd-IF, which it does harm; a
            [`PriorNoise`] is mixed in whatever the network; ``None`` leaves it out. Without effect in a run in which
            every step is key.
        reuse: what a step that is not key reuses: ``"encoder"``, the paper's; ``"decoder:N"``, N blocks of the decoder
            too; ``"deep:N"`` or ``"layers:N"``, all but the N outermost blocks or layers, which then see the latent of
            the step, so that steps cannot be decoded together; ``"output"``, the prediction itself, for any network.
        forecast: carries what is reused on to its step from the last key steps: 1 or a [`Forecast`] linearly, 2 with a
            parabola; ``None`` copies it, as the paper does.
        gate: makes steps key while sampling, besides ``key_steps``, so that predictions drift no further than this
            relative error: a number or a [`Gate`]; ``None`` leaves the key steps as they are. With
            ``key_steps=[0]`` it decides alone.
        guidance_until: the share of the steps after which the unprompted half of a guided batch is not computed any
            more, but taken to differ from the prompted half as at the key steps before; ``None`` computes it always.
        correction: what is added to the predictions, fitted for a number of steps of a solver
            (``faster_diffusion.tuning.fit``, whose profile has it); ``None`` leaves them as they are.
    """

    key_steps: KeySteps | str | int | Iterable[int] | Rule = "paper"
    parallel: bool | int = True
    prior_noise: PriorNoise | bool | None = True
    reuse: Reuse | str = "encoder"
    forecast: Forecast | int | None = None
    gate: Gate | float | None = None
    guidance_until: float | None = None
    correction: Correction | Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "key_steps", KeySteps.parse(self.key_steps))
        object.__setattr__(self, "prior_noise", _prior_noise(self.prior_noise))
        object.__setattr__(self, "reuse", Reuse.parse(self.reuse))
        object.__setattr__(self, "forecast", Forecast.parse(self.forecast))
        object.__setattr__(self, "gate", Gate.parse(self.gate))
        object.__setattr__(self, "correction", Correction.parse(self.correction))
        if self.guidance_until is not None and not 0 <= self.guidance_until <= 1:
            raise ValueError(f"guidance_until is a share of the steps, 0 to 1, or None; got {self.guidance_until!r}.")
        if not isinstance(self.parallel, int) or (not isinstance(self.parallel, bool) and self.parallel < 1):
            raise ValueError(f"parallel is True, False, or how many steps are decoded at once; got {self.parallel!r}.")

    def for_classes(self, names: Collection[str]) -> PropagationConfig:
        """What this means for a pipeline whose class, bases and network have these names."""
        noise = self.prior_noise
        if noise is True:
            noise = PriorNoise() if _WITHOUT_NOISE.isdisjoint(names) else None
        return replace(self, key_steps=KeySteps.parse(self.key_steps).for_classes(names), prior_noise=noise)

    @property
    def group_limit(self) -> int | None:
        """How many steps may be decoded in one batch; ``None``: as many as there are up to the next key step."""
        if self.parallel is True:
            return None
        return max(1, int(self.parallel))

    def to_dict(self) -> dict[str, Any]:
        noise = asdict(self.prior_noise) if isinstance(self.prior_noise, PriorNoise) else self.prior_noise
        return {
            "key_steps": str(self.key_steps),
            "parallel": self.parallel,
            "prior_noise": noise,
            "reuse": str(self.reuse),
            "forecast": asdict(Forecast.parse(self.forecast)),
            "gate": asdict(self.gate) if isinstance(self.gate, Gate) else None,
            "guidance_until": self.guidance_until,
            "correction": self.correction.to_dict() if isinstance(self.correction, Correction) else None,
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> PropagationConfig:
        """The inverse of ``to_dict``, if the key steps are no function."""
        classes = {"prior_noise": PriorNoise, "forecast": Forecast, "gate": Gate}
        written = {name: content[name] for name in classes if content[name] and content[name] is not True}
        return cls(**{**content, **{name: classes[name](**values) for name, values in written.items()}})


def _prior_noise(value: PriorNoise | bool | None) -> PriorNoise | Literal[True] | None:
    if value is None or value is False:
        return None
    if value is True or isinstance(value, PriorNoise):
        return value
    raise ValueError(f"prior_noise is None, True or fd.PriorNoise(alpha, start); got {value!r}.")
