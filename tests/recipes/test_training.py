"""The training loop: killed and resumed, it must come to the same weights."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from recipes import training
from recipes.dit import transformer
from recipes.training import TrainingPlan, captured, load_average, share, train

pytestmark = pytest.mark.slow

PLAN = TrainingPlan(steps=12, learning_rate=1e-2, warmup=4, save_every=4)


class KilledError(Exception):
    pass


def build() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))


def run(folder, die_at=None, plan=PLAN, build=build):
    model = build()

    def loss(step, generator):
        if step == die_at:
            raise KilledError
        x = torch.randn(16, 3, generator=generator)
        return (model(x) - x.sum(1, keepdim=True)).square().mean()

    return train(model, loss, plan, folder, "toy")


def same(one: nn.Module, two: nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))


@pytest.mark.parametrize("die_at", [4, 6, 11])  # right after a checkpoint, between two, at the very end
def test_killed_and_resumed_is_as_if_never_killed(tmp_path, die_at):
    straight = run(tmp_path / "straight")
    with pytest.raises(KilledError):
        run(tmp_path / "killed", die_at)
    assert same(run(tmp_path / "killed"), straight)


def test_resuming_leaves_a_log_without_gaps_or_repeats(tmp_path):
    with pytest.raises(KilledError):
        run(tmp_path, die_at=6)
    run(tmp_path)
    lines = (tmp_path / "toy.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["step", *map(str, range(1, 13))]


def test_a_run_is_as_many_times_longer_as_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "_settings", training.TrainingSettings(longer=1.5))
    run(tmp_path)
    assert (tmp_path / "toy.csv").read_text().splitlines()[-1].startswith("18,")


def test_a_run_ends_when_its_minutes_are_over(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "_settings", training.TrainingSettings(longer=1000, minutes=1e-9))
    run(tmp_path)
    assert torch.load(tmp_path / "toy.pt", weights_only=True)["step"] == 0


def test_a_batch_is_as_many_times_as_large_as_is_asked_for(monkeypatch):
    assert training.wide(8) == 8
    monkeypatch.setattr(training, "_settings", training.TrainingSettings(wider=4))
    assert training.wide(8) == 32


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_a_network_that_is_captured_predicts_and_learns_as_ever(device):
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("needs a GPU")
    network = transformer.build().to(device)
    sample, times, classes = torch.randn(2, 4, 16, 16).to(device), torch.tensor([3, 700], device=device), [1, 1000]
    given = {"hidden_states": sample, "timestep": times, "class_labels": torch.tensor(classes, device=device)}
    nn.init.normal_(network.proj_out_2.weight)
    expected = network(**given, return_dict=False)[0]
    expected.square().mean().backward()
    gradient = network.proj_out_2.weight.grad.clone()
    network.zero_grad()

    prediction = captured(network, **{name: one.clone() for name, one in given.items()})(*given.values())
    torch.testing.assert_close(prediction, expected)
    prediction.square().mean().backward()
    torch.testing.assert_close(network.proj_out_2.weight.grad, gradient)


def test_data_and_weights_go_where_training_runs(monkeypatch):
    """Shown with the device that has no numbers, which is everywhere."""
    monkeypatch.setattr(training, "_settings", training.TrainingSettings(device="meta"))
    assert share(torch.zeros(4, 2)).is_meta
    assert training.on_device(nn.Linear(2, 2)).weight.is_meta


def test_a_finished_run_is_not_run_again(tmp_path):
    finished = run(tmp_path)
    assert same(run(tmp_path, die_at=0), finished)


def test_a_checkpoint_is_whole_or_absent(tmp_path, monkeypatch):
    """Dying while one is written leaves the one before."""
    run(tmp_path)
    before = (tmp_path / "toy.pt").read_bytes()

    def half(state, path):
        path.write_bytes(b"half")
        raise KilledError

    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(KilledError):
        run(tmp_path, plan=TrainingPlan(steps=13, learning_rate=1e-2))
    assert (tmp_path / "toy.pt").read_bytes() == before


def test_what_comes_back_is_the_average_over_steps(tmp_path):
    returned = run(tmp_path)
    assert same(returned, load_average(build(), tmp_path / "toy.pt"))
    last = torch.load(tmp_path / "toy.pt", weights_only=True)["weights"]
    assert not torch.equal(next(returned.parameters()), last[0])


def test_frozen_weights_stay(tmp_path):
    def half_frozen():
        model = build()
        model[0].requires_grad_(False)
        return model

    trained, fresh = run(tmp_path, build=half_frozen), half_frozen()
    assert torch.equal(trained[0].weight, fresh[0].weight)
    assert not torch.equal(trained[2].weight, fresh[2].weight)


def test_the_shares_of_all_processes_make_the_batch(monkeypatch):
    batch = torch.arange(7)
    shares = []
    for rank in range(3):
        monkeypatch.setattr("recipes.training.place", lambda rank=rank: (rank, 3))
        shares.append(share(batch))
    assert sorted(torch.cat(shares).tolist()) == batch.tolist()


def test_two_processes_learn_what_one_learns(tmp_path):
    alone = run(tmp_path / "alone")
    script = tmp_path / "two.py"
    script.write_text(_TWO)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", script, tmp_path]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
    subprocess.run(command, check=True, env=environment)  # pytest shows what it says, should it fail
    together = load_average(build(), tmp_path / "two/toy.pt")
    for a, b in zip(alone.parameters(), together.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)


_TWO = """
import sys
from pathlib import Path
import torch
from torch import nn
from recipes.training import TrainingPlan, share, train

torch.distributed.init_process_group("gloo")
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))

def loss(step, generator):
    x = share(torch.randn(16, 3, generator=generator))
    return (model(x) - x.sum(1, keepdim=True)).square().mean()

plan = TrainingPlan(steps=12, learning_rate=1e-2, warmup=4, save_every=4)
train(model, loss, plan, Path(sys.argv[1]) / "two", "toy")
torch.distributed.destroy_process_group()
"""
