"""The parts of the recipe of the transformer that are no training."""

import numpy as np
import pytest
import torch

from faster_diffusion.demo.scenes import COLOURS, SHAPES, sample_scene
from recipes.dit.transformer import CLASSES, NO_CLASS, build, class_of
from recipes.training import TrainingPlan


def test_every_scene_of_one_thing_has_a_class():
    rng = np.random.default_rng(0)
    scenes = [sample_scene(rng, things=1) for _ in range(300)]
    assert {class_of(scene) for scene in scenes} == set(range(len(COLOURS) * len(SHAPES)))
    for scene in scenes[:20]:
        assert CLASSES[class_of(scene)].endswith(f" {scene.things[0].colour} {scene.things[0].shape}")


def test_a_scene_of_two_things_has_none():
    with pytest.raises(ValueError):
        class_of(sample_scene(np.random.default_rng(0), things=2))


@pytest.mark.slow
def test_a_step_of_training_touches_the_classes_that_it_saw(tmp_path, monkeypatch):
    from recipes.dit import transformer

    monkeypatch.setattr(transformer, "BATCH", 8)
    before = _tables(build())
    latents, classes = torch.randn(6, 4, 16, 16), torch.tensor([3] * 6)
    plan = TrainingPlan(steps=4, learning_rate=1e-2, warmup=1, weight_decay=0.0)
    after = _tables(transformer.fit(latents, classes, tmp_path, plan))
    changed = [set(torch.nonzero((a != b).any(1)).flatten().tolist()) for a, b in zip(before, after, strict=True)]
    assert all(rows <= {3, NO_CLASS} and 3 in rows for rows in changed)


def _tables(network):
    return [b.norm1.emb.class_embedder.embedding_table.weight.clone() for b in network.transformer_blocks]
