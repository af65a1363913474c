"""Timing: what counts as the network's time, and the order of the arms."""

import time
from contextlib import contextmanager
from functools import partial
from types import SimpleNamespace

import pytest
import torch

import faster_diffusion as fd
from faster_diffusion.measuring import timing
from faster_diffusion.measuring.timing import NetworkTimer, Timings, interleave
from specimens import toys

PAUSE = 0.02  # seconds


@pytest.fixture
def slow_pipe():
    """A pipeline whose first up block sleeps, so that the network's time has a known part."""
    pipe = toys.stable_diffusion()
    pipe.unet.up_blocks[0].register_forward_pre_hook(lambda *_: time.sleep(PAUSE))
    return pipe


def test_counts_the_network_of_an_ordinary_call(slow_pipe):
    with NetworkTimer(slow_pipe.unet) as timer:
        toys.sample(slow_pipe, num_inference_steps=5)
    assert timer.seconds >= 5 * PAUSE


def test_counts_an_accelerated_call_once(slow_pipe):
    with fd.enable(slow_pipe, key_steps=[0], parallel=True), NetworkTimer(slow_pipe.unet) as timer:
        start = time.perf_counter()
        toys.sample(slow_pipe, num_inference_steps=5)
        whole = time.perf_counter() - start
    assert PAUSE <= timer.seconds < whole  # a call within a call counted twice would exceed the whole


def test_counts_no_other_network(slow_pipe):
    with NetworkTimer(toys.unet()) as timer:
        toys.sample(slow_pipe, num_inference_steps=2)
    assert timer.seconds == 0


@pytest.mark.parametrize("enabled", [False, True])
def test_leaves_nothing_behind(slow_pipe, enabled):
    unet = type(slow_pipe.unet)
    before = unet.__call__
    if enabled:
        fd.enable(slow_pipe)
    with NetworkTimer(slow_pipe.unet):
        toys.sample(slow_pipe, num_inference_steps=2)
    assert unet.__call__ is before


def test_rounds_alternate_their_order_and_the_warm_up_is_not_kept():
    order: list[str] = []
    timings = interleave(torch.nn.Linear(1, 1), {name: lambda name=name: order.append(name) for name in "ab"}, rounds=2)
    assert "".join(order) == "ab" + "ba" + "ab"
    assert len(timings["a"].call) == len(timings["a"].unet) == 2


def test_medians():
    timings = Timings(unet=[3.0, 1.0, 2.0], call=[4.0, 40.0, 5.0])
    assert timings.to_dict() == {
        "unet": [3.0, 1.0, 2.0],
        "call": [4.0, 40.0, 5.0],
        "unet_median": 2.0,
        "call_median": 5.0,
    }


def test_what_is_set_up_around_an_arm_is_not_timed(monkeypatch):
    order = []
    clock = SimpleNamespace(now=0.0, perf_counter=lambda: clock.now)
    monkeypatch.setattr(timing, "time", clock)

    def happens(what):
        order.append(what)
        clock.now += 1.0

    @contextmanager
    def within(name):
        happens(f"{name} on")
        yield
        happens(f"{name} off")

    arms = {name: partial(happens, name) for name in "ab"}
    timings = interleave(torch.nn.Linear(1, 1), arms, rounds=1, warm_up=0, within=within)
    assert order == ["a on", "a", "a off", "b on", "b", "b off"]
    assert timings["a"].call == timings["b"].call == [1.0]
