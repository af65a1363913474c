"""All options as one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from ..models.model import Model
from ..models.paper import noise_harms
from ..models.patches import patches
from .correction import Correction
from .forecast import Forecast
from .gate import Gate
from .key_steps import KeySteps, Rule
from .prior_noise import PriorNoise
from .reuse import Reuse


@dataclass(frozen=True, init=False)
class PropagationConfig:
    """How encoder propagation runs. The defaults are the paper's.

    Args:
        key_steps: at which steps the encoder runs: ``"paper"``, another preset, ``"uniform:N"``, a list of step
            indices, or a function from the number of steps to step indices. Fewer key steps: faster, less like the
            original.
        parallel: ``True`` decodes all steps up to the next key step in one batch (fastest, most memory); a number caps
            how many steps are decoded at once; ``False`` decodes step by step (memory stays flat). Same image.
        prior_noise: ``True`` restores texture, but for transformers and DeepFloyd-IF, which it does harm; a
            [`PriorNoise`] is mixed in whatever the network; ``None`` leaves it out. Without effect in a run in which
            every step is key.
        reuse: what a step that is not key reuses: ``"encoder"``, the paper's; ``"decoder:N"``, N blocks of the decoder
            too; ``"deep:N"``, all but the N outermost blocks, which then see the latent of the step, so that steps
            cannot be decoded together; ``"output"``, the prediction itself, for any network.
        forecast: carries what is reused on to its step from the last key steps: 1 or a [`Forecast`] linearly, 2 with a
            parabola; ``None`` copies it, as the paper does.
        gate: makes steps key while sampling, besides ``key_steps``, so that predictions drift no further than this
            relative error: a number or a [`Gate`]; ``None`` leaves the key steps as they are. With
            ``key_steps=[0]`` it decides alone.
        guidance_until: the fraction of the steps after which the unconditional half of a guided batch is not computed
            any more, but taken to differ from the conditional half as at the key steps before; ``None`` computes it
            always.
        correction: what is added to the predictions, fitted for a number of steps of a solver
            (``faster_diffusion.tuning.fit``, whose profile has it); ``None`` leaves them as they are.

    Raises:
        ValueError: an option is none of these; the sentence says what it may be.
    """

    key_steps: KeySteps
    parallel: bool | int
    prior_noise: PriorNoise | Literal[True] | None
    reuse: Reuse
    forecast: Forecast
    gate: Gate | None
    guidance_until: float | None
    correction: Correction | None

    def __init__(
        self,
        key_steps: KeySteps | str | int | Iterable[int] | Rule = "paper",
        parallel: bool | int = True,
        prior_noise: PriorNoise | bool | None = True,
        reuse: Reuse | str = "encoder",
        forecast: Forecast | int | None = None,
        gate: Gate | float | None = None,
        guidance_until: float | None = None,
        correction: Correction | Mapping[str, Any] | None = None,
    ) -> None:
        if guidance_until is not None and not 0 <= guidance_until <= 1:
            raise ValueError(f"guidance_until is a fraction of the steps, 0 to 1, or None; got {guidance_until!r}.")
        if not isinstance(parallel, int) or (not isinstance(parallel, bool) and parallel < 1):
            raise ValueError(f"parallel is True, False, or how many steps are decoded at once; got {parallel!r}.")
        fields = {
            "key_steps": KeySteps.parse(key_steps),
            "parallel": parallel,
            "prior_noise": PriorNoise.parse(prior_noise),
            "reuse": Reuse.parse(reuse),
            "forecast": Forecast.parse(forecast),
            "gate": Gate.parse(gate),
            "guidance_until": guidance_until,
            "correction": Correction.parse(correction),
        }
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    def resolve(self, model: Model) -> PropagationConfig:
        """What this means for a pipeline or network: the paper's key steps for it, prior noise where it does no harm.

        Raises:
            ValueError: the network has no part that could be reused so, or another cache is on it.
        """
        patches(model.network).refuse(alone=self.group_limit == 1)
        self.reuse.split(model.network)
        return self.for_classes(model.classes)

    def for_classes(self, names: Collection[str]) -> PropagationConfig:
        """What this means for a pipeline whose class, bases and network have these names."""
        noise = self.prior_noise
        if noise is True:
            noise = None if noise_harms(names) else PriorNoise()
        return replace(self, key_steps=self.key_steps.for_classes(names), prior_noise=noise)

    @property
    def timesteps(self) -> tuple[float, ...] | None:
        """Those that a correction was fitted for; ``None`` if the scheduler's are as good."""
        return None if self.correction is None else self.correction.timesteps

    @property
    def group_limit(self) -> int | None:
        """How many steps may be decoded in one batch; ``None``: as many as there are up to the next key step."""
        if self.parallel is True:
            return None
        return max(1, int(self.parallel))

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        noise = asdict(self.prior_noise) if isinstance(self.prior_noise, PriorNoise) else self.prior_noise
        return {
            "key_steps": str(self.key_steps),
            "parallel": self.parallel,
            "prior_noise": noise,
            "reuse": str(self.reuse),
            "forecast": asdict(self.forecast),
            "gate": None if self.gate is None else asdict(self.gate),
            "guidance_until": self.guidance_until,
            "correction": None if self.correction is None else self.correction.to_dict(),
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> PropagationConfig:
        """The inverse of ``to_dict``, if the key steps are no function."""
        classes = {"prior_noise": PriorNoise, "forecast": Forecast, "gate": Gate}
        written = {name: content[name] for name in classes if content[name] and content[name] is not True}
        return cls(**{**content, **{name: classes[name](**values) for name, values in written.items()}})
