"""Metrics: the table of what can be measured, open to additions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean, median

from ...measuring import intervals, pixels
from .. import world
from . import perceptual
from .base import Material, Metric, Need, Study, Value
from .frechet import frechet_distance, frechet_interval
from .kernel import kernel_distance

__all__ = ["METRICS", "Material", "Metric", "Need", "Study", "Value"]


def _mean(scores: Sequence[float]) -> Value:
    return Value(fmean(scores), intervals.mean(scores), tuple(scores))


def _psnr(study: Study, arm: str, reference: str | None) -> Value:
    """Of the median error: some images turn out differently as a whole, and equal ones have no finite mean."""
    errors = [pixels.mean_square_error(*pair) for pair in study.pairs(arm, str(reference))]
    interval = intervals.median(errors)
    ends = None if interval is None else (pixels.decibels(interval[1]), pixels.decibels(interval[0]))
    return Value(pixels.decibels(median(errors)), ends, tuple(map(pixels.decibels, errors)))


def _ssim(study: Study, arm: str, reference: str | None) -> Value:
    return _mean(study.by_prompt([pixels.ssim(*pair) for pair in study.frame_pairs(arm, str(reference))]))


def _lpips(study: Study, arm: str, reference: str | None) -> Value:
    return _mean(study.by_prompt(perceptual.lpips(study.frame_pairs(arm, str(reference)), study.material.device)))


def _fid(study: Study, arm: str, reference: str | None) -> Value:
    features = study.features(arm), study.features(reference)
    return Value(frechet_distance(*features), frechet_interval(*features, _paired(study, reference)))


def _kid(study: Study, arm: str, reference: str | None) -> Value:
    return Value(*kernel_distance(study.features(arm), study.features(reference), _paired(study, reference)))


def _paired(study: Study, reference: str | None) -> bool:
    real = study.material.real
    return reference is not None or (real is not None and real.paired)


def _clip_score(study: Study, arm: str, _: str | None) -> Value:
    assert study.scorer is not None
    return _mean(study.by_prompt(study.scorer(study.frames(arm), study.texts)))


def _image_reward(study: Study, arm: str, _: str | None) -> Value:
    return _mean(study.by_prompt(perceptual.image_reward(study.frames(arm), study.texts, study.material.device)))


def _obeyed(study: Study, arm: str, _: str | None) -> Value:
    right = world.obeyed(study.frames(arm), [prompt.text for prompt in study.material.prompts], study.material.frames)
    return Value(fmean(right), intervals.proportion(sum(right), len(right)), tuple(map(float, right)))


def _flops(study: Study, arm: str, _: str | None) -> Value:
    return Value((study.store.record(arm, "flops") or {})["flops"] / 1e9)


def _seconds(key: str) -> Callable[[Study, str, str | None], Value]:
    def measure(study: Study, arm: str, _: str | None) -> Value:
        """The median over batches, for one image."""
        each = [record[key] / record["images"] for record in study.store.records(arm)]
        return Value(median(each), intervals.median(each), tuple(each))

    return measure


def _peak_memory(study: Study, arm: str, _: str | None) -> Value:
    return Value(max(record["peak_memory_bytes"] for record in study.store.records(arm)) / 2**20)


def _small(material: Material) -> str | None:
    return pixels.too_small(material.size) if material.size else None


def _few(material: Material) -> str | None:
    counts = [len(material.prompts)] + ([material.real.count] if material.real else [])
    return "needs three images or more" if min(counts) < 3 else None


def _no_scenes(material: Material) -> str | None:
    known = world.knows([prompt.text for prompt in material.prompts], material.frames)
    return None if known else "needs captions of scenes that the embedded models know"


def _no_memory(material: Material) -> str | None:
    on_gpu = material.device.startswith("cuda")
    return None if on_gpu else "on a CPU, one process cannot tell the arms' peaks apart"


_IMAGES = frozenset({Need.REFERENCE})
_FEATURES = frozenset({Need.REFERENCE, Need.FEATURES})
_REAL = frozenset({Need.REAL, Need.FEATURES})
_SET = 100  # images of a set, below which the distance of its features to another set is mostly noise

METRICS: dict[str, Metric] = {
    "call_seconds": Metric("time an image", "s", False, _seconds("call_seconds"), repeats=False),
    "network_seconds": Metric("network time an image", "s", False, _seconds("network_seconds"), repeats=False),
    "flops": Metric("network FLOPs an image", "GFLOP", False, _flops, form=",.0f"),
    "peak_memory": Metric("peak memory", "MiB", False, _peak_memory, form=",.0f", missing=_no_memory, repeats=False),
    "psnr": Metric("PSNR", "dB", True, _psnr, form=".1f", needs=_IMAGES),
    "ssim": Metric("SSIM", "", True, _ssim, needs=_IMAGES, missing=_small),
    "lpips": Metric("LPIPS", "", False, _lpips, needs=_IMAGES, missing=perceptual.no_lpips),
    "fid": Metric("FID", "", False, _fid, form=".2f", needs=_FEATURES, missing=_few, least=_SET),
    "kid": Metric("KID", "", False, _kid, form=".4f", needs=_FEATURES, missing=_few, least=_SET),
    "fid_real": Metric("FID to real images", "", False, _fid, form=".2f", needs=_REAL, missing=_few, least=_SET),
    "kid_real": Metric("KID to real images", "", False, _kid, form=".4f", needs=_REAL, missing=_few, least=_SET),
    "clip_score": Metric("CLIP score", "", True, _clip_score, needs=frozenset({Need.SCORER})),
    "image_reward": Metric("ImageReward", "", True, _image_reward, missing=perceptual.no_image_reward),
    "obeyed": Metric("prompt accuracy", "", True, _obeyed, form=".1%", missing=_no_scenes),
}
