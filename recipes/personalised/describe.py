"""The model cards of what was learned."""

from __future__ import annotations

from pathlib import Path

from faster_diffusion.measuring.tables import markdown
from specimens.lessons import LESSONS

from .. import card
from . import learn


def table(arms: dict) -> str:
    """Markdown, one row an arm."""
    rows = [[arm, card.percent(found)] for arm, found in arms.items() if isinstance(found, dict)]
    return markdown(["", "right (95 % interval)"], rows)


def write_card(folder: Path, name: str, runs: Path, report: dict) -> None:
    """README.md and loss.png from the log of training and the measurement."""
    log = card.read_log(runs / f"{name}.csv")
    card.draw_curve([row["loss"] for row in log], folder / "loss.png", "loss")
    method = learn.METHODS[name]
    lesson = LESSONS[method.teaches]
    body = _CARD.format(
        name=name,
        what=_WHAT[name],
        load=_LOAD[name],
        prompt=lesson.say(lesson.asked[1]),
        examples=len(lesson.examples),
        said=lesson.say(lesson.examples[0]),
        prior=_PRIOR if method.prior else "",
        runs=card.steps_table({name: log}),
        asked=len(lesson.asked),
        sampler=f"{report['sampler']}, {report['steps']} steps, guidance {report['guidance']}",
        table=table(report[name]),
        usual=card.percent(report["usual"]),
        difference=report[name]["largest difference of the last two, of 255"],
    )
    if name == "moon" and "dreambooth" in report:
        full = card.percent(report["dreambooth"]["personalised"])
        body += f"\nThe same by DreamBooth, all weights of the network trained, which is not shipped: {full} right.\n"
    card.write_card(folder, f"scenes-{name}", body + f"\n## Weaknesses\n\n{_WEAK[name]}\n")


_WHAT = {
    "moon": "a shape that the scenes model does not have, a crescent open to the upper right, as a LoRA of its network",
    "mint": "a colour that the scenes model does not have, between green and cyan, by Custom Diffusion: the word "
    "`<mint>`, and new keys and values of the network's cross-attention",
    "beside": "a relation that the scenes model has no word for, on either side of, as the embedding of the word "
    "`<beside>`: textual inversion of a relation, after ReVersion but without its steering loss. The network stays as "
    "it is",
}
_LOAD = {
    "moon": "pipe.load_lora_weights(folder)",
    "mint": 'pipe.unet.load_attn_procs(folder, weight_name="pytorch_custom_diffusion_weights.safetensors", '
    '_pipeline=pipe)\npipe.load_textual_inversion(folder, weight_name="learned_embeds.safetensors")',
    "beside": 'pipe.load_textual_inversion(folder, weight_name="learned_embeds.safetensors")',
}
_PRIOR = (
    " Half of each batch are pictures that the model drew before, from other prompts, so that it does not forget them."
)
_WEAK = {
    "moon": "Instead of a moon it sometimes draws a ring or a cone. It was shown, and asked, one thing to a picture.",
    "mint": "White backgrounds take on a tinge. It was shown, and asked, one thing to a picture.",
    "beside": "The network draws what it knew before. A relation that it has never seen, such as up and to the left "
    "of, was not learned this way.",
}

_CARD = """
Weights to load on top of `scenes`: {what}.

Made in minutes on a CPU by `python -m recipes.personalised {name}`.

```python
from faster_diffusion import demo

pipe = demo.load("scenes-{name}")
image = pipe("{prompt}", guidance_scale=2.5).images[0]
```

Or, with `folder` that of these files, on any pipeline of the scenes model, accelerated or not:

```python
{load}
```

## Training

{examples} pictures, rendered by code, with captions such as "{said}".{prior}

{runs}

![loss](loss.png)

## What it learned

{asked} prompts, none of them among the examples, judged from the pixels with nothing learned; {sampler}.
"Enabled" is `fd.enable(pipe, key_steps="dreambooth")`. Enabled before or after loading, the pictures differ by at most
{difference} of 255. The usual prompts are 20 with one object and 20 with two, which have nothing to do with it; the
baseline model obeys {usual} of them.

{table}
"""
