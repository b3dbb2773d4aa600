"""Choices: told from real "A or B" questions and given options, named by whole words, never a guess."""

import pytest

from vrs_lmeval.reading.answers import parse_answer
from vrs_lmeval.reading.choices import find_alternatives, read_gold
from vrs_lmeval.records import Answer, Sample


def ask(question, options=()):
    return Sample("s", "i", question, ("yes",), "closed", options)


MODALITY = ask("is this a ct or an mri?")
SIDE = ask("is the lesion on the left or right side of the brain?")
PLANE = ask("which plane is this?", options=("Axial", "Coronal", "Sagittal"))
CONTRAST = ask("what is this?", options=("CT", "CT with contrast", "MRI", "None of these"))
HEMISPHERE = ask("is the lesion in the right or left hemisphere?")
NORMALITY = ask("is this image normal or abnormal?")
MASS = ask("does the liver show an enhancing mass or lesion?")
MATTER = ask("which is highlighted?", options=("Grey matter", "White matter"))
HALF = ask("where is the red mark?", options=("left half", "right half"))
PICTURE = ask("what is this?", options=("MRI", "CT", "photograph"))


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
    ("which is highlighted in this image, white or gray matter?", "gray matter", ("white", "grey")),  # train
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
        ("left", SIDE, "left"),
        ("The lesion is on the left side.", SIDE, "left"),
        ("right-sided", SIDE, "right"),
        ("Yes, a mass is seen", ask("does the liver show an enhancing mass or lesion?"), "yes"),
        ("both left and right", SIDE, "both"),
        ("MRI, although the sequence is unclear", MODALITY, "mri"),
        ("True lumen", ask("is this the true or false lumen?"), "true"),
        ("yes", MODALITY, "yes"),
        ("no", ask("does the liver show an enhancing mass or lesion?"), "no"),
        ("small bowel", ask("is this the small bowel or colon?"), "bowel"),
        ("This is a T1-weighted MRI.", MODALITY, "mri"),
        ("This is a brain MRI.", MODALITY, "mri"),
        ("Chest CT", MODALITY, "ct"),
        ("Axial CT scan", MODALITY, "ct"),
        ("This is a contrast-enhanced CT scan.", MODALITY, "ct"),
        ("This is a contrast-enhanced CT scan.", ask("was a ct or mri used to take the above image?"), "ct"),
        ("MRI (T2)", MODALITY, "mri"),
        ("It is an MRI, not a CT scan.", MODALITY, "mri"),
        ("It is not a CT scan but an MRI.", MODALITY, "mri"),
        ("This is not a CT, it is an MRI.", MODALITY, "mri"),
        ("Neither. It is an MRI.", MODALITY, "mri"),
        ("The lesion is in the right hemisphere.", HEMISPHERE, "right"),
        ("The lesion is located in the right frontal lobe.", HEMISPHERE, "right"),
        ("The lesion is located in the left frontal lobe.", HEMISPHERE, "left"),
        ("Not only the left lobe", HEMISPHERE, "left"),
        ("This image shows an abnormal finding.", NORMALITY, "abnormal"),
        ("mildly abnormal", NORMALITY, "abnormal"),
        ("No abnormal findings; the image is normal.", NORMALITY, "normal"),
        ("The patient appears to be female based on the breast shadows.", ask("male or female?"), "female"),
        ("predominantly cystic", ask("are the structures in the pancreas cystic or solid?"), "cystic"),
        ("There are multiple cystic structures", ask("are the structures in the pancreas cystic or solid?"), "cystic"),
        ("T1", ask("is this a t1 weighted, t2 weighted, or flair image?"), "t1 weighted"),
        ("Both", SIDE, "both"),
        ("both sides of the brain", SIDE, "both"),
        ("both left and right", ask("is it on the left, right, or both sides?"), "both"),
        ("The liver shows an enhancing mass.", MASS, "mass"),
        ("There is no enhancing mass or lesion.", MASS, "no"),
        ("No mass or lesion is seen", MASS, "no"),
        ("lung", ask("is the largest organ the lung, liver or heart?"), "lung"),  # keys unsound: the whole text
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
        ("x-ray", "no option named"),
        ("The image shows the chest.", "no option named"),
        ("It is not an MRI", "negated option"),
        ("neither CT nor MRI", "negated option"),
        ("This shows a CT and an MRI", "contradictory"),
        ("not only CT but also MRI", "contradictory"),
    ],
)
def test_alternatives_that_are_not_chosen_are_unparsable(text, reason):
    assert parse_answer(text, MODALITY) == Answer(None, reason)


@pytest.mark.parametrize(
    ("text", "question", "reason"),
    [
        ("It is not on the left", "is it on the left or right?", "negated option"),
        ("The liver shows no enhancing mass.", "does the liver show an enhancing mass or lesion?", "negated option"),
        ("No hypoinflation.", "is there hypoinflation or hyperinflation of the lung", "negated option"),
        ("Large bowel", "is this the small bowel or colon?", "no option named"),
        ("pleural thickening", "is a pneumonia or pleural effusion seen in this image?", "no option named"),
        ("more than one", "are there multiple or just 1 metastatic focus?", "no option named"),
        ("The left is smaller than the right", "which is bigger, left or right?", "contradictory"),
    ],
)
def test_an_alternative_that_is_not_quite_named_is_unparsable(text, question, reason):
    assert parse_answer(text, ask(question)) == Answer(None, reason)


@pytest.mark.parametrize(
    ("question", "choices"),
    [
        ("which is largest, lung, liver or heart?", ("lung", "liver", "heart")),
        ("which is largest, the lung, the liver, or the heart?", ("lung", "liver", "heart")),
        ("which is bigger in this image, kidney or liver?", ("kidney", "liver")),
        ("in this image, is the lesion left or right?", ("left", "right")),
        ("is the largest organ the lung, liver or heart?", ()),  # where the first item begins is not told
    ],
)
def test_commas_mark_the_items_of_a_list(question, choices):
    assert find_alternatives(question) == choices


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
        ("The answer is A", PLANE, "axial"),
        ("Answer: A.", PLANE, "axial"),
        ("<answer>A</answer>", PLANE, "axial"),
        ("Cannot be determined", ask("which?", options=("Left", "Cannot be determined")), "cannot be determined"),
        ("I think the answer is B", PLANE, "coronal"),
        ("Based on the image, the answer is C.", PLANE, "sagittal"),
        ("The correct option is A.", PLANE, "axial"),
        ("I think it's B", PLANE, "coronal"),
        ("C\nThe slice runs from front to back", PLANE, "sagittal"),
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
        ("This is a human brain.", ask("whose?", options=("human brain", "macaque brain")), "human brain"),
        (
            "This is a human brain, not a macaque brain.",
            ask("whose?", options=("human brain", "macaque brain")),
            "human brain",
        ),
        ("The red mark is in the left half, not the right half.", HALF, "left half"),
        ("The red mark is not in the right half but in the left half.", HALF, "left half"),
        ("Not the right half. It is in the left half.", HALF, "left half"),
        ("left", HALF, "left half"),
        ("It is on the left side.", HALF, "left half"),
        ("This is a photograph, not an MRI or CT.", PICTURE, "photograph"),
        ("This is a photograph, not an MRI, CT, or drawing.", PICTURE, "photograph"),
        ("Gray matter", MATTER, "grey matter"),
        ("white", MATTER, "white matter"),
        ("B. White", MATTER, "white matter"),
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
        ("neither axial nor coronal", PLANE, "negated option"),
        ("not an MRI, CT, or photograph", PICTURE, "negated option"),
        ("white blood cells", MATTER, "no option named"),
        ("matter", MATTER, "no option named"),
        ("not white", MATTER, "no option named"),
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
