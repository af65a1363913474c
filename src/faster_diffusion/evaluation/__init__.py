"""Evaluation: ways of sampling one pipeline, judged by the images they generate and by what that costs.

    from faster_diffusion.evaluation import evaluate, read_prompts

    prompts = read_prompts(Path("prompts.txt"))
    found = evaluate(pipe, ["baseline", "paper", "dpm++:20"], prompts, out=Path("runs/first"))

Needs the extra ``eval``. The command is `faster-diffusion evaluate`.
"""

from ..generation.prompt_files import read_prompts
from ..generation.prompts import Prompt, class_prompts, embedded_prompts
from ..generation.sampling import Settings
from .judging import Judges
from .metrics import METRICS, Metric, Value
from .results import Evaluation
from .run import evaluate

__all__ = [
    "METRICS",
    "Evaluation",
    "Judges",
    "Metric",
    "Prompt",
    "Settings",
    "Value",
    "class_prompts",
    "embedded_prompts",
    "evaluate",
    "read_prompts",
]
