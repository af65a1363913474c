"""Where in a sampling run a network call stands."""

from __future__ import annotations

from functools import cached_property

import torch


class Trajectory:
    """The timesteps of one pass through a scheduler, and which step a network call belongs to.

    Timesteps repeat in some schedulers (Heun, PNDM, KDPM2) and loops start in the middle (img2img), so the value of a
    timestep does not tell the step. Loops over ``scheduler.timesteps`` hand out views of that tensor, though, and the
    place of a view in the storage does, without a copy from the device.
    """

    def __init__(self, timesteps: torch.Tensor, inputs: torch.Tensor | None = None) -> None:
        self.timesteps = timesteps  # (n,); holding it keeps its storage from being reused
        self.inputs = timesteps if inputs is None else inputs  # (n,): what the network is given for them

    def __len__(self) -> int:
        return len(self.timesteps)

    @cached_property
    def values(self) -> list[float]:
        """The timesteps as numbers (one copy from the device)."""
        return self.timesteps.tolist()

    @cached_property
    def _input_values(self) -> list[float]:
        return self.values if self.inputs is self.timesteps else self.inputs.tolist()

    def is_of(self, timesteps: torch.Tensor) -> bool:
        """Whether ``timesteps`` is the tensor that this trajectory was made from."""
        return timesteps is self.timesteps or (
            len(timesteps) == len(self)
            and timesteps.data_ptr() == self.timesteps.data_ptr()
            and timesteps.stride() == self.timesteps.stride()
        )

    def step_of(self, t: torch.Tensor | float | int) -> int | None:
        """The index of the step with timestep or input ``t`` (a scalar, or one equal entry a sample).

        ``None`` if that is unclear.
        """
        if isinstance(t, torch.Tensor) and self._shares_storage(t):
            return (t.storage_offset() - self.timesteps.storage_offset()) // self.timesteps.stride(0)
        return self._step_of_value(t)

    def _shares_storage(self, t: torch.Tensor) -> bool:
        return (
            all(stride == 0 for stride, size in zip(t.stride(), t.shape, strict=True) if size > 1)
            and t.dtype == self.timesteps.dtype
            and t.device == self.timesteps.device
            and t.untyped_storage().data_ptr() == self.timesteps.untyped_storage().data_ptr()
        )

    def _step_of_value(self, t: torch.Tensor | float | int) -> int | None:
        values = set(t.flatten().tolist()) if isinstance(t, torch.Tensor) else {t}
        steps = enumerate(zip(self.values, self._input_values, strict=True))
        found = [index for index, step in steps if len(values) == 1 and values <= set(step)]
        return found[0] if len(found) == 1 else None
