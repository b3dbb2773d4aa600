"""What is said of a model, case by case: metrics and answers -> the kind of verdict and the words that it must hold."""

import math

import pytest

from vrs_lmeval.leaderboard.runs import GivenAnswer, ScoredSample
from vrs_lmeval.leaderboard.verdict import Kind, find_unread, find_warm_changes, judge
from vrs_lmeval.records import Interval
from vrs_lmeval.uncertainty.limits import find_exact_limits


def interval(estimate, low=math.nan, high=math.nan, images=89):
    if math.isnan(low):  # no image differs
        low, high = find_exact_limits(estimate, images, (-1.0, 1.0))
    return Interval(estimate, low, high, "", 2 * images, images)


def sample(real, shuffled):
    """Each answer right (1), wrong (0) or unread (None)."""
    answers = {
        name: GivenAnswer("", float(correct or 0), correct is not None, "i")
        for name, correct in (("real", real), ("shuffled", shuffled))
    }
    return ScoredSample("s", "i", "q", ("g",), "open", (), {}, answers=answers)


READ = [sample(1, 1)] * 9 + [sample(1, 0)]

CASES = {
    # name: (metrics, samples, blind floor, kind, words)
    "the sighted control": (
        {"vrs": interval(0.488, 0.399, 0.577), "vrs_ceiling": interval(0.66)},
        READ,
        0.414,
        Kind.LOOKS,
        ["looks at the image", "+0.488 [+0.399, +0.577]", "perfect sight would have about 0.660"],
    ),
    "the blind control": (
        {"vrs": interval(0.0, -0.017, 0.017), "image_sensitivity": interval(0.049, 0.013, 0.084)},
        READ,
        0.414,
        Kind.HARDLY,
        ["hardly looks", "0.049 [0.013, 0.084]", "its VRS is below 0.017"],
    ),
    "open answers in sentences, which exact match counts as wrong": (
        {
            "vrs": interval(0.0, images=43),
            "image_sensitivity": interval(0.698, 0.546, 0.850, images=43),
            "acc": interval(0.0, images=43),
            "recall_open": interval(0.42, 0.3, 0.5, images=43),
            "acc_open": interval(0.0, images=43),
        },
        [sample(0, 0)],
        0.3,
        Kind.ANSWERS_CHANGE,
        [
            "the image reaches its answers",
            "not shown to be right more often",
            "takes no image (0.300)",
            "names 42% of the right words of open questions, and has 0% of them exactly",
        ],
    ),
    "six questions": (
        {"vrs": interval(0.167, -0.623, 0.957, images=6)},
        READ,
        0.4,
        Kind.CANNOT_TELL,
        ["only 6 images", "+0.167 [-0.623, +0.957]"],
    ),
    "an interface that returned nothing": (
        {"vrs": interval(0.0), "image_sensitivity": interval(0.0)},
        [sample(None, None)],
        0.4,
        Kind.CANNOT_TELL,
        ["100% of its answers with its own image could not be read, 100% with another's"],
    ),
    "451 of 451 answers unchanged on 203 images": (
        {"vrs": interval(0.0, images=203), "image_sensitivity": interval(0.0, images=203)},
        READ,
        0.4,
        Kind.HARDLY,
        ["its VRS is below 0.015"],  # 1 - .05^(1/203) = .01465
    ),
    "right with its image, refuses with any other": (
        {"vrs": interval(0.895, 0.84, 0.95), "vrs_ceiling": interval(0.66)},
        [sample(1, None)] * 9 + [sample(1, 0)],
        0.4,
        Kind.LOOKS,
        ["perfect sight would have about 0.660", "+0.900 of that comes from answers that could be read under one"],
    ),
    "few questions, little known": (
        {"vrs": interval(0.03, -0.04, 0.10), "image_sensitivity": interval(0.03, 0.0, 0.06)},
        READ,
        0.4,
        Kind.CANNOT_TELL,
        ["its VRS may be 0 (+0.030 [-0.040, +0.100])", "more images would tell"],
    ),
    "a small VRS, and answers that may change or not": (
        {"vrs": interval(0.0, -0.01, 0.01), "image_sensitivity": interval(0.1, 0.0, 0.2)},
        READ,
        0.4,
        Kind.CANNOT_TELL,
        ["its VRS may be 0 (+0.000 [-0.010, +0.010])"],
    ),
    "how far answers change was not measured": (
        {"vrs": interval(-0.09, -0.2, 0.02)},
        READ,
        0.4,
        Kind.CANNOT_TELL,
        ["its VRS may be 0 (-0.090 [-0.200, +0.020])"],
    ),
    "misled by its own image": (
        {"vrs": interval(-0.2, -0.3, -0.1)},
        READ,
        0.4,
        Kind.PREFERS_OTHER,
        ["right more often with another image", "-0.200 [-0.300, -0.100]"],
    ),
    "answers change no more than by being asked again": (
        {
            "vrs": interval(0.0, -0.02, 0.02),
            "image_sensitivity": interval(0.12, 0.10, 0.14),
            "retest_sensitivity": interval(0.11, 0.09, 0.13),
        },
        READ,
        0.4,
        Kind.HARDLY,
        ["(image sensitivity 0.120 [0.100, 0.140]) hardly more often than asking again does (0.110", "below 0.020"],
    ),
    "the same sensitivity, above what asking again gives": (
        {
            "vrs": interval(0.0, -0.02, 0.02),
            "image_sensitivity": interval(0.12, 0.10, 0.14),
            "retest_sensitivity": interval(0.02, 0.0, 0.04),
        },
        READ,
        0.4,
        Kind.ANSWERS_CHANGE,
        ["the image reaches its answers"],
    ),
    "every question right with its own image alone": (
        {"vrs": interval(1.0)},
        [sample(1, 0)],
        0.4,
        Kind.LOOKS,
        ["VRS +1.000 [+0.934, +1.000]"],
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_verdict_of(case):
    metrics, samples, floor, kind, words = case
    verdict = judge(metrics, samples, floor)
    assert verdict.kind is kind, verdict.sentence
    for part in words:
        assert part in verdict.sentence


def test_texts_that_change_when_asked_again_warm_raise_the_floor():
    metrics = {"vrs": interval(0.0, -0.02, 0.02), "image_sensitivity": interval(0.12, 0.10, 0.14)}
    assert judge(metrics, READ, 0.4).kind is Kind.ANSWERS_CHANGE
    warm = find_warm_changes({"vrs_cold_warm": {"asked_again": 100, "warm": 80, "changed": 8}})
    assert warm.estimate == pytest.approx(0.1)
    assert warm.high > 0.14
    told = judge(metrics, READ, 0.4, warm)
    assert told.kind is Kind.HARDLY
    assert "hardly more often than asking again does (0.100 [" in told.sentence


@pytest.mark.parametrize("setup", [{}, {"vrs_cold_warm": None}, {"vrs_cold_warm": {"warm": 90, "changed": 0}}])
def test_where_no_text_changed_the_floor_stays(setup):
    assert find_warm_changes(setup) is None


def test_few_changes_among_many_never_lower_it():
    warm = find_warm_changes({"vrs_cold_warm": {"warm": 1000, "changed": 1}})
    metrics = {"vrs": interval(0.0, -0.02, 0.02), "image_sensitivity": interval(0.03, 0.02, 0.04)}
    assert judge(metrics, READ, 0.4, warm).kind is judge(metrics, READ, 0.4).kind is Kind.HARDLY


def test_nothing_is_called_blind_whose_answers_change():
    """Whatever VRS is: a sensitivity surely above its floor never ends in a verdict of not looking."""
    for high in (0.001, 0.04, 0.2, 0.9):
        metrics = {"vrs": interval(0.0, -high, high), "image_sensitivity": interval(0.5, 0.3, 0.7)}
        assert judge(metrics, READ, 0.4).kind is Kind.ANSWERS_CHANGE


def test_vrs_is_split_by_what_could_be_read():
    unread = find_unread([sample(1, None), sample(1, 0), sample(None, 1), sample(None, None)])
    assert (unread.real, unread.shuffled) == (2 / 4, 2 / 4)
    assert unread.in_vrs == (1 + 0 - 1 + 0) / 4  # the second is the part of answers that changed
    assert math.isnan(find_unread([]).in_vrs)


OPEN_STORIES = {
    # VRS of open questions by exact match, by golds named, by recall -> words that must be said, or None
    "the same story": (interval(0.2, 0.1, 0.3), interval(0.3, 0.2, 0.4), interval(0.3, 0.2, 0.4), None),
    "sentences hold what exact match misses": (
        interval(0.0, -0.05, 0.05),
        interval(0.3, 0.2, 0.4),
        interval(0.02, -0.1, 0.1),
        "exact match tells another story (VRS +0.000 [-0.050, +0.050]) than by golds that they name +0.300 [",
    ),
    "nobody can tell": (interval(0.0, -0.3, 0.3), interval(0.1, -0.1, 0.3), interval(0.1, -0.1, 0.3), None),
}


@pytest.mark.parametrize(("exact", "named", "recall", "said"), OPEN_STORIES.values(), ids=OPEN_STORIES)
def test_where_gentler_scores_tell_another_story_it_is_said(exact, named, recall, said):
    metrics = {"vrs": interval(0.0, -0.03, 0.03), "vrs_open": exact, "vrs_named": named, "vrs_recall": recall}
    sentence = judge(metrics, READ, 0.4).sentence
    assert (said in sentence) if said else ("another story" not in sentence)
