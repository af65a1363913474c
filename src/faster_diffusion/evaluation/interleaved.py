"""Generates what a run lacks, all arms in turn, so that what the machine does meanwhile falls on all alike."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from ..arms import Arm
from ..generation.progress import bar
from ..generation.prompts import Prompt
from ..generation.sampling import Settings, generate, quiet, sampling_as
from ..measuring.cost import measured
from ..measuring.flops import count_flops
from ..measuring.store import Store
from ..measuring.timing import in_turn
from ..models.pipelines import networks_of

logger = logging.getLogger(__name__)

Result = TypeVar("Result")


@dataclass
class Turns:
    """The arms in turn, and what they generate.

    Args:
        indispensable: names of arms without which there is nothing to compare with.
    """

    pipes: Sequence[Any]
    arms: Sequence[Arm]
    prompts: Sequence[Prompt]
    settings: Settings
    store: Store
    indispensable: Sequence[str]
    failed: dict[str, str] = field(default_factory=dict)  # by arm, why it generates nothing

    def generate(self, progress: bool) -> None:
        """Generates what is missing, every other batch backwards. The image whose operations are counted warms up.

        An arm that fails is left out; what it has generated is kept, should it be tried again.
        """
        networks = [network for pipe in self.pipes for network in networks_of(pipe)]
        total = len(self.arms) * self.store.count
        with quiet(self.pipes), bar(total, "sampling", "image", progress) as shown:
            for arm in self.arms:
                if self.store.record(arm.name, "flops") is None:
                    count = self._try(arm, self.prompts[:1], partial(count_flops, networks))
                    if count is not None:
                        self.store.put_record(arm.name, "flops", {"flops": count.network})
            for number, batch in enumerate(self.store.batches):
                for arm in in_turn(self.arms, number):
                    if arm.name not in self.failed and not self.store.done(arm.name, batch):
                        made = self._try(arm, [self.prompts[index] for index in batch], partial(measured, networks))
                        if made is not None:
                            self.store.put(arm.name, batch, made[0], made[1].to_dict())
                    shown.update(len(batch))

    def _try(
        self, arm: Arm, prompts: Sequence[Prompt], watch: Callable[[Callable[[], list[Any]]], Result]
    ) -> Result | None:
        """What ``watch`` gives of an arm that samples; none if the arm cannot."""
        try:
            with sampling_as(arm, self.pipes):
                return watch(partial(generate, arm, self.pipes, prompts, self.settings))
        except Exception as error:
            if arm.name in self.indispensable:
                raise
            self.failed[arm.name] = f"{type(error).__name__}: {' '.join(str(error).split())}"
            logger.warning("Arm %s is left out. %s", arm.name, self.failed[arm.name])
            return None
