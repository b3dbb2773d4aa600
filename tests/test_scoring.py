"""Scores worked out by hand, and against naive twins."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.naive_metrics import naive_token_f1, naive_token_recall

from vrs_lmeval.reading.answers import parse_answer
from vrs_lmeval.reading.scoring import compare_tokens, score_answer
from vrs_lmeval.records import Answer, Sample, Score


def make(gold, *more, answer_type="open", question="what is seen?", options=()):
    return Sample("s", "i", question, (gold, *more), answer_type, options)


def score(text, sample):
    return score_answer(parse_answer(text, sample), sample)


@pytest.mark.parametrize(
    ("text", "gold", "expected"),
    [
        ("The right lung.", "right lung", Score(1.0, 1.0, 1.0)),
        ("right lung base", "right lung", Score(0.0, 4 / 5, 1.0)),  # 2 common of 3 + 2 words
        ("lung", "right lung", Score(0.0, 2 / 3, 0.5)),
        ("liver", "right lung", Score(0.0, 0.0, 0.0)),
        ("lung lung lung", "right lung", Score(0.0, 2 / 5, 0.5)),  # a repeated word counts once, as in the gold
        ("two", "2", Score(1.0, 1.0, 1.0)),
        ("x-ray", "XRay", Score(1.0, 1.0, 1.0)),
        ("skull cartilage and medulla", "skull \tcartilage and medulla", Score(1.0, 1.0, 1.0)),
    ],
)
def test_open_answers_worked_by_hand(text, gold, expected):
    result = score(text, make(gold))
    assert (result.correct, result.token_f1, result.token_recall) == pytest.approx(
        (expected.correct, expected.token_f1, expected.token_recall)
    )


def test_each_field_is_the_best_over_the_golds():
    sample = make("peritoneum", "acute peritonitis of the abdomen")
    assert score("peritoneum", sample).correct == 1.0
    partial = score("acute peritonitis", sample)  # against the second gold: 2 common of 2 + 4 words ("the" is out)
    assert partial == Score(0.0, pytest.approx(4 / 6), 0.5)


@pytest.mark.parametrize("reason", ["empty", "refusal", "contradictory"])
def test_an_unparsable_answer_scores_zero_in_every_field(reason):
    assert score_answer(Answer(None, reason), make("0")) == Score(0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("text", "question", "gold", "correct"),
    [
        ("Yes, a nodule", "is there a nodule?", "yes", 1.0),  # substring tests find "no" in "nodule"
        ("normal", "is there a nodule?", "no", 0.0),
        ("no", "is there a nodule?", "Yes", 0.0),
        ("Yes", "is there a nodule?", "Yes", 1.0),
        ("MRI", "is this an mri or a ct scan?", "mri", 1.0),  # LLaVA-Med's closed test scores it 0
        ("CT", "is this an mri or a ct scan?", "mri", 0.0),
        ("left", "is the gastric bubble on the left or right side of the patient?", "left side", 1.0),
        ("abnormal", "is this image normal or abnormal?", "normal", 0.0),
        ("1", "are there multiple or just 1 metastatic focus?", "one", 1.0),
        ("large bowel", "is the pathologic part of this image the small bowel or colon?", "small bowel", 0.0),
        ("yes", "is there a mass or lesion?", "yes", 1.0),
        ("non-contrast CT", "is this a contrast ct or a non-contrast ct?", "non-contrast ct", 1.0),
        ("contrast CT", "is this a contrast ct or a non-contrast ct?", "non-contrast ct", 0.0),
    ],
)
def test_closed_answers_and_golds_are_read_by_the_same_rules(text, question, gold, correct):
    assert score(text, make(gold, answer_type="closed", question=question)).correct == correct


@pytest.mark.parametrize("gold", ["B", "Coronal", "coronal"])
def test_a_gold_may_be_a_letter_or_the_option_itself(gold):
    sample = make(gold, answer_type="closed", options=("Axial", "Coronal"))
    assert score("(B)", sample).correct == 1.0
    assert score("axial", sample).correct == 0.0


def test_a_sample_without_gold_is_an_error():
    with pytest.raises(ValueError, match="no gold"):
        score_answer(Answer("yes"), Sample("s", "i", "q", (), "open"))


words = st.lists(st.sampled_from(["left", "right", "lung", "lobe", "upper", "1"]), max_size=6).map(" ".join)


@given(words, words)
@settings(derandomize=True, max_examples=200)
def test_token_overlap_equals_the_naive_twin(answer, gold):
    assert compare_tokens(answer, gold) == pytest.approx(
        (naive_token_f1(answer.split(), gold.split()), naive_token_recall(answer.split(), gold.split()))
    )


@given(words, words)
@settings(derandomize=True, max_examples=100)
def test_token_f1_is_symmetric_and_one_for_equal_bags(first, second):
    assert compare_tokens(first, second)[0] == pytest.approx(compare_tokens(second, first)[0])
    assert (compare_tokens(first, second)[0] == 1.0) == (sorted(first.split()) == sorted(second.split()))
