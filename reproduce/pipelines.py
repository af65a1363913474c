"""Every pipeline of the test suite's table: what "paper" means for it, and how exactly it keeps what it promises.

    python -m reproduce.pipelines

Takes some minutes; `python -m reproduce.figures` then puts the table into docs/pipelines.md.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import Any

import torch
from tqdm import tqdm

import faster_diffusion as fd
from faster_diffusion.measuring.tables import markdown
from faster_diffusion.models.pipelines import PIPELINES
from reproduce.pages import RESULTS
from specimens import oracle
from specimens.rows import ROWS
from specimens.rows.common import Row

KEYS = [0, 3, 4]


def measure(row: Row) -> dict[str, Any]:
    """How far the accelerated latents of a row lie from what they should be; the latents' spread is 1 to 20."""
    pipe = replace(row, dtype=torch.float32).pipe()  # as people sample, where the tests do it in double precision
    baseline = row.sample(pipe)
    paper = fd.enable(pipe).config.key_steps
    with fd.enable(pipe, key_steps="all"):
        all_key = row.sample(pipe)
    expected = oracle.sample(row, pipe, KEYS)
    with fd.enable(pipe, key_steps=KEYS, prior_noise=None) as handle:
        parallel = row.sample(pipe)
    summary = handle.summary()
    with fd.enable(pipe, key_steps=KEYS, prior_noise=None, parallel=False):
        sequential = row.sample(pipe)
    return {
        "row": row.name,
        "pipeline": type(pipe).__name__,
        "network": type(row.network(pipe)).__name__,
        "paper": str(paper),
        "together": summary.decoder_batches < summary.computed + summary.reused,
        "all_key": (all_key - baseline).abs().max().item(),
        "sequential": (parallel - sequential).abs().max().item(),
        "oracle": (parallel - expected).abs().max().item(),
    }


def table(measured: list[dict[str, Any]]) -> str:
    """What was measured, and what is refused, as Markdown."""
    rows = []
    several = Counter(row["pipeline"] for row in measured)
    for row in measured:
        name = f"`{row['pipeline']}`" + (f" ({row['row']})" if several[row["pipeline"]] > 1 else "")
        decoded = "together" if row["together"] else "one by one"
        differences = [_difference(row[name]) for name in ("all_key", "sequential", "oracle")]
        rows.append([name, f"`{row['network']}`", row["paper"], decoded, *differences])
    refused = {name: traits.refused for name, traits in PIPELINES.items() if traits.refused}
    head = ("pipeline", "network", '"paper" key steps', "decoded", "all key", "sequential", "oracle")
    reasons = markdown(["refused", "reason"], ([f"`{name}`", reason] for name, reason in refused.items()))
    return f"{markdown(head, rows)}\n\n{reasons}"


def _difference(value: float) -> str:
    """A bound that does not change from machine to machine; the value itself where it is more than rounding."""
    if value == 0:
        return "0"
    return next((f"< {bound:g}" for bound in (1e-5, 1e-4, 1e-3) if value < bound), f"{value:.2g}")


def main() -> None:
    torch.set_num_threads(1)
    measured = [measure(row) for row in tqdm(ROWS)]
    (RESULTS / "pipelines.json").write_text(json.dumps(measured, indent=1) + "\n")


if __name__ == "__main__":
    main()
