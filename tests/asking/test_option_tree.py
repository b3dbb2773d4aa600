"""Options as a tree of tokens: what is asked, and that the sums are those of whole passes."""

import math

import pytest

from vrs_lmeval.asking.option_tree import Step, grow_tree, score_options


def test_options_of_one_token_are_one_node():
    assert grow_tree([[5], [7], [9]]) == {(): (5, 7, 9)}


def test_a_common_first_token_is_asked_once():
    assert grow_tree([[1, 5], [1, 7]]) == {(): (1,), (1,): (5, 7)}


def test_options_of_several_tokens_and_one_that_begins_another():
    assert grow_tree([[1], [1, 2], [3, 4, 5]]) == {(): (1, 3), (1,): (2,), (3,): (4,), (3, 4): (5,)}


def test_scores_are_sums_along_the_path_and_greedy_where_every_token_is_the_most_probable():
    steps = {
        (): Step({1: math.log(0.5), 3: math.log(0.25)}, 1),
        (1,): Step({2: math.log(0.125)}, 9),
        (3,): Step({4: math.log(0.5)}, 4),
    }
    scored = score_options([[1], [1, 2], [3, 4]], steps)
    assert [score for score, _ in scored] == pytest.approx([math.log(0.5), math.log(0.0625), math.log(0.125)])
    assert [is_greedy for _, is_greedy in scored] == [True, False, False]
