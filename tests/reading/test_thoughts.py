"""Thoughts before answers: each family's marks, prompts that end in an open one, and what is left as the answer."""

import pytest

from vrs_lmeval.reading.thoughts import MARKS, cut_thoughts, find_open_thought


@pytest.mark.parametrize("marks", MARKS, ids=lambda marks: marks.opener)
def test_each_familys_thought_is_cut(marks):
    assert cut_thoughts(f"{marks.opener}maybe A{marks.closer}\n\nB") == "B"
    assert cut_thoughts(f"maybe A{marks.closer}B") == "B", "the prompt opened it"
    assert cut_thoughts(f"{marks.opener}maybe A") == f"{marks.opener}maybe A"


@pytest.mark.parametrize("marks", MARKS, ids=lambda marks: marks.opener)
def test_a_prompt_that_ends_in_an_open_thought_is_seen(marks):
    assert find_open_thought(f"assistant\n{marks.opener}\n") == marks.opener
    assert find_open_thought(f"assistant\n{marks.opener}\n\n{marks.closer}\n\n") is None
    assert find_open_thought(f"Think between {marks.opener} and {marks.closer}. assistant\n") is None


def test_the_last_closed_thought_counts():
    assert cut_thoughts("<think>A</think>no<think>B</think> yes") == "yes"
    assert cut_thoughts("<THINK>A</THINK> yes") == "yes"
    assert cut_thoughts("no thought at all") == "no thought at all"


def test_an_answer_before_a_thought_that_goes_on_is_no_end():
    text = "<think>A</think>yes<think>but"
    assert cut_thoughts(text) == "yes<think>but"
