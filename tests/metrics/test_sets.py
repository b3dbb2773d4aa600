"""Sets: shares of whole sets and their errors, worked by hand."""

import math

import pytest

from vrs_lmeval.metrics.question_sets import WHOLE_SETS_ALIKE, WHOLE_SETS_RIGHT, SetMember
from vrs_lmeval.uncertainty.intervals import find_error, find_value


def pair(name, images, correct=(1.0, 1.0), answers=("left", "right")):
    return [SetMember(name, 2, *each) for each in zip(correct, answers, images, strict=True)]


def locate(members):
    """With their images, as the harness is given them for an error."""
    return [(member, member.image_id) for member in members]


def test_a_set_is_right_only_as_a_whole():
    members = pair("1", "ab") + pair("2", "cd", correct=(1.0, 0.0)) + pair("3", "ef", correct=(0.0, 0.0))
    assert find_value(WHOLE_SETS_RIGHT, members) == pytest.approx(1 / 3)


def test_parts_of_sets_and_questions_of_none_do_not_count():
    members = [*pair("1", "ab"), pair("2", "cd", correct=(0.0, 0.0))[0], None]
    assert find_value(WHOLE_SETS_RIGHT, members) == 1
    assert math.isnan(find_value(WHOLE_SETS_RIGHT, [None]))
    assert math.isnan(find_value(WHOLE_SETS_RIGHT, []))


def test_confusion_is_over_sets_whose_answers_were_all_parsed():
    members = pair("1", "ab", answers=("left", "left")) + pair("2", "cd") + pair("3", "ef", answers=("left", None))
    assert find_value(WHOLE_SETS_ALIKE, members) == pytest.approx(1 / 2)
    assert math.isnan(find_value(WHOLE_SETS_ALIKE, pair("3", "ef", answers=(None, None))))


def test_sets_linked_by_images_are_one_cluster():
    # a-b, b-c and d-c hang together, e-f stands alone: right are 2 of 3 and 0 of 1.
    members = pair("1", "ab") + pair("2", "bc") + pair("3", "dc", (1.0, 0.0)) + pair("4", "ef", (0.0, 1.0))
    assert find_value(WHOLE_SETS_RIGHT, members) == pytest.approx(1 / 2)
    # Residuals by cluster: 2 - 3/2 and 0 - 1/2, with 3/4 and 1/4 of the sets; sqrt(1/4 * 4 + 1/4 * 4/3) / 4.
    assert find_error(WHOLE_SETS_RIGHT, locate(members)) == pytest.approx(math.sqrt(4 / 3) / 4)
    one_cluster = pair("1", "ab") + pair("2", "bc")
    assert math.isnan(find_error(WHOLE_SETS_RIGHT, locate(one_cluster)))


def test_the_error_of_confusion_uses_the_same_clusters():
    members = pair("1", "ab", answers=("x", "x")) + pair("2", "cd") + pair("3", "ef", answers=("x", None))
    # One of two pairs, each a cluster: sqrt(2/1 * (1/4 + 1/4)) / 2.
    assert find_error(WHOLE_SETS_ALIKE, locate(members)) == pytest.approx(1 / 2)
