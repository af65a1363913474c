"""Reports as pictures: the time of every arm beside its FLOPs, and how it goes with batch size or resolution."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PANELS = 8  # on one picture
SWEPT_FROM = 3  # values of what is swept

Reports = Sequence[dict[str, Any]]


def draw(reports: Reports, stem: Path) -> list[Path]:
    """Writes ``STEM-speed.png``, or several, and ``STEM-sweep-N.png`` where a batch size or a resolution was swept.

    Raises:
        ImportError: matplotlib is not installed.
    """
    try:
        import matplotlib.figure  # noqa: F401
    except ModuleNotFoundError as error:
        raise ImportError("Plots need matplotlib: pip install 'faster-diffusion[eval]'.") from error
    measured = [report for report in reports if _bars(report)]
    pages = [measured[start : start + PANELS] for start in range(0, len(measured), PANELS)]
    figures = {f"speed-{number}" if number > 1 else "speed": _speed(page) for number, page in enumerate(pages, 1)}
    figures |= {f"sweep-{number}": _sweep(*swept) for number, swept in enumerate(_sweeps(measured), 1)}
    paths = []
    for name, figure in figures.items():
        path = stem.with_name(f"{stem.name}-{name}.png")
        figure.savefig(path, dpi=120)
        paths.append(path)
    return paths


def _bars(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The arms of a report that have ratios."""
    return {arm: values for arm, values in report["arms"].items() if "unet_ratio" in values}


def _speed(reports: Reports) -> Figure:
    """A panel a report: every arm's time in the network and of the call, by the baseline's; a tick for FLOPs."""
    from matplotlib.figure import Figure

    heights = [len(_bars(report)) for report in reports]
    figure = Figure(figsize=(9, 0.45 * sum(heights) + 1.1 * len(reports)), layout="constrained")
    panels = figure.subplots(len(reports), 1, squeeze=False, height_ratios=heights)[:, 0]
    for panel, report in zip(panels, reports, strict=True):
        arms = _bars(report)
        places = range(len(arms))
        for offset, key, label in ((-0.2, "unet_ratio", "network"), (0.2, "call_ratio", "whole call")):
            panel.barh([place + offset for place in places], [a[key] for a in arms.values()], 0.38, label=label)
        for place, values in enumerate(arms.values()):
            panel.vlines(
                values["flops_ratio"], place - 0.42, place + 0.42, color="black", label="" if place else "FLOPs"
            )
        panel.set_yticks(list(places), list(arms))
        panel.invert_yaxis()
        panel.set_title(report["name"], fontsize=9)
        panel.set_xlim(left=0)
        panel.grid(axis="x", alpha=0.3)
    panels[0].legend(loc="lower right", fontsize=8)
    panels[-1].set_xlabel("relative to the baseline")
    return figure


def _sweeps(reports: Reports) -> list[tuple[str, list[dict[str, Any]]]]:
    """What was swept, and the reports in which nothing else differs, in its order."""
    found = []
    for key in ("batch", "size"):
        groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for report in reports:
            groups[json.dumps({name: value for name, value in report["case"].items() if name != key})].append(report)
        found += [(key, sorted(group, key=lambda report: _place(report, key))) for group in groups.values()]
    return [(key, group) for key, group in found if len(group) >= SWEPT_FROM]


def _sweep(key: str, reports: Reports) -> Figure:
    """Seconds of the network an image, and the gain over the baseline, a line an arm."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    seconds, gain = figure.subplots(1, 2)
    for arm in dict.fromkeys(arm for report in reports for arm in _bars(report)):
        of_arm = [(report, _bars(report)[arm]) for report in reports if arm in _bars(report)]
        places = [_place(report, key) for report, _ in of_arm]
        seconds.plot(places, [a["unet_median"] / r["case"]["batch"] for r, a in of_arm], marker="o", label=arm)
        gain.plot(places, [1 / values["unet_ratio"] for _, values in of_arm], marker="o", label=arm)
    for panel, label in ((seconds, "seconds in the network, an image"), (gain, "speed-up in the network")):
        panel.set_xscale("log", base=2)
        panel.set_xlabel("images in a batch" if key == "batch" else "pixels of a side")
        panel.set_ylabel(label)
        panel.grid(alpha=0.3)
    seconds.set_yscale("log")
    gain.set_ylim(bottom=0)
    gain.legend(fontsize=8)
    case = {name: value for name, value in reports[0]["case"].items() if name in ("model", "dtype", "device", "mode")}
    figure.suptitle(", ".join(case.values()), fontsize=10)
    return figure


def _place(report: dict[str, Any], key: str) -> float:
    value = report["case"].get(key)
    return float((value[0] * value[1]) ** 0.5 if isinstance(value, list) else value or 0)
