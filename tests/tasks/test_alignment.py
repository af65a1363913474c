"""Which tokens correspond: pure functions of numbers of tokens and of token ids."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from faster_diffusion.tasks.alignment import common, refined, swapped

START, END = 98, 99
words = st.lists(st.integers(1, 4), max_size=5)
ids = st.lists(st.integers(0, 3), max_size=8).map(lambda tokens: [START, *tokens, END])


def sources(alignment):
    """For each token of the edited prompt, the tokens of the source that it takes from."""
    return [column.nonzero().flatten().tolist() for column in alignment.T]


def test_words_of_one_token_are_swapped_in_place():
    assert torch.equal(swapped([1, 1], [1, 1], 8), torch.eye(8))


def test_a_new_word_of_more_tokens_shares_the_attention_of_the_old_word():
    alignment = swapped([1, 1, 1], [1, 2, 1], 8)
    assert sources(alignment)[:6] == [[0], [1], [2], [2], [3], [4]]  # start, word, both tokens, word, end
    assert alignment[2, 2:4].tolist() == [0.5, 0.5]


def test_a_new_word_of_fewer_tokens_gets_the_attention_of_the_old_word_together():
    alignment = swapped([1, 3], [1, 1], 8)
    assert alignment[:, 2].tolist() == [0, 0, 1, 1, 1, 0, 0, 0]
    assert sources(alignment)[3] == [5]  # the end token


def test_words_of_equally_many_tokens_exchange_them_one_to_one():
    assert torch.equal(swapped([3], [3], 8), torch.eye(8))


def test_padding_that_only_one_prompt_has_belongs_to_the_last_of_the_other():
    assert sources(swapped([3], [1], 7))[-2:] == [[6], [6]]
    assert sources(swapped([1], [3], 7))[-1] == [4, 5, 6]


def test_where_one_prompt_has_no_padding_its_end_stands_for_the_others():
    assert sources(swapped([1], [3], 5))[-1] == [2, 3, 4]
    assert sources(swapped([3], [1], 5))[-3:] == [[4], [4], [4]]


def test_prompts_that_fill_all_tokens_can_be_swapped():
    assert torch.equal(swapped([2, 4], [2, 4], 8), torch.eye(8))


def test_words_beyond_the_length_are_refused():
    with pytest.raises(ValueError, match="more tokens than fit a prompt of 5"):
        swapped([4], [1], 5)


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 3)), max_size=6))
def test_a_swap_loses_and_adds_no_attention(counts):
    alignment = swapped([a for a, _ in counts], [b for _, b in counts], 20)
    assert (alignment >= 0).all()
    assert torch.allclose(alignment.sum(1), torch.ones(20))
    assert (alignment.sum(0) > 0).all()  # every new token has a counterpart


@given(words)
def test_a_swap_with_itself_changes_nothing(counts):
    assert torch.equal(swapped(counts, counts, 24), torch.eye(24))


def test_an_added_word_has_no_counterpart_and_the_others_keep_theirs():
    alignment = refined([START, 1, 2, END], [START, 1, 7, 2, END], 8)
    assert sources(alignment) == [[0], [1], [], [2], [3], [4], [5], [6]]


def test_padding_the_source_does_not_have_has_no_counterpart():
    alignment = refined([START, 1, 7, 2, END], [START, 1, 2, END], 8)
    assert sources(alignment) == [[0], [1], [3], [4], [5], [6], [7], []]


def test_another_word_in_the_same_place_has_no_counterpart():
    assert sources(refined([START, 1, END], [START, 2, END], 4)) == [[0], [], [2], [3]]


@given(ids, ids)
def test_refinement_relates_equal_tokens_in_order(source, target):
    pairs = common(source, target)
    assert all(source[i] == target[j] for i, j in pairs)
    assert all(a < b and c < d for (a, c), (b, d) in pairwise(pairs))
    assert pairs[0] == (0, 0)
    assert pairs[-1] == (len(source) - 1, len(target) - 1)
    assert set(refined(source, target, 12).sum(0).tolist()) <= {0.0, 1.0}


@given(ids, st.data())
def test_what_is_left_of_a_prompt_keeps_its_counterparts(source, data):
    kept = data.draw(st.lists(st.booleans(), min_size=len(source), max_size=len(source)))
    target = [token for token, keep in zip(source, kept, strict=True) if keep]
    assert len(common(source, target)) == len(target)


@given(ids)
def test_refinement_by_nothing_changes_nothing(tokens):
    assert torch.equal(refined(tokens, tokens, 12), torch.eye(12))
