"""Options check themselves."""

import pytest

from faster_diffusion import KeySteps, PriorNoise, PropagationConfig


def test_the_defaults_are_the_paper_s():
    config = PropagationConfig()
    assert config.key_steps == KeySteps.parse("paper")
    assert config.parallel is True
    assert config.prior_noise == PriorNoise(alpha=0.003, start=0.5)


@pytest.mark.parametrize(("parallel", "limit"), [(True, None), (False, 1), (1, 1), (4, 4)])
def test_parallel_limits_how_many_steps_are_decoded_at_once(parallel, limit):
    assert PropagationConfig(parallel=parallel).group_limit == limit


@pytest.mark.parametrize(("given", "kept"), [(True, PriorNoise()), (None, None), (False, None)])
def test_prior_noise_is_on_or_off(given, kept):
    assert PropagationConfig(prior_noise=given).prior_noise == kept


def test_a_config_is_a_value():
    assert PropagationConfig(key_steps=[0, 5]) == PropagationConfig(key_steps="0,5")
    assert hash(PropagationConfig()) == hash(PropagationConfig())


def test_a_config_goes_to_a_dictionary_of_plain_values():
    assert PropagationConfig(key_steps=[0, 5], parallel=4).to_dict() == {
        "key_steps": "0,5",
        "parallel": 4,
        "prior_noise": {"alpha": 0.003, "start": 0.5},
        "reuse": "encoder",
        "forecast": {"order": 0, "damping": 1.0},
        "gate": None,
        "guidance_until": None,
        "correction": None,
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"key_steps": "sometimes"}, "'sometimes' is not understood"),
        ({"parallel": 0}, "parallel is True, False, or how many steps"),
        ({"parallel": "yes"}, "parallel is True, False, or how many steps"),
        ({"prior_noise": 0.003}, "prior_noise is None, True or fd.PriorNoise"),
    ],
)
def test_a_value_without_sense_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        PropagationConfig(**options)


@pytest.mark.parametrize("options", [{"alpha": -0.1}, {"alpha": 1.0}, {"start": 1.5}, {"start": -0.5}])
def test_prior_noise_has_bounds(options):
    with pytest.raises(ValueError, match="PriorNoise"):
        PriorNoise(**options)
