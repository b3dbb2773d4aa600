"""The claim detector against sentences labelled by hand: how often it is right is asserted, and reported in docs."""

import re
from pathlib import Path

import pytest

from vrs_lmeval.claims import makes_visual_claim

ROOT = Path(__file__).parent.parent
LINES = (Path(__file__).parent / "data" / "visual_claims.tsv").read_text(encoding="utf-8").splitlines()
LABELLED = [(label == "claim", sentence) for label, sentence in (line.split("\t") for line in LINES)]


def count(labelled):
    found = [(truth, makes_visual_claim(sentence)) for truth, sentence in labelled]
    return tuple(found.count(pair) for pair in ((True, True), (False, True), (True, False)))


def test_precision_and_recall_are_as_reported():
    right, wrong, missed = count(LABELLED)
    precision, recall = right / (right + wrong), right / (right + missed)
    assert len(LABELLED) >= 80
    assert precision >= 0.9
    assert recall >= 0.85
    page = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    reported = re.search(r"precision ([\d.]+), recall ([\d.]+) on (\d+) sentences", page)
    assert reported is not None
    assert reported.groups() == (f"{precision:.2f}", f"{recall:.2f}", str(len(LABELLED)))


@pytest.mark.parametrize(
    ("text", "claims"),
    [
        ("", False),
        ("I cannot see the image. The chest X-ray shows pneumonia.", True),  # one claim is enough
        ("The IMAGE shows\na mass", True),
        ("no", False),
    ],
)
def test_a_text_claims_where_one_of_its_sentences_does(text, claims):
    assert makes_visual_claim(text) is claims
