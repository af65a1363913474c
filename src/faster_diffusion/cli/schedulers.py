"""Schedulers by the short names people use."""

from typing import Any

import diffusers

from .errors import CliError

# name -> class, and what its config gains over the model's own
SCHEDULERS: dict[str, tuple[str, dict[str, Any]]] = {
    "ddim": ("DDIMScheduler", {}),
    "ddpm": ("DDPMScheduler", {}),
    "deis": ("DEISMultistepScheduler", {}),
    "dpm": ("DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver", "final_sigmas_type": "sigma_min"}),
    "dpm++": ("DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver++"}),
    "dpm++-karras": ("DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver++", "use_karras_sigmas": True}),
    "dpm++-sde": ("DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}),
    "dpm++-single": ("DPMSolverSinglestepScheduler", {"algorithm_type": "dpmsolver++"}),
    "euler": ("EulerDiscreteScheduler", {}),
    "euler-a": ("EulerAncestralDiscreteScheduler", {}),
    "heun": ("HeunDiscreteScheduler", {}),
    "kdpm2": ("KDPM2DiscreteScheduler", {}),
    "kdpm2-a": ("KDPM2AncestralDiscreteScheduler", {}),
    "lms": ("LMSDiscreteScheduler", {}),
    "pndm": ("PNDMScheduler", {"skip_prk_steps": True}),
    "unipc": ("UniPCMultistepScheduler", {}),
}


def check(name: str | None) -> None:
    """Raises CliError for a name that is not known; `None` is the model's own."""
    if name is not None and name.lower() not in SCHEDULERS:
        raise CliError(f"Unknown scheduler {name!r}. Known: {', '.join(SCHEDULERS)}.")


def make(name: str, config: Any) -> Any:
    """The scheduler `name` over the noise schedule of `config`, the config of the model's own scheduler."""
    check(name)
    class_name, extra = SCHEDULERS[name.lower()]
    return getattr(diffusers, class_name).from_config(config, **extra)
