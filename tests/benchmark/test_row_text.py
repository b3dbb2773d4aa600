"""Row text: what published rows hold, and what the other stages read of it."""

import pytest

from vrs_lmeval.benchmark.row_text import collapse_spaces, drop_option_letters, find_gold_option


@pytest.mark.parametrize(
    ("published", "read"),
    [
        ("Transverse  Plane", "Transverse Plane"),
        ("skull \tcartilage", "skull cartilage"),
        (" MRI\xa0", "MRI"),
        ("N/A", "N/A"),
        (" ", ""),
    ],
)
def test_spaces_collapse(published, read):
    assert collapse_spaces(published) == read


@pytest.mark.parametrize(
    ("published", "read"),
    [
        (("A:X-ray", "B: MRI"), ("X-ray", "MRI")),
        (("A:Fat", "C:Axillary tumor", "C:Node"), ("Fat", "Axillary tumor", "Node")),  # C twice
        (("A:X-ray", "B:MRI", "CT"), ("X-ray", "MRI", "CT")),
        (("A. X-ray", "B) MRI", "(C) CT"), ("X-ray", "MRI", "CT")),
        (("A:A", "B:B"), ("A", "B")),  # options about panels of a figure
        (("A:V ratio", "vein"), ("A:V ratio", "vein")),  # one of two: part of the text
        (("E. coli", "S. aureus"), ("E. coli", "S. aureus")),
        (("A:", "B:MRI"), ("", "MRI")),
        (("A.", "B."), ("A.", "B.")),  # panels again
        (("T: 3", "N: 0", "M: 0"), ("T: 3", "N: 0", "M: 0")),  # letters of no option
        (("A. baumannii",), ("A. baumannii",)),
        ((), ()),
    ],
)
def test_option_letters_are_dropped_where_they_are_letters(published, read):
    assert drop_option_letters(published) == read


@pytest.mark.parametrize(
    ("gold", "option"),
    [
        ("MRI", "MRI"),
        ("mri", "MRI"),
        ("B", "MRI"),
        ("(B)", "MRI"),
        ("B:", "MRI"),
        ("B:MRI", "MRI"),
        ("C: MRI", "MRI"),  # the text counts
        ("N/A", "N/A"),
        ("D", None),
        ("Ultrasound", None),
    ],
)
def test_a_gold_is_found_among_the_options(gold, option):
    assert find_gold_option(gold, ("X-ray", "MRI", "N/A")) == option


def test_a_gold_that_is_text_and_letter_is_taken_as_text():
    assert find_gold_option("A", ("C", "B", "A")) == "A"


def test_without_options_no_gold_is_one():
    assert find_gold_option("A", ()) is None
