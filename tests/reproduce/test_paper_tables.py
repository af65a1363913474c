"""The paper's tables on the embedded models: what a row compares, and that the page says what was measured."""

import pytest
import torch
from PIL import Image

from faster_diffusion import demo
from faster_diffusion.evaluation import Evaluation
from faster_diffusion.models import schedulers
from reproduce import paper_tables
from reproduce.paper_rows import ABLATIONS, ROWS, Dropping, Published, Row
from reproduce.paper_tables import Where
from tests.evaluation import tiny

pytestmark = pytest.mark.slow


def test_its_tables_are_made_from_the_raw_results():
    text = paper_tables.PAGE.read_text()
    assert paper_tables.filled(text) == text


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_a_row_compares_propagation_with_the_same_pipeline_without(row):
    plain, *others = row.arms({"one": "paper", "another": "uniform:4 + noise"})
    assert plain.name == (row.beside or "baseline")
    assert all(arm.propagation is not None and arm.third_party == plain.third_party for arm in others)
    assert row.solver is None or row.solver in schedulers.SOLVERS
    assert len(row.models) == len(row.steps)


@pytest.mark.parametrize("name", ["canny", "custom", "dit"])
def test_prompts_of_a_row_are_as_many_as_wanted_and_the_same_each_time(name, tmp_path):
    row = ROWS[name]
    prompts = row.prompts(3, tmp_path / "starts")
    pictures = {path.name: path.read_bytes() for path in tmp_path.glob("starts/*.png")}
    assert len(prompts) == len({prompt.seed for prompt in prompts}) == 3
    assert row.prompts(3, tmp_path / "starts") == prompts
    assert {path.name: path.read_bytes() for path in tmp_path.glob("starts/*.png")} == pictures


def test_what_a_row_measures_is_shown_beside_what_the_paper_has(tmp_path, monkeypatch):
    monkeypatch.setattr(paper_tables, "RESULTS", tmp_path / "results")
    published = Published(fid=(1.0, 2.0), clip_score=(0.5, 0.25), seconds=(4.0, 3.0))
    row = Row("A task", ("scenes",), (10,), published, beside="tome:0.5")
    monkeypatch.setattr(paper_tables, "ROWS", {"x": row})
    monkeypatch.setattr(paper_tables, "FEW", 3)
    monkeypatch.setattr(Row, "pipes", lambda row: [tiny.pipeline()])
    for part, where in (("quality", Where(dtype=torch.bfloat16)), ("cost", Where())):
        paper_tables.measure("x", part, 3, tmp_path / "runs", where)
    found = Evaluation.read(tmp_path / "results" / "x-cost.json")
    assert [arm.name for arm in found.arms][:2] == ["baseline", "tome:0.5"]

    quality, cost = paper_tables.quality_table().splitlines(), paper_tables.cost_table().splitlines()
    assert [line.split(" | ")[2] for line in quality[2:]] == ["tome:0.5", "propagated", "propagated, with noise"]
    assert all(
        line.startswith("| A task | 3, bfloat16 |") and line.endswith("| 1.00 → 2.00, .500 → .250 |")
        for line in quality[2:]
    )
    assert cost[2].startswith("| A task | tome:0.5 | identical |")
    assert "propagated one by one" in cost[5]
    assert "dB" in cost[3]
    assert all(line.endswith("| none, 0.75 |") for line in cost[2:])


def test_between_key_steps_a_dropped_encoder_gives_the_decoder_nothing():
    pipe, seen = tiny.pipeline(), []
    decoder = pipe.unet.up_blocks[0]

    def look(_, args, kwargs):
        seen.append(kwargs)

    look.batch_independent = True
    decoder.register_forward_pre_hook(look, with_kwargs=True)
    with Dropping.between("0,2").applied(pipe):
        pipe("a", num_inference_steps=5, guidance_scale=3.0)
    assert [len(kwargs["hidden_states"]) for kwargs in seen] == [2 * 2, 3 * 2]  # guided
    for kwargs in seen:
        for features in (kwargs["hidden_states"], *kwargs["res_hidden_states_tuple"]):
            key, *others = features.split(2)
            assert key.any()
            assert not any(other.any() for other in others)


def test_ablations_keep_drop_or_reuse_more_and_each_says_which():
    arms = ROWS["ddim"].arms(ABLATIONS)
    assert len({arm.spec for arm in arms}) == len({arm.name for arm in arms}) == 1 + len(ABLATIONS)
    assert [arm.spec for arm in arms if arm.name == "dropped: the encoder"] == ["uniform:6 + dropped"]


def test_each_table_has_a_picture(tmp_path):
    paper_tables.plot(tmp_path / "plots")
    for name in ("quality", "cost", "ablations"):
        assert Image.open(tmp_path / "plots" / f"{name}.png").width > 500


def test_the_embedded_models_that_ship_are_in_it():
    used = {name for row in ROWS.values() for name in row.models}
    assert set(demo.available()) <= used
