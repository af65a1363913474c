"""Tunes embedded models under weak and strong guidance: the profiles that ship with them, and the figures of the docs.

    python -m reproduce.tuning --model scenes --guidance 2.5 --out runs/tune-2.5
    python -m reproduce.tuning --retime runs/tune-2.5 --device cuda --out runs/gpu-2.5
    python -m reproduce.tuning --publish runs/tune-2.5 runs/tune-7.5 runs/gpu-2.5

A run that was stopped goes on. The search is smaller than that of `faster-diffusion tune`, for two busy cores. On a GPU
it need not be made again: fidelity is the same there, and the times of all that was timed are measured anew.
"""

from __future__ import annotations

import argparse
import json
import logging
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import faster_diffusion as fd
from faster_diffusion.files import write_json
from faster_diffusion.generation.prompts import embedded_prompts
from faster_diffusion.generation.sampling import Settings
from faster_diffusion.measuring.tables import markdown
from faster_diffusion.models import schedulers
from faster_diffusion.tuning import Space, Tuning, report, retime
from faster_diffusion.tuning.results import PLAN, Level
from reproduce import pages
from reproduce.pages import DOCS, ROOT

RESULTS = pages.RESULTS / "tuning"
ON_A_GPU = pages.RESULTS / "tuning-gpu"
PAGE = DOCS / "tuning.md"
IMAGES = DOCS / "images"
PROFILES = ROOT / "src" / "faster_diffusion" / "demo" / "profiles"

CALIBRATION, HELD_OUT = 8, 16
# Corrected runs with optimised timesteps led every tuning so far: of the other plans, a sample is tried.
SPACE = Space(
    solvers=("unipc-trailing", "dpm++-karras"),
    plain=("ddim-trailing", "dpm++-trailing", "unipc-trailing", "dpm++-karras", "unipc-karras"),
    steps=(40,),
    keys=(6, 10, 17, 25),
    placements=("uniform", "measured"),
    forecasts=("1", "1:0.25"),
    reuse=("encoder", "deep:1"),
    gaps=(3,),
    fewer=(2, 3, 4, 5, 6, 8, 10, 13, 17, 22, 28, 36),
    corrected=(),
    placed=(2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 16, 18, 20, 23, 26, 30),
    fitted=16,
    beside=("ddim-trailing:50 + paper", "dpm++-trailing:20 + paper", "dpm++-trailing:20 + deepcache:2"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="scenes", choices=fd.demo.available())
    parser.add_argument("--guidance", type=float, default=fd.demo.GUIDANCE_SCALE)
    parser.add_argument("--minutes", type=float, help="the budget; by default all is tried")
    parser.add_argument("--rounds", type=int, default=5, help="how often times are measured")
    parser.add_argument("--out", type=Path, help="a folder for the tuning, or for its times")
    parser.add_argument("--retime", type=Path, metavar="OUT", help="a tuning whose times are to be measured anew")
    parser.add_argument("--device", default="cpu", help="where (default: %(default)s)")
    parser.add_argument("--publish", type=Path, nargs="+", metavar="OUT", help="puts tunings into the repository")
    given = parser.parse_args()
    if given.publish:
        for folder in given.publish:
            publish(folder)
        PAGE.write_text(filled(PAGE.read_text()))
    elif given.out:
        logging.basicConfig(level=logging.WARNING)
        if given.retime:
            time_anew(given.retime, given.out, given.device, given.rounds)
        else:
            tune(given.model, given.out, given.guidance, given.minutes, given.rounds, given.device)
    else:
        parser.error("give --out or --publish")


def load(model: str, device: str) -> Any:
    """An embedded model; its own solver starts at the noisiest timestep, as the others do."""
    pipe = fd.demo.load(model).to(device)
    pipe.scheduler = schedulers.make("ddim-trailing", pipe.scheduler.config)
    return pipe


def tune(model: str, out: Path, guidance: float, minutes: float | None, rounds: int, device: str) -> Tuning:
    """Tunes an embedded model."""
    return fd.tune(
        load(model, device),
        embedded_prompts(CALIBRATION + HELD_OUT),
        out=out,
        settings=Settings((50,), guidance, batch_size=4),
        calibration=CALIBRATION,
        budget_minutes=minutes,
        space=SPACE,
        reference="dpm++-trailing:150",
        rounds=rounds,
        name=model,
        progress=True,
    )


def time_anew(tuned: Path, out: Path, device: str, rounds: int) -> None:
    """Times of a tuning on another device, in a folder of their own; of its plans, those that lead at something."""
    found = Tuning.from_dict(json.loads((tuned / "tuning.json").read_text()))
    leading = {*found.pareto_front, *found.profiles.values(), *(level.plan for level in found.levels)}
    found = replace(found, points=tuple(p for p in found.points if p.kind != PLAN or p.arm in leading))
    pipe = load(found.model["name"], device)
    again = retime(found, pipe, embedded_prompts(1), out, rounds, progress=True)
    write_json(out / "tuning.json", again.to_dict())


def publish(folder: Path) -> None:
    """Copies the results of a tuning to where they belong; on a CPU also the picture and the profiles."""
    found = json.loads((folder / "tuning.json").read_text())
    name, guidance = found["model"]["name"], found["settings"]["settings"]["guidance"]
    if found["machine"]["gpu"]:
        ON_A_GPU.mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / "tuning.json", ON_A_GPU / f"{name}-{guidance:g}.json")
        return
    profiles = PROFILES / name
    for place in (RESULTS, profiles):
        place.mkdir(parents=True, exist_ok=True)
    shutil.copy(folder / "tuning.json", RESULTS / f"{name}-{guidance:g}.json")
    shutil.copy(folder / "pareto-front.png", IMAGES / f"tuning-{name}-{guidance:g}.png")
    suffix = "" if guidance == fd.demo.GUIDANCE_SCALE else f"-guidance-{guidance:g}"
    for stale in profiles.glob(f"*dB{suffix}.json"):
        stale.unlink()
    for profile in (folder / "profiles").glob("*.json"):
        shutil.copy(profile, profiles / f"{profile.stem}{suffix}.json")


def filled(text: str) -> str:
    """The page with its tables made from the results."""
    tunings, on_a_gpu = (
        [Tuning.from_dict(json.loads(path.read_text())) for path in sorted(folder.glob("*.json"))]
        for folder in (RESULTS, ON_A_GPU)
    )
    made = {
        "gains": _gains(tunings),
        "gains on a GPU": _gains(on_a_gpu),
        "tunings": "\n\n".join(map(_section, tunings)),
    }
    return pages.filled(text, "|".join(made), made.__getitem__)


def _gains(tunings: Sequence[Tuning]) -> str:
    """How much faster than fewer steps, by level and tuning."""
    rows: dict[float, list[str]] = {}
    for level in (level for found in tunings for level in found.levels):
        rows.setdefault(level.psnr, []).append(_gain(level))
    names = [f"{name}, {guidance}" for name, guidance in map(_of, tunings)]
    return markdown(["PSNR at least", *names], [[f"{psnr:g} dB", *cells] for psnr, cells in sorted(rows.items())])


def _gain(level: Level) -> str:
    if level.plan is None:
        return "none gets there"
    return report.gain(level)


def _of(found: Tuning) -> tuple[str, str]:
    """Model and guidance."""
    return found.model["name"], f"{found.settings['settings']['guidance']:g}"


def _section(found: Tuning) -> str:
    name, guidance = _of(found)
    tables = report.markdown(found).partition("\n")[2].strip().replace("\n## ", "\n### ")
    picture = f"![PSNR over time of {name} at guidance {guidance}](images/tuning-{name}-{guidance}.png)"
    command = f"`python -m reproduce.tuning --model {name} --guidance {guidance}`"
    return f"## {name}, guidance {guidance}\n\n{command}. {tables}\n\n{picture}"


if __name__ == "__main__":
    main()
