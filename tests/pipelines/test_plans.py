"""Plans beyond the paper's, on a pipeline of every kind of network: what is reused, and how it is carried on."""

import pytest
import torch

import faster_diffusion as fd
from faster_diffusion.options.reuse import Reuse
from specimens import oracle
from specimens.rows import KINDS, QUICK, ROWS

KEYS = [0, 1, 4, 6]  # one after another, and with gaps
CLOSE = {"rtol": 0, "atol": 2e-3}  # latents of the toys have a spread of 1 to 20
PLANS = [
    ("encoder", 1),
    ("decoder:1", 0),
    ("decoder:1", 2),
    ("deep:1", 0),
    ("deep:1", 1),
    ("output", 0),
    ("output", 1),
]

TRANSFORMERS = ("dit", "pixart-alpha", "hunyuan-dit")
IMPOSSIBLE = {("deep:1", name) for name in TRANSFORMERS}  # they have no levels


FEW = [("decoder:1", 0), ("deep:1", 1), ("output", 1)]  # of the plans, for a network that takes its time
CASES = [(row, plan) for row in ROWS if row.name in KINDS for plan in (PLANS if row.name in QUICK else FEW)]


@pytest.fixture(scope="module", params=[row for row in ROWS if row.name in KINDS], ids=lambda row: row.name)
def row(request):
    return request.param


def named(case):
    return getattr(case, "name", None) or f"{case[0]}-{case[1]}"


@pytest.fixture
def plan(request, row, pipe):
    reuse, degree = request.param
    try:
        Reuse.parse(reuse).split(row.network(pipe))
    except ValueError:
        assert (reuse, row.name) in IMPOSSIBLE
        reuse = "encoder"
    return {"key_steps": KEYS, "reuse": reuse, "forecast": degree, "prior_noise": None}


@pytest.mark.parametrize(("row", "plan"), CASES, indirect=True, ids=named)
def test_it_is_the_oracle_s_result_in_parallel_or_not(row, pipe, plan):
    expected = oracle.sample(row, pipe, KEYS, plan["reuse"], plan["forecast"])
    for parallel in (True, False):
        with fd.enable(pipe, **plan, parallel=parallel):
            made = row.sample(pipe)
            torch.testing.assert_close(made, expected, **CLOSE)
    with fd.enable(pipe, **plan, parallel=2):
        made = row.sample(pipe)
        torch.testing.assert_close(made, expected, **CLOSE)
        assert torch.equal(row.sample(pipe), made)


def test_the_untouched_pipeline_comes_back(row, pipe):
    untouched = row.sample(pipe)
    for reuse, degree in PLANS[-2:]:
        with fd.enable(pipe, key_steps="all", reuse=reuse, forecast=degree):
            assert torch.equal(row.sample(pipe), untouched)
        with fd.enable(pipe, key_steps=KEYS, reuse=reuse, forecast=degree):
            assert (row.sample(pipe) - untouched).abs().max() > 1e-4
    assert torch.equal(row.sample(pipe), untouched)


GUIDED = ("stable-diffusion", "xl", "controlnet", "t2i-adapter", "text-to-video", "animate-diff", "kandinsky-3", "dit")


@pytest.mark.parametrize("row", [row for row in ROWS if row.name in GUIDED], ids=lambda row: row.name, indirect=True)
@pytest.mark.parametrize("reuse", ["encoder", "output"])
def test_without_the_unconditional_half_late_in_sampling_it_is_the_oracle_s_result(row, pipe, reuse):
    expected = oracle.sample(row, pipe, KEYS, reuse, 1, until=0.5)
    for parallel in (True, False):
        plan = {"key_steps": KEYS, "reuse": reuse, "forecast": 1, "prior_noise": None}
        with fd.enable(pipe, **plan, guidance_until=0.5, parallel=parallel) as handle:
            torch.testing.assert_close(row.sample(pipe), expected, **CLOSE)
        assert handle.summary().halves == row.steps - row.last // 2
