"""Human pairs -> image-level facts: what a radiology report's caption would say, without the words of the question.

A question that no rule reads gives no fact. The rules see text alone; so does everything that is written from them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from studies.miniature.pairs import Pair

Kind = Literal["modality", "plane", "organ", "finding", "place", "state", "count"]


@dataclass(frozen=True, slots=True)
class Fact:
    """`value` of `subject` in an image: ("finding", "pneumothorax", "no"), ("place", "mass", "left kidney").

    `subject` is empty for modality, plane and organ. A finding's or state's value is "yes" or "no"; a state's subject
    holds what is said of what, parted by a bar: ("state", "heart|enlarged", "yes").
    """

    kind: Kind
    subject: str
    value: str
    source: str  # the human pair that it was read from


MODALITIES = {
    "x-ray": ("x-ray", "xray", "x ray", "plain film", "radiograph", "cxr"),
    "mri": ("mri", "mr", "magnetic resonance"),
    "ct": ("ct", "cat scan", "computed tomography"),
    "ultrasound": ("ultrasound",),
}
PLANES = {
    "axial": ("axial", "transverse"),
    "coronal": ("coronal",),
    "sagittal": ("sagittal", "saggital"),
    "pa": ("pa", "posterior-anterior", "posteroanterior", "posterior anterior"),
    "ap": ("ap", "anterior-posterior", "anteroposterior"),
    "lateral": ("lateral view", "lateral film", "lateral"),
}
"""Canonical words, and those that say the same in VQA-RAD (misspellings among them)."""

_ARTICLE = r"(?:(?:a|an|any|the|evidence of|signs? of|some) )*"
_SEEN = r"(?: (?:present|seen|visible|visualized|shown|identified|noted|there|here))?"
_PICTURE = r"(?:image|picture|scan|x-ray|xray|ct|mri|film|radiograph|study|patient|cxr|chest x-ray|view|section)s?"
_WHERE = rf"(?: (?:in|on|within|from) (?:this|the|these) {_PICTURE})?"
_LOOK_FOR = r"(?:do|can|could) (?:you|we|i) (?:see|appreciate|identify|visualize|observe)"
_SHOW = r"does (?:this|the) (?:image|patient|scan|picture|x-ray|ct|mri) (?:show|have|display|demonstrate)"
_OF_PATIENT = r"(?:the |this |these |both |patient's |this patient's |the patient's )"
_FOUND = r"(?: located| found| seen| visible| present| in this image)?"

FINDING = (
    re.compile(rf"^(?:is|are|was|were) there {_ARTICLE}(?P<x>[^,?]+?){_SEEN}{_WHERE}\??$"),
    re.compile(rf"^{_LOOK_FOR} {_ARTICLE}(?P<x>[^,?]+?){_WHERE}\??$"),
    re.compile(rf"^{_SHOW} {_ARTICLE}(?P<x>[^,?]+?){_WHERE}\??$"),
    re.compile(rf"^(?:is|are) {_ARTICLE}(?P<x>[^,?]+?) (?:present|seen|visible|visualized|shown){_WHERE}\??$"),
)
STATE = re.compile(rf"^(?:is|are) {_OF_PATIENT}(?P<x>[a-z' -]+?) (?P<y>[a-z-]+)\??$")
LOOKS = re.compile(
    r"^do(?:es)? (?:the |this |these |both |patient's |the patient's )(?P<x>[a-z' -]+?) "
    r"(?:appear|look|seem) (?:to be )?(?P<y>[a-z -]+?)\??$"
)
CONTRAST = re.compile(
    r"\bcontrast\b.*\b(?:used|given|administered|used\?)"
    r"|\b(?:use|contain|with|without|have|has) (?:any )?(?:iv |oral )?contrast\b"
)
COUNT = re.compile(r"^how many (?P<x>[a-z -]+?) (?:are|is|can|do|does|were)\b")
PLACE = (
    re.compile(rf"^where (?:is|are|was|were) (?:the |this |these |a |an )?(?P<x>[a-z '-]+?){_FOUND}\??$"),
    re.compile(r"^what is the location of (?:the |this |these )?(?P<x>[a-z '-]+?)\??$"),
    re.compile(
        r"^(?:in |on )?(?:which|what) (?:lobe|side|part|location|area|region|lung|hemisphere)[a-z ]* (?:is|are) "
        r"(?:the |this |these )?(?P<x>[a-z '-]+?)(?: located| in| on| seen)?\??$"
    ),
)
NAMED = re.compile(
    r"^what (?:pathology|abnormality|abnormalities|disease|finding|findings|condition|diagnosis|is abnormal|is wrong)\b"
)
ORGAN = re.compile(r"\b(?:organ system|organ|part of the body|body part)\b")
WHAT_IT_IS = re.compile(
    r"^(?:is|was) (?:this|the) (?:image |picture |film |scan )?(?:taken |in |as )*(?:a|an|the)? ?(?P<x>[^?]+?)\??$"
)
ASKS_MODALITY = re.compile(r"modalit|imag|scan|taken|x-?ray|study|film")
ASKS_PLANE = re.compile(r"plane|view|section|orient|taken|film|x-?ray|image")
OPENINGS = ("what", "which", "how", "in ", "the ", "is ", "was ")

LONGEST = 6
"""Words that a template can hold; a longer answer is a sentence."""

LINKS = {"in", "on", "of", "at", "to", "with", "a", "an", "the", "or", "and", "from", "by", "than", "for", "image"}
"""Words that a thing's name does not hold: with one of them the question says more than "is the heart enlarged"."""

SEEN = {"present", "seen", "visible", "visualized", "shown"}
NOT_STATE = LINKS | SEEN | {"scan", "x-ray", "mri", "ct", "film", "contrast"}
"""Last words that say that something is seen, what the picture is, or nothing: not how a thing looks."""


def read_fact(pair: Pair) -> Fact | None:
    """The fact that a pair states, or None where no rule reads it. The first rule that fits decides."""
    question, answer = pair.question.strip(), pair.answer.strip()
    return (_read_polar if answer in ("yes", "no") else _read_open)(question, answer, pair.source)


def _read_open(question: str, answer: str, source: str) -> Fact | None:
    if question.startswith(OPENINGS):
        if (value := find_word(answer, MODALITIES)) is not None and ASKS_MODALITY.search(question):
            return Fact("modality", "", value, source)
        if (value := find_word(answer, PLANES)) is not None and ASKS_PLANE.search(question):
            return Fact("plane", "", value, source)
    if len(answer.split()) > LONGEST:
        return None
    if ORGAN.search(question):
        return Fact("organ", "", answer, source)
    for pattern in PLACE:
        if match := pattern.match(question):
            return Fact("place", match["x"], answer, source)
    if match := COUNT.match(question):
        return Fact("count", match["x"], answer, source)
    return Fact("finding", answer, "yes", source) if NAMED.match(question) else None


def _read_polar(question: str, answer: str, source: str) -> Fact | None:
    if answer == "yes" and (match := WHAT_IT_IS.match(question)):
        if (value := find_word(match["x"], PLANES)) is not None:
            return Fact("plane", "", value, source)
        if (value := find_word(match["x"], MODALITIES)) is not None:
            return Fact("modality", "", value, source)
    for pattern in FINDING:
        match = pattern.match(question)
        if match and _can_be_named(match["x"]):
            return Fact("finding", match["x"], answer, source)
    if CONTRAST.search(question) and " or " not in question and "without" not in question:
        return Fact("finding", "contrast", answer, source)
    if match := LOOKS.match(question):
        return Fact("state", f"{match['x']}|{match['y']}", answer, source)
    match = STATE.match(question)
    if match and match["y"] not in NOT_STATE and not LINKS & set(match["x"].split()):
        return Fact("state", f"{match['x']}|{match['y']}", answer, source)
    return None


def _can_be_named(finding: str) -> bool:
    return len(finding.split()) <= LONGEST and " or " not in finding and not finding.startswith("no ")


def find_word(text: str, words: dict[str, tuple[str, ...]]) -> str | None:
    """The first canonical word of which `text` holds a form as whole words."""
    for canonical, forms in words.items():
        if any(re.search(rf"\b{re.escape(form)}\b", text) for form in forms):
            return canonical
    return None
