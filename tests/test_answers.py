"""Answers: whole words, the first decisive one, never a guess; choices told from real "A or B" questions."""

import os
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vrs_lmeval.answers import LONGEST_ANSWER, parse_answer
from vrs_lmeval.choices import find_alternatives, read_gold
from vrs_lmeval.normalisation import normalise
from vrs_lmeval.records import Answer, Sample


def ask(question, answer_type="closed", options=()):
    return Sample("s", "i", question, ("yes",), answer_type, options)


POLAR = ask("is there evidence of an aortic aneurysm?")
NORMAL = ask("is the heart normal?")
MODALITY = ask("is this a ct or an mri?")
SIDE = ask("is the lesion on the left or right side of the brain?")
PLANE = ask("which plane is this?", options=("Axial", "Coronal", "Sagittal"))
CONTRAST = ask("what is this?", options=("CT", "CT with contrast", "MRI", "None of these"))
OPEN = ask("what is seen?", "open")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"),
        ("Yes.", "yes"),
        ("YES, a nodule", "yes"),
        ("no", "no"),
        ("No, the lungs are clear.", "no"),
        ("yeah", "yes"),
        ("Yep", "yes"),
        ("nope", "no"),
        ("True", "yes"),
        ("false.", "no"),
        ("no evidence of an aortic aneurysm", "no"),
        ("There is no evidence of an aortic aneurysm.", "no"),
        ("There is no aneurysm.", "no"),
        ("I would say yes", "yes"),
        ("I would say no.", "no"),
        ("The answer is yes", "yes"),
        ("The correct answer is: no", "no"),
        ("Answer: Yes", "yes"),
        ("**Answer:** No", "no"),
        ("Well, no.", "no"),
        ("Yes. The cause is unclear.", "yes"),
        ("Yes, but I am not sure", "yes"),
        ("yes, a nodule; no effusion", "yes"),
        ("<think>no, wait</think>yes", "yes"),
        ("no, perhaps</think>\nyes", "yes"),
        ("<answer>yes</answer> no", "yes"),
        ("<think>no</think><answer>Yes</answer>", "yes"),
        ("<answer>yes", "yes"),
        ("No\nQuestion: is there a mass?\nAnswer: yes", "no"),
        ("Let us see. The aorta is wide.\nAnswer: yes", "yes"),
        ("Yes. There is no aneurysm elsewhere.", "yes"),
        ("Answer: no\nI look again.\nFinal answer: yes", "yes"),
        ("no</s>", "no"),
        ("yes<|im_end|>", "yes"),
        ("\uff59\uff45\uff53", "yes"),
        ("yes\u00a0", "yes"),
    ],
)
def test_yes_and_no_are_read_from_the_first_decisive_word(text, value):
    assert parse_answer(text, POLAR) == Answer(value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        (" \n ", "empty"),
        ("...", "empty"),
        ("Answer:", "empty"),
        ("<answer></answer>", "empty"),
        ("normal", "no decisive token"),
        ("a nodule", "no decisive token"),
        ("I know the noise is not notable", "no decisive token"),
        ("yesterday", "no decisive token"),
        ("the true lumen", "no decisive token"),
        ("true lumen", "no decisive token"),
        ("false lumen is seen", "no decisive token"),
        ("A", "no decisive token"),
        ("not sure", "refusal"),
        ("I'm not sure, yes", "refusal"),
        ("cannot determine", "refusal"),
        ("It cannot be determined from this image.", "refusal"),
        ("I can\u2019t tell", "refusal"),
        ("No way to tell.", "refusal"),
        ("I'm sorry, but I can't help with that.", "refusal"),
        ("I don't know", "refusal"),
        ("unclear", "refusal"),
        ("yes or no", "contradictory"),
        ("Yes/No", "contradictory"),
        ("yes and no", "contradictory"),
        ("no, yes", "contradictory"),
        ("Yes, there is no aneurysm", "contradictory"),
        ("<think>the aorta looks wide, yes", "unfinished reasoning"),
        ("<think>yes</think>", "unfinished reasoning"),
    ],
)
def test_what_does_not_decide_is_unparsable_with_its_reason(text, reason):
    assert parse_answer(text, POLAR) == Answer(None, reason)


@pytest.mark.parametrize("text", ["normal, with no enlargement", "The heart is normal. There is no effusion."])
def test_no_as_a_mere_determiner_does_not_answer_the_question(text):
    assert parse_answer(text, NORMAL) == Answer(None, "no decisive token")


# Rows of VQA-RAD (test unless said): question, gold, the choices that should be found.
ALTERNATIVES = [
    ("are there multiple or just 1 metastatic focus?", "one", ("multiple", "1")),
    ("is this supratentorial or infratentorial?", "supratentorial", ("supratentorial", "infratentorial")),
    ("is this an mri or a ct scan?", "mri", ("mri", "ct")),
    ("is this image normal or abnormal?", "abnormal", ("normal", "abnormal")),
    ("is the gastric bubble shown on the left or right side of the patient?", "right side", ("left", "right")),
    (
        "are pleural opacities located on the left, right, or both sides of the lung?",
        "both",
        ("left", "right", "both"),
    ),
    ("is this a t1 weighted, t2 weighted, or flair image?", "flair", ("t1 weighted", "t2 weighted", "flair")),
    (
        "is there hypoinflation or hyperinflation of the lung",
        "hyperinflation",
        ("hypoinflation", "hyperinflation"),
    ),
    ("was a ct or mri used to take the above image?", "mri", ("ct", "mri")),
    ("which is highlighted in this image, white or gray matter?", "gray matter", ("white", "gray")),  # train
    ("was this a contrast ct or a non-contrast ct?", "non-contrast ct", ()),  # train: "ct" on both sides
    ("does this image use contrast or not?", "contrast", ()),  # train
    ("do you favor a viral process or parasitic process or other?", "viral", ()),  # train: two "or"
    ("is the abnormality hyper dense or hypo dense?", "hypodense", ()),  # train
]


@pytest.mark.parametrize(("question", "gold", "choices"), ALTERNATIVES)
def test_choices_come_from_the_question_where_they_can_be_told(question, gold, choices):
    assert find_alternatives(question) == choices
    assert parse_answer(gold, ask(question)).value == read_gold(gold, ask(question))


@pytest.mark.parametrize(
    ("text", "sample", "value"),
    [
        ("MRI", MODALITY, "mri"),
        ("This is an MRI.", MODALITY, "mri"),
        ("The image is a CT scan", MODALITY, "ct"),
        ("x-ray", MODALITY, "xray"),
        ("It is not an MRI", MODALITY, "it is not mri"),
        ("neither CT nor MRI", MODALITY, "neither ct nor mri"),
        ("left", SIDE, "left"),
        ("The lesion is on the left side.", SIDE, "left"),
        ("right-sided", SIDE, "right"),
        ("It is not on the left", SIDE, "it is not on left"),
        ("Yes, a mass is seen", ask("does the liver show an enhancing mass or lesion?"), "yes"),
        ("both left and right", SIDE, "both left and right"),
        ("MRI, although the sequence is unclear", MODALITY, "mri"),
        ("True lumen", ask("is this the true or false lumen?"), "true"),
        ("yes", MODALITY, "yes"),
        ("no", ask("does the liver show an enhancing mass or lesion?"), "no"),
        ("Large bowel", ask("is this the small bowel or colon?"), "large bowel"),
        ("small bowel", ask("is this the small bowel or colon?"), "bowel"),
    ],
)
def test_an_alternative_is_named_only_by_words_that_add_nothing(text, sample, value):
    assert parse_answer(text, sample) == Answer(value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("CT or MRI", "contradictory"),
        ("I cannot tell", "refusal"),
        ("It is unclear, MRI", "refusal"),
        ("", "empty"),
        ("the", "empty"),
    ],
)
def test_alternatives_that_are_not_chosen_are_unparsable(text, reason):
    assert parse_answer(text, MODALITY) == Answer(None, reason)


@pytest.mark.parametrize(
    ("text", "sample", "value"),
    [
        ("B", PLANE, "coronal"),
        ("(b)", PLANE, "coronal"),
        ("B.", PLANE, "coronal"),
        ("B) Coronal", PLANE, "coronal"),
        ("Answer: B", PLANE, "coronal"),
        ("The correct answer is (B) because of the ribs", PLANE, "coronal"),
        ("<answer>B</answer>", PLANE, "coronal"),
        ("Option C", PLANE, "sagittal"),
        ("I choose option B: coronal", PLANE, "coronal"),
        ("coronal", PLANE, "coronal"),
        ("Coronal, but I am not sure", PLANE, "coronal"),
        ("B. But I'm not sure.", PLANE, "coronal"),
        ("This is a coronal plane. Axial planes differ.", PLANE, "coronal"),
        ("A CT with contrast", CONTRAST, "ct with contrast"),
        ("This is a CT with contrast", CONTRAST, "ct with contrast"),
        ("ct", CONTRAST, "ct"),
        ("none of these", CONTRAST, "0 of these"),
        ("A", ask("is it?", options=("Yes", "No")), "yes"),
        ("B. No", ask("is it?", options=("Yes", "No")), "no"),
        ("no", ask("is it?", options=("yes", "no")), "no"),
    ],
)
def test_given_options_are_named_by_letter_or_by_their_words(text, sample, value):
    assert parse_answer(text, sample) == Answer(value)


@pytest.mark.parametrize(
    ("text", "sample", "reason"),
    [
        ("A large liver is seen", PLANE, "no option named"),
        ("F", PLANE, "no option named"),
        ("B. Axial", PLANE, "contradictory"),
        ("axial or coronal", PLANE, "contradictory"),
        ("(A) or (B)", PLANE, "contradictory"),
        ("A/B", PLANE, "contradictory"),
        ("not axial", PLANE, "negated option"),
        ("I am not sure", PLANE, "refusal"),
        ("I am not sure, coronal", PLANE, "refusal"),
        ("abaxial", PLANE, "no option named"),
        ("A. no", ask("is it?", options=("yes", "no")), "contradictory"),
        ("normal", ask("is it?", options=("yes", "no")), "no decisive token"),
        ("normal with no mass", ask("is it?", options=("yes", "no")), "no decisive token"),
    ],
)
def test_given_options_that_are_not_chosen_are_unparsable(text, sample, reason):
    assert parse_answer(text, sample) == Answer(None, reason)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("The Right Lung.", "right lung"),
        ("Skull \tcartilage and medulla", "skull cartilage and medulla"),
        ("x-ray", "xray"),
        ("X Ray", "xray"),
        ("3.4 cm", "3.4 cm"),
        ("1,000 ml", "1000 ml"),
        ("two", "2"),
        ("P.A.", "pa"),
        ("T2-weighted", "t2 weighted"),
        ("caudate, putamen,left parietal", "caudate putamen left parietal"),
        ("patient\u2019s left", "patients left"),
        ("unclear margins", "unclear margins"),
        ("<answer>Axial</answer>", "axial"),
        ("Answer: axial\nQuestion: what else?", "axial"),
    ],
)
def test_open_answers_are_the_normalised_text(text, value):
    assert parse_answer(text, OPEN) == Answer(value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("the", "empty"),
        ("unclear", "refusal"),
        ("It is unknown.", "refusal"),
        ("I am not sure", "refusal"),
        ("The plane cannot be determined", "refusal"),
        ("I'm sorry, I can't view the image", "refusal"),
    ],
)
def test_open_refusals_are_unparsable(text, reason):
    assert parse_answer(text, OPEN) == Answer(None, reason)


WORDS = "yes no not a the left right ct mri or and , . ? ( ) B. <answer> </answer> answer: sure axial"
texts = st.text(max_size=60) | st.lists(
    st.sampled_from(WORDS.split()),
    max_size=12,
).map(" ".join)


@given(texts, st.sampled_from([POLAR, MODALITY, SIDE, PLANE, OPEN]))
@settings(derandomize=True, max_examples=300, deadline=None)
def test_any_text_gives_a_normalised_value_or_a_reason_and_never_both(text, sample):
    answer = parse_answer(text, sample)
    assert (answer.value is None) != (answer.reason is None)
    if answer.value is not None:
        assert answer.value
        assert normalise(answer.value) == answer.value


@given(st.sampled_from(["Yes", "no", "maybe normal", "cannot determine"]), st.text(" \n\t", max_size=5))
@settings(derandomize=True, max_examples=50)
def test_space_around_a_text_changes_nothing(text, space):
    assert parse_answer(space + text + space, POLAR) == parse_answer(text, POLAR)


@pytest.mark.parametrize("word", ["no ", "ct ", "<think>", "answer: ", " ", "\n \n", "a.", "no evidence of "])
def test_a_megabyte_is_read_in_a_moment(word):
    hostile = word * (1_000_000 // len(word))
    started = time.perf_counter()
    for sample in (POLAR, MODALITY, CONTRAST, OPEN):
        answer = parse_answer(hostile, sample)
        assert answer.value is None or len(answer.value) <= LONGEST_ANSWER
    assert time.perf_counter() - started < 10  # a quadratic reader needs minutes


def test_every_gold_of_vqa_rad_is_read_as_itself():
    folder = os.environ.get("VRS_DATA_DIR")
    if not folder:
        pytest.skip("VRS_DATA_DIR is not set: the real VQA-RAD is not in the repository")
    parquet = pytest.importorskip("pyarrow.parquet", reason="reads the real VQA-RAD")
    file = next(iter(sorted(Path(folder).glob("flaviagiammarino/vqa-rad/data/test-*.parquet"))), None)
    if file is None:
        pytest.skip(f"VRS_DATA_DIR={folder} holds no flaviagiammarino/vqa-rad")
    rows = parquet.read_table(file, columns=["question", "answer"]).to_pylist()
    closed = [row for row in rows if row["answer"] in {"yes", "no"} or " or " in row["question"]]
    assert (len(closed), len(rows) - len(closed)) == (272, 179)
    for row in rows:
        sample = Sample("s", "i", row["question"], (row["answer"],), "closed" if row in closed else "open")
        assert parse_answer(row["answer"], sample) == Answer(read_gold(row["answer"], sample))
    choices = [row for row in closed if row["answer"] not in {"yes", "no"}]
    assert len(choices) == 21
    assert all(find_alternatives(row["question"]) for row in choices)
