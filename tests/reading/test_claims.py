"""The claim detector against sentences labelled by hand: how often it is right is asserted, and reported in docs."""

import hashlib
import re
from pathlib import Path

import pytest

from vrs_lmeval.reading import visual_claims as claims
from vrs_lmeval.reading.visual_claims import makes_visual_claim

ROOT = Path(__file__).parents[2]
SETS = ("visual_claims", "visual_claims_held_out")
"""What the lexicon was made with, and harder sentences written before its version 2 that no phrase was added for."""


def read_labelled(name):
    lines = (ROOT / "tests" / "data" / f"{name}.tsv").read_text(encoding="utf-8").splitlines()
    return [(label == "claim", sentence) for label, sentence in (line.split("\t") for line in lines)]


def measure(labelled):
    """Precision and recall."""
    found = [(truth, makes_visual_claim(sentence)) for truth, sentence in labelled]
    right, wrong, missed = (found.count(pair) for pair in ((True, True), (False, True), (True, False)))
    return right / (right + wrong), right / (right + missed)


def test_precision_and_recall_are_as_reported():
    page = " ".join((ROOT / "docs" / "metrics.md").read_text(encoding="utf-8").split())
    reported = re.findall(r"`tests/data/(\w+)\.tsv`\): precision ([\d.]+), recall ([\d.]+) on (\d+) sentences", page)
    expected = []
    for name in SETS:
        labelled = read_labelled(name)
        precision, recall = measure(labelled)
        expected.append((name, f"{precision:.2f}", f"{recall:.2f}", str(len(labelled))))
    assert reported == expected


@pytest.mark.parametrize(("name", "precision", "recall"), [(SETS[0], 0.95, 0.95), (SETS[1], 0.8, 0.65)])
def test_the_detector_does_not_get_worse(name, precision, recall):
    measured = measure(read_labelled(name))
    assert measured[0] >= precision
    assert measured[1] >= recall


def test_a_change_of_the_lexicon_raises_its_version():
    parts = (*claims._CLAIMS, claims._WITHOUT_SIGHT, claims._IN_GENERAL, claims._THIS_PICTURE, claims._SENTENCE_END)
    lexicon = "\n".join(part.pattern for part in parts)
    known = {"2": "6c750acc3bbe074a"}
    assert known[claims.CLAIMS_VERSION] == hashlib.sha256(lexicon.encode()).hexdigest()[:16]


def test_no_sentence_is_in_both_sets():
    first, second = ({sentence for _, sentence in read_labelled(name)} for name in SETS)
    assert not first & second
    assert (len(first), len(second)) == (167, 80)


@pytest.mark.parametrize(
    ("text", "claims"),
    [
        ("", False),
        ("I cannot see the image. The chest X-ray shows pneumonia.", True),  # one claim is enough
        ("The IMAGE shows\na mass", True),
        ("no", False),
        ("There is an opacity, which may be a tumour.", True),  # the hedge is about what it is
        ("It may be a tumour, which is dark on CT images.", False),
    ],
)
def test_a_text_claims_where_one_of_its_sentences_does(text, claims):
    assert makes_visual_claim(text) is claims
