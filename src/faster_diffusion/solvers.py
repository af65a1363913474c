"""Solvers (schedulers, as diffusers calls them) by the short names people use."""

from __future__ import annotations

from inspect import signature
from typing import Any

import diffusers

_NOISE_ALONE = "rescale_betas_zero_snr"
_TRAILING = {"timestep_spacing": "trailing"}  # begins at the noisiest step, however few there are

# name -> class, and what its config gains over the model's own
SOLVERS: dict[str, tuple[str, dict[str, Any]]] = {
    "ddim": ("DDIMScheduler", {}),
    "ddim-trailing": ("DDIMScheduler", _TRAILING),
    "ddpm": ("DDPMScheduler", {}),
    "deis": ("DEISMultistepScheduler", {}),
    "dpm": ("DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver", "final_sigmas_type": "sigma_min"}),
    "dpm++": ("DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver++"}),
    "dpm++-karras": ("DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver++", "use_karras_sigmas": True}),
    "dpm++-sde": ("DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}),
    "dpm++-trailing": ("DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver++", **_TRAILING}),
    "dpm++-single": ("DPMSolverSinglestepScheduler", {"algorithm_type": "dpmsolver++"}),
    "euler": ("EulerDiscreteScheduler", {}),
    "euler-a": ("EulerAncestralDiscreteScheduler", {}),
    "heun": ("HeunDiscreteScheduler", {}),
    "kdpm2": ("KDPM2DiscreteScheduler", {}),
    "kdpm2-a": ("KDPM2AncestralDiscreteScheduler", {}),
    "lms": ("LMSDiscreteScheduler", {}),
    "pndm": ("PNDMScheduler", {"skip_prk_steps": True}),
    "unipc": ("UniPCMultistepScheduler", {}),
    "unipc-trailing": ("UniPCMultistepScheduler", _TRAILING),
}


def network_calls(scheduler: Any, steps: int) -> int:
    """How often a run of ``steps`` evaluates the network: more than once a step where a solver is of second order.

    Sets the timesteps of ``scheduler``.
    """
    scheduler.set_timesteps(steps)
    return len(scheduler.timesteps)


def check(name: str) -> None:
    """Raises ValueError for a name that is not known."""
    if name.lower() not in SOLVERS:
        raise ValueError(f"Unknown scheduler {name!r}. Known: {', '.join(SOLVERS)}.")


def make(name: str, config: Any) -> Any:
    """The solver ``name`` over the noise schedule of ``config``, the config of the model's own scheduler.

    Raises:
        ValueError: the name is not known, or the solver cannot start from noise alone and the model does.
    """
    check(name)
    class_name, extra = SOLVERS[name.lower()]
    solver = getattr(diffusers, class_name)
    if config.get(_NOISE_ALONE) and _NOISE_ALONE not in signature(solver.__init__).parameters:
        why = f"The model starts from noise alone ({_NOISE_ALONE}), which {class_name} cannot"
        raise ValueError(f"{why}; take ddim, dpm++, unipc or euler.")
    return solver.from_config(config, **extra)
