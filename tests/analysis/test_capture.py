"""What hooks on the stages see."""

import pytest
import torch
from diffusers import HeunDiscreteScheduler

from faster_diffusion.analysis.capture import observed
from faster_diffusion.models.families import LAYOUTS
from faster_diffusion.models.stages import stage_names
from specimens import toys
from specimens.rows import ROWS
from tests.models.test_inputs import NAMES


@pytest.fixture
def pipe():
    return toys.stable_diffusion()


def watch(pipe, network, sample):
    """All that is seen while ``sample`` runs, features copied; and the capture."""
    seen = []

    def keep(some):
        seen.append((some, some.features.clone()))

    with observed(pipe, network, keep) as capture:
        sample()
    return seen, capture


def test_every_stage_is_seen_once_a_step_in_the_order_in_which_they_run(pipe):
    seen, _ = watch(pipe, pipe.unet, lambda: toys.sample(pipe))
    encoder, decoder = stage_names(pipe.unet)
    for step in range(10):
        stages = [some.name for some, _ in seen if some.step == step and some.role in ("encoder", "decoder")]
        assert stages == [*encoder, *decoder]


def test_what_is_reused_is_what_the_decoder_reads_of_the_encoder(pipe):
    seen, _ = watch(pipe, pipe.unet, lambda: toys.sample(pipe, num_inference_steps=1))
    reused = {some.name: features for some, features in seen if some.role == "reused"}
    given = [features for some, features in seen if some.role == "encoder"]
    assert (
        len(reused) == 1 + 2 * 3 + 1 + 1
    )  # conv_in; a block and a downsampler at three levels; a block; the mid block
    for features in given:
        assert any(features.shape == other.shape and torch.equal(features, other) for other in reused.values())


def test_steps_are_told_apart_where_their_timesteps_repeat(pipe):
    pipe.scheduler = HeunDiscreteScheduler(**{k: v for k, v in toys.SCHEDULER.items() if k.startswith("beta")})
    seen, _ = watch(pipe, pipe.unet, lambda: toys.sample(pipe, num_inference_steps=5))
    assert [some.step for some, _ in seen if some.role == "input"] == [*range(9)]
    assert {some.steps for some, _ in seen} == {9}


def test_the_calls_of_a_step_are_told_apart(pipe):
    pipe.scheduler.set_timesteps(3)
    x, text = torch.zeros(1, 4, 16, 16), torch.zeros(toys.TEXT)

    @torch.no_grad()
    def sample():
        for t in pipe.scheduler.timesteps:
            for _ in range(2):
                pipe.unet(x, t, text)

    seen, capture = watch(pipe, pipe.unet, sample)
    inputs = [(some.step, some.branch) for some, _ in seen if some.role == "input"]
    assert inputs == [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1)]
    assert capture.calls_a_step == 2


def test_a_timestep_that_is_none_of_the_scheduler_s_is_refused(pipe):
    pipe.scheduler.set_timesteps(3)
    with pytest.raises(ValueError, match="Timestep 7 is no step"), observed(pipe, pipe.unet):
        pipe.unet(torch.zeros(1, 4, 16, 16), 7, torch.zeros(toys.TEXT))


def test_the_image_is_the_same_and_no_hook_stays(pipe):
    expected = toys.sample(pipe)
    with observed(pipe, pipe.unet):
        torch.testing.assert_close(toys.sample(pipe), expected, rtol=0, atol=0)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in pipe.unet.modules())


@pytest.mark.parametrize("row", [row for row in ROWS if row.name in NAMES], ids=lambda row: row.name)
def test_every_known_network_shows_all_its_stages(row):
    pipe = row.pipe()
    network = row.network(pipe)
    shown = set()
    with observed(pipe, network, lambda some: shown.add((some.step, some.role, some.name))):
        row.sample(pipe)
    encoder, decoder = stage_names(network)
    for step in {step for step, _, _ in shown}:
        stages = {name for other, role, name in shown if other == step and role in ("encoder", "decoder")}
        assert stages == {*encoder, *decoder}
        assert any(other == step and role == "reused" for other, role, _ in shown)
    assert type(network).__name__ in LAYOUTS
