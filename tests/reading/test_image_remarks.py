"""Remarks on the image against labelled sentences: as often right as reported; findings and thoughts are none."""

import hashlib
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.remark_sentences import DATA, SETS, read_labelled
from tools.report_remarks import CLASSES, Counts, count, write_table
from vrs_lmeval.reading import image_remarks, remark_phrases
from vrs_lmeval.reading.image_remarks import BLANK, MISMATCH, MISSING, declines, find_remark
from vrs_lmeval.reading.said_text import LONGEST_ANSWER
from vrs_lmeval.reading.thoughts import MARKS

DEVELOPMENT = read_labelled("image_remarks")


@pytest.mark.parametrize("row", DEVELOPMENT, ids=lambda row: row.text)
def test_sentences_written_beside_the_lexicon_are_read_as_labelled(row):
    assert find_remark(row.text) == row.remark
    assert declines(row.text) is row.declines


FLOORS = {
    MISSING: (0.99, 1.0),
    BLANK: (1.0, 0.96),
    MISMATCH: (1.0, 0.93),
    "any remark": (1.0, 0.97),
    "declines": (0.98, 0.99),
}
"""Precision and recall on the sentences held out, after mending, rounded down; docs have those at first sight."""


@pytest.mark.parametrize("name", CLASSES)
def test_sentences_of_another_author_are_not_read_worse(name):
    counts = count(name, read_labelled("image_remarks_held_out"))
    assert counts.found / (counts.found + counts.wrong) >= FLOORS[name][0]
    assert counts.found / (counts.found + counts.missed) >= FLOORS[name][1]


@pytest.mark.slow
def test_the_table_in_the_docs_is_the_report():
    page = (DATA.parents[1] / "docs" / "metrics.md").read_text(encoding="utf-8")
    assert write_table() in page


def test_the_sets_share_only_the_shortest_answers():
    ours, others = ({row.text for row in read_labelled(name)} for name in SETS)
    assert (len(ours), len(others), len(ours & others)) == (387, 526, 8)
    assert all(len(text) <= 33 for text in ours & others)


@pytest.mark.parametrize(
    ("text", "remark"),
    [
        ("The image does not match the question. It is blank.", BLANK),
        ("The image is blank. I cannot view images.", MISSING),
        ("This is not a mammogram. No image was provided.", MISSING),
        ("The image is blank. Please upload it again.", BLANK),  # a request alone says nothing of what is there
        ("The image shows a knee, not a liver. Please provide the image of the liver.", MISMATCH),
        ("Please provide the image of the liver.", MISSING),
        ("Yes. Answer: B. Note that the image is completely black.", BLANK),  # also behind the answer
        ("", None),
        ("...", None),
    ],
)
def test_of_several_remarks_the_first_in_order_counts(text, remark):
    assert find_remark(text) == remark


@pytest.mark.parametrize(
    ("question", "text", "remark"),
    [
        ("", "The image is a CT, not an MRI.", MISMATCH),
        ("Is this an MRI?", "The image is a CT, not an MRI.", None),
        ("Is there a lesion in the brain?", "The image is a CT, not an MRI.", MISMATCH),
        ("Which imaging modality was used?", "This is not an MRI. It is an ultrasound.", None),
        ("Does the picture contain a liver?", "The image does not show the liver.", None),
        ("Is the liver enlarged?", "The image does not show the liver.", MISMATCH),
        ("Is the liver enlarged?", "No, the image does not show the liver.", None),  # answers in its own words
        ("Is this an MRI?", "The image does not match the question.", MISMATCH),
    ],
)
def test_what_the_image_is_not_may_be_asked(question, text, remark):
    assert find_remark(text, question) == remark


@pytest.mark.parametrize("marks", MARKS, ids=lambda marks: marks.opener)
def test_thoughts_are_not_read(marks):
    text = f"{marks.opener}The image is blank, I cannot tell.{marks.closer}Yes."
    assert (find_remark(text), declines(text)) == (None, False)
    text = f"{marks.opener}A mass.{marks.closer}The image is blank, I cannot tell."
    assert (find_remark(text), declines(text)) == (BLANK, True)
    text = f"{marks.opener}The image is blank, I cannot tell."
    assert (find_remark(text), declines(text)) == (None, False), "the thought does not end"


def test_markup_invented_turns_and_capitals_change_nothing():
    assert find_remark("The image is **BLANK**.") == BLANK
    assert find_remark("\u201cNo image\u201d was provided.") == MISSING
    assert find_remark("Yes.\nQuestion: Is the image blank?\nAnswer: The image is blank.") is None
    assert find_remark("Yes.<|im_end|>The image is blank.") is None


@pytest.mark.parametrize(
    ("text", "remark"),
    [
        ("All pixels of the lesion are bright", None),
        ("Every pixel within the left lung is dark", None),
        ("All pixels of the image are grey", BLANK),
        ("All pixels are black", BLANK),
    ],
)
def test_pixels_of_a_part_are_a_finding(text, remark):
    assert find_remark(text) == remark


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It is not possible to exclude pneumonia.", False),
        ("It is not possible to definitively rule out a small pneumothorax.", False),
        ("It is not possible to exclude pneumonia, and not possible to say which lobe.", True),
        ("It is not possible to say.", True),
    ],
)
def test_what_cannot_be_excluded_is_a_finding_and_no_refusal(text, expected):
    assert declines(text) is expected


def test_no_more_than_the_longest_answer_is_read():
    assert find_remark("yes " * (LONGEST_ANSWER // 4) + ". The image is blank.") is None
    assert find_remark("The image is blank. " + "yes " * LONGEST_ANSWER) == BLANK


@pytest.mark.parametrize(
    "unit",
    ["the image ", "no ", "no image of a ", "a-", "the image you ", "the chest x-ray shows a ", "图像", "\\text{"],
)
def test_a_hundred_thousand_characters_are_read_as_their_beginning(unit):
    text = unit * (100_000 // len(unit))
    assert find_remark(text) == find_remark(text[:LONGEST_ANSWER])
    assert declines(text) is declines(text[:LONGEST_ANSWER])


@given(st.text(), st.text())
@settings(max_examples=50)
def test_any_text_is_read(text, question):
    assert find_remark(text, question) in {None, MISSING, BLANK, MISMATCH}
    assert declines(text) in {True, False}


def test_a_change_of_the_lexicon_raises_its_version():
    named = sorted({**vars(remark_phrases), **vars(image_remarks)}.items())
    parts = [part if isinstance(part, tuple) else (part,) for _, part in named if isinstance(part, (re.Pattern, tuple))]
    lexicon = "\n".join(pattern.pattern for part in parts for pattern in part)
    known = {"1": "6974676e36b4a36b", "2": "c9264772ea757fe8"}
    assert known[image_remarks.REMARKS_VERSION] == hashlib.sha256(lexicon.encode()).hexdigest()[:16]


def test_precision_and_recall_are_counted_by_hand():
    rows = [row for row in DEVELOPMENT if row.text in {"The image is blank.", "yes", "No image."}]
    assert count(BLANK, rows) == Counts(1, 0, 0)
    assert count("any remark", [row._replace(remark=None) for row in rows]) == Counts(0, 2, 0)
    assert count("any remark", [row._replace(remark=BLANK) for row in rows]) == Counts(2, 0, 1)
    assert Counts(1, 1, 3).describe() == "4 | 0.50 (1 of 2) | 0.25 (1 of 4)"
