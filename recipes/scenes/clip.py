"""A small CLIP: its text tower conditions the UNet, and the pair scores how well a picture fits a prompt."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import CLIPConfig, CLIPModel, CLIPTextConfig, CLIPTokenizer, CLIPVisionConfig

from faster_diffusion.demo.scenes import BACKGROUNDS, COLOURS, OPPOSITE, RELATIONS, SHAPES, SIZES, Scene, caption

from ..training import TrainingPlan, load_average, on_device, train, wide
from . import tokenizer
from .data import Pool, make_held_out, numpy_rng, pixels, turn

PLAN = TrainingPlan(steps=2500, learning_rate=1e-3, minutes=8, ema=0.995, save_every=250)
BATCH = 64
NEGATIVES = 3  # near misses a picture, beside the captions of the other pictures
WIDTH = 160


def build(words: CLIPTokenizer) -> CLIPModel:
    """Untrained, always the same weights."""
    torch.manual_seed(1)
    size = {"hidden_size": WIDTH, "intermediate_size": 4 * WIDTH, "num_attention_heads": 5, "projection_dim": 128}
    text = CLIPTextConfig(
        **size,
        num_hidden_layers=3,
        vocab_size=len(words),
        max_position_embeddings=tokenizer.LENGTH,
        bos_token_id=words.bos_token_id,
        eos_token_id=words.eos_token_id,
        pad_token_id=words.pad_token_id,
    )
    vision = CLIPVisionConfig(**size, num_hidden_layers=4, image_size=64, patch_size=8)
    return CLIPModel(CLIPConfig(text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=128))


def fit(pool: Pool, folder: Path, plan: TrainingPlan = PLAN) -> CLIPModel:
    """Train contrastively: a picture must know its caption among the others' and among near misses of its own."""
    words = tokenizer.build()
    clip = build(words)
    batch = wide(BATCH)

    def loss(step: int, generator: torch.Generator):
        rng = numpy_rng(generator)
        rows = torch.randint(len(pool), (batch,), generator=generator)
        seen = [pool.scenes[row] for row in rows]
        said = [_shorten(scene, rng) for scene in seen]
        said += [near_miss(scene, rng) for scene in said[:batch] for _ in range(NEGATIVES)]
        logits = scores(clip, words, pool.pictures[rows], [caption(scene) for scene in said])
        also_true = torch.from_numpy(describes(said, seen).T) & ~torch.eye(batch, len(said), dtype=torch.bool)
        logits = logits.masked_fill(on_device(also_true), -100.0)
        target = on_device(torch.arange(batch))
        value = (F.cross_entropy(logits, target) + F.cross_entropy(logits[:, :batch].T, target)) / 2
        return value, {"right": (logits.argmax(1) == target).float().mean().item()}

    return train(clip, loss, plan, folder, "clip").eval().requires_grad_(False)


def load(folder: Path) -> CLIPModel:
    """The trained pair, from its checkpoint."""
    return load_average(build(tokenizer.build()), folder / "clip.pt").eval().requires_grad_(False)


def scores(clip: CLIPModel, words: CLIPTokenizer, pictures: Tensor, captions: list[str]) -> Tensor:
    """Logits (pictures, captions)."""
    tokens = words(captions, padding=True, return_tensors="pt").input_ids.to(clip.device)
    seen = pixels(pictures.to(clip.device))
    text = F.normalize(clip.text_projection(clip.text_model(tokens).pooler_output), dim=-1)
    image = F.normalize(clip.visual_projection(clip.vision_model(seen).pooler_output), dim=-1)
    return clip.logit_scale.clamp(max=4.6).exp() * image @ text.T


def _shorten(scene: Scene, rng: np.random.Generator) -> Scene:
    """Mostly in full: short captions fit many pictures and teach little here."""
    if rng.random() < 0.8:
        return scene
    things = scene.things if rng.random() < 0.5 else tuple(replace(thing, size=None) for thing in scene.things)
    return replace(scene, things=things, background=None)


def near_miss(scene: Scene, rng: np.random.Generator) -> Scene:
    """`scene` with one thing about it wrong: what a tower that sees words, but not which belong together, mixes up."""
    while True:
        wrong = _CHANGES[rng.integers(len(_CHANGES))](scene, rng)
        if wrong is not None and not describes([wrong], [scene])[0, 0]:
            return wrong


def _other(rng: np.random.Generator, names, old: str) -> str:
    rest = [name for name in names if name != old]
    return rest[rng.integers(len(rest))]


def _change_thing(attribute: str, names):
    def change(scene: Scene, rng: np.random.Generator) -> Scene | None:
        things = list(scene.things)
        i = rng.integers(len(things))
        old = getattr(things[i], attribute)
        if old is None:
            return None
        things[i] = replace(things[i], **{attribute: _other(rng, names, old)})
        return _scene(things, scene)

    return change


def _swap(attribute: str):
    def change(scene: Scene, rng: np.random.Generator) -> Scene | None:
        if len(scene.things) == 1:
            return None
        a, b = scene.things
        was = getattr(a, attribute), getattr(b, attribute)
        return _scene([replace(a, **{attribute: was[1]}), replace(b, **{attribute: was[0]})], scene)

    return change


def _change_background(scene: Scene, rng: np.random.Generator) -> Scene | None:
    if scene.background is None:
        return None
    return replace(scene, background=_other(rng, BACKGROUNDS, scene.background))


def _change_relation(scene: Scene, rng: np.random.Generator) -> Scene | None:
    return None if scene.relation is None else replace(scene, relation=_other(rng, RELATIONS, scene.relation))


def _exchange(scene: Scene, rng: np.random.Generator) -> Scene | None:
    return None if scene.relation is None else replace(scene, relation=OPPOSITE[scene.relation])


def _scene(things, like: Scene) -> Scene | None:
    if len(things) == 2 and (things[0].colour, things[0].shape) == (things[1].colour, things[1].shape):
        return None
    return replace(like, things=tuple(things))


_CHANGES = [
    _change_thing("colour", COLOURS),
    _change_thing("shape", SHAPES),
    _change_thing("size", SIZES),
    _swap("colour"),
    _swap("shape"),
    _swap("size"),
    _change_background,
    _change_relation,
    _exchange,
]


def describes(said: list[Scene], seen: list[Scene]) -> np.ndarray:
    """Which captions are true of which scenes, as (captions, scenes); what a caption leaves out fits anything."""
    words, facts = _attributes(said), _attributes(seen)
    turned = _attributes([turn(scene) for scene in said])
    return _fits(words, facts) | _fits(turned, facts)


def _fits(words: np.ndarray, facts: np.ndarray) -> np.ndarray:
    return ((words[:, None] == facts[None]) | (words[:, None] == -1)).all(-1)


def _attributes(scenes: list[Scene]) -> np.ndarray:
    rows = []
    for scene in scenes:
        row = [len(scene.things), _index(RELATIONS, scene.relation), _index(BACKGROUNDS, scene.background)]
        for thing in scene.things:
            row += [_index(COLOURS, thing.colour), _index(SHAPES, thing.shape), _index(SIZES, thing.size)]
        rows.append(row + [-1] * (9 - len(row)))
    return np.array(rows, np.int8)


def _index(names, name: str | None) -> int:
    return -1 if name is None else list(names).index(name)


@torch.no_grad()
def measure(clip: CLIPModel, count: int = 400) -> float:
    """How often, among pictures never trained on, the caption scores above eight near misses of it."""
    words, rng, pool = tokenizer.build(), np.random.default_rng(3), make_held_out(count)
    right = 0
    for scene, picture in zip(pool.scenes, pool.pictures, strict=True):
        said = [scene, *(near_miss(scene, rng) for _ in range(8))]
        right += scores(clip, words, picture[None], [caption(s) for s in said]).argmax().item() == 0
    return right / count
