"""A byte-pair tokenizer in CLIP's format: each word of the captions is one token, other text falls back to bytes."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path

from tokenizers.pre_tokenizers import ByteLevel
from transformers import CLIPTokenizer

from faster_diffusion.demo import scenes

LENGTH = 32
START, END = "<|startoftext|>", "<|endoftext|>"
WORD_END = "</w>"


def words() -> list[str]:
    """Every word a caption can hold."""
    relations = [word for relation in scenes.RELATIONS for word in relation.split()]
    attributes = [*scenes.COLOURS, *scenes.SHAPES, *scenes.SIZES, *scenes.BACKGROUNDS]
    return list(dict.fromkeys([*attributes, *relations, "a", "an", "on", "background"]))


def learn_merges(words: list[str]) -> list[tuple[str, str]]:
    """Byte-pair encoding: merge the most frequent pair of neighbours, until every word is one token."""
    spelled = [[*word[:-1], word[-1] + WORD_END] for word in words]
    merges = []
    while pairs := Counter(pair for word in spelled for pair in pairwise(word)):
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        merges.append(best)
        spelled = [_merge(word, best) for word in spelled]
    return merges


def _merge(word: list[str], pair: tuple[str, str]) -> list[str]:
    merged: list[str] = []
    for piece in word:
        if merged and (merged[-1], piece) == pair:
            merged[-1] += piece
        else:
            merged.append(piece)
    return merged


def vocabulary(merges: list[tuple[str, str]]) -> dict[str, int]:
    """All bytes, all bytes at a word's end, the merges; the two special tokens have the highest ids, as in CLIP."""
    letters = sorted(ByteLevel.alphabet())
    tokens = [*letters, *(letter + WORD_END for letter in letters), *("".join(pair) for pair in merges), START, END]
    return {token: number for number, token in enumerate(dict.fromkeys(tokens))}


def build() -> CLIPTokenizer:
    """The tokenizer."""
    merges = learn_merges(words())
    return CLIPTokenizer(vocab=vocabulary(merges), merges=merges, model_max_length=LENGTH)


def save(folder: Path) -> None:
    """Write it as new transformers (tokenizer.json) and as old ones (vocab.json, merges.txt) read it."""
    build().save_pretrained(folder)
    merges = learn_merges(words())
    (folder / "vocab.json").write_text(json.dumps(vocabulary(merges), ensure_ascii=False), encoding="utf-8")
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
