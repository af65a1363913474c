"""Where words are among the tokens of a prompt."""

import pytest

from faster_diffusion.tasks.words import read


def places(tokenizer, prompt, phrase):
    return read(tokenizer, prompt).positions(read(tokenizer, phrase))


def test_words_and_how_many_tokens_they_have(tokenizer):
    assert read(tokenizer, "a dog on a mat").tokens_of_words == [1, 3, 1, 1, 1]


def test_punctuation_is_a_word_of_its_own(tokenizer):
    assert read(tokenizer, "a cat, red").tokens_of_words == [1, 1, 1, 1]


def test_an_empty_prompt_has_no_words(tokenizer):
    assert read(tokenizer, "").tokens_of_words == []


def test_a_word_is_found_with_all_its_tokens(tokenizer):
    assert places(tokenizer, "a dog on a mat", "dog") == [2, 3, 4]


def test_a_word_is_found_wherever_it_occurs(tokenizer):
    assert places(tokenizer, "a cat on a mat", "a") == [1, 4]


def test_several_words_in_a_row_are_found(tokenizer):
    assert places(tokenizer, "a red cat on a mat", "red cat") == [2, 3]


def test_case_and_what_stands_next_to_a_word_do_not_matter(tokenizer):
    assert places(tokenizer, "A Cat, red", "cat") == [2]


def test_the_end_of_a_word_is_not_a_word(tokenizer):
    assert places(tokenizer, "a zcat", "cat") == []


def test_a_word_that_is_not_there_has_no_place(tokenizer):
    assert places(tokenizer, "a cat", "dog") == []
    assert places(tokenizer, "a cat", "") == []


def test_a_prompt_too_long_for_the_text_encoder_is_refused(tokenizer):
    with pytest.raises(ValueError, match="has 17 tokens, the text encoder reads 16; shorten 'a a"):
        read(tokenizer, "a " * 15)
