"""What the cascade reads with: a tiny T5 encoder, and a tokenizer in T5's format with one token a word."""

from __future__ import annotations

import json
import string
from pathlib import Path

import torch
from torch import Tensor
from transformers import T5Config, T5EncoderModel, T5Tokenizer

from ..scenes.tokenizer import words

LENGTH = 77  # that of DeepFloyd-IF's pipelines
WIDTH = 96
SPECIAL = ["<pad>", "</s>", "<unk>"]  # at the places where T5 has them


def tokenizer() -> T5Tokenizer:
    """Words of the captions are one token each; other words fall into letters, which cost more than any word."""
    vocabulary = [(token, 0.0) for token in SPECIAL]
    vocabulary += [(f"▁{word}", -1.0) for word in words()]
    vocabulary += [(token, -20.0) for token in ["▁", *string.ascii_lowercase]]
    return T5Tokenizer(vocab=vocabulary, extra_ids=0, model_max_length=LENGTH)


def for_old_and_new(folder: Path) -> None:
    """Let transformers before 5 read the tokenizer of a packaged pipeline: it has another name there, which 5 knows."""
    index, settings = folder / "model_index.json", folder / "tokenizer/tokenizer_config.json"
    index.write_text(index.read_text().replace('"T5Tokenizer"', '"T5TokenizerFast"'))
    kept = json.loads(settings.read_text())
    kept.pop("extra_special_tokens", None)  # there are none, and how that is said has changed
    settings.write_text(json.dumps(kept, indent=2) + "\n")


def encoder() -> T5EncoderModel:
    """Untrained, always the same weights."""
    torch.manual_seed(6)
    config = T5Config(
        vocab_size=len(tokenizer()),
        d_model=WIDTH,
        d_kv=24,
        num_heads=4,
        d_ff=2 * WIDTH,
        num_layers=2,
        feed_forward_proj="gated-gelu",
        dropout_rate=0.0,
    )
    return T5EncoderModel(config)


def tokenise(captions: list[str]) -> Tensor:
    """Tokens (N, 77), padded as the pipeline pads them."""
    return tokenizer()(captions, padding="max_length", truncation=True, return_tensors="pt").input_ids


def states(text: T5EncoderModel, tokens: Tensor) -> Tensor:
    """What the UNets attend to, (N, 77, width), as the pipeline takes it."""
    return text(tokens, attention_mask=(tokens != SPECIAL.index("<pad>")).long()).last_hidden_state
