"""Weights come from folders, files and variants; no file runs code, and what does not fit is told in a line."""

import json
import pickle
import shutil
import zipfile

import pytest
import torch
from diffusers import ControlNetModel, StableDiffusionPipeline
from safetensors.torch import load_file, save_file

from faster_diffusion.generation import loading, weights
from faster_diffusion.generation.errors import InputError
from faster_diffusion.generation.steering import Steering
from specimens import toys
from tests.evaluation import tiny


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "tiny"
    tiny.pipeline().save_pretrained(folder)
    return folder


@pytest.fixture
def folder(original, tmp_path):
    """A model to be changed."""
    return shutil.copytree(original, tmp_path / "model")


@pytest.fixture
def pipe():
    return tiny.pipeline()


class Malicious:
    """Writes a file where it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.fixture
def ran(tmp_path):
    """What exists only if code of a file has run."""
    return tmp_path / "ran"


def pickled(path, ran, zipped):
    content = {"state_dict": {"weight": torch.zeros(2)}, "more": Malicious(ran)}
    if zipped:
        torch.save(content, path)
    else:
        path.write_bytes(pickle.dumps(content))


def test_the_malicious_files_of_these_tests_run_where_they_are_trusted(tmp_path, ran):
    pickled(tmp_path / "x.bin", ran, zipped=True)
    torch.load(tmp_path / "x.bin", weights_only=False)
    assert ran.exists()


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("name", ["x.ckpt", "x.pt", "x.bin"])
def test_a_model_in_a_pickle_runs_nothing(tmp_path, ran, name, zipped):
    pickled(tmp_path / name, ran, zipped)
    with pytest.raises(InputError, match=rf"{name} is a file, but no weights .* pickle of more than weights"):
        loading.load(str(tmp_path / name), device="cpu")
    assert not ran.exists()


@pytest.mark.parametrize("part", ["unet", "text_encoder", "vae"])
def test_a_part_of_a_folder_in_a_pickle_runs_nothing(folder, ran, part):
    file = next((folder / part).glob("*.safetensors"))
    names = {"text_encoder": "pytorch_model.bin"}
    pickled(folder / part / names.get(part, "diffusion_pytorch_model.bin"), ran, zipped=True)
    file.unlink()
    with pytest.raises(ValueError, match="could not be loaded"):
        loading.load(str(folder), device="cpu")
    assert not ran.exists()


@pytest.mark.parametrize("option", ["lora", "embedding"])
def test_what_steers_in_a_pickle_runs_nothing(tmp_path, ran, pipe, option):
    pickled(tmp_path / "x.bin", ran, zipped=True)
    with pytest.raises(ValueError, match=r"x.bin could not be loaded"):
        Steering(**{option: (str(tmp_path / "x.bin"),)}).applied(pipe)
    assert not ran.exists()


def with_code(folder, ran, change):
    index = json.loads((folder / "model_index.json").read_text())
    for name in ("custom.py", "unet/custom.py", "pipeline.py", "unet/diffusers.py"):
        (folder / name).write_text(f"open({str(ran)!r}, 'w')\nclass Custom: ...\n")
    change(index)
    (folder / "model_index.json").write_text(json.dumps(index))


@pytest.mark.parametrize(
    "change",
    [
        lambda index: index.update(unet=["custom", "Custom"]),
        lambda index: index.update(unet=["os", "system"]),
        lambda index: index.update(_class_name=["custom", "Custom"]),
        lambda index: None,  # a file named like a library, in the folder of a part
    ],
)
def test_code_in_a_folder_is_refused(folder, ran, change):
    with_code(folder, ran, change)
    with pytest.raises(InputError, match="code of its own, which is never run"):
        loading.load(str(folder), device="cpu")
    assert not ran.exists()


def test_code_that_a_config_names_is_refused(folder, ran):
    index = json.loads((folder / "model_index.json").read_text())
    index["text_encoder"] = ["transformers", "AutoModel"]
    (folder / "model_index.json").write_text(json.dumps(index))
    config = json.loads((folder / "text_encoder" / "config.json").read_text())
    config["auto_map"] = {"AutoModel": "custom.Custom"}
    (folder / "text_encoder" / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match=r"brings text_encoder as code of its own \(auto_map\)"):
        loading.load(str(folder), device="cpu")


def test_an_archive_of_weights_writes_nowhere(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.pt", "w") as archive:
        archive.writestr("../../escaped", "text")
        archive.writestr("archive/data.pkl", pickle.dumps({}))
    with pytest.raises(InputError):
        loading.load(str(tmp_path / "x.pt"), device="cpu")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.pt"]
    assert not (tmp_path.parent.parent / "escaped").exists()


def renamed(folder, parts, variant="fp16"):
    for part in parts:
        for file in [*(folder / part).glob("*.safetensors")]:
            file.rename(file.with_name(f"{file.stem}.{variant}.safetensors"))


@pytest.mark.parametrize("parts", [("unet", "text_encoder", "vae"), ("unet",)])
def test_a_folder_that_has_only_a_variant_is_read_as_that(folder, parts):
    renamed(folder, parts)
    assert weights.variant_of(folder) == "fp16"
    assert loading.load(str(folder), device="cpu").unet.dtype == torch.float32


def test_a_variant_is_read_where_it_is_asked_for(folder):
    plain = folder / "unet" / "diffusion_pytorch_model.safetensors"
    doubled = {name: 2 * value for name, value in load_file(plain).items()}
    save_file(doubled, plain.with_name("diffusion_pytorch_model.ema.safetensors"))
    assert weights.variant_of(folder) is None
    name, value = next(iter(doubled.items()))
    assert torch.equal(loading.load(str(folder), device="cpu", variant="ema").unet.state_dict()[name], value)
    assert torch.equal(loading.load(str(folder), device="cpu").unet.state_dict()[name], value / 2)
    with pytest.raises(InputError, match="no weights of variant 'fp16'. It has: ema"):
        loading.load(str(folder), device="cpu", variant="fp16")


def test_one_file_takes_the_configs_of_a_folder(original, tmp_path, monkeypatch):
    asked = {}
    monkeypatch.setattr(
        StableDiffusionPipeline,
        "from_single_file",
        classmethod(lambda cls, path, **options: asked.update(path=path, **options) or tiny.pipeline()),
    )
    save_file({"model.diffusion_model.input_blocks.0.0.weight": torch.zeros(2)}, tmp_path / "x.safetensors")
    loading.load(str(tmp_path / "x.safetensors"), device="cpu", config=str(original))
    assert asked["path"] == str(tmp_path / "x.safetensors")
    assert asked["config"] == str(original)
    assert asked["torch_dtype"] == torch.float32


def test_one_file_without_configs_says_what_it_needs(tmp_path, monkeypatch):
    def offline(model, path):
        raise loading.FetchError(f"{model} is not on this machine")

    monkeypatch.setattr(loading, "read_config", offline)
    save_file({"model.diffusion_model.input_blocks.0.0.weight": torch.zeros(4, 4, 3, 3)}, tmp_path / "x.safetensors")
    with pytest.raises(InputError, match=r"looks like stable-diffusion-v1-5/.*Give a folder with the configs"):
        loading.load(str(tmp_path / "x.safetensors"), device="cpu")


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("x.safetensors", b"broken", "no weights that can be read"),
        ("x.ckpt", b"weights", "no weights that can be read"),
        ("x.txt", b"weights", "none of .safetensors"),
    ],
)
def test_a_file_that_is_no_model(tmp_path, name, content, told):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=f"{name} is a file, but {told}"):
        loading.load(str(tmp_path / name), device="cpu")


def test_a_lora_is_no_model(tmp_path):
    save_file({"unet.lora_A.weight": torch.zeros(2)}, tmp_path / "x.safetensors")
    with pytest.raises(InputError, match="is a LoRA, not a model"):
        loading.load(str(tmp_path / "x.safetensors"), device="cpu")


def lora(path, shape, layer="down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"):
    rank, width = shape
    state = {
        f"unet.{layer}.lora_A.weight": torch.zeros(rank, width),
        f"unet.{layer}.lora_B.weight": torch.zeros(width, rank),
    }
    save_file(state, path)
    return str(path)


@pytest.mark.parametrize(
    "file",
    [
        lambda path: lora(path, (2, 333)),
        lambda path: lora(path, (2, 8), layer="blocks.7.somewhere.else"),
        lambda path: save_file({"unrelated": torch.zeros(2)}, path) or str(path),
    ],
)
def test_a_lora_for_another_base_is_told(tmp_path, pipe, file):
    with pytest.raises(ValueError, match=r"x.safetensors could not be loaded") as error:
        Steering(lora=(file(tmp_path / "x.safetensors"),)).applied(pipe)
    assert len(str(error.value).splitlines()) == 1


def test_a_lora_needs_peft(monkeypatch, pipe):
    monkeypatch.setattr("faster_diffusion.generation.steering.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"needs peft: pip install 'faster-diffusion\[cli\]'"):
        Steering(lora=("x.safetensors",)).applied(pipe)


@pytest.fixture
def picture(tmp_path):
    from PIL import Image

    Image.new("RGB", (32, 32)).save(tmp_path / "x.png")
    return tmp_path / "x.png"


def test_a_folder_that_is_no_control_network(tmp_path, original, pipe, picture):
    for part, told in (("unet", "is no ControlNet but a UNet2DConditionModel"), (".", "could not be loaded")):
        with pytest.raises(ValueError, match=told):
            Steering(control=picture, controlnet=str(original / part)).applied(pipe)


def test_a_control_network_for_another_model(tmp_path, pipe, picture):
    network = ControlNetModel.from_unet(toys.unet(cross_attention_dim=24), conditioning_embedding_out_channels=(4, 8))
    network.save_pretrained(tmp_path / "control")
    with pytest.raises(InputError, match="is for another model: it reads text of width 24"):
        Steering(control=picture, controlnet=str(tmp_path / "control")).applied(pipe)


@pytest.mark.parametrize(
    "name", ["./some/thing", "/some/thing", "some/thing.safetensors", "thing.bin", "a/b/c", "~/some/thing"]
)
def test_the_hub_is_not_asked_for_a_path(pipe, monkeypatch, name):
    def asked(*_, **__):
        raise AssertionError("the hub was asked")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", asked)
    for option in ("lora", "embedding"):
        with pytest.raises(InputError, match="there is no such file or folder"):
            Steering(**{option: (name,)}).applied(pipe)
    with pytest.raises(InputError, match="There is no folder"):
        loading.load(name, device="cpu")


def test_names_of_the_hub():
    assert weights.is_hub_id("stabilityai/stable-diffusion-xl-base-1.0")
    assert not weights.is_hub_id("scenes")
