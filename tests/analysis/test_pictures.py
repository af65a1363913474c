"""Features as pictures."""

import numpy as np
import pytest
import torch
from PIL import Image

from faster_diffusion.analysis.capture import Seen
from faster_diffusion.analysis.pictures import SIDE, STAGES, PictureMeter, decoder_of, image_of, rgb
from specimens import toys


def features(seed, channels=8, height=6, width=5):
    scales = 2.0 ** -torch.arange(channels)  # so that no two components are equally strong
    noise = torch.randn(channels, height, width, generator=torch.Generator().manual_seed(seed))
    return scales[:, None, None] * noise


def test_colours_are_the_first_three_principal_components():
    maps = [features(0), features(1)]
    pictures = np.stack(rgb(maps)).reshape(-1, 3)
    pixels = np.concatenate([some.flatten(1).numpy().T for some in maps])
    pixels = pixels - pixels.mean(0)
    components = pixels @ np.linalg.svd(pixels)[2][:3].T
    for colour, component in zip(pictures.T, components.T, strict=True):
        low, high = np.percentile(component, (2, 98))
        inside = (component > low) & (component < high)  # the rest is clipped
        assert abs(np.corrcoef(colour[inside], component[inside])[0, 1]) > 1 - 1e-5


def test_the_same_features_have_the_same_colours_at_every_step():
    first, other, last = rgb([features(0), features(1), features(0)])
    np.testing.assert_array_equal(first, last)
    assert np.abs(first - other).max() > 0.5
    assert first.shape == (6, 5, 3)


@pytest.mark.parametrize("maps", [[features(0, channels=2)], [torch.ones(4, 3, 3)] * 2], ids=["two channels", "flat"])
def test_features_without_three_components_have_pictures_too(maps):
    for picture in rgb(maps):
        assert picture.shape[-1] == 3
        assert 0 <= picture.min() <= picture.max() <= 1


def pictured(*shown, count=3, stages=("conv_in",), steps=10, **options):
    meter = PictureMeter(count, stages, **options)
    for step in range(steps):
        for role, name, some in shown:
            meter(Seen(step, steps, 0, role, name, some + step))
    return meter.result(None, None)


LATENT = ("input", "sample", torch.zeros(2, 4, 8, 4))


def test_steps_are_evenly_spread_over_the_run():
    assert pictured(LATENT).step_indices == (0, 4, 9)
    assert pictured(LATENT, count=30).step_indices == tuple(range(10))


def test_tokens_are_put_back_into_the_rows_of_the_latent():
    tokens = torch.zeros(2, 4 * 2, 3)
    tokens[:, 2] = 5.0  # the first of the second row
    (first, *_) = pictured(LATENT, ("encoder", "conv_in", tokens)).stages["conv_in"]
    assert first.shape == (4, 2, 3)
    others = np.delete(first.reshape(8, 3), 2, axis=0)
    assert (others == others[0]).all()
    assert (first[1, 0] != others[0]).any()


def test_tokens_that_are_no_rectangle_have_no_picture():
    assert pictured(LATENT, ("encoder", "conv_in", torch.zeros(2, 7, 3))).stages == {}


def test_large_features_are_averaged_down():
    large = ("encoder", "conv_in", torch.zeros(1, 3, 2 * SIDE, SIDE // 2))
    assert pictured(LATENT, large).stages["conv_in"][0].shape == (SIDE, SIDE // 2, 3)


def test_of_many_stages_some_are_pictured_the_first_and_the_last_among_them():
    names = [f"blocks.{number}" for number in range(28)]
    shown = [("encoder", name, torch.zeros(1, 4, 2, 2)) for name in names]
    stages = list(pictured(LATENT, *shown, stages=names).stages)
    assert len(stages) == STAGES
    assert (stages[0], stages[-1]) == (names[0], names[-1])


def test_of_a_video_the_last_frame_is_pictured():
    video = torch.zeros(1, 4, 3, 8, 4)  # three frames
    meter = PictureMeter(1, ["conv_in"], frames=2)
    meter(Seen(0, 1, 0, "input", "sample", video))
    meter(Seen(0, 1, 0, "encoder", "conv_in", torch.zeros(3, 5, 8, 4)))
    assert meter.result(lambda latent: latent[0, :3].permute(1, 2, 0).numpy(), None).decoded[0].shape == (8, 4, 3)


def test_the_latent_of_a_step_is_decoded_as_the_pipeline_decodes_its_last():
    pipe = toys.stable_diffusion()
    latent = toys.sample(pipe)
    (expected,) = pipe.image_processor.postprocess(
        pipe.vae.decode(latent / pipe.vae.config.scaling_factor).sample.detach(), output_type="np"
    )
    np.testing.assert_allclose(decoder_of(pipe)(latent), expected, atol=1e-6)


def test_a_pipeline_without_an_autoencoder_has_nothing_to_decode_with():
    assert decoder_of(object()) is None


class Output:
    def __init__(self, **fields):
        vars(self).update(fields)


def test_the_image_of_a_run_is_its_first_or_a_video_s_last_frame():
    red, blue = Image.new("RGB", (2, 2), "red"), Image.new("RGB", (2, 2), "blue")
    assert image_of(Output(images=[red, blue]))[0, 0].tolist() == [1, 0, 0]
    assert image_of(Output(frames=[[red, blue]]))[0, 0].tolist() == [0, 0, 1]
    assert image_of(Output(frames=np.zeros((1, 3, 2, 2, 3)))).shape == (2, 2, 3)
    assert image_of(Output(images=torch.zeros(1, 4, 8, 8))) is None
    assert image_of(Output(audios=[])) is None
