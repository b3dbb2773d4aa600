"""Answers: whole words, the first decisive one, never a guess; choices told from real "A or B" questions."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vrs_lmeval.reading.answers import parse_answer
from vrs_lmeval.reading.choices import find_alternatives, read_gold
from vrs_lmeval.reading.normalisation import normalise
from vrs_lmeval.reading.said_text import LONGEST_ANSWER
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


@pytest.mark.parametrize("text", ["normal, with no enlargement", "The lungs are normal. There is no effusion."])
def test_no_as_a_mere_determiner_does_not_answer_the_question(text):
    assert parse_answer(text, NORMAL) == Answer(None, "no decisive token")


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("are the lungs clear?", "No infiltrates or effusions are seen."),
        ("is this a normal chest x-ray?", "No abnormalities detected."),
        ("is the heart normal in size?", "No cardiomegaly."),
        ("is the trachea midline?", "No tracheal deviation is seen."),
        ("is there a pleural effusion?", "There is a left effusion; no pleural thickening."),
        ("is the heart enlarged?", "The heart is enlarged, with no heart failure."),
        ("is there mass effect in the brain?", "There is a large mass with no brain herniation."),
        ("is there mass effect?", "There is no mass."),
        ("is there an effusion?", "A right effusion, no effusion on the left."),
        ("is there a left effusion?", "No left or apical pneumothorax."),
        ("is there a mass?", "no fracture and the mass is large"),
        ("is there a fracture?", "No fracture except in the ribs"),
        ("is there a fracture?", "no fracture of the ribs"),
        ("are the lungs free of consolidation?", "No consolidation."),
        ("is there no evidence of hyperattenuation?", "No evidence of hyperattenuation"),
        ("are the lungs clear?", "No evidence to suggest an infiltrate"),
        ("are the lungs clear?", "There are no signs of infiltrates."),
        ("are the lungs clear?", "No evidence in the pleura"),
        ("is there a mass?", "The answer is not yes."),
    ],
)
def test_no_before_a_noun_decides_only_where_it_denies_what_is_asked(question, text):
    assert parse_answer(text, ask(question)) == Answer(None, "no decisive token")


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("is there a pleural effusion?", "No pleural effusion."),
        ("is there a pleural effusion?", "There is no pneumothorax or pleural effusion."),
        ("is there a pneumothorax?", "No pneumothorax, no effusion."),
        ("are there fractures?", "No fracture is seen."),
        ("is there a mass present?", "no masses"),
        ("are there opacities in the lungs?", "There is no opacity in the lungs."),
        ("is there evidence of rib fracture?", "no evidence of fractures of the ribs"),
        ("is there evidence of rib fracture?", "There is no evidence."),
        ("is there evidence of rib fracture?", "No evidence in this image"),
        ("is there a left effusion?", "No effusion on the left."),
        ("is there a fracture?", "There is no evidence to suggest a definite fracture"),
        ("the fracture was seen?", "no fracture"),
        ("is there a shift of midline structures?", "No midline shift is present"),
        ("are the lungs clear?", "No it is not"),
        ("are the lungs clear?", "No there is an effusion"),
        ("are the lungs clear?", "No the left lung is opaque"),
        ("are the lungs free of consolidation?", "No."),
    ],
)
def test_no_before_a_noun_that_was_asked_about_decides(question, text):
    assert parse_answer(text, ask(question)) == Answer("no")


@pytest.mark.parametrize(
    "text",
    [
        "Yes, a small effusion on the right, no effusion on the left.",
        "Yes, a small effusion at the base, no effusion elsewhere",
        "Yes, the right side has an effusion, but no effusion is at the apex",
    ],
)
def test_a_yes_is_not_revoked_by_what_it_goes_on_to_deny(text):
    assert parse_answer(text, ask("is there an effusion?")) == Answer("yes")


@pytest.mark.parametrize(
    ("text", "sample", "answer"),
    [
        ("Yes. The answer is based on the cortical break.", POLAR, Answer("yes")),
        ("Yes\nAnswer:", POLAR, Answer("yes")),
        ("No.\nThe answer is", POLAR, Answer("no")),
        ("No.\nThe answer is the", POLAR, Answer("no")),
        ("Answer: no\nAnswer:", POLAR, Answer("no")),
        ("No\n<answer>", POLAR, Answer("no")),
        ("Answer: \n", POLAR, Answer(None, "empty")),
        ("pneumonia\nAnswer:", OPEN, Answer("pneumonia")),
        ("The lung is opaque. The answer is pneumonia", OPEN, Answer("pneumonia")),
        (
            "Pneumonia. The answer is based on consolidation.",
            OPEN,
            Answer("pneumonia answer is based on consolidation"),
        ),
        ("The answer is not clear.", OPEN, Answer(None, "refusal")),
        ("The answer is not clear.", POLAR, Answer(None, "refusal")),
    ],
)
def test_a_label_is_followed_only_to_an_answer(text, sample, answer):
    assert parse_answer(text, sample) == answer


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
        ("Gray matter", "grey matter"),
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
def test_a_megabyte_is_read_up_to_the_limit(word):  # a reader of quadratic cost would hang here for minutes
    hostile = word * (1_000_000 // len(word))
    for sample in (POLAR, MODALITY, CONTRAST, OPEN):
        answer = parse_answer(hostile, sample)
        assert answer.value is None or len(answer.value) <= LONGEST_ANSWER


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
