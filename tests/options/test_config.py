"""Options check themselves."""

import pytest

from faster_diffusion import KeySteps, PriorNoise, PropagationConfig


def test_the_defaults_are_the_paper_s():
    config = PropagationConfig()
    assert config.key_steps == KeySteps.parse("paper")
    assert config.parallel is True
    assert config.for_classes(["StableDiffusionPipeline"]).prior_noise == PriorNoise(alpha=0.003, start=0.5)


@pytest.mark.parametrize(("parallel", "limit"), [(True, None), (False, 1), (1, 1), (4, 4)])
def test_parallel_limits_how_many_steps_are_decoded_at_once(parallel, limit):
    assert PropagationConfig(parallel=parallel).group_limit == limit


@pytest.mark.parametrize(("given", "kept"), [(True, True), (None, None), (False, None), (PriorNoise(0.1),) * 2])
def test_prior_noise_is_on_or_off_or_as_given(given, kept):
    assert PropagationConfig(prior_noise=given).prior_noise == kept


@pytest.mark.parametrize("name", ["DiTTransformer2DModel", "IFPipeline", "IFSuperResolutionPipeline"])
def test_noise_is_left_out_where_it_does_harm_unless_it_is_given(name):
    assert PropagationConfig().for_classes([name]).prior_noise is None
    assert PropagationConfig(prior_noise=PriorNoise(0.1)).for_classes([name]).prior_noise == PriorNoise(0.1)


@pytest.mark.parametrize("given", [True, None, PriorNoise(0.1, start=0.25)])
def test_a_config_is_read_back_from_its_dictionary(given):
    config = PropagationConfig(prior_noise=given, forecast=1, gate=0.1)
    assert PropagationConfig.from_dict(config.to_dict()) == config


@pytest.mark.parametrize("name", ["gate", "forecast", "prior_noise"])
def test_what_a_dictionary_should_have_in_full_is_not_guessed_from_a_number(name):
    with pytest.raises(TypeError):
        PropagationConfig.from_dict({**PropagationConfig().to_dict(), name: 0.1})


def test_a_config_is_a_value():
    assert PropagationConfig(key_steps=[0, 5]) == PropagationConfig(key_steps="0,5")
    assert hash(PropagationConfig()) == hash(PropagationConfig())


def test_a_config_goes_to_a_dictionary_of_plain_values():
    assert PropagationConfig([0, 5], parallel=4, prior_noise=PriorNoise()).to_dict() == {
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
