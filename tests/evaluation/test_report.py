"""Reports say what was measured, in words too, and the page is whole by itself."""

import re
from base64 import b64decode
from dataclasses import replace
from html.parser import HTMLParser
from io import BytesIO
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from faster_diffusion.evaluation import Value, report
from faster_diffusion.evaluation.line_up import FEWER_STEPS, KEY_STEPS, THIRD_PARTY
from faster_diffusion.evaluation.report import plots
from faster_diffusion.evaluation.report.pictures import chosen, data_uri
from faster_diffusion.evaluation.report.sentences import sentences
from faster_diffusion.evaluation.report.tables import tables
from faster_diffusion.evaluation.results import ArmResult


class Page(HTMLParser):
    """What a page is made of."""

    def __init__(self, text):
        super().__init__()
        self.tags = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def text(run):
    return (run.folder / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(text):
    return Page(text)


@pytest.mark.slow
def test_the_page_refers_to_nothing_outside_itself(page, text):
    references = [value for _, attributes in page.tags for name, value in attributes.items() if name in ("src", "href")]
    assert references
    assert all(value.startswith(("data:image/", "#")) for value in references)
    assert set(re.findall(r"https?://[^\s\"'<]+", text)) <= {"http://www.w3.org/2000/svg"}
    assert page.all("meta")[3]["content"].startswith("default-src 'none'")
    assert not page.all("link")


def test_every_image_has_words_in_its_place(page):
    assert len(page.all("img")) == 1 + 3 * 5  # the one to flip, and the grid
    assert all(image["alt"] for image in page.all("img"))
    assert all(plot["role"] == "img" and plot["aria-label"] for plot in page.all("svg"))
    assert page.all("html")[0]["lang"] == "en"


def test_the_slider_has_a_place_for_every_arm(page):
    (slider,) = [attributes for attributes in page.all("input") if attributes["type"] == "range"]
    assert (slider["min"], slider["max"]) == ("0", "4")
    assert len(page.all("option")) == 3


def test_a_prompt_is_text_not_markup(run):
    evil = replace(run.found.prompts[0], text="<script>alert(1)</script>")
    found = replace(run.found, prompts=(evil, *run.found.prompts[1:]))
    kept = SimpleNamespace(image=lambda arm, number: Image.new("RGB", (4, 4)))
    assert "<script>alert" not in report.page(found, kept, {})


def test_markdown_has_a_row_an_arm_and_names_what_is_missing(run):
    text = (run.folder / "report.md").read_text(encoding="utf-8")
    first, *_ = tables(run.found)
    assert text.count("\n| baseline |") == len(tables(run.found))
    assert first.headings[0] == "arm"
    assert "identical" in text
    assert "- CLIP score: needs a CLIP that reads the prompts: give --clip." in text
    for picture in re.findall(r"\]\((plots/[^)]+)\)", text):
        Image.open(run.folder / picture).verify()


def test_costs_are_told_relative_to_the_baseline_arm(run):
    rows = {row[0].figure: row for row in tables(run.found)[0].rows}
    assert rows["baseline"][1].aside == "(1.00)"
    assert rows["all"][3].aside == "(1.00)"  # operations
    assert float(rows["paper"][3].aside.strip("()")) < 1


def arm(name, kind, seconds, psnr):
    each = tuple(psnr + spread for spread in range(-4, 5))
    return ArmResult(name, name, kind, None, {"call_seconds": Value(seconds), "psnr": Value(psnr, None, each)})


def said(run, *arms):
    """What is said of arms with these figures."""
    columns = {key: column for key, column in run.found.columns.items() if key in ("call_seconds", "psnr")}
    found = replace(run.found, arms=(arm("baseline", "baseline", 1.0, float("inf")), *arms), columns=columns)
    (table,) = tables(found)
    return " ".join(sentences(found, table))


def test_where_ours_loses_to_fewer_steps_it_is_said_with_figures(run):
    text = said(run, arm("paper", KEY_STEPS, 0.6, 30.0), arm("steps:25", FEWER_STEPS, 0.5, 34.0))
    assert "steps:25 is nearest to baseline (PSNR 34.0 dB), with 0.50 of the time." in text
    assert "Key steps lose to fewer steps that cost no more (in fractions of the time)" in text
    assert "paper (30.0 dB in 0.60) to steps:25 (34.0 dB in 0.50)." in text


def test_where_ours_is_nearer_than_all_that_is_as_fast_it_is_said_too(run):
    others = (arm("steps:25", FEWER_STEPS, 0.5, 34.0), arm("deepcache:2", THIRD_PARTY, 0.55, 33.0))
    text = said(run, arm("uniform:2", KEY_STEPS, 0.6, 40.0), *others)
    assert "stay nearer than fewer steps that cost no more: uniform:2." in text
    assert "stay nearer than third-party methods that cost no more: uniform:2." in text
    assert "lose to" not in text


def test_what_chance_explains_is_no_victory(run):
    ours, theirs = arm("paper", KEY_STEPS, 0.6, 30.0), arm("steps:25", FEWER_STEPS, 0.5, 34.0)
    few = [
        replace(one, values={**one.values, "psnr": Value(30.0, None, one.values["psnr"].each[:3])})
        for one in (ours, theirs)
    ]
    text = said(run, *few)
    assert "lose to" not in text
    assert "Not to be told from fewer steps that cost no more, on 3 prompts, too few for any difference" in text


def test_the_distance_of_few_images_is_not_put_in_front_of_a_reader(run):
    text = report.markdown(run.found)
    assert run.found.arm("paper").values["fid"].value > 0
    assert all("FID" not in table.headings for table in tables(run.found))
    assert "fid" not in plots.plotted(run.found)
    assert (
        "- FID to baseline, FID to finer, KID to baseline, KID to finer: mostly noise with 3 images; from 100 on"
        in text
    )


def test_slower_arms_beat_nobody(run):
    text = said(run, arm("paper", KEY_STEPS, 0.6, 30.0), arm("steps:40", FEWER_STEPS, 0.8, 50.0))
    assert "lose to" not in text
    assert "stay nearer" not in text


def test_without_times_the_cost_is_that_in_operations(run):
    untimed = [
        replace(arm, values={key: value for key, value in arm.values.items() if not key.endswith("seconds")})
        for arm in run.found.arms
    ]
    found = replace(run.found, arms=tuple(untimed))
    assert "of the FLOPs." in " ".join(sentences(found, tables(found)[0]))
    assert "fraction of the FLOPs of the baseline" in plots.svg(plots.draw(found, "psnr"), "words")


def test_a_difference_is_told_only_if_it_is_more_than_chance(run):
    columns = {key: column for key, column in run.found.columns.items() if key in ("call_seconds", "clip_score")}

    def scored(name, *each):
        values = {"call_seconds": Value(1.0), "clip_score": Value(sum(each) / len(each), None, each)}
        return ArmResult(name, name, "baseline", None, values)

    arms = (
        scored("baseline", *(0.1, 0.5, 0.9, 0.3) * 2),
        scored("worse", *(0.0, 0.4, 0.8, 0.2) * 2),
        scored("mixed", *(0.3, 0.3, 0.9, 0.2) * 2),
    )
    found = replace(run.found, arms=arms, columns=columns)
    text = " ".join(sentences(found, tables(found)[-1]))
    assert "differ from the baseline by more than chance: worse (0.350)." in text


def test_the_page_s_plots_are_in_the_colour_of_its_text(run):
    element = plots.svg(plots.draw(run.found, "psnr"), "words")
    assert element.startswith("<svg ")
    assert "currentColor" in element
    assert 'aria-label="words"' in element
    assert all(name in element for name in ("paper", "dpm++:4"))
    assert "finer" not in re.sub(r"to finer", "", element)  # which is there to compare with


@pytest.mark.parametrize(("size", "kind", "kept"), [((64, 64), "PNG", (64, 64)), ((1024, 768), "WEBP", (512, 384))])
def test_small_images_travel_whole_and_large_ones_at_a_size_for_looking(size, kind, kept):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (*size[::-1], 3), dtype=np.uint8))
    head, data = data_uri(noise).split(",")
    image = Image.open(BytesIO(b64decode(data)))
    assert head == f"data:image/{kind.lower()};base64"
    assert (image.format, image.size) == (kind, kept)
    if kind == "PNG":
        assert np.array_equal(image, noise)


def test_the_prompts_shown_are_the_first_and_those_where_arms_differ_most(run):
    count = 12
    prompts = tuple(replace(run.found.prompts[0], seed=number) for number in range(count))
    psnr = tuple(40.0 if number not in (7, 9, 10, 11) else 20.0 for number in range(count))
    arms = (ArmResult("paper", "paper", KEY_STEPS, None, {"psnr": Value(30.0, None, psnr)}),)
    assert chosen(replace(run.found, prompts=prompts, arms=arms)) == [0, 1, 2, 3, 7, 9, 10, 11]
