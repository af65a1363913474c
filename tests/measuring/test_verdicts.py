"""Chance is not taken for a difference, however few prompts or many arms there are."""

import numpy as np
import pytest

from faster_diffusion.measuring.verdicts import FEWEST, beyond_chance, chance, fewest, surely


@pytest.mark.parametrize("count", [2, 4, 8, 16])
@pytest.mark.parametrize("draw", ["normal", "laplace", "standard_cauchy"])
def test_where_nothing_differs_a_difference_is_seen_in_at_most_one_of_twenty(count, draw):
    random = np.random.default_rng(0)
    seen = [chance(getattr(random, draw)(size=count)) <= 0.05 for _ in range(100)]
    assert np.mean(seen) <= 0.09  # 0 to 0.08; what a bootstrap calls a difference is 0.5 of them at 2 prompts


def test_a_difference_that_is_there_is_seen():
    assert chance(np.random.default_rng(0).normal(1, 0.5, size=8)) < 0.05


def test_by_hand_every_way_to_flip_the_signs_of_three():
    assert chance([1.0, 2.0, 3.0]) == pytest.approx(2 / 8)
    assert chance([1.0, 2.0, -3.0]) == 1.0


@pytest.mark.parametrize("differences", [[], [1.0], [0.0, 0.0, 0.0]])
def test_too_few_or_none_are_chance(differences):
    assert chance(differences) == 1.0


def test_many_at_once_have_to_be_surer_each():
    assert beyond_chance([0.04, 0.04, 0.001, 0.3]) == [False, False, True, False]
    assert beyond_chance([0.012, 0.001, 0.02, 0.01]) == [True] * 4
    assert beyond_chance([]) == []


@pytest.mark.parametrize("comparisons", [1, 3, 10])
def test_the_fewest_prompts_are_those_at_which_a_difference_can_be_told(comparisons):
    least = fewest(comparisons)
    others = [1.0] * (comparisons - 1)
    assert beyond_chance([chance([1.0] * least), *others])[0]
    assert not beyond_chance([chance([1.0] * (least - 1)), *others])[0]


@pytest.mark.parametrize("count", [6, 8, 16])
@pytest.mark.parametrize("alike", [0.0, 0.8])
def test_of_many_means_that_are_chosen_from_none_is_below_what_it_surely_is(count, alike):
    random, wrong = np.random.default_rng(0), 0
    for _ in range(100):
        of_prompts, of_arms = random.normal(size=count), random.normal(size=(30, count))
        wrong += max(surely(alike**0.5 * of_prompts + (1 - alike) ** 0.5 * of_arms)) > 0
    assert wrong <= 10  # 3 to 8; by intervals of one mean each it is 16 to 57


def test_means_that_differ_on_all_prompts_alike_cost_no_more_than_one():
    figures = np.random.default_rng(0).normal(size=12)
    (alone,) = surely([figures])
    assert surely([figures, figures + 1, figures - 2]) == pytest.approx([alone, alone + 1, alone - 2])


def test_nothing_is_sure_of_few():
    assert surely([[1.0] * (FEWEST - 1)]) is None
    assert surely([[1.0] * FEWEST]) == [1.0]
    assert surely([]) is None
    assert fewest(1) == FEWEST
