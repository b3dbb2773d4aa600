"""Row shapes: what benchmarks publish, and the plain rows it becomes."""

import pytest

from vrs_lmeval.benchmark.row_shapes import (
    shape_medframeqa,
    shape_mediconfusion,
    shape_medxpertqa,
    shape_mmmu,
    shape_omnimedvqa,
    shape_probmed,
    shape_vqa_med_2019,
    take_option,
)


def mmmu(**changes):
    images = {f"image_{number}": None for number in range(1, 8)} | {"image_1": "first", "image_2": "second"}
    return {"question": "What is it?", "options": "['x', 'y']", "answer": "B", "subfield": "s", **images, **changes}


@pytest.mark.parametrize(
    ("changes", "images", "question", "answer"),
    [
        ({"question": "See <image 2>."}, ["second"], "See <image 2>.", "y"),
        (
            {"question": "<image 2><image 1><image 2>"},
            ["second", "first", "second"],
            "<image 2><image 1><image 2>",
            "y",
        ),
        ({"options": "['<image 1>', '<image 2>']"}, ["first", "second"], "What is it?", "<image 2>"),
        ({}, ["first", "second"], "<image 1> <image 2> What is it?", "y"),
        ({"options": "[]", "answer": "[0, 1]"}, ["first", "second"], "<image 1> <image 2> What is it?", ["[0, 1]"]),
        (
            {"options": "[]", "answer": "['7', \"8's\"]"},
            ["first", "second"],
            "<image 1> <image 2> What is it?",
            ["7", "8's"],
        ),
    ],
)
def test_mmmu_shows_what_is_called_for_else_all_that_there_is(changes, images, question, answer):
    (row,) = shape_mmmu(mmmu(**changes))
    assert (row["image"], row["question"], row["answer"]) == (images, question, answer)


def test_medxpertqa_options_come_in_the_order_of_their_letters_in_both_schemas():
    shared = {"images": ["1.png", "2.png"], "question": "Q?\n Answer Choices: (A) x (B) y"}
    hub = shape_medxpertqa({**shared, "options": {"B": "y", "A": "x", "C": None}, "label": "B"})
    listed = [{"letter": "B", "content": "y"}, {"letter": "A", "content": "x"}]
    assert hub == shape_medxpertqa({**shared, "options": listed, "label": ["B"]})
    assert (hub[0]["question"], hub[0]["options"], hub[0]["answer"]) == ("Q?", ["x", "y"], "y")


@pytest.mark.parametrize("answer", ["B", "healing"])
def test_medframeqa_is_the_same_in_both_layouts(answer):
    shared = {"question": "Which?", "options": ["growth", "healing"], "organ": "lung", "modality": "CT"}
    frames = {"image_1": "x", "image_2": "y", "image_3": None, "image_4": None, "image_5": None, "image_url": "u"}
    authors = shape_medframeqa({**shared, **frames, "correct_answer": "B"})
    assert authors == shape_medframeqa({**shared, "image": ["x", "y"], "answer": answer})
    assert (authors[0]["image"], authors[0]["answer"]) == (["x", "y"], "healing")


def test_omnimedvqa_has_as_many_options_as_there_are():
    row = {"image_path": "i", "question": "q", "gt_answer": "b", "option_A": "a", "option_B": "b", "option_C": None}
    (shaped,) = shape_omnimedvqa({**row, "modality": "CT"})
    assert (shaped["options"], shaped["modality"]) == (["a", "b"], "CT")


@pytest.mark.parametrize(
    ("qa_type", "kind"),
    [
        ("modality", "modality"),  # two descriptions of the file differ here
        ("modality_gt", "modality"),
        ("body_part_hallu", "body_part"),
        ("abnormality", "abnormality"),
        ("entity_hallu", "entity"),
        ("entity_gt_0", "entity"),
        ("grounding_3", "grounding"),
    ],
)
def test_probmed_sets_are_one_kind_on_one_image(qa_type, kind):
    (row,) = shape_probmed({"id": 7, "image": "i", "question": "q", "answer": "yes", "qa_type": qa_type})
    assert (row["question_type"], row["set"]) == (kind, f"7 {kind}")


def test_probmed_names_a_kind_it_does_not_know():
    with pytest.raises(ValueError, match="it is 'colour_gt'"):
        shape_probmed({"id": 7, "qa_type": "colour_gt"})


@pytest.mark.parametrize(
    ("answer", "golds"),
    [
        ("cta - ct angiography", ["cta - ct angiography"]),
        ("oesophageal spasm#diverticulum", ["oesophageal spasm", "diverticulum"]),
        ("adenoma (serous) of it", ["adenoma serous of it", "adenoma  of it"]),
        ("(all of it)", ["all of it"]),
        ("a|b", ["a|b"]),  # only the first three bars part a line
    ],
)
def test_vqa_med_2019_answers(answer, golds):
    (row,) = shape_vqa_med_2019({"line": f"synpic1|organ|what organ?|{answer}"})
    assert (row["image"], row["question"], row["question_type"]) == ("synpic1.jpg", "what organ?", "organ")
    assert row["answer"] == golds


def test_mediconfusion_asks_one_question_of_two_images():
    row = {"key": "5", "question": "q", "option_A": "x", "option_B": "y", "im_1_local": "1", "im_2_local": 2}
    row |= {"im_1_correct": "B", "im_2_correct": "A", "category_1": ["c", "d"], "category_2": "e", "cap_1": "secret"}
    first, second = shape_mediconfusion(row)
    assert (first["image"], first["answer"], first["question_type"]) == ("1.jpg", "y", "c, d")
    assert (second["image"], second["answer"], second["question_type"]) == ("2.jpg", "x", "e")
    assert first["set"] == second["set"] == "5"
    assert "secret" not in str((first, second))


@pytest.mark.parametrize("letter", ["C", "", "AB", "b", "?"])
def test_a_letter_without_an_option_is_an_error(letter):
    with pytest.raises(ValueError, match="should be a letter of 2 options"):
        take_option(["x", "y"], letter)
