"""What can be told of images and videos of the little world that the embedded models know: from captions and pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
from PIL import Image

from ..demo import clips, scenes
from ..demo.recognise import obeys


def knows(texts: Sequence[str], frames: int | None = None) -> bool:
    """Whether all texts are captions of scenes; or of clips, where videos of so many frames are generated."""
    return _all(scenes.parse, texts) or (frames is not None and _all(clips.parse, texts))


def rendered_frames(texts: Sequence[str]) -> int:
    """How many pictures `rendered` has for each text."""
    return 1 if _all(scenes.parse, texts) else clips.FRAMES


def rendered(texts: Sequence[str]) -> Iterator[Image.Image]:
    """Pictures drawn by code that show what each text says: one of a scene, the frames of a clip."""
    rng = np.random.default_rng(0)
    if _all(scenes.parse, texts):
        return (Image.fromarray(scenes.render(scenes.parse(text), rng)) for text in texts)
    return (Image.fromarray(frame) for text in texts for frame in clips.render(clips.parse(text), rng))


def obeyed(pictures: Iterable[Image.Image], texts: Sequence[str], frames: int | None = None) -> list[bool]:
    """For each text whether its image, or each frame of its video, shows its scene; of a clip, moves too.

    Colours, shapes and the relation of a scene are read from the pixels.
    """
    waiting = iter(pictures)
    shown = (list(islice(waiting, frames or 1)) for _ in texts)
    judge = _shows if _all(scenes.parse, texts) else _moves
    return [judge(seen, text) for seen, text in zip(shown, texts, strict=True)]


def _shows(frames: Sequence[Image.Image], text: str) -> bool:
    verdicts = [obeys(frame, text) for frame in frames]
    return all(verdict.objects_right and verdict.relation_right for verdict in verdicts)


def _moves(frames: Sequence[Image.Image], text: str) -> bool:
    return clips.obeys(np.stack([np.asarray(frame) for frame in frames]), text).all_right


def _all(parse: Callable[[str], Any], texts: Sequence[str]) -> bool:
    try:
        return all(parse(text) for text in texts)
    except ValueError:
        return False
