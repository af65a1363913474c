"""What people do with pipelines besides sampling a prompt, accelerated or not."""

from .local_blend import LocalBlend
from .prompt_to_prompt import PromptToPrompt

__all__ = ["LocalBlend", "PromptToPrompt"]
