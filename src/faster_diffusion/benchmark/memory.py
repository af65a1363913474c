"""Peak memory of an arm. On a CPU in a process of its own, since one process cannot tell the arms' peaks apart.

python -m faster_diffusion.benchmark.memory CASE ARM
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys

import torch

from ..arms import Arm
from ..measuring.machine import MALLOC
from .cases import Case
from .prepared import Prepared, prepare


def peak_memory(case: Case, arm: Arm, prepared: Prepared) -> int | None:
    """Bytes: of the allocator on a GPU, of a process on a CPU, which includes code and weights; else ``None``."""
    if case.device.startswith("cuda"):
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        with arm.applied(prepared.pipe):
            prepared.sample(arm.steps(case.steps))
        return torch.cuda.max_memory_allocated()
    if case.device == "cpu" and case.mode == "eager":  # compiling would take more memory than sampling
        return _in_a_process(case, arm)
    return None


def _in_a_process(case: Case, arm: Arm) -> int:
    command = [sys.executable, "-m", __name__, json.dumps(case.to_dict()), arm.spec]
    environment = {key: value for key, value in os.environ.items() if key not in MALLOC}  # they keep freed memory
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if run.returncode:
        raise RuntimeError(f"The process that was to measure memory failed: {run.stderr.strip().splitlines()[-1:]}")
    return int(run.stdout.splitlines()[-1])


def main(case_as_json: str, spec: str) -> None:
    """Samples once and writes this process's peak to stdout."""
    case, arm = Case.from_dict(json.loads(case_as_json)), Arm.parse(spec)
    prepared = prepare(case)
    with arm.applied(prepared.pipe):
        prepared.sample(arm.steps(case.steps))
    unit = 1 if sys.platform == "darwin" else 1024
    sys.stdout.write(f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
