"""PSNR and SSIM against scikit-image's."""

import numpy as np
import pytest
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from faster_diffusion.measuring.pixels import psnr, ssim


@pytest.fixture(params=[(64, 48), (16, 16)])
def pair(request):
    rng = np.random.default_rng(0)
    width, height = request.param
    a = rng.integers(0, 256, (height, width, 3))
    b = (a + rng.integers(-40, 40, a.shape)).clip(0, 255)
    return [Image.fromarray(each.astype(np.uint8)) for each in (a, b)]


def test_psnr_is_scikit_images(pair):
    assert psnr(*pair) == pytest.approx(peak_signal_noise_ratio(*map(np.asarray, pair)))


def test_ssim_is_scikit_images(pair):
    wang = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "channel_axis": -1}
    assert ssim(*pair) == pytest.approx(structural_similarity(*map(np.asarray, pair), **wang))


def test_equal_pictures(pair):
    assert psnr(pair[0], pair[0]) == float("inf")
    assert ssim(pair[0], pair[0]) == pytest.approx(1)


def test_pictures_of_two_sizes_are_refused(pair):
    with pytest.raises(ValueError, match="cannot be compared"):
        psnr(pair[0], pair[0].resize((8, 8)))


def test_a_picture_smaller_than_the_window_has_no_ssim():
    tiny = Image.new("RGB", (8, 8))
    with pytest.raises(ValueError, match="needs pictures of 11 pixels or more, not 8x8"):
        ssim(tiny, tiny)
