"""Models by name: an embedded one, a folder, or an id on the Hugging Face Hub."""

import json
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from diffusers import DiffusionPipeline
from huggingface_hub.constants import HF_HUB_OFFLINE

from .. import demo
from ..models.pipelines import networks_of
from .errors import FetchError, InputError, first_line
from .progress import drawn
from .weights import check_code, is_hub_id, load_single_file, reason_of, variant_of

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
_WEIGHTS = (".safetensors", ".bin", ".msgpack", ".h5")


OFFLOADS = ("model", "sequential")  # what moves to the accelerator at once: a part of a pipeline, or a layer


def load(
    model: str,
    dtype: str | None = None,
    device: str | None = None,
    offload: bool = False,
    variant: str | None = None,
    config: str | None = None,
    **parts: Any,
) -> Any:
    """The pipeline `model` on `device`; half precision on a GPU and single precision elsewhere unless told.

    Args:
        model: an embedded one, a folder, a file, or an id on the hub.
        dtype: one of `DTYPES`.
        device: as torch calls it.
        offload: whether it is to be offloaded, and stays in memory.
        variant: of its weights, such as fp16; where a folder has no other, that one by default.
        config: a folder or id whose configs a file takes; those of what it looks like by default.
        parts: components that take the place of its own.

    Raises:
        InputError: there is no such model, or what was asked for does not go with it.
        ValueError: it cannot be loaded.
    """
    device = check_device(device)
    torch_dtype = check_dtype(dtype, device)
    for library in (diffusers.utils.logging, transformers.utils.logging):
        library.disable_progress_bar()  # over the files of a model
    if model in demo.available():
        pipe: Any = demo.load(model, torch_dtype=torch_dtype, **parts)
    elif Path(model).expanduser().is_file():
        path = Path(model).expanduser()
        options = {"torch_dtype": torch_dtype, "local_files_only": HF_HUB_OFFLINE, **parts}
        pipe = load_single_file(path, config, read_config, **options)
    else:
        pipe = _load_foreign(model, variant, torch_dtype=torch_dtype, **parts)
    pipe.set_progress_bar_config(desc="sampling", leave=False, **drawn())
    return pipe if offload else pipe.to(device)


def check_offload(how: str | None, device: str) -> None:
    """Refuses to offload where there is nothing to offload from.

    Raises:
        InputError: says why.
    """
    if how is None:
        return
    if how not in OFFLOADS:
        raise InputError(f"Unknown way to offload {how!r}. Known: {', '.join(OFFLOADS)}.")
    if device.partition(":")[0] in ("cpu", "mps", "meta"):
        raise InputError(f"Offloading keeps parts out of a GPU's memory; on {device} all is in memory already.")


def offload(pipe: Any, how: str, device: str) -> None:
    """Keeps a pipeline in memory, but for the part that runs; `how` is one of `OFFLOADS`."""
    (pipe.enable_model_cpu_offload if how == "model" else pipe.enable_sequential_cpu_offload)(device=device)


def compile_blocks(pipe: Any) -> None:
    """Compiles the repeated blocks of a pipeline's network, which plans keep as they are, for any size of batch.

    Raises:
        ValueError: the network has none.
    """
    network: Any = networks_of(pipe)[0]
    if not getattr(network, "_repeated_blocks", None):
        raise ValueError(f"{type(network).__name__} has no repeated blocks that could be compiled.")
    network.compile_repeated_blocks(dynamic=True)


def _load_foreign(model: str, variant: str | None, **options: Any) -> Any:
    folder = folder_of(model)
    if folder is not None:
        _check_pipeline_folder(folder)
        variant = variant_of(folder, variant)
    check_code(model, read_config(model, "model_index.json") or {}, folder)
    try:
        return DiffusionPipeline.from_pretrained(str(folder or model), variant=variant, **options)
    except Exception as error:  # loaders fail on broken files in many ways
        if folder is None:
            raise _not_fetched(model, error) from error
        raise ValueError(f"{model} could not be loaded: {reason_of(error)}") from error


def read_config(model: str, path: str) -> dict[str, Any] | None:
    """A JSON file of a model's folder such as "unet/config.json", without its weights; `None` if it has none."""
    folder = folder_of(model)
    file = folder / path if folder else _fetch(model, path)
    if file is None or not file.is_file():
        return None
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{file} is no JSON: {first_line(error)}") from error
    if not isinstance(config, dict):
        raise InputError(f"{file} is no config: it holds no object.")
    return config


def folder_of(model: str) -> Path | None:
    """The folder of an embedded model or of a path; `None` for an id on the hub.

    Raises:
        InputError: it is none of the three.
    """
    if model in demo.available():
        return demo.pipeline_folder(model)
    path = Path(model).expanduser()
    if path.is_dir():
        return path
    if path.exists():
        raise InputError(f"{model} is a file; this takes a folder in diffusers format.")
    if is_hub_id(model):
        return None
    raise InputError(
        f"There is no folder {model}. A model is one of the embedded ({', '.join(demo.available())}), "
        "a folder in diffusers format, or an id on the Hugging Face Hub such as name/model."
    )


def check_device(device: str | None) -> str:
    """The device asked for; the best there is if none is.

    Raises:
        InputError: it cannot be used.
    """
    if device is None:
        return "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"Device {device!r} cannot be used: {first_line(error)}") from error
    return device


def check_dtype(name: str | None, device: str) -> torch.dtype:
    """The dtype of a name; by default half precision on a GPU, single elsewhere.

    Raises:
        InputError: there is no dtype of that name.
    """
    if name is None:
        return torch.float16 if device.startswith("cuda") else torch.float32
    if name not in DTYPES:
        raise InputError(f"Unknown dtype {name!r}. Known: {', '.join(DTYPES)}.")
    return DTYPES[name]


def _check_pipeline_folder(folder: Path) -> None:
    if not (folder / "model_index.json").is_file():
        raise ValueError(f"{folder} is no pipeline in diffusers format: it has no model_index.json.")
    if not any(file.suffix in _WEIGHTS for file in folder.rglob("*")):
        raise ValueError(f"{folder} has no weights (no .safetensors or .bin file).")


def _fetch(model: str, path: str) -> Path | None:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import LocalEntryNotFoundError, RemoteEntryNotFoundError

    try:
        return Path(hf_hub_download(model, path))
    except RemoteEntryNotFoundError:
        return None
    except (LocalEntryNotFoundError, OSError, ValueError) as error:
        raise _not_fetched(model, error) from error


def _not_fetched(model: str, error: Exception) -> FetchError:
    reason = "HF_HUB_OFFLINE is set" if HF_HUB_OFFLINE else first_line(error)
    return FetchError(f"{model} is not on this machine and could not be fetched from the hub: {reason}")
