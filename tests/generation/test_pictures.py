"""Pictures of every kind look to a pipeline as they look to a person."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image, features

from faster_diffusion.generation.errors import InputError
from faster_diffusion.generation.pictures import fitted, read_picture
from faster_diffusion.generation.steering import Steering

RAMP = np.linspace(0, 1, 64 * 64).reshape(64, 64)


def grey(path):
    shown = np.asarray(read_picture(path))
    assert shown.shape == (64, 64, 3)
    assert (shown == shown[..., :1]).all()
    return shown[..., 0] / 255


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("depth.png", (RAMP * 65535).astype(np.uint16)),
        ("depth.tiff", (RAMP * 65535).astype(np.uint16)),
        ("long.tiff", (RAMP * 65535).astype(np.int32)),
        ("unit.tiff", RAMP.astype(np.float32)),
        ("bytes.tiff", (RAMP * 255).astype(np.float32)),
        ("plain.png", np.rint(RAMP * 255).astype(np.uint8)),
    ],
)
def test_grey_of_any_depth_goes_from_black_to_white(tmp_path, name, values):
    Image.fromarray(values).save(tmp_path / name)
    assert np.abs(grey(tmp_path / name) - RAMP).max() < 1 / 255


@pytest.mark.parametrize("values", [np.full((4, 4), -3.0), np.full((4, 4), 9000.0), np.full((4, 4), np.nan)])
def test_values_without_a_range_are_refused(tmp_path, values):
    Image.fromarray(values.astype(np.float32)).save(tmp_path / "x.tiff")
    with pytest.raises(InputError, match=r"x.tiff has values .* write them as"):
        read_picture(tmp_path / "x.tiff")


@pytest.mark.parametrize("name", ["x.png", "x.jpg", "x.bmp", "x.tif", "x.gif", "x.webp", "x.avif"])
def test_formats(tmp_path, name):
    if name == "x.avif" and not features.check("avif"):
        pytest.skip("Pillow without AVIF")
    Image.new("RGB", (16, 16), (200, 40, 40)).save(tmp_path / name)
    shown = np.asarray(read_picture(tmp_path / name), np.int16)
    assert np.abs(shown - (200, 40, 40)).max() <= 8


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_transparent_shows_the_background(tmp_path, mode):
    hidden = Image.new("RGBA", (8, 8), (90, 90, 90, 0)).convert(mode)
    hidden.save(tmp_path / "x.png", **({"transparency": hidden.getpixel((0, 0))} if mode == "P" else {}))
    assert read_picture(tmp_path / "x.png").getpixel((0, 0)) == (255, 255, 255)
    assert read_picture(tmp_path / "x.png", (0, 0, 0)).getpixel((0, 0)) == (0, 0, 0)


def test_a_photograph_stands_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # held on its side
    Image.new("RGB", (30, 20)).save(tmp_path / "x.jpg", exif=exif)
    assert read_picture(tmp_path / "x.jpg").size == (20, 30)


def test_of_several_frames_the_first_is_taken_and_that_is_told(tmp_path, caplog):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "x.gif", save_all=True, append_images=frames[1:])
    assert read_picture(tmp_path / "x.gif").getpixel((0, 0)) == (255, 0, 0)
    assert "has 2 frames; the first is taken" in caplog.text


def test_another_shape_is_cropped_not_squashed_and_that_is_told_once(tmp_path, caplog):
    wide = Image.new("RGB", (96, 32), "red")
    wide.paste("blue", (24, 0, 72, 32))
    assert fitted(wide, (64, 64), "x.png").getcolors() == [(64 * 64, (0, 0, 255))]
    assert "x.png is 96x32 pixels and the image is 64x64: its middle is taken, without 67 %" in caplog.text
    caplog.clear()
    wide.save(tmp_path / "x.png")
    steering = Steering(control=tmp_path / "x.png", controlnet="any")
    for _ in range(3):
        steering.arguments(None, 2, (64, 64))
    assert len(caplog.records) == 1
    caplog.clear()
    assert fitted(wide, (192, 64), "x.png").size == (192, 64)
    assert caplog.text == ""


def bomb():
    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def torn(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "whole.png")
    return (tmp_path / "whole.png").read_bytes()[:3000]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (lambda _: bomb(), "too large a picture"),
        (torn, "no picture that can be read"),
        (lambda _: b"", "no picture that can be read"),
        (lambda _: b"not a picture", "no picture that can be read"),
        (lambda _: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage", "no picture that can be read"),
    ],
)
def test_what_is_no_picture_is_told_in_one_line(tmp_path, content, told):
    (tmp_path / "x.png").write_bytes(content(tmp_path))
    with pytest.raises(InputError, match=told) as error:
        read_picture(tmp_path / "x.png")
    assert "x.png" in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_a_picture_that_is_missing(tmp_path):
    with pytest.raises(InputError, match=r"no picture .*x\.png"):
        read_picture(tmp_path / "x.png")


@pytest.mark.parametrize(("strength", "steps", "told"), [(0.1, 9, "10 steps or more"), (0.0, 50, "no number of steps")])
def test_a_strength_that_leaves_no_step(tmp_path, strength, steps, told):
    Image.new("RGB", (8, 8)).save(tmp_path / "x.png")
    steering = Steering(image=tmp_path / "x.png", strength=strength)
    with pytest.raises(InputError, match=told):
        steering.check_steps(steps)
    Steering(image=tmp_path / "x.png", strength=0.1).check_steps(10)
