"""Where words are among the tokens of a prompt, for tokenizers in CLIP's format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

WORD_END = "</w>"  # how CLIP's vocabulary spells the last token of a word


@dataclass(frozen=True)
class TokenisedPrompt:
    """A prompt as the text encoder reads it, without padding. Punctuation marks are words of their own."""

    text: str
    tokens: tuple[int, ...]  # ids, from the start token to the end token
    ends: tuple[int, ...]  # for each word, the position after its last token

    @property
    def tokens_of_words(self) -> list[int]:
        """How many tokens each word has."""
        return [end - start for start, end in zip((1, *self.ends), self.ends, strict=False)]

    def positions(self, phrase: TokenisedPrompt) -> list[int]:
        """Positions of all tokens of a word, or of several in a row, wherever they occur; empty if they do not."""
        sought = phrase.tokens[1:-1]
        starts = (1, *self.ends)
        found = [start for start in starts if sought and self.tokens[start : start + len(sought)] == sought]
        return [start + offset for start in found for offset in range(len(sought))]


def read(tokenizer: Any, text: str) -> TokenisedPrompt:
    """Splits a text into tokens and words.

    Raises:
        ValueError: it is longer than the text encoder reads.
    """
    tokens = tuple(tokenizer(text, verbose=False).input_ids)
    length = tokenizer.model_max_length
    if len(tokens) > length:
        raise ValueError(f"A prompt has {len(tokens)} tokens, the text encoder reads {length}; shorten {text!r}.")
    spelled, added = tokenizer.convert_ids_to_tokens(tokens), tokenizer.get_added_vocab()
    ends = (i + 1 for i, token in enumerate(spelled) if token.endswith(WORD_END) or token in added)
    return TokenisedPrompt(text, tokens, tuple(end for end in ends if 1 < end < len(tokens)))
