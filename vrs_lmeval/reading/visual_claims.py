"""Visual claims: takes a model's text, tells whether it says that something is seen in the image.

It is a lexicon of phrases, applied sentence by sentence: it needs no model, and anyone can read why a text counts. Its
errors are measured on sentences labelled by hand, some of them held out (docs/metrics.md, and a test). A claim is a
statement about *this* image: that it shows, has or lacks something, or that something is visible or present. These make
no claim: a bare answer ("pneumonia"), knowledge about images in general ("pneumonia often shows as ..."), and a text
that says it cannot see the image.
"""

from __future__ import annotations

import re

from vrs_lmeval.reading.normalisation import fold

CLAIMS_VERSION = "2"
"""Goes into every result. Raise it with any change of the lexicon."""

_PICTURE = (
    r"(?:image|images|scan|scans|x ?-?ray|radiograph|radiographs|film|picture|photo|photograph|slide|figure|ct|mri|mr|"
    r"ultrasound|sonogram|angiogram|mammogram|micrograph|specimen|section|sections|slice|view|histology|smear|biopsy|"
    r"endoscopy|sequence|findings?)"
)
_SHOW = (
    r"(?:shows?|showing|demonstrates?|demonstrating|reveals?|revealing|depicts?|depicting|displays?|displaying|"
    r"indicates?|suggests?|presents?|contains?|exhibits?|confirms?|highlights?|illustrates?|features?|captures?|has|have|"
    r"is of|was taken|looks?|appears?|seems?)"
)
_SEEN = (
    r"(?:seen|visible|visuali[sz]ed|noted|observed|evident|depicted|shown|apparent|identified|demonstrated|noticeable|"
    r"detected|discernible|appreciated|present)"
)
_STATE = (
    r"(?:absent|blunted|bright|clear|collapsed|compressed|dark|delineated|deviated|dilated|displaced|effaced|enlarged|"
    r"filled|fractured|hyperintense|hypointense|hyperdense|hypodense|hypertrophied|intact|inflated|irregular|located|"
    r"narrowed|opaque|opacified|outlined|positioned|preserved|reduced|rotated|scattered|shifted|situated|smooth|stained|"
    r"swollen|symmetrical|thickened|thinned|unremarkable|widened|within normal limits)"
)
_PLACED = (
    r"(?:occup(?:y|ies)|overl(?:ies|ie)|projects? over|lies|"
    r"(?:runs?|extends?|passes) (?:across|along|through|into|from)|cross(?:es)?|compress(?:es)?|"
    r"displaces?|surrounds?|outlines?|obscures?|fills?|marks?|points? (?:at|to)|"
    r"corresponds? to|ends (?:in|at|above|below))"
)
_LOOK = (
    r"(?:dark|darker|bright|brighter|white|black|gr[ea]y|pale|rounded|round|linear|ring|hyper\w+|hypo\w+|isointense|"
    r"ill-defined|well-defined|well-circumscribed|blurred|irregular|dilated|thickened|enlarged|calcified|patchy|diffuse)"
)
_FORM = (
    r"(?:areas?|regions?|spots?|lines?|bands?|signals?|shadows?|opacit(?:y|ies)|lucenc(?:y|ies)|densit(?:y|ies)|foci|"
    r"focus|lesions?|mass|masses|nodules?|margins?|borders?|contours?|enhancement|infiltrates?|arrow|arrows|arrowheads?)"
)
_CLAIMS = tuple(
    re.compile(pattern)
    for pattern in (
        rf"\b{_PICTURE}\b(?:\W+\w+){{0,4}}?\W+{_SHOW}\b",  # the chest x-ray clearly shows
        rf"\b(?:this|the|these|given|provided)(?: \w+){{0,3}} {_PICTURE}(?: \w+){{0,2}} is an?\b",  # the image is a CT
        rf"\b(?:in|on|from|at|with|within|of) (?:the|this|these|that)(?: [\w-]+){{0,3}} {_PICTURE}\b",  # on this CT
        r"\b(?:i|we|you|one) (?:can |could )?(?:clearly |also |only )?(?:see|observe|notice|note|identify|spot)\b",
        rf"\b(?:is|are|be|was|were|being|not|clearly|also|as|no|any|the|a|an) {_SEEN}\b",  # a mass is seen; as shown
        rf"\b{_SEEN} (?:in|on|within|at|throughout|along|near|around)\b",  # opacities noted in the left base
        r"\b(?:there (?:is|are|appears?|seems?|was|were)|theres)\b",
        r"\b(?:appears?|looks?|seems?)\b",
        r"\bvisual(?:ly| evidence| findings?| features?| appearance)\b",
        rf"\b(?:is|are|has|have) (?:\w+ )?{_STATE}\b",  # the trachea is deviated
        r"\bno (?:\w+ )?(?:evidence|signs?|indications?) of\b",
        rf"\b(?:the|an?|this|these|several|multiple)\b(?: [\w-]+){{0,5}} {_PLACED}\b",  # a band crosses the neck
        rf"\b{_LOOK}(?: [\w-]+)? {_FORM}\b",  # bright signal; irregular margins
    )
)
_WITHOUT_SIGHT = re.compile(
    r"\b(?:cannot|cant|can not|could not|couldnt|unable to|not able to|do not|dont|did not|didnt|without|wasnt|was not)"
    r"(?: \w+){0,3}? (?:see|seeing|view|viewing|access|look at|examine|analy[sz]e|interpret|images?|picture|scan)\b"
    r"|\bno (?:image|picture|scan|photo)\b|\b(?:image|picture|scan) (?:is|was|has been)? ?(?:missing|not|blank|empty)\b"
    r"|\b(?:image|picture|scan) (?:cannot|could not)\b|\b(?:provide|upload|attach|share|send)\b"
)
_IN_GENERAL = re.compile(
    r"\b(?:typically|usually|commonly|generally|often|frequently|in general|normally|in most cases|sometimes|may|might|"
    r"would|could|can|if|should|means that|is defined as|is caused by|leads? to)\b"
    rf"|\b(?:on|in) (?:an?|every|each|most)(?: \w+){{0,2}} {_PICTURE}\b"  # appears white on a radiograph
    rf"|\b(?:on|in) (?:\w+ ?-?)?(?:weighted|ct|mri?|ultrasound|x ?-?ray) ?(?:images|scans|films)\b"  # on CT images
    r"|\bthere (?:is|are)(?: \w+){0,3} (?:types?|kinds?|forms?|stages?|ways?|reasons?|causes?|link|risk|treatments?|"
    r"options?|choices?|chambers?|lobes?)\b"
    r"|\b(?:people|patients with|children|adults)\b"
)
_THIS_PICTURE = re.compile(
    rf"\b(?:this|the|these)(?: \w+){{0,3}} {_PICTURE}\b|\b(?:i|we|you) can\b|\bhere\b|\bcan be {_SEEN}\b"
)
_SENTENCE_END = re.compile(r"[.!?;\n]+(?:\s|$)|,\s+(?=which\b)")
"""A sentence also ends before ", which": "there is an opacity, which may be a tumour" claims an opacity."""


def makes_visual_claim(text: str) -> bool:
    """True if a sentence of `text` says that something is, or is not, seen in the image asked about."""
    return any(_is_claim(sentence) for sentence in _SENTENCE_END.split(fold(text)))


def _is_claim(sentence: str) -> bool:
    if _WITHOUT_SIGHT.search(sentence):
        return False
    if _IN_GENERAL.search(sentence) and not _THIS_PICTURE.search(sentence):
        return False
    return any(pattern.search(sentence) for pattern in _CLAIMS)
