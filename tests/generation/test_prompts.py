"""Prompts from every kind of file, and what is said of bad ones."""

import json

import pytest
from PIL import Image

from faster_diffusion.demo import clips
from faster_diffusion.demo.scenes import held_out, parse
from faster_diffusion.generation.prompts import Prompt, class_prompts, embedded_prompts, read_prompts, repeated


@pytest.fixture
def file(tmp_path):
    """Writes a file and gives its path."""

    def write(name, content):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        if isinstance(content, Image.Image):
            content.save(path)
        elif isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content, encoding="utf-8")
        return path

    return write


PICTURE = Image.new("RGB", (4, 4))


def test_text_has_a_prompt_a_line(file):
    prompts = read_prompts(file("x.txt", "a cat\n\n  ein Würfel \n"), seed=5)
    assert prompts == [Prompt("a cat", 5), Prompt("ein Würfel", 6)]


def test_json_lines_may_have_seeds_and_pictures(file):
    picture = file("real.png", PICTURE)
    lines = ['{"prompt": "a cat", "seed": 40}', '{"prompt": "a dog", "image": "real.png", "id": 3}']
    assert read_prompts(file("x.jsonl", "\n".join(lines))) == [Prompt("a cat", 40), Prompt("a dog", 1, picture)]


def test_coco_gives_a_caption_of_every_image_before_the_second_of_any(file):
    captions = [(2, 7, "b2"), (1, 9, "a2"), (1, 3, "a1 "), (2, 4, "b1")]
    content = {"annotations": [{"image_id": i, "id": n, "caption": c} for i, n, c in captions], "images": []}
    prompts = read_prompts(file("captions_val2017.json", json.dumps(content)))
    assert [prompt.text for prompt in prompts] == ["a1", "b1", "a2", "b2"]


def test_a_folder_with_captions_beside_its_pictures(file, tmp_path):
    file("f/b.jpg", PICTURE)
    file("f/b.txt", "a dog\n")
    file("f/a.png", PICTURE)
    file("f/a.txt", "a cat")
    prompts = read_prompts(tmp_path / "f")
    assert prompts == [Prompt("a cat", 0, tmp_path / "f" / "a.png"), Prompt("a dog", 1, tmp_path / "f" / "b.jpg")]


def test_a_folder_with_metadata(file, tmp_path):
    picture = file("f/a.png", PICTURE)
    file("f/metadata.jsonl", '{"file_name": "a.png", "text": "a cat"}\n')
    assert read_prompts(tmp_path / "f") == [Prompt("a cat", 0, picture)]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x.txt", "\n \n", "x.txt has no prompts"),
        ("x.txt", b"a\xff", "x.txt is not text in UTF-8"),
        ("x.jsonl", '{"prompt": "a"}\n\n{"prompt": ', "x.jsonl, line 3 is not JSON"),
        ("x.jsonl", '"a cat"', "x.jsonl, line 1 is not an object"),
        ("x.jsonl", '{"seed": 3}', 'x.jsonl, line 1 has no "prompt"'),
        ("x.jsonl", '{"prompt": " "}', 'line 1 has no "prompt"'),
        ("x.jsonl", '{"prompt": "a", "seed": -1}', "line 1: a seed is a whole number from 0, not -1"),
        ("x.jsonl", '{"prompt": "a", "seed": "b"}', "not 'b'"),
        ("x.jsonl", '{"prompt": "a", "image": "gone.png"}', "line 1: there is no picture .*gone.png"),
        ("x.json", '{"annotations": [\n3', "x.json, line 2 is not JSON"),
        ("x.json", '{"images": []}', "x.json is no file of COCO captions"),
        ("x.json", "[1]", "x.json is no file of COCO captions"),
        ("x.json", '{"annotations": []}', "x.json has no prompts"),
    ],
)
def test_a_bad_file_is_told_with_its_line(file, name, content, said):
    with pytest.raises(ValueError, match=said):
        read_prompts(file(name, content))


def test_a_folder_whose_picture_has_no_caption(file, tmp_path):
    file("f/a.png", PICTURE)
    with pytest.raises(ValueError, match="a.png has no caption a.txt"):
        read_prompts(tmp_path / "f")


def test_a_folder_without_pictures(tmp_path):
    with pytest.raises(ValueError, match="has no prompts"):
        read_prompts(tmp_path)


def test_a_prompt_survives_its_line(file, tmp_path):
    file("real.png", PICTURE)
    file("edges.png", PICTURE)
    prompts = [Prompt("a cat", 3, tmp_path / "real.png"), Prompt("a dog", 9, start=tmp_path / "edges.png")]
    lines = "\n".join(json.dumps(prompt.to_dict()) for prompt in prompts)
    assert read_prompts(file("x.jsonl", lines)) == prompts


def test_embedded_prompts_were_never_trained_on_and_a_prefix_is_as_mixed_as_the_whole():
    prompts = embedded_prompts(7, seed=3)
    assert [prompt.seed for prompt in prompts] == list(range(3, 10))
    scenes = [parse(prompt.text) for prompt in prompts]
    assert [len(scene.things) for scene in scenes] == [1, 2, 1, 2, 1, 2, 1]
    assert all(map(held_out, scenes))
    assert embedded_prompts(4, seed=3) == prompts[:4]


def test_embedded_prompts_are_what_a_model_draws():
    one = embedded_prompts(3, model="scenes-if-1")
    assert [len(parse(prompt.text).things) for prompt in one] == [1, 1, 1]
    moving = embedded_prompts(3, seed=5, model="scenes-video")
    assert all(held_out(clips.parse(prompt.text).scene) for prompt in moving)
    assert [prompt.seed for prompt in moving] == [5, 6, 7]


def test_classes_take_turns_each_by_its_first_name():
    prompts = class_prompts(["tench, Tinca tinca", "goldfish"], count=3, seed=5)
    assert prompts == [Prompt("tench", 5), Prompt("goldfish", 6), Prompt("tench", 7)]
    assert class_prompts(["tench", "goldfish"]) == [Prompt("tench", 0), Prompt("goldfish", 1)]


def test_repeated_prompts_have_seeds_of_their_own():
    prompts = repeated(embedded_prompts(3), 4)
    assert sorted(prompt.seed for prompt in prompts) == list(range(12))
