"""Whatever is handed to a network: a change of it is seen, and comparing it never fails."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from faster_diffusion.engine.snapshot import Snapshot


class Incomparable:
    """Raises where it is compared."""

    def __eq__(self, other):
        raise TypeError

    __hash__ = None


class Vague(Incomparable):
    """Its comparison has no truth."""

    def __eq__(self, other):
        return np.array([True, True])

    __hash__ = None


class Controller:
    """Is called, and has a state."""

    def __init__(self):
        self.scale = 1.0

    def __call__(self):
        return self.scale


def picture():
    return Image.new("RGB", (4, 4))


CHANGES = {
    "array": (lambda: np.zeros(3), lambda x: x.__setitem__(0, 1.0)),
    "array of objects": (lambda: np.array([1, "a"], dtype=object), lambda x: x.__setitem__(0, 2)),
    "picture": (picture, lambda x: x.putpixel((0, 0), (1, 2, 3))),
    "list": (lambda: [torch.ones(2), torch.ones(3)], lambda x: x.append(1)),
    "tensor in a list": (lambda: [torch.ones(2)], lambda x: x[0].mul_(2)),
    "dict": (lambda: {"a": {"b": 1.0}}, lambda x: x["a"].update(b=2.0)),
    "set": (lambda: {1, 2}, lambda x: x.add(3)),
    "object": (lambda: SimpleNamespace(inner=SimpleNamespace(scale=1.0)), lambda x: setattr(x.inner, "scale", 2.0)),
    "controller": (Controller, lambda x: setattr(x, "scale", 0.5)),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_in_place_is_seen(name):
    make, change = CHANGES[name]
    value = make()
    snapshot = Snapshot({"value": value})
    assert snapshot.holds({"value": value})
    change(value)
    assert not snapshot.holds({"value": value})


@pytest.mark.parametrize("make", [lambda: np.zeros(3), picture, lambda: [np.ones(2), picture()], lambda: {"a": (1, 2)}])
def test_equal_content_holds(make):
    assert Snapshot(make()).holds(make())


def same_list():
    value = []
    value.append(value)
    return value


OTHERS = [
    (np.zeros(3), np.zeros(4)),
    (np.zeros(3), np.zeros(3, dtype=np.float32)),
    (np.zeros(2), torch.zeros(2)),
    (torch.zeros(2), np.zeros(2)),
    (torch.zeros(2), torch.zeros(3)),
    (torch.zeros(2, 2).to_sparse(), torch.ones(2, 2).to_sparse()),
    (Incomparable(), Incomparable()),
    (Vague(), Vague()),
    (picture(), Image.new("L", (4, 4))),
    ([[torch.ones(1)], [torch.ones(1), 2]], [[torch.ones(1), torch.ones(1)], [2]]),
    ([1, 2], (1, 2)),
    (1, 1.0),
    (True, 1),
    (None, 0),
    (SimpleNamespace(a=torch.ones(2)), SimpleNamespace(a=torch.ones(2))),
]


@pytest.mark.parametrize(("first", "second"), OTHERS, ids=range(len(OTHERS)))
def test_what_differs_or_cannot_be_compared_does_not_hold(first, second):
    assert not Snapshot([first]).holds([second])
    assert not Snapshot({"a": first}).holds({"a": second})


@pytest.mark.parametrize("value", [Incomparable(), Vague(), float("nan"), same_list(), print, torch.nn.Linear(1, 1)])
def test_the_same_object_holds_whatever_its_comparison_does(value):
    assert isinstance(Snapshot(value).holds(value), bool)
    if not isinstance(value, list):
        assert Snapshot(value).holds(value)
