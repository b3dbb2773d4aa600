"""Scores worked out by hand, and against naive twins; `named` is containment that no denial touches."""

from dataclasses import astuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.naive_metrics import naive_named, naive_token_f1, naive_token_recall

from vrs_lmeval.reading.answers import parse_answer, parse_tagged_answer
from vrs_lmeval.reading.mentions import FORMS, says
from vrs_lmeval.reading.normalisation import split_words
from vrs_lmeval.reading.scoring import compare_tokens, find_gold_named, score_answer
from vrs_lmeval.records import Answer, Sample, Score


def make(gold, *more, answer_type="open", question="what is seen?", options=()):
    return Sample("s", "i", question, (gold, *more), answer_type, options)


def score(text, sample):
    return score_answer(parse_answer(text, sample), sample, text)


@pytest.mark.parametrize(
    ("text", "gold", "expected"),
    [
        ("The right lung.", "right lung", Score(1.0, 1.0, 1.0, 1.0)),
        ("right lung base", "right lung", Score(0.0, 4 / 5, 1.0, 1.0)),  # 2 common of 3 + 2 words
        ("lung", "right lung", Score(0.0, 2 / 3, 0.5, 0.0)),
        ("liver", "right lung", Score(0.0, 0.0, 0.0, 0.0)),
        ("lung lung lung", "right lung", Score(0.0, 2 / 5, 0.5, 0.0)),  # a repeated word counts once, as in the gold
        ("two", "2", Score(1.0, 1.0, 1.0, 1.0)),
        ("x-ray", "XRay", Score(1.0, 1.0, 1.0, 1.0)),
        ("skull cartilage and medulla", "skull \tcartilage and medulla", Score(1.0, 1.0, 1.0, 1.0)),
    ],
)
def test_open_answers_worked_by_hand(text, gold, expected):
    result = score(text, make(gold))
    assert astuple(result) == pytest.approx(astuple(expected))


def test_each_field_is_the_best_over_the_golds():
    sample = make("peritoneum", "acute peritonitis of the abdomen")
    assert score("peritoneum", sample).correct == 1.0
    partial = score("acute peritonitis", sample)  # against the second gold: 2 common of 2 + 4 words ("the" is out)
    assert partial == Score(0.0, pytest.approx(4 / 6), 0.5, 0.0)


@pytest.mark.parametrize("reason", ["empty", "refusal", "contradictory"])
def test_an_unparsable_answer_scores_zero_in_every_field(reason):
    assert score_answer(Answer(None, reason), make("0")) == Score(0.0, 0.0, 0.0, 0.0)


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


@pytest.mark.parametrize(
    ("gold", "text", "correct"),
    [
        ("A", "A", 1),
        ("A", "(a).", 1),
        ("A", "The answer is A.", 1),
        ("A", "B", 0),
        ("B", "A", 0),
        ("A", "the", 0),
        ("the", "the", 1),
        ("+", "+", 1),
        ("+", "-", 0),
        ("+", "Answer: +", 1),
        ("+", r"\boxed{+}", 1),
        ("+", "<answer>+</answer>", 1),
        ("\u2212", "-", 1),  # the sign of mathematics, and the key
        ("A+", "a+", 1),
        ("A+", "A", 0),
        ("+", "...", 0),
        ("unknown", "Unknown.", 1),
        ("not sure", "not sure", 1),
        ("not sure", "unknown", 0),
        ("liver", "unknown", 0),
    ],
)
def test_golds_without_words_and_refusals_are_right_where_they_are_repeated(gold, text, correct):
    assert score(text, make(gold)).correct == correct
    assert score(text, make(gold)).token_f1 == correct or text in {"unknown", "not sure"}


def test_a_refusal_that_a_closed_gold_repeats_is_right():
    sample = make("unknown", answer_type="closed", question="is it benign or malignant?")
    assert [score(text, sample).correct for text in ("unknown", "benign", "I do not know")] == [1, 0, 0]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: f"{form.phrase}: {form.text}")
def test_every_form_is_said_or_denied_as_its_example_says(form):
    assert says(form.text, form.phrase) == form.is_said


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("The image shows the left lung.", 1),
        ("<think>The right lung?</think>The image shows the left lung.", 1),
        ("<think>The left lung?</think>The image shows the heart.", 0),
        (r"\boxed{the left lung, mostly}", 1),
        ("There is no mass. It is the left lung.", 1),
        ("The left upper lung", 0),
        ("It is not the left lung.", 0),
        ("I cannot tell. Perhaps the left lung.", 0),  # a refusal names nothing
        ("", 0),
        ("The spleen is seen.", 1),  # the second gold
    ],
)
def test_an_open_answer_names_a_gold_that_it_says_in_one_run(text, named):
    assert score(text, make("left lung", "spleen")).named == named


def test_without_the_text_a_denial_reaches_over_the_sentence():
    sample, text = make("left lung"), "There is no mass. It is the left lung."
    answer = parse_answer(text, sample)
    assert find_gold_named(answer, sample, text)
    assert not find_gold_named(answer, sample)
    assert not find_gold_named(answer, sample, "It is the left lung.")  # another text than the answer was read from


def test_of_several_blocks_the_one_that_was_read_counts():
    sample, text = make("lung"), "<answer>The lung.</answer> No: <answer>The heart.</answer>"
    assert find_gold_named(parse_tagged_answer(text, sample), sample, text) is False


@pytest.mark.parametrize("options", [(), ("yes", "no")])
def test_closed_questions_are_named_where_they_are_right(options):
    sample = make("yes", answer_type="closed", options=options)
    assert find_gold_named(parse_answer("yes", sample), sample, "yes") is None
    assert [score(text, sample).named for text in ("Yes, it is.", "no")] == [1, 0]


spoken = st.lists(st.sampled_from(["left", "Lung", "mass", "no", "but", ".", "the", "2"]), max_size=9).map(" ".join)
affirmed = st.lists(st.sampled_from(["the", "image", "shows", "a", "large", "in", ",", "."]), max_size=6).map(" ".join)
golds = st.sampled_from(["left lung", "mass", "two", "lung mass", "no mass", "the left"])


@given(spoken, golds)
@settings(derandomize=True, max_examples=300)
def test_what_is_said_equals_the_naive_twin(text, gold):
    assert says(text, gold) == naive_named(text.lower().split(), gold.split())


@given(spoken, golds)
@settings(derandomize=True, max_examples=200)
def test_what_is_right_is_named(text, gold):
    result = score(text, make(gold))
    assert result.named >= result.correct
    assert result.token_recall == 1 or not result.named


@given(affirmed, golds, affirmed)
@settings(derandomize=True, max_examples=200)
def test_words_around_a_gold_that_deny_nothing_leave_it_named(before, gold, behind):
    text = f"{before} {gold} {behind}"
    assert says(text, gold)
    assert score(text, make(gold)).named == 1
    assert split_words(text) == split_words(f"{before} ") + split_words(gold) + split_words(f" {behind}")
