"""The tuned profiles that come with the embedded models."""

import pytest

import faster_diffusion as fd
from faster_diffusion.demo import _PROFILES

SHIPPED = sorted((file.parent.name, file.stem) for file in _PROFILES.glob("*/*.json"))


@pytest.mark.parametrize(("model", "name"), SHIPPED)
def test_a_shipped_profile_fits_its_model_and_says_what_it_promises(model, name):
    handle = fd.enable(fd.demo.load(model), key_steps=fd.demo.profile(model, name))
    assert handle.profile.measured["promise_psnr"] > 0
    assert handle.profile.measured["machine"]["torch"]


def test_an_unknown_profile_is_refused_with_those_that_there_are():
    with pytest.raises(ValueError, match="there is no profile 'magic' of 'scenes'; this installation has:"):
        fd.demo.profile("scenes", "magic")
