"""Arms as text."""

import pytest

import faster_diffusion as fd
from faster_diffusion.arms import Arm
from faster_diffusion.arms.third_party import DeepCache, TGate, ToMe
from faster_diffusion.models.fingerprint import Fingerprint
from faster_diffusion.models.schedulers import Solver
from faster_diffusion.options.correction import Correction
from faster_diffusion.options.profile import Profile
from specimens import toys

CANONICAL = (
    "baseline",
    "steps:25",
    "dpm++:20",
    "paper",
    "uniform:4 + sequential",
    "0,1,2,5 + parallel:8 + noise",
    "0, + noise:0.005",
    "dpm++-karras:20 + progressive + noise",
    "unipc:10 + uniform:2 + sequential + deepcache:3:1 + tome:0.5",
    "ddim:50 + tgate:10",
    "tome:0.25:4",
    "dpm",  # the key steps that the paper has for DPM-Solver
    "dpm:20 + dpm",
    "ddim:100 + uniform:7 + output + forecast:2",
    "ddim:100 + 0, + output + forecast:1 + gate:0.05:8 + guidance:0.7",
    "paper + decoder:2 + forecast:1:0.8 + parallel:4",
    "uniform:3 + deep:1 + noise",
)


@pytest.mark.parametrize("spec", CANONICAL)
def test_canonical_text_is_read_back_as_the_same(spec):
    arm = Arm.parse(spec)
    assert arm.spec == arm.name == spec
    assert Arm.parse(arm.spec) == arm


@pytest.mark.parametrize(
    ("spec", "canonical"),
    [
        ("noise+sequential+uniform:4+dpm++:20", "dpm++:20 + uniform:4 + sequential + noise"),
        ("dpm++:20+dpm++", None),
        ("pro + tome:.50", "pro + tome:0.5"),
        ("paper + parallel + noise:0.003", "paper + noise"),
        ("DDIM:20 + Deepcache:5:0", "ddim:20 + deepcache:5"),
        (" 3 ", "uniform:3"),
        ("paper + encoder", "paper"),
        ("forecast:1:1 + Output + paper", "paper + output + forecast:1"),
    ],
)
def test_order_spaces_and_case_do_not_matter(spec, canonical):
    if canonical is None:
        with pytest.raises(ValueError, match="lacks its number of steps, as in dpm"):
            Arm.parse(spec)
    else:
        assert Arm.parse(spec).spec == canonical


def test_parts_become_fields():
    arm = Arm.parse("heun:12 + paper + sequential + noise:0.01 + deepcache:5:2 + tome:0.25", "everything")
    assert arm.name == "everything"
    assert (arm.solver, arm.step_count) == ("heun", 12)
    assert arm.propagation == fd.PropagationConfig("paper", parallel=False, prior_noise=fd.PriorNoise(0.01))
    assert arm.third_party == (DeepCache(5, 2), ToMe(0.25))
    assert arm.peers == arm.third_party  # its former name
    assert Arm.parse("tgate:7").third_party == (TGate(7),)


def test_what_is_reused_and_how_it_is_carried_on_are_those_of_the_engine():
    assert Arm.parse("4 + deep:1 + forecast:2:0.5").propagation == fd.PropagationConfig(
        4, prior_noise=None, reuse="deep:1", forecast=fd.Forecast(2, 0.5)
    )


def test_prior_noise_is_not_mixed_in_unless_asked_for():
    assert Arm.parse("paper").propagation.prior_noise is None
    assert Arm.parse("paper + noise").propagation.prior_noise == fd.PriorNoise()
    assert Arm.parse("paper + noise:auto") == Arm(propagation=fd.PropagationConfig())
    assert Arm(propagation=fd.PropagationConfig()).spec == "paper + noise:auto"


def test_the_number_of_steps_is_the_arms_own_or_the_one_of_all():
    assert Arm.parse("dpm++:20").steps(50) == 20
    assert Arm.parse("paper").steps(50) == 50


def test_a_name_does_not_make_another_arm():
    assert Arm.parse("paper", "ours") == Arm.parse("paper")


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("", "empty part"),
        ("paper + ", "empty part"),
        ("baseline + paper", "baseline stands alone"),
        ("untouched + paper", "untouched stands alone"),
        ("paper + uniform:2", "says its key steps twice"),
        ("steps:20 + ddim:10", "says its number of steps twice"),
        ("sequential", "has no key steps"),
        ("dpm++:20 + noise", "has no key steps"),
        ("steps:0", "whole number of at least 1"),
        ("euler:many", "whole number of at least 1"),
        ("deepcache", "needs"),
        ("deepcache:0", "whole number of at least 1"),
        ("tome:0.9", "0 < R <= 0.75"),
        ("tome", "needs one number"),
        ("tome:0.5:3", "D = 1, 2, 4 or 8"),
        ("noise:2", "alpha"),
        ("tgate:10 + paper", "T-GATE goes with neither"),
        ("deepcache:3 + paper", "add sequential"),
        ("output", "has no key steps, without which its reuse"),
        ("paper + output + deep:1", "says its reuse twice"),
        ("paper + deep", "reuse='deep' is not understood"),
        ("paper + forecast", "whole number of at least 1"),
        ("paper + forecast:4", "degree of a polynomial, 0 to 3"),
        ("paper + forecast:1:2", "damping is a fraction"),
        ("paper + forecast:1:1:1", "needs one number"),
        ("magic", "'magic' is not understood"),
        ("magic:3", "'magic:3' is not understood"),
    ],
)
def test_a_mistake_is_said_in_one_sentence_with_the_remedy(spec, says):
    with pytest.raises(ValueError, match=says) as error:
        Arm.parse(spec)
    assert "\n" not in str(error.value)


def test_a_correction_is_that_of_a_profile(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pipe = toys.stable_diffusion()
    made = Correction(((0.0, 0.5, 0.0, 0.0, 0.0),) * 4, channels=4, guided=True)
    for file, correction in (("fitted.json", made), ("plain.json", None)):
        config = fd.PropagationConfig("all", prior_noise=None, correction=correction)
        Profile(Fingerprint.of(pipe, pipe.unet), Solver.of(pipe.scheduler), 4, config).save(file)
    arm = Arm.parse("corrected:fitted.json + ddim:4 + all")
    assert arm.propagation.correction == made
    assert arm.spec == "ddim:4 + all + corrected:fitted.json"
    assert Arm.parse(arm.spec) == arm
    for spec, says in (
        ("all + corrected", "lacks the profile"),
        ("all + corrected:plain.json", "that profile has no correction"),
        ("corrected:fitted.json", "has no key steps"),
    ):
        with pytest.raises(ValueError, match=says):
            Arm.parse(spec)


def test_the_baseline_is_still_understood_by_its_former_name():
    assert Arm.parse("untouched") == Arm.parse("baseline") == Arm()
    assert Arm.parse("untouched").name == Arm.parse("untouched", "untouched").name == "baseline"
    assert Arm.parse("paper", "untouched").name == "untouched"
