"""Columns are told by their names, then by what they hold; what its owner names comes first."""

from pathlib import Path

import pytest

from vrs_lmeval.own_data.columns import choose_columns
from vrs_lmeval.own_data.problems import OwnDataError
from vrs_lmeval.own_data.tables import OwnTable, TableRow


def table(**columns):
    rows = [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]
    made = tuple(TableRow(number, f"row {number}", row) for number, row in enumerate(rows, start=2))
    return OwnTable(Path("q.csv"), tuple(columns), made, "utf-8")


def choose(named=(), **columns):
    return choose_columns(table(**columns), dict(named), lambda text: text.endswith(".png")).columns


IMAGE, QUESTION = ["a.png", "b.png"], ["Is it?", "Where?"]


@pytest.mark.parametrize(
    ("image", "question", "answer"),
    [
        ("image", "question", "answer"),
        ("Image Path", "Question Text", "Correct Answer"),
        ("imageFile", "QUERY", "gt_answer"),
        ("file-name", "q", "Ground truth"),
        ("IMG_ID", "prompt", "label"),
    ],
)
def test_common_names_are_known_however_they_are_written(image, question, answer):
    found = choose(**{"n": ["1", "2"], image: IMAGE, question: QUESTION, answer: ["yes", "left"]})
    assert found == {"image": (image,), "question": (question,), "answer": (answer,)}


@pytest.mark.parametrize(
    "names", [("A", "B", "C"), ("option_a", "option_b"), ("choice_A", "choice_B", "choice_C"), ("Option 1", "Option 2")]
)
def test_options_may_have_a_column_each(names):
    found = choose(image=IMAGE, question=QUESTION, answer=["A", "B"], **{name: ["x", "y"] for name in names})
    assert found["options"] == names


def test_letters_that_are_not_in_a_row_are_no_options():
    assert "options" not in choose(image=IMAGE, question=QUESTION, answer=["1", "2"], x=["1", "2"], y=["3", "4"])


def test_several_images_have_a_column_each_in_order():
    found = choose(image_10=IMAGE, image_2=IMAGE, image_1=IMAGE, question=QUESTION, answer=["1", "2"])
    assert found["image"] == ("image_1", "image_2", "image_10")


def test_of_several_names_the_image_is_the_one_that_names_files():
    found = choose(image_id=["17", "18"], file=IMAGE, question=QUESTION, answer=["1", "2"])
    assert found["image"] == ("file",)


def test_unknown_names_are_told_by_files_and_question_marks():
    found = choose(Bild=IMAGE, Frage=["Is it?", "Where?"], answer=["yes", "left"])
    assert (found["image"], found["question"]) == (("Bild",), ("Frage",))


def test_type_is_what_it_holds():
    base = {"image": IMAGE, "question": QUESTION, "answer": ["1", "2"]}
    assert choose(**base, type=["CLOSED", "open"])["answer_type"] == ("type",)
    assert choose(**base, type=["organ", "open"])["question_type"] == ("type",)


def test_a_named_column_comes_first_and_is_not_used_twice():
    base = {"image": IMAGE, "question": ["1", "2"], "asked": QUESTION, "answer": ["1", "2"]}
    found = choose_columns(table(**base), {"question": ["asked"]}, lambda text: False)
    assert (found.of("question"), found.told_by["question"]) == (("asked",), "named by you")
    assert found.unused == ("question",)


@pytest.mark.parametrize(
    ("named", "message"),
    [
        (
            {},
            "to hold the answer; it has 'image', 'question', 'x'. Name it with --answer-column",
        ),
        ({"answer": ["gold"]}, "q.csv: --answer-column 'gold': no such column; it has 'image', 'question', 'x'"),
        ({"answer_type": ["t"]}, "q.csv: --answer-type-column 't': no such column"),
    ],
)
def test_what_cannot_be_told_is_said_with_all_columns(named, message):
    with pytest.raises(OwnDataError) as raised:
        choose(named, image=IMAGE, question=QUESTION, x=["1", "2"])
    assert message in str(raised.value)
