"""Statements: affirmations are read as denials are; a place, a degree or a "may" that changes what is said is none."""

import pytest

from vrs_lmeval.reading.answers import parse_answer
from vrs_lmeval.reading.statements import FORMS
from vrs_lmeval.records import Sample


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.text)
def test_every_form_is_read_as_its_example_says(form):
    assert parse_answer(form.text, Sample("s", "i", form.question, ("yes",), "closed")).value == form.value
