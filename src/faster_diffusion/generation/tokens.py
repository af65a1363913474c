"""What of a prompt a pipeline does not read, since it is longer than its text encoder takes."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from inspect import signature
from typing import Any

logger = logging.getLogger(__name__)

_UNLIMITED = 100_000  # tokenizers that know no limit say a huge number
_SHOWN = 60  # characters


def warn_of_cuts(pipe: Any, texts: Iterable[str], remedy: str = "") -> None:
    """Warns, once, of prompts whose end is cut off, and says what helps."""
    texts = list(dict.fromkeys(texts))
    cuts = [(text, cut) for text in texts for cut in [cut_off(pipe, text)] if cut]
    if not cuts:
        return
    _, (rest, limit) = cuts[0]
    rest = rest if len(rest) <= _SHOWN else f"{rest[: _SHOWN - 3]}..."
    which = "The prompt is" if len(texts) == 1 else f"{len(cuts)} of {len(texts)} prompts are"
    where = "Its" if len(texts) == 1 else "Of the first the"
    logger.warning(
        "%s longer than the %d tokens that %s reads. %s end has no effect: %r.%s",
        *(which, limit, type(pipe).__name__, where, rest, remedy and f" {remedy}"),
    )


def cut_off(pipe: Any, text: str) -> tuple[str, int] | None:
    """The end of a prompt that no text encoder reads, and how many tokens one reads; none if all is read."""
    cuts = [_cut_off(pipe, tokenizer, text) for tokenizer in tokenizers(pipe)]
    if not cuts or None in cuts:
        return None
    return min((cut for cut in cuts if cut), key=lambda cut: len(cut[0]))


def is_cut(pipe: Any, text: str) -> bool:
    """Whether any text encoder lacks the end of a prompt."""
    return any(_cut_off(pipe, tokenizer, text) is not None for tokenizer in tokenizers(pipe))


def tokenizers(pipe: Any) -> list[Any]:
    """The tokenizers of a pipeline's text encoders."""
    found = (getattr(pipe, name, None) for name in ("tokenizer", "tokenizer_2", "tokenizer_3"))
    return [tokenizer for tokenizer in found if callable(tokenizer)]


def _cut_off(pipe: Any, tokenizer: Any, text: str) -> tuple[str, int] | None:
    limit = _limit(pipe, tokenizer)
    if limit is None:
        return None
    convert = getattr(pipe, "maybe_convert_prompt", None)  # embeddings of several tokens
    tokens = tokenizer(convert(text, tokenizer) if convert else text, truncation=False).input_ids
    if len(tokens) <= limit:
        return None
    ends = 1 if tokens[-1] == tokenizer.eos_token_id else 0  # which is kept, as the last
    rest: str = tokenizer.decode(tokens[limit - ends : len(tokens) - ends], skip_special_tokens=True)
    return rest.strip(), limit


def _limit(pipe: Any, tokenizer: Any) -> int | None:
    most = getattr(tokenizer, "model_max_length", _UNLIMITED)
    asked = signature(type(pipe).__call__).parameters.get("max_sequence_length")
    if asked is not None and isinstance(asked.default, int) and type(tokenizer).__name__.startswith("T5"):
        return asked.default
    return most if most < _UNLIMITED else None
