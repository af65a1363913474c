"""Which ways of sampling go on to more prompts."""

from hypothesis import given
from hypothesis import strategies as st

from faster_diffusion.tuning.halving import dominated, pareto_front, survivors

DB = st.integers(10, 59).map(float)


@st.composite
def measured(draw):
    """Seconds, and dB on the same prompts."""
    names = [f"arm {number}" for number in range(draw(st.integers(1, 12)))]
    prompts = draw(st.integers(1, 5))
    costs = {name: float(draw(st.integers(1, 9))) for name in names}
    return costs, {name: draw(st.lists(DB, min_size=prompts, max_size=prompts)) for name in names}


def mean(values):
    return sum(values) / len(values)


@given(measured())
def test_nothing_beats_the_front_and_the_front_beats_or_equals_all_else(given):
    costs, scores = given
    merits = {name: mean(values) for name, values in scores.items()}
    best = pareto_front(costs, merits)
    for name in costs:
        better = [o for o in costs if costs[o] <= costs[name] and merits[o] >= merits[name] and o != name]
        assert name in best or better
        strictly = [o for o in better if costs[o] < costs[name] or merits[o] > merits[name]]
        assert name not in best or not strictly


@given(measured())
def test_what_is_dropped_for_good_is_beaten_on_average_by_something_no_more_costly(given):
    costs, scores = given
    for name in dominated(costs, scores):
        assert any(costs[o] <= costs[name] and mean(scores[o]) > mean(scores[name]) for o in costs)


@given(measured())
def test_the_front_survives_and_at_most_half_or_the_front_does(given):
    costs, scores = given
    kept = survivors(costs, scores)
    best = pareto_front(costs, {name: mean(values) for name, values in scores.items()})
    assert set(best) <= set(kept)
    assert len(kept) <= max(len(costs) // 2, len(best), 1)


@given(measured(), st.randoms())
def test_the_order_in_which_arms_were_measured_decides_nothing_about_who_is_beaten(given, random):
    costs, scores = given
    names = random.sample(list(costs), len(costs))
    assert dominated({name: costs[name] for name in names}, scores) == dominated(costs, scores)


def test_a_lead_within_the_interval_drops_no_one():
    costs = {"a": 1.0, "b": 2.0}
    assert dominated(costs, {"a": [30.0, 36.0, 31.0], "b": [31.0, 30.0, 30.5]}) == set()


def test_a_sure_lead_drops_the_other_however_much_prompts_differ():
    costs = {"a": 1.0, "b": 2.0}
    assert dominated(costs, {"a": [20.0, 40.0, 30.0], "b": [18.0, 38.5, 28.2]}) == {"b"}
    assert dominated({"a": 3.0, "b": 2.0}, {"a": [20.0, 40.0, 30.0], "b": [18.0, 38.5, 28.2]}) == set()


def test_one_prompt_drops_no_one_for_good():
    assert dominated({"a": 1.0, "b": 2.0}, {"a": [50.0], "b": [20.0]}) == set()
    assert dominated({}, {}) == set()
