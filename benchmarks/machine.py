"""What a figure was measured on."""

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

MALLOC = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_")  # see the Makefile


def machine() -> dict[str, Any]:
    """Hardware, versions, and how busy the machine is just now."""
    return {
        "processor": _processor(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "cores": os.cpu_count(),
        "torch_threads": torch.get_num_threads(),
        "malloc": {key: os.environ.get(key) for key in MALLOC},
        "load_average": os.getloadavg(),
        "python": platform.python_version(),
        **{name: version(name) for name in ("torch", "diffusers", "faster-diffusion")},
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    names = [line for line in info.read_text().splitlines() if line.startswith("model name")] if info.exists() else []
    return names[0].partition(":")[2].strip() if names else platform.processor()
