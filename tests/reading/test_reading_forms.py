"""Forms in which models write answers, each read as what it says or as nothing: one row a form, smallest inputs."""

import os
from pathlib import Path

import pytest

from vrs_lmeval.reading.answers import REFUSAL, UNDECIDED, UNFINISHED, parse_answer
from vrs_lmeval.reading.choices import CONTRADICTORY
from vrs_lmeval.reading.markup import FORMS, take_off_markup
from vrs_lmeval.reading.normalisation import normalise
from vrs_lmeval.reading.option_likelihoods import find_gold_log_probability, read_most_probable, share_out
from vrs_lmeval.reading.option_names import count_collisions, name_options
from vrs_lmeval.reading.scoring import score_answer
from vrs_lmeval.reading.thoughts import MARKS
from vrs_lmeval.records import Sample

RECEPTORS = ("ER+/PR-", "ER-/PR+", "ER+/PR+", "ER-/PR-")
SIGNS = ("tr > tb", "tr < tb", "tr = tb")
BOTH = ("Effusion", "Pneumonia", "Both A and B", "None of the above")
HEPATITIS = ("Hepatitis B", "C", "A", "D")
BLOOD = ("A", "B", "AB", "O")
SCANS = ("CT", "MRI", "X-ray", "Ultrasound")


def ask(options=(), question="which?", golds=("x",), kind="closed"):
    return Sample("s", "i", question, golds, kind, options=options)


def label(options, text):
    """Number of the option that is read, or the reason why none is."""
    answer = parse_answer(text, ask(options))
    return answer.reason if answer.value is None else name_options(options).index(answer.value)


LABELS = [
    # options that only signs, relations or letters tell apart
    *((options, letter, number) for options in (RECEPTORS, SIGNS) for number, letter in enumerate("ABC")),
    (RECEPTORS, "ER-/PR+", 1),
    (RECEPTORS, "The answer is ER-/PR+.", 1),
    (RECEPTORS, "ER PR", CONTRADICTORY),
    (SIGNS, "tr < tb", 1),
    (("+", "-"), "-", 1),
    (("+", "-"), "A", 0),
    (BLOOD, "AB", 2),
    # a letter that stands alone is the label
    (BOTH, "B", 1),
    (BOTH, "Answer: B", 1),
    (BOTH, "<answer>B</answer>", 1),
    (BOTH, "Both A and B", 2),
    (HEPATITIS, "B", 1),
    (HEPATITIS, "(b).", 1),
    (BLOOD, "B", 1),
    # lists and echoes
    (SCANS, "A, C", CONTRADICTORY),
    (SCANS, "A and C", CONTRADICTORY),
    (SCANS, "A\nC", CONTRADICTORY),
    (SCANS, "A. CT\nB. MRI\nC. X-ray\nD. Ultrasound", CONTRADICTORY),
    (SCANS, "B. MRI\n\nExplanation: A. CT shows bone.", 1),
    # forms of a letter
    (SCANS, r"\boxed{B}", 1),
    (SCANS, r"The answer is $\boxed{\text{B}}$.", 1),
    (SCANS, r"\( \text{B} \)", 1),
    (SCANS, '{"answer": "B"}', 1),
    (SCANS, "The answer is B because of the contrast.", 1),
    (SCANS, "B. Unlike C, it shows soft tissue.", 1),
    (SCANS, "B. Unlike CT, it takes no radiation.", 1),
    (SCANS, "B. CT", CONTRADICTORY),
    (SCANS, "I choose B", 1),
    (SCANS, "I would go with option B.", 1),
    (SCANS, "Answer：B", 1),  # noqa: RUF001 - a full-width colon
    (SCANS, "<final_answer>B</final_answer>", 1),
    (SCANS, "**Answer:** B", 1),
    # comparatives
    (SCANS, "An MRI rather than a CT", 1),
    (SCANS, "It is an MRI, in contrast to a CT.", 1),
    # the last of the model's own labels, and the first turn
    (SCANS, "Answer: A\nActually, Answer: B", 1),
    (SCANS, "B<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\nA", 1),
    (SCANS, "B</s>A", 1),
    (SCANS, "B. Question: and this? Answer: A", 1),
    # talk of an assistant
    (SCANS, "B, but please upload the image.", REFUSAL),
    *((SCANS, f"{marks.opener}maybe A{marks.closer}B", 1) for marks in MARKS),
    *((SCANS, f"{marks.opener}maybe A", UNFINISHED) for marks in MARKS),
]

EFFUSION = "is there a pleural effusion?"
LARGER = "which is larger, the heart or the lung?"

YES_NO = [
    (EFFUSION, "There is a pleural effusion.", "yes"),
    (EFFUSION, "There is no pleural effusion.", "no"),
    (EFFUSION, "The image shows a pleural effusion.", "yes"),
    (EFFUSION, "There is a pleural effusion on the left.", "yes"),  # a place narrows what is there, and leaves it there
    (EFFUSION, "The image shows a mass.", UNDECIDED),
    (EFFUSION, "The image shows no mass but a pleural effusion.", UNDECIDED),
    ("are the lungs free of effusion?", "There is an effusion.", UNDECIDED),
    (EFFUSION, "Present.", "yes"),
    (EFFUSION, "Absent", "no"),
    (EFFUSION, "Negative", "no"),
    (EFFUSION, "None.", "no"),
    ("is the gallbladder absent?", "Absent", "yes"),
    ("is the gallbladder absent?", "Present", "no"),
    ("is the heart normal?", "Normal", "yes"),
    ("is the heart normal?", "Abnormal", "no"),
    ("is the heart abnormal?", "Normal.", "no"),
    (EFFUSION, "Normal", UNDECIDED),
    (EFFUSION, "(Yes/No) Yes", "yes"),
    (EFFUSION, "1. Yes: on the left\n2. No: on the right", CONTRADICTORY),
    (EFFUSION, "No, I cannot view images.", REFUSAL),
    (EFFUSION, "Yes, please upload the image.", REFUSAL),
    (EFFUSION, "Yes<|eot_id|>assistant\n\nNo", "yes"),
    (EFFUSION, "<|im_start|>assistant\nyes<|im_end|>", "yes"),
    (EFFUSION, "Yes. Question: is it large? Answer: No", "yes"),
    (EFFUSION, '{"answer": true}', "yes"),
    (LARGER, "The lung is larger than the heart.", "lung"),
    (LARGER, "The heart is bigger compared to the lung.", "heart"),
    (LARGER, "The heart is smaller than the lung.", CONTRADICTORY),
    (LARGER, "The heart is the largest among the heart and the lung.", "heart"),
    ("is this t1 or t2 weighted?", "The image is a T2 weighted MRI.", "t2"),
]


@pytest.mark.parametrize(("options", "text", "expected"), LABELS)
def test_options(options, text, expected):
    assert label(options, text) == expected


@pytest.mark.parametrize(("question", "text", "expected"), YES_NO)
def test_yes_and_no_and_alternatives(question, text, expected):
    answer = parse_answer(text, ask(question=question))
    assert (answer.value or answer.reason) == expected


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_markup(form):
    assert take_off_markup(form.wrapped) == form.plain


@pytest.mark.parametrize(
    "text", ["a_b and 3 < 5", "{not json", '{"a": 1}', "[1]", "T2*", "x² is μm", "left lung", '{"answer": [1, 2]}']
)
def test_what_is_no_markup_stays(text):
    assert normalise(take_off_markup(text)) == normalise(text)


def test_open_answers_lose_their_box():
    sample = ask(kind="open", golds=("left lung",))
    assert score_answer(parse_answer(r"\boxed{left lung}", sample), sample).correct == 1


def test_one_wrong_letter_is_wrong_fifteen_times():
    """Always "B", where the gold is A and only signs tell the options apart: accuracy 0, not 2/3."""
    samples = [ask(options, golds=(options[0],)) for options in (RECEPTORS, SIGNS, ("+", "-")) for _ in range(5)]
    assert [score_answer(parse_answer("B", sample), sample).correct for sample in samples] == [0] * 15
    assert [score_answer(parse_answer("A", sample), sample).correct for sample in samples] == [1] * 15


def test_equal_texts_are_one_answer_and_collisions_are_counted():
    assert name_options(("CT", "ct", "MRI")) == ("ct", "ct", "mri")
    assert (
        name_options(("a+", "a-", "A+ ", "b")) == ("a+", "a-", "a+", "b") or len(set(name_options(("a+", "a-")))) == 2
    )
    assert count_collisions(("CT", "ct", "MRI")) == 0
    assert count_collisions(RECEPTORS) == 3


def test_likelihoods_are_known_by_place():
    sample = ask(RECEPTORS, golds=("ER-/PR+",))
    shared = share_out([-3.0, -1.0, -2.0, -4.0])
    assert score_answer(read_most_probable(shared, sample), sample).correct == 1
    assert find_gold_log_probability(shared, sample) == shared[1]
    assert score_answer(read_most_probable(share_out([-1.0, -3.0, -2.0, -4.0]), sample), sample).correct == 0


WRAPPINGS = {
    "box": r"\boxed{{{}}}",
    "text in a box": r"$\boxed{{\text{{{}}}}}$",
    "maths": r"\( \text{{{}}} \)",
    "JSON": '{{"reasoning": "...", "answer": "{}"}}',
    "code block": '```json\n{{"answer": "{}"}}\n```',
    "tag": "<answer>{}</answer>",
    "final tag": "I looked.\n<final_answer>{}</final_answer>",
    "label": "Answer: {}",
    "bold": "**{}**",
    "end of turn": "{}<|eot_id|>",
}


@pytest.fixture(scope="module")
def golds_of_vqa_rad():
    folder = os.environ.get("VRS_DATA_DIR")
    if not folder:
        pytest.skip("VRS_DATA_DIR is not set: the real VQA-RAD is not in the repository")
    parquet = pytest.importorskip("pyarrow.parquet", reason="reads the real VQA-RAD")
    file = next(iter(sorted(Path(folder).glob("flaviagiammarino/vqa-rad/data/test-*.parquet"))), None)
    if file is None:
        pytest.skip(f"VRS_DATA_DIR={folder} holds no flaviagiammarino/vqa-rad")
    return parquet.read_table(file, columns=["question", "answer"]).to_pylist()


@pytest.mark.parametrize("wrap", WRAPPINGS.values(), ids=WRAPPINGS)
def test_every_gold_of_vqa_rad_is_right_in_every_wrapping(golds_of_vqa_rad, wrap):
    right = 0
    for row in golds_of_vqa_rad:
        is_closed = row["answer"] in {"yes", "no"} or " or " in row["question"]
        sample = ask(question=row["question"], golds=(row["answer"],), kind="closed" if is_closed else "open")
        right += score_answer(parse_answer(wrap.format(row["answer"]), sample), sample).correct
    assert right == len(golds_of_vqa_rad) == 451
