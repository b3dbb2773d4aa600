"""Variants of the prompt: what is asked in place of the question, of whom, and with which marks of images left."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vrs_lmeval.reading.normalisation import normalise
from vrs_lmeval.records import Sample
from vrs_lmeval.variants.prompt_variants import GUESS_PREFACE, _find_changes, _find_next, leave_out_images
from vrs_lmeval.variants.rules import make_rule, read_variants, shows_no_image
from vrs_lmeval.variants.variant import Split, VariantError


def sample(number, image="a", question="is it a?", golds=("yes",), **rest):
    return Sample(f"s{number}", image, question, golds, rest.pop("answer_type", "closed"), **rest)


def rule_of(entry, *samples):
    (variant,) = (variant for variant in read_variants(["real", entry]) if variant.name != "real")
    return make_rule(variant, Split(samples, dict.fromkeys((each.image_id for each in samples), (8, 8))))


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("<image>\nis it a?\nAnswer.", "is it a?\nAnswer."),
        ("<image><image>\nis it a?", "is it a?"),
        ("<image> <image> <image>\nlargest?", "largest?"),
        ("Day 7: <image>\nso?", "Day 7:\nso?"),
        ("look at the <image> here", "look at the here"),
        ("is 2 < 3 and <images> a word?", "is 2 < 3 and <images> a word?"),
    ],
)
def test_no_mark_of_an_image_is_left_and_no_other_word_is_lost(prompt, expected):
    assert leave_out_images(prompt) == expected
    assert leave_out_images(prompt, "Guess.") == f"Guess.\n{expected}"


def test_absent_and_guess_ask_every_question_as_it_is():
    own = sample(1)
    absent, guess = rule_of("absent", own), rule_of("guess", own)
    assert not absent.shows_images
    assert not guess.shows_images
    assert (absent.preface, guess.preface) == ("", GUESS_PREFACE)
    assert absent.choose(own) == guess.choose(own) == "a"
    assert absent.ask(own) == guess.ask(own) == own
    assert rule_of({"name": "guess", "preface": "No picture. "}, own).preface == "No picture."


@pytest.mark.parametrize("preface", ["", " ", 3])
def test_a_preface_is_a_sentence(preface):
    with pytest.raises(VariantError, match="preface should be a sentence"):
        rule_of({"name": "guess", "preface": preface}, sample(1))


def test_a_task_without_real_may_show_no_image_at_all():
    assert shows_no_image(read_variants(["absent", "guess"]))
    assert not shows_no_image(read_variants(["real", "absent"]))
    with pytest.raises(VariantError, match="'real' is missing"):
        read_variants(["absent", "blank"])


YES_NO = [
    sample(1, "a", "is it a?", ("yes",)),
    sample(2, "a", "is there a mass?", ("no",)),
    sample(3, "b", "is it b?", ("no",)),
    sample(4, "b", "is it a?", ("no",)),  # the same words as the first
    sample(5, "c", "which organ?", ("liver",), answer_type="open"),
    sample(6, "c", "left or right?", ("left",)),
]


def test_another_images_question_takes_the_place_of_a_yes_no_question():
    rule = rule_of("question_shuffled", *YES_NO)
    for own in YES_NO[:4]:
        asked = rule.ask(own)
        assert asked == replace(own, question=asked.question), "image, golds and type stay"
        others = {normalise(other.question) for other in YES_NO[:4] if other.image_id != own.image_id}
        assert normalise(asked.question) in others - {normalise(own.question)}
        assert rule.choose(own) == own.image_id
    assert [rule.choose(other) for other in YES_NO[4:]] == [None, None]
    assert rule.evidence == {"asked": 4, "without_partner": 0, "no_yes_no_question": 2}
    assert rule.shows_images


@settings(derandomize=True, max_examples=60, deadline=None)
@given(st.permutations(YES_NO), st.integers(0, 5))
def test_the_other_question_depends_on_the_questions_and_the_seed_alone(order, seed):
    entry = {"name": "question_shuffled", "seed": seed}
    first, again = rule_of(entry, *YES_NO), rule_of(entry, *order)
    assert [first.ask(own) for own in YES_NO[:4]] == [again.ask(own) for own in YES_NO[:4]]


few_questions = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(["is it?", "Is it?", "was it?", "can it be?"])), max_size=14
)


@settings(derandomize=True, max_examples=200, deadline=None)
@given(few_questions)
def test_the_other_question_is_the_first_that_fits_on_the_way_around(drawn):
    """A naive twin: every place of the circle, one by one."""
    circle = [sample(number, image, question) for number, (image, question) in enumerate(drawn)]
    words = [normalise(each.question) for each in circle]
    changes = _find_changes(words)
    for place, own in enumerate(circle):
        expected = next(
            (
                other
                for other in (*circle[place + 1 :], *circle[:place])
                if other.image_id != own.image_id and normalise(other.question) != normalise(own.question)
            ),
            None,
        )
        assert _find_next(circle, words, changes, place) is expected


def test_many_questions_of_the_same_words_are_passed_over_in_one_step():
    circle = [sample(number, f"i{number}") for number in range(20_000)] + [sample("x", "z", "another?")]
    words = [normalise(each.question) for each in circle]
    changes = _find_changes(words)
    assert changes[0] == 20_000
    assert _find_next(circle, words, changes, 0) is circle[-1]


def test_a_wording_that_is_read_otherwise_is_no_paraphrase():
    """ "CT" answers both, but as one of two choices, and in free words."""
    own = sample(1, "a", "is this a CT or an MRI?", ("CT",), paraphrase_group="1")
    other = sample(2, "a", "which modality is this?", ("CT",), paraphrase_group="1", answer_type="open")
    with pytest.raises(VariantError, match="no question is linked"):
        rule_of("paraphrase", own, other)


def test_without_yes_no_questions_of_two_images_there_is_nothing_to_exchange():
    with pytest.raises(VariantError, match="no yes/no question has one of another image"):
        rule_of("question_shuffled", YES_NO[0], YES_NO[1], YES_NO[4])


LINKED = [
    sample(1, "a", "is there a mass?", paraphrase_group="7"),
    sample(2, "a", "Is a mass seen?", paraphrase_group="7"),
    sample(3, "a", "is there a mass ?", paraphrase_group="7"),  # no other words than the first
    sample(4, "b", "is there a mass?", paraphrase_group="7"),  # another image: no paraphrase
    sample(5, "b", "what is seen?", ("mass",), paraphrase_group="8", answer_type="open"),
    sample(6, "b", "what do you see?", ("a tumour",), paraphrase_group="8", answer_type="open"),  # another gold
    sample(7, "b", "where is it?", ("left",), answer_type="open"),  # linked to none
]


def test_a_paraphrase_is_another_wording_of_the_same_image_and_gold():
    rule = rule_of("paraphrase", *LINKED)
    asked = {own.sample_id: rule.ask(own).question for own in LINKED if rule.choose(own) is not None}
    assert asked == {"s1": "Is a mass seen?", "s2": asked["s2"], "s3": "Is a mass seen?"}
    assert normalise(asked["s2"]) == "is there mass"
    assert rule.evidence == {"asked": 3, "with_other_answer": 2, "without_paraphrase": 2}


def test_a_data_set_without_links_says_which_column_to_name():
    with pytest.raises(VariantError, match="paraphrase_group"):
        rule_of("paraphrase", *YES_NO)


def test_options_are_rotated_and_no_order_comes_twice():
    own = sample(1, options=("p", "q", "r"), golds=("q",))
    orders = []
    for by in (1, 2, 3):
        rule = rule_of({"name": f"rotated_{by}", "kind": "rotated", "by": by}, own)
        orders.append(rule.ask(own).options if rule.choose(own) else None)
    assert orders == [("q", "r", "p"), ("r", "p", "q"), None]
    assert rule_of("rotated", own).choose(sample(2)) is None, "a question without options has no order"


@pytest.mark.parametrize("by", [0, -1, True, "1", 1.0])
def test_a_rotation_is_by_whole_places(by):
    with pytest.raises(VariantError, match="by should be a whole number"):
        rule_of({"name": "rotated", "by": by}, sample(1, options=("p", "q")))
