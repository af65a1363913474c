"""Puts the measured tables into the documentation.

    python -m reproduce.figures

A page asks for tables by a pair of comments, `<!-- table NAME -->` and `<!-- end -->`. NAME is flops, fidelity,
pipelines, key_steps, compiled, corrections, corrections worth, forecasts, parts, or speed for all cases that were
measured; what stands between the comments is made from docs/results.
"""

import json
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from faster_diffusion.benchmark import report as speed
from faster_diffusion.benchmark.cases import MODES
from faster_diffusion.benchmark.results import read_reports
from faster_diffusion.evaluation import Evaluation
from faster_diffusion.evaluation import report as fidelity
from faster_diffusion.evaluation.report.tables import cell
from faster_diffusion.measuring.tables import markdown
from reproduce import corrections, flops, key_steps, pages, parts, pipelines
from reproduce.pages import DOCS, RESULTS, ROOT

NAMES = ("analysis", "benchmarks", "compile-and-offload", "corrections", "pipelines", "plans")
PAGES = (ROOT / "README.md", *(DOCS / f"{name}.md" for name in NAMES))


def main() -> None:
    for page in PAGES:
        page.write_text(filled(page.read_text()))


def filled(text: str) -> str:
    """A page's text with every table made anew."""
    return pages.filled(text, r"table [^\n]+?", lambda name: table(name.removeprefix("table ")))


def table(name: str) -> str:
    """The tables that a page asks for, as Markdown; empty if nothing was measured."""
    makers: dict[str, Callable[[list[Path]], str]] = {
        "flops": _each(_flops),
        "pipelines": _each(_pipelines),
        "fidelity": _each(_fidelity),
        "key_steps": _each(_key_steps),
        "speed": _each(_speed),
        "compiled": _each(_compiled),
        "corrections": _each(_corrections),
        "corrections worth": _worth,
        "forecasts": _forecasts,
        "parts": _parts,
    }
    paths = sorted(RESULTS.glob(f"{name.partition(' ')[0]}*.json"))
    return makers[name](paths) if paths else ""


def _each(make: Callable[[Path], str]) -> Callable[[list[Path]], str]:
    """A table for every file."""
    return lambda paths: "\n\n".join(make(path) for path in paths)


def _flops(path: Path) -> str:
    return flops.table(json.loads(path.read_text()))


def _pipelines(path: Path) -> str:
    return pipelines.table(json.loads(path.read_text()))


def _fidelity(path: Path) -> str:
    found = Evaluation.read(path)
    return f"{fidelity.circumstances(found)}\n\n{fidelity.markdown(found)}"


def _corrections(path: Path) -> str:
    report = json.loads(path.read_text())
    return f"{report['model']}, guidance {report['guidance']:g}:\n\n{corrections.table(report)}"


def _worth(paths: list[Path]) -> str:
    """Plain network calls that are worth as much as calls at optimised timesteps, by model and guidance."""
    reports = [json.loads(path.read_text()) for path in paths]
    head = [f"{report['model']}, {report['guidance']:g}" for report in reports]
    found = [corrections.worth(report) for report in reports]
    rows = [[str(calls), *(by[calls] for by in found)] for calls in found[0]]
    return markdown(["calls at optimised timesteps", *head], rows)


def _key_steps(path: Path) -> str:
    report = json.loads(path.read_text())
    about = f"{report['prompts']} prompts, DDIM, {report['steps']} steps, guidance {report['guidance']}"
    return f"{about}; {speed.whereabouts(report['machine'])}\n\n{key_steps.table(report)}"


def _speed(path: Path) -> str:
    return "\n\n".join(
        f"### {report['name']}\n\n{speed.caption(report)}\n\n{speed.markdown(report)}" for report in read_reports(path)
    )


def _compiled(path: Path) -> str:
    """Seconds of the network by mode, and as a fraction of those of the baseline in that mode."""
    reports = read_reports(path)
    rows = [
        [f"{report['case']['mode']}: {MODES[report['case']['mode']]}", *map(_seconds, report["arms"].values())]
        for report in reports
    ]
    return f"{speed.caption(reports[0])}\n\n{markdown(['', *reports[0]['arms']], rows)}"


def _seconds(row: dict[str, Any]) -> str:
    return row["reason"] if "reason" in row else f"{median(row['unet']):.2f} s ({row['unet_ratio']:.2f})"


def _forecasts(paths: list[Path]) -> str:
    """Fidelity to a converged run and to the full run of the same solver, by guidance."""
    by_guidance = sorted(map(Evaluation.read, paths), key=lambda found: found.settings["guidance"])
    references = {"psnr:converged": "to converged", "psnr": "to 50 steps"}
    head = [f"guidance {found.settings['guidance']:g}, {to}" for found in by_guidance for to in references.values()]
    rows = []
    for arm in by_guidance[0].arms:
        cells = [cell(found, key, found.arm(arm.name)) for found in by_guidance for key in references]
        rows.append([arm.name, *(f"{each.figure} {each.aside}".strip() for each in cells)])
    first = by_guidance[0]
    about = f"{len(first.prompts)} prompts; [ ] are 95 % intervals; {speed.whereabouts(dict(first.machine))}"
    return f"{about}\n\n{markdown(['', *head], rows)}"


def _parts(paths: list[Path]) -> str:
    """Network calls and fidelity of gates and of parts of the network, by model and guidance."""
    reports = [json.loads(path.read_text()) for path in paths]
    about = f"{reports[0]['prompts']} prompts; [ ] are 95 % intervals; {speed.whereabouts(reports[0]['machine'])}"
    return f"{about}\n\n{parts.table(reports)}"


if __name__ == "__main__":
    main()
