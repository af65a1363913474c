"""Two pipelines: one with random weights that runs in milliseconds, and the embedded model, which draws."""

import string

import pytest
import torch
from transformers import CLIPTokenizer

from faster_diffusion import demo
from specimens import toys

WORDS = ("a", "cat", "on", "mat", "red")  # of one token each; other words are spelled in letters
LENGTH = 16


@pytest.fixture(scope="session")
def tokenizer():
    """A tokenizer of CLIP's kind. "dog" has three tokens, "lion" four."""
    merges = []
    for word in WORDS:
        whole, *rest = [*word[:-1], word[-1] + "</w>"]
        for piece in rest:
            merges.append((whole, piece))
            whole += piece
    letters = [*string.ascii_lowercase, ","]
    tokens = [*letters, *(letter + "</w>" for letter in letters), *map("".join, merges)]
    vocabulary = {token: i for i, token in enumerate([*dict.fromkeys(tokens), "<|startoftext|>", "<|endoftext|>"])}
    return CLIPTokenizer(vocab=vocabulary, merges=list(dict.fromkeys(merges)), model_max_length=LENGTH)


@pytest.fixture
def toy(tokenizer):
    pipe = toys.stable_diffusion().to(torch.float64)  # rounding decides where a blend ends
    pipe.register_modules(tokenizer=tokenizer)
    return pipe


@pytest.fixture(scope="session")
def scenes():
    if "scenes" not in demo.available():
        pytest.skip("the scenes model is not in this checkout")
    pipe = demo.load()
    pipe.set_progress_bar_config(disable=True)
    return pipe
