"""`python -m recipes.scenes` trains, packs and measures the scenes model; with the name of a part, that part alone."""

from __future__ import annotations

import argparse
import json
from functools import cache
from pathlib import Path

from faster_diffusion.demo import GUIDANCE_SCALE

from ..command import add_settings, settings_of
from ..training import begin, kept
from . import assemble, clip, unet, vae
from .data import Pool, make_pool
from .evaluate import evaluate, obedience, quick

HERE = Path(__file__).parent
PACKAGED = HERE.parents[1] / "src/faster_diffusion/demo/models/scenes"


@cache
def pool() -> Pool:
    """The pictures all parts train on."""
    return make_pool()


def train_vae(options: argparse.Namespace) -> None:
    """The autoencoder."""
    model = vae.fit(pool(), options.runs)
    print(f"autoencoder: {vae.measure(model):.2f} dB, scaling factor {model.config.scaling_factor:.4f}")


def train_clip(options: argparse.Namespace) -> None:
    """The CLIP pair."""
    model = clip.fit(pool(), options.runs)
    print(f"CLIP pair: {100 * clip.measure(model):.1f} % of held-out captions above eight near misses")


def train_unet(options: argparse.Namespace) -> None:
    """The UNet and its text tower. Now and then it samples held-out prompts, so that a run gone wrong is seen early."""
    autoencoder, pair = vae.load(pool(), options.runs), clip.load(options.runs)
    latents = kept(options.runs / "latents.pt", lambda: vae.encode(autoencoder, pool().pictures))
    latents = latents * autoencoder.config.scaling_factor

    def watch(step: int, parts) -> None:
        if step % 2000 == 1000:
            pipe = quick(assemble.pipeline(autoencoder, parts))
            found = obedience(pipe, count=40, steps=15, guidance=GUIDANCE_SCALE)
            shares = {kind: {m: s["share"] for m, s in found[kind].items()} for kind in ("one object", "two objects")}
            with (options.runs / "watch.jsonl").open("a") as file:
                file.write(json.dumps({"step": step, **shares, "seconds": found["seconds"]}) + "\n")

    unet.fit(latents, unet.training_tokens(pool()), pair.text_model, options.runs, watch=watch)


def pack(options: argparse.Namespace) -> None:
    """Write the packaged folder from the checkpoints, and its card from the last evaluation."""
    autoencoder, pair = vae.load(pool(), options.runs), clip.load(options.runs)
    pipe = assemble.pipeline(autoencoder, unet.load(options.runs, pair.text_model))
    if options.report.exists():
        report = assemble.read_report(options.report)
        facts = vae.measure(autoencoder), clip.measure(pair)
        options.out.mkdir(parents=True, exist_ok=True)
        assemble.write_card(options.out, options.runs, report, *facts, GUIDANCE_SCALE)
    assemble.save(pipe, pair, options.out)


def measure(options: argparse.Namespace) -> None:
    """Obedience of the packaged model."""
    report = evaluate(options.report, options.accelerated, options.count, options.steps, options.guidance)
    print(assemble.obedience_table(report))


def everything(options: argparse.Namespace) -> None:
    """All of it, from nothing to a packaged and measured model."""
    for part in (train_vae, train_clip, train_unet, pack, measure, pack):
        part(options)


PARTS = {"vae": train_vae, "clip": train_clip, "unet": train_unet, "assemble": pack, "evaluate": measure}


def main() -> None:
    """Parse and do."""
    parser = argparse.ArgumentParser(prog="python -m recipes.scenes", description=__doc__)
    parser.add_argument("part", nargs="?", choices=PARTS, help="one part; without it, everything in order")
    parser.add_argument("--runs", type=Path, default=Path("runs/scenes"), help="checkpoints and logs; resumed if there")
    parser.add_argument("--out", type=Path, default=PACKAGED, help="the diffusers folder to write")
    parser.add_argument("--report", type=Path, default=HERE / "obedience.json", help="where obedience is kept")
    parser.add_argument("--accelerated", action="store_true", help="evaluate: also under faster_diffusion.enable")
    parser.add_argument("--count", type=int, default=100, help="evaluate: prompts of each kind")
    parser.add_argument("--steps", type=int, default=50, help="evaluate: sampling steps")
    parser.add_argument("--guidance", type=float, default=GUIDANCE_SCALE, help="evaluate: guidance scale")
    add_settings(parser)
    options = parser.parse_args()
    begin(settings_of(options))
    PARTS.get(options.part, everything)(options)


if __name__ == "__main__":
    main()
