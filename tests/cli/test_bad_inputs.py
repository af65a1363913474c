"""Whatever a command is given, it ends with an exit code and at most one line of error, never a traceback.

Arguments are drawn from what people type, files are broken copies of each kind that a command reads.
"""

import json
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import typer.main
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import save_file
from typer.testing import CliRunner

from faster_diffusion.cli.main import app
from tests.evaluation import tiny

COMMANDS = typer.main.get_command(app).commands
OPTIONS = {
    name: [option for option in command.params if option.param_type_name == "option"]
    for name, command in COMMANDS.items()
}
UNTRIED = ("help", "out", "suite", "num_images", "compiled")  # what stays in the folder and takes no minutes
TEXTS = (
    "",
    " ",
    "-",
    "--",
    "magic",
    "x:y:z",
    "50%",
    "0,,1",
    "uniform:0",
    "nan",
    "é\u2028\ufeff",
    "{}",
    "[1",
    "../..",
    "a" * 300,
)
NUMBERS = ("-1", "0", "1", "2", "7", "1.5", "nan", "inf", "1e999", str(2**70))
PATHS = (
    "nowhere/at.all",
    "folder",
    "model",
    "prompts.txt",
    "photo.png",
    "profile.json",
    "weights.safetensors",
    "/dev/null",
)

# A small run of each command, by the files that it reads: those that are broken are named in it.
SMALL = ("--steps", "2")
FITTED = ("--fitted", "1", "--held-out", "0")
RUNS = {
    "generate": [
        ("a", "--model", "model", *SMALL, "--out", "new.png", "--overwrite", *more)
        for more in (
            (),
            ("--image", "photo.png"),
            ("--lora", "weights.safetensors"),
            ("--embedding", "weights.safetensors"),
            ("--profile", "profile.json"),
            ("--control", "photo.png", "--controlnet", "model"),
        )
    ]
    + [
        ("--model", "model", *SMALL, "--prompts", "prompts.txt", "--out", "new"),
        ("--model", "model", *SMALL, "--prompts", "prompts.csv", "--out", "new"),
        ("--model", "model", *SMALL, "--prompts", "prompts.jsonl", "--out", "new"),
        ("--model", "model", *SMALL, "--prompts", "captions.json", "--out", "new"),
        ("--like", "made.png", "--out", "new.png"),
        ("a", "--model", "weights.safetensors", "--config", "model", "--out", "new.png"),
    ],
    "video": [("a", "--model", "model", *SMALL, "--image", "photo.png", "--profile", "profile.json")],
    "evaluate": [
        ("model", *SMALL, "--prompts", "prompts.jsonl", "--arms", "arms.yaml", "--real", "folder", "--dry-run"),
        ("model", *SMALL, "--prompts", "prompts.txt", "--profile", "profile.json", "--metric", "psnr", "--count", "1"),
    ],
    "tune": [("model", "--prompts", "prompts.txt", "--calibration", "9", "--held-out", "1")],
    "fit": [("model", "--prompts", "prompts.csv", *FITTED, "--arm", "ddim:2", "--reference", "ddim:4")],
    "bench": [("model", *SMALL, "--arms", "arms.yaml", "--rounds", "1", "--no-memory", "--dry-run")],
    "analyze": [("model", *SMALL, "--suggest", "1")],
    "demo": [("--steps", "0")],
    "info": [("model",), ("folder",)],
    "show": [("made.png",), ("new.webp",)],
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A file or folder of each kind that is read, all of them whole."""
    folder = tmp_path_factory.mktemp("files")
    pipe = tiny.pipeline()
    pipe.save_pretrained(folder / "model")
    (folder / "folder").mkdir()
    Image.new("RGB", (9, 7), "red").save(folder / "folder" / "one.jpg")
    Image.fromarray(np.arange(48, dtype=np.uint8).reshape(4, 4, 3)).save(folder / "photo.png")
    save_file({"conv_in.weight": pipe.unet.conv_in.weight.detach()}, folder / "weights.safetensors")
    (folder / "prompts.txt").write_text("a\n")
    (folder / "prompts.csv").write_text("prompt,seed\na,3\n")
    (folder / "prompts.jsonl").write_text('{"prompt": "a", "seed": 1}\n')
    (folder / "captions.json").write_text(json.dumps({"annotations": [{"image_id": 1, "id": 1, "caption": "a"}]}))
    (folder / "arms.yaml").write_text("quick: uniform:2\nshort: steps:1\n")
    runner = CliRunner()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        fitted = runner.invoke(app, ["fit", *RUNS["fit"][0], "--out", "profile.json"])
        made = runner.invoke(app, ["generate", *RUNS["generate"][0], "--out", "made.png"])
    assert (fitted.exit_code, made.exit_code) == (0, 0), fitted.stderr + made.stderr
    return folder


def cut(data: bytes, where: float, _: bytes) -> bytes:
    return data[: int(where * len(data))]


def scribbled(data: bytes, where: float, noise: bytes) -> bytes:
    at = int(where * len(data))
    return data[:at] + noise + data[at + len(noise) :]


def other_value(data: bytes, where: float, noise: bytes) -> bytes:
    """JSON with one value in it replaced; other files get text in their place."""
    wrong = (None, -1, "x", [], {}, 1e300, [[1]], True)[noise[0] % 8]
    try:
        content = json.loads(data)
    except ValueError:
        return json.dumps(wrong).encode()
    places = []

    def walk(node: object) -> None:
        for key in node if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ():
            places.append((node, key))
            walk(node[key])

    walk(content)
    if not places:
        return json.dumps(wrong).encode()
    node, key = places[int(where * len(places))]
    node[key] = wrong
    return json.dumps(content).encode()


values = st.sampled_from(TEXTS) | st.sampled_from(NUMBERS) | st.sampled_from(PATHS) | st.text(max_size=8)
broken = st.tuples(
    st.sampled_from((cut, scribbled, other_value)),
    st.floats(0, 1, exclude_max=True),
    st.binary(min_size=1, max_size=16),
)


@st.composite
def calls(draw):
    """A command line, a few options of which are anything, and what is done to a file that it reads."""
    name = draw(st.sampled_from(sorted(RUNS)))
    words = list(draw(st.sampled_from(RUNS[name])))
    options = [option for option in OPTIONS[name] if option.name not in UNTRIED]
    for option in draw(st.lists(st.sampled_from(options), max_size=2)) if options else ():
        words += [option.opts[0]] if option.is_flag else [option.opts[0], draw(values)]
    return name, words, draw(st.none() | broken), draw(st.floats(0, 1, exclude_max=True))


def ends_well(files: Path, folder: Path, call) -> None:
    name, words, breaking, which = call
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(files, folder)
    path = None
    if breaking is not None:
        named = [folder / word for word in words if word.strip("./") and len(word) < 100 and (folder / word).exists()]
        read = sorted({path for one in named for path in paths(one)})
        if read:
            path = read[int(which * len(read))]
            change, where, noise = breaking
            path.write_bytes(change(path.read_bytes(), where, noise))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        result = CliRunner().invoke(app, [name, *words], catch_exceptions=False)
    assert result.exit_code in (0, 1, 2), (name, words)
    if result.exit_code:
        last = result.stderr.strip().splitlines()[-1]
        assert last.startswith("Error: "), (words, result.stderr)
        if path is None or "model" not in path.parts:  # what a model's own configs say is for other libraries to check
            assert "a bug of ours" not in last, (words, result.stderr)
    assert "Traceback" not in result.output


def paths(path: Path) -> list[Path]:
    return [path] if path.is_file() else [inner for inner in path.rglob("*") if inner.is_file()]


shared = partial(settings, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])


@shared(max_examples=40)
@given(call=calls())
def test_no_traceback(files, tmp_path, call):
    ends_well(files, tmp_path / "run", call)


@pytest.mark.slow
@shared(max_examples=200)
@given(call=calls())
def test_no_traceback_of_hundreds(files, tmp_path, call):
    ends_well(files, tmp_path / "run", call)
