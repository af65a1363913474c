"""Key steps: pure functions of the number of steps."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faster_diffusion import KeySteps
from faster_diffusion.options.key_steps import PRESETS

steps = st.integers(1, 1000)


@pytest.mark.parametrize(
    ("name", "n", "orders"),
    [
        ("paper", 50, (0, 1, 2, 3, 5, 10, 15, 25, 35)),
        ("paper", 20, (0, 1, 2, 3, 5, 10, 15)),
        ("50ls", 50, (0, 1, 2, 3, 5, 10, 15, 25, 35)),
        ("50ls2", 50, (0, 10, 11, 12, 15, 20, 25, 30, 35, 45)),
        ("50ls3", 50, (0, 20, 25, 30, 35, 45, 46, 47, 48, 49)),
        ("50ls4", 50, (0, 9, 13, 14, 15, 28, 29, 32, 36, 45)),
        ("dreambooth", 50, (0, 1, 2, 3, 5, 10, 15, 25, 35, 40)),
        ("custom-diffusion", 50, (0, 1, 2, 3, 5, 10, 15, 25, 35, 40)),
        ("75ls2", 75, (0, 1, 2, 3, 5, 10, 15, 25, 35, 45, 55, 65)),
        ("progressive", 75, (0, 2, 5, 9, 14, 20, 27, 35, 44, 54, 65)),
        ("75ls", 75, (*range(10), *range(10, 66, 5), *range(66, 75))),
        ("100ls", 100, (*range(10), *range(10, 86, 5), *range(86, 100))),
        ("s2", 50, (*range(20), *range(20, 41, 2), *range(41, 50))),
    ],
)
def test_a_preset_is_the_published_list_at_the_number_of_steps_it_was_made_for(name, n, orders):
    assert KeySteps.parse(name).orders(n) == orders


@pytest.mark.parametrize(
    ("n", "orders"),
    [
        (1, (0,)),
        (10, (0, 1, 2, 5, 7)),
        (28, (0, 1, 2, 4, 7, 14, 21)),
        (51, (0, 1, 2, 3, 5, 10, 15, 25, 35)),  # PNDM makes 51 evaluations of 50 steps
        (100, (0, 2, 4, 6, 10, 20, 30, 50, 70)),
    ],
)
def test_the_paper_s_lists_stretch_to_other_numbers_of_steps(n, orders):
    assert KeySteps.parse("paper").orders(n) == orders


@given(st.sampled_from(sorted(PRESETS)), steps)
def test_a_preset_gives_ascending_orders_within_the_run_from_zero_on(name, n):
    orders = KeySteps.parse(name).orders(n)
    assert orders[0] == 0
    assert list(orders) == sorted(set(orders))
    assert orders[-1] < n


@given(st.integers(1, 50), steps)
def test_uniform_keys_are_evenly_spaced(every, n):
    assert KeySteps.parse(f"uniform:{every}").orders(n) == tuple(range(0, n, every))
    assert KeySteps.parse(every).orders(n) == tuple(range(0, n, every))


@given(steps)
def test_progressive_gaps_grow_by_one(n):
    orders = KeySteps.parse("progressive").orders(n)
    gaps = [b - a for a, b in itertools.pairwise(orders)]
    assert gaps == list(range(2, 2 + len(gaps)))


@given(st.lists(st.integers(0, 200)), steps)
def test_an_explicit_list_is_taken_as_it_is_within_the_run(orders, n):
    assert KeySteps.parse(orders).orders(n) == tuple(sorted({0, *(o for o in orders if o < n)}))


def test_a_list_may_be_given_as_text():
    assert KeySteps.parse("0, 2,5") == KeySteps.parse([5, 2])


@pytest.mark.parametrize("text", ["4", "uniform:4"])
def test_a_single_number_is_every_nth_step_as_text_too(text):
    assert KeySteps.parse(text) == KeySteps.parse(4)


@given(st.one_of(st.sampled_from(sorted(PRESETS)), st.integers(1, 50), st.lists(st.integers(0, 50))))
def test_what_is_printed_is_read_back_as_the_same(spec):
    keys = KeySteps.parse(spec)
    assert KeySteps.parse(str(keys)) == keys


def test_orders_beyond_the_run_are_ignored_with_a_warning(caplog):
    assert KeySteps.parse([0, 5, 30]).orders(20) == (0, 5)
    assert "[30]" in caplog.text
    assert "20 steps" in caplog.text


def test_a_callable_gives_orders_for_the_number_of_steps():
    assert KeySteps.parse(lambda n: [n // 2]).orders(10) == (0, 5)


def test_a_callable_outside_the_run_is_refused():
    with pytest.raises(ValueError, match=r"gave orders \[10\], outside 0 to 9"):
        KeySteps.parse(lambda n: [n]).orders(10)


def test_parsing_what_is_parsed_changes_nothing():
    keys = KeySteps.parse("paper")
    assert KeySteps.parse(keys) is keys


@pytest.mark.parametrize(
    "spec", ["papper", "uniform:x", "uniform:0", "", ",", "1,,2", [-1], [1.5], ["a"], 0, None, True, 2.0]
)
def test_what_is_not_understood_is_refused(spec):
    with pytest.raises(ValueError, match=r"understood|N >= 1|count from 0|whole numbers"):
        KeySteps.parse(spec)


def test_the_refusal_of_a_name_lists_the_presets():
    with pytest.raises(ValueError, match=r"'papper' is not understood.*paper, .*uniform:N"):
        KeySteps.parse("papper")


def test_a_run_has_at_least_one_step():
    with pytest.raises(ValueError, match="at least one step; got 0"):
        KeySteps.parse("paper").orders(0)


@pytest.mark.parametrize(
    ("classes", "n", "orders"),
    [
        (("StableDiffusionPipeline", "UNet2DConditionModel"), 20, (0, 1, 2, 3, 5, 10, 15)),
        (("IFPipeline", "DiffusionPipeline"), 100, (*range(10), *range(10, 86, 5), *range(86, 100))),
        (("IFSuperResolutionPipeline",), 50, (*range(20), *range(20, 41, 2), *range(41, 50))),
        (("MyUpscaler", "StableDiffusionUpscalePipeline"), 75, (0, 1, 2, 3, 5, 10, 15, 25, 35, 45, 55, 65)),
        (("DiTPipeline", "DiTTransformer2DModel"), 8, (0, 2, 4, 6)),
    ],
)
def test_the_paper_s_key_steps_are_those_of_the_pipeline(classes, n, orders):
    assert KeySteps.parse("paper").for_classes(classes).orders(n) == orders


def test_key_steps_asked_for_by_another_name_are_taken_for_every_pipeline():
    assert KeySteps.parse("50ls").for_classes(["IFPipeline"]) == KeySteps.parse("50ls")
