"""Where in a sampling run a network call stands."""

from __future__ import annotations

from functools import cached_property

import torch

ROUNDING = (torch.float16, torch.bfloat16)  # precisions in which one timestep may be taken for another


class Trajectory:
    """The timesteps of one pass through a scheduler, and which step a network call belongs to.

    Timesteps repeat in some schedulers (Heun, PNDM, KDPM2) and loops start in the middle (img2img), so the value of a
    timestep does not tell the step. Loops over ``scheduler.timesteps`` hand out views of that tensor, though, and the
    place of a view in the storage does, without a copy from the device. A timestep that is no such view is looked up by
    its value, in the precision that it comes in; where several steps have it, the scheduler tells which is next.
    """

    def __init__(self, timesteps: torch.Tensor, inputs: torch.Tensor | None = None) -> None:
        self.timesteps = timesteps  # (n,); holding it keeps its storage from being reused
        self.inputs = timesteps if inputs is None else inputs  # (n,): what the network is given for them
        self._rounded: dict[torch.dtype | None, list[tuple[float, float]]] = {}

    def __len__(self) -> int:
        return len(self.timesteps)

    @cached_property
    def values(self) -> list[float]:
        """The timesteps as numbers (one copy from the device)."""
        return self.timesteps.tolist()

    def is_of(self, timesteps: torch.Tensor) -> bool:
        """Whether ``timesteps`` is the tensor that this trajectory was made from."""
        return timesteps is self.timesteps or (
            len(timesteps) == len(self)
            and timesteps.data_ptr() == self.timesteps.data_ptr()
            and timesteps.stride() == self.timesteps.stride()
        )

    def step_of(self, t: torch.Tensor | float | int, upcoming: int | None = None) -> int | None:
        """The index of the step with timestep or input ``t`` (a scalar, or one equal entry a sample).

        ``None`` if that is unclear.

        Args:
            upcoming: the step that the scheduler takes next, where it knows; decides between steps that ``t`` may be.
        """
        if isinstance(t, torch.Tensor) and self._shares_storage(t):
            step, between = divmod(int(t.storage_offset() - self.timesteps.storage_offset()), self.timesteps.stride(0))
            if not between and 0 <= step < len(self):
                return step
        return self._step_of_value(t, upcoming)

    def _shares_storage(self, t: torch.Tensor) -> bool:
        return (
            all(stride == 0 for stride, size in zip(t.stride(), t.shape, strict=True) if size > 1)
            and t.numel() > 0
            and self.timesteps.stride(0) > 0
            and t.dtype == self.timesteps.dtype
            and t.device == self.timesteps.device
            and t.untyped_storage().data_ptr() == self.timesteps.untyped_storage().data_ptr()
        )

    def _step_of_value(self, t: torch.Tensor | float | int, upcoming: int | None) -> int | None:
        values = set(t.flatten().tolist()) if isinstance(t, torch.Tensor) else {t}
        if len(values) != 1:
            return None
        (value,) = values
        cast = t.dtype if isinstance(t, torch.Tensor) and t.dtype in ROUNDING else None  # to that of the latents
        found = self._steps_with(value, cast)
        if upcoming in found:
            return upcoming
        # Cast there and back, 900 may be 901: the scheduler has to say so.
        rounded = upcoming is not None and any(upcoming in self._steps_with(value, dtype) for dtype in ROUNDING)
        if rounded and not found:
            return upcoming
        return found[0] if len(found) == 1 and not rounded else None

    def _steps_with(self, value: float, rounded: torch.dtype | None = None) -> list[int]:
        """The steps of which timestep or input is ``value``, maybe once they are ``rounded``."""
        known = self._values_in(rounded)
        return [step for step, (timestep, given) in enumerate(known) if value in (timestep, given)]

    def _values_in(self, rounded: torch.dtype | None) -> list[tuple[float, float]]:
        if rounded not in self._rounded:
            exact = self.timesteps, self.inputs
            timesteps, inputs = (x.tolist() if rounded is None else x.to(rounded).tolist() for x in exact)
            self._rounded[rounded] = list(zip(timesteps, inputs, strict=True))
        return self._rounded[rounded]
