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
_WHERE = (
    r"(?: (?:in|on|within|from) (?:this|the|these) (?:image|picture|scan|x-ray|xray|ct|mri|film|radiograph|study|patient|"
    r"cxr|chest x-ray|view|section)s?)?"
)
FINDING = (
    re.compile(rf"^(?:is|are|was|were) there {_ARTICLE}(?P<x>[^,?]+?){_SEEN}{_WHERE}\??$"),
    re.compile(
        rf"^(?:do|can|could) (?:you|we|i) (?:see|appreciate|identify|visualize|observe) {_ARTICLE}(?P<x>[^,?]+?){_WHERE}\??$"
    ),
    re.compile(
        rf"^does (?:this|the) (?:image|patient|scan|picture|x-ray|ct|mri) (?:show|have|display|demonstrate) "
        rf"{_ARTICLE}(?P<x>[^,?]+?){_WHERE}\??$"
    ),
    re.compile(rf"^(?:is|are) {_ARTICLE}(?P<x>[^,?]+?) (?:present|seen|visible|visualized|shown){_WHERE}\??$"),
)
STATE = re.compile(
    r"^(?:is|are) (?:the |this |these |both |patient's |this patient's |the patient's )(?P<x>[a-z' -]+?) (?P<y>[a-z-]+)\??$"
)
LOOKS = re.compile(
    r"^do(?:es)? (?:the |this |these |both |patient's |the patient's )(?P<x>[a-z' -]+?) (?:appear|look|seem) (?:to be )?(?P<y>[a-z -]+?)\??$"
)
CONTRAST = re.compile(
    r"\bcontrast\b.*\b(?:used|given|administered|used\?)|\b(?:use|contain|with|without|have|has) (?:any )?(?:iv |oral )?contrast\b"
)
COUNT = re.compile(r"^how many (?P<x>[a-z -]+?) (?:are|is|can|do|does|were)\b")
NOT_STATE = {
    "present",
    "seen",
    "visible",
    "visualized",
    "shown",
    "image",
    "scan",
    "x-ray",
    "mri",
    "ct",
    "film",
    "contrast",
}
"""Last words that say that something is seen, or what the picture is: not how it looks."""
_LINKS = {"in", "on", "of", "at", "to", "with", "a", "an", "the", "or", "and", "from", "by", "than", "for", "image"}
PLACE = (
    re.compile(
        r"^where (?:is|are|was|were) (?:the |this |these |a |an )?(?P<x>[a-z '-]+?)(?: located| found| seen| visible| present| in this image)?\??$"
    ),
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


def read_fact(pair: Pair) -> Fact | None:
    """The fact that a pair states, or None where no rule reads it. The first rule that fits decides."""
    question, answer = pair.question.strip(), pair.answer.strip()
    is_polar = answer in ("yes", "no")
    if is_polar:
        return _read_polar(question, answer, pair.source)
    for kind, words, asked in (
        ("modality", MODALITIES, r"modalit|imag|scan|taken|x-?ray|study|film"),
        ("plane", PLANES, r"plane|view|section|orient|taken|film|x-?ray|image"),
    ):
        value = find_word(answer, words)
        if (
            value is not None
            and re.search(asked, question)
            and question.startswith(("what", "which", "how", "in ", "the ", "is ", "was "))
        ):
            return Fact(kind, "", value, pair.source)  # type: ignore[arg-type]
    if len(answer.split()) > 6:
        return None  # a sentence: no template can hold it
    if ORGAN.search(question):
        return Fact("organ", "", answer, pair.source)
    for pattern in PLACE:
        if match := pattern.match(question):
            return Fact("place", match["x"], answer, pair.source)
    if match := COUNT.match(question):
        return Fact("count", match["x"], answer, pair.source)
    if NAMED.match(question):
        return Fact("finding", answer, "yes", pair.source)
    return None


def _read_polar(question: str, answer: str, source: str) -> Fact | None:
    what = re.match(
        r"^(?:is|was) (?:this|the) (?:image |picture |film |scan )?(?:taken |in |as )*(?:a|an|the)? ?(?P<x>[^?]+?)\??$",
        question,
    )
    if what is not None and answer == "yes":
        for kind, words in (("plane", PLANES), ("modality", MODALITIES)):
            value = find_word(what["x"], words)
            if value is not None:
                return Fact(kind, "", value, source)  # type: ignore[arg-type]
    for pattern in FINDING:
        match = pattern.match(question)
        if match and len(match["x"].split()) <= 6 and " or " not in match["x"] and not match["x"].startswith("no "):
            return Fact("finding", match["x"], answer, source)
    if CONTRAST.search(question) and " or " not in question and "without" not in question:
        return Fact("finding", "contrast", answer, source)
    if match := LOOKS.match(question):
        return Fact("state", f"{match['x']}|{match['y']}", answer, source)
    match = STATE.match(question)
    if match and match["y"] not in NOT_STATE | _LINKS and not _LINKS & set(match["x"].split()):
        return Fact("state", f"{match['x']}|{match['y']}", answer, source)
    return None


def find_word(text: str, words: dict[str, tuple[str, ...]]) -> str | None:
    """The first canonical word of which `text` holds a form as whole words."""
    for canonical, forms in words.items():
        if any(re.search(rf"\b{re.escape(form)}\b", text) for form in forms):
            return canonical
    return None
