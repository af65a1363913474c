"""Prompts from every kind of file, and what is said of bad ones."""

import json

import pytest
from PIL import Image

from faster_diffusion.demo import clips
from faster_diffusion.demo.scenes import held_out, parse
from faster_diffusion.generation.prompt_files import read_prompts
from faster_diffusion.generation.prompts import LARGEST_SEED, Prompt, class_prompts, embedded_prompts, repeated


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


BOM = "\ufeff"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.txt", "ein Würfel\r\nb\r\n"),
        ("x.jsonl", '{"prompt": "ein Würfel"}\n{"text": "b"}\n'),
        ("x.json", '["ein Würfel", {"caption": "b"}]'),
        ("x.csv", "prompt;seed\nein Würfel;\nb;1\n"),
    ],
)
def test_text_is_read_as_its_byte_order_mark_says(file, encoding, name, content):
    marked = content if encoding in ("utf-8-sig", "utf-16", "utf-32") else BOM + content
    assert read_prompts(file(name, marked.encode(encoding))) == [Prompt("ein Würfel", 0), Prompt("b", 1)]


def test_marks_within_joined_files_are_no_part_of_a_prompt(file):
    assert [prompt.text for prompt in read_prompts(file("x.txt", f"a\n{BOM}b\n{BOM}\n"))] == ["a", "b"]


def test_text_without_a_mark_that_is_not_in_utf_8_is_told(file):
    with pytest.raises(ValueError, match=r"x.txt is not text in UTF-8: it has zero bytes, as UTF-16"):
        read_prompts(file("x.txt", "abc".encode("utf-16-le")))
    with pytest.raises(ValueError, match=r"x.txt is not text in UTF-8: byte 0 is none. Save it as UTF-8"):
        read_prompts(file("x.txt", "ü".encode("latin-1")))


def test_only_a_line_end_ends_a_line(file):
    within = "a\u2028b\u2029c\x0bd\x85e"
    assert [prompt.text for prompt in read_prompts(file("x.txt", f"{within}\rf\r\ng\nh"))] == [within, "f", "g", "h"]
    line = json.dumps({"prompt": within}, ensure_ascii=False)
    assert [prompt.text for prompt in read_prompts(file("x.jsonl", line))] == [within]


def test_a_table_has_prompts_by_the_name_of_their_column(file):
    picture = file("a.png", PICTURE)
    rows = 'id,Prompt,seed,image\n7,"a cat, asleep",40,a.png\n\n8,"two\nlines",,\n'
    assert read_prompts(file("x.csv", rows)) == [Prompt("a cat, asleep", 40, picture), Prompt("two\nlines", 1)]
    assert read_prompts(file("x.tsv", "caption\tseed\na, b\t3\n")) == [Prompt("a, b", 3)]
    assert read_prompts(file("one.csv", "prompt\na, b\n")) == [Prompt("a, b", 0)]


def test_coco_in_other_forms(file):
    def texts(content):
        return [prompt.text for prompt in read_prompts(file("x.json", json.dumps(content)))]

    unnumbered = [{"image_id": "b", "caption": "b1"}, {"image_id": 3, "caption": "a1"}]
    assert texts({"annotations": unnumbered}) == ["a1", "b1"]
    assert texts([{"image_id": 1, "id": 2, "caption": "a2"}, {"image_id": 1, "id": 1, "caption": "a1"}]) == ["a1", "a2"]
    karpathy = {"images": [{"sentences": [{"raw": "a1"}, {"raw": "a2"}]}, {"sentences": [{"raw": "b1"}]}]}
    assert texts(karpathy) == ["a1", "b1", "a2"]
    assert texts({"prompts": ["a", "b"]}) == ["a", "b"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.csv", "name,age\na,1\n", r'x.csv has no column "prompt"; its header has: name, age'),
        ("x.csv", 'prompt\n"a', "x.csv is no table"),
        ("x.csv", "prompt,seed\na,ten\n", "x.csv, line 2: a seed is a whole number from 0, not 'ten'"),
        ("x.csv", "", r'x.csv has no column "prompt"; its header has: nothing'),
        ("x.jsonl", f'{{"prompt": "a", "seed": {LARGEST_SEED + 1}}}', f"a seed is at most {LARGEST_SEED}"),
        ("x.json", "[" * 100_000, "x.json is not JSON: too deep|x.json, line 1 is not JSON"),
        ("x.json", '{"annotations": [{"image_id": 1, "bbox": [1]}]}', "x.json is no file of COCO captions"),
    ],
)
def test_a_bad_table_is_told(file, name, content, message):
    with pytest.raises(ValueError, match=message):
        read_prompts(file(name, content))


def test_each_prompt_as_often_as_asked_at_seeds_that_count_up(file):
    path = file("x.jsonl", '{"prompt": "a"}\n{"prompt": "b", "seed": 40}\n{"prompt": "c"}\n')
    assert [prompt.seed for prompt in read_prompts(path, seed=5, per_prompt=2)] == [5, 6, 40, 41, 9, 10]


def test_no_generator_takes_a_larger_seed():
    assert Prompt("a", LARGEST_SEED).seed == LARGEST_SEED
    for seed in (-1, LARGEST_SEED + 1):
        with pytest.raises(ValueError, match=f"from 0 to {LARGEST_SEED}, not {seed}"):
            Prompt("a", seed)
