"""Remarks: takes a model's text, tells what it says about the image itself, and whether it declines to answer.

It is a lexicon of phrases, applied sentence by sentence, as in `visual_claims.py`: it needs no model, and anyone can
read why a text counts. How often it is right is measured on sentences that another author wrote (docs/metrics.md, and
a test). A finding is no remark: "no mass is visible", "the image shows nothing unusual", "the lung is not shown in this
view".
"""

from __future__ import annotations

import re

from vrs_lmeval.reading.markup import take_off_latex
from vrs_lmeval.reading.normalisation import fold
from vrs_lmeval.reading.refusals import ASSISTANT_TALK, DOUBT_ONLY, REFUSES
from vrs_lmeval.reading.remark_phrases import (
    BODY,
    CANNOT,
    CANNOT_SEE,
    DOES_NOT_FIT,
    IS_ANOTHER,
    KIND_OF_IMAGE,
    NOT_GIVEN,
    REQUESTS,
    SHOWS_NOTHING,
)
from vrs_lmeval.reading.said_text import cut_next_turn, find_said_text

REMARKS_VERSION = "2"
"""Goes into every result. Raise it with any change of the lexicon."""

MISSING, BLANK, MISMATCH = "missing", "blank", "mismatch"

_PICTURE = r"(?:image|picture|photo|scan|film|slide|x ?-?ray|radiograph|study|section|view|plane)"
_ASKS_WHAT_IT_IS = tuple(
    re.compile(pattern)
    for pattern in (
        r"\bmodality\b",
        r"\b(?:what|which) (?:(?:kind|type|sort) of (?:\w+ )?(?:ima|scan|mri|x)\w*|imaging|image|scan|organs?|body "
        r"part|part of the body)\b",
        rf"\b(?:is|was|are) (?:this|it|that|these|the {_PICTURE})(?: shown| above)? (?:an?|of|the) (?:[\w/-]+ "
        rf"){{0,3}}?(?:{KIND_OF_IMAGE}|{_PICTURE}\b|{BODY})",
        rf"\b(?:does|do) (?:\w+ ){{0,3}}?{_PICTURE} (?:contain|show|include|have|display) (?:\w+ ){{0,3}}?{BODY}",
        rf"\b(?:is|are|can) (?:there )?{BODY}(?: be)? (?:visible|seen|shown|present|in)\b",
        r"是什么",
        r"什么部位",
        r"哪个",
        r"是.{0,20}吗",
    )
)
"""Questions whose answer says what the image is, or what part is in it: "Is this an MRI?"."""

_OPENS_WITH_AN_ANSWER = re.compile(r"^\W*(?:yes|no)(?=\W*$|[,:]| (?:this|the|it)\b)|^\W*(?:是|不是|否)")
_OPENS_WITH_YES = re.compile(r"^\W*(?:yes|yeah|yep)\b")
_ANSWERS = tuple(
    re.compile(pattern)
    for pattern in (
        r"^(?:yes|[a-e])$",
        r"\bgoing by\b",
        r"\bjudging (?:from|by)\b",
        r"\b(?:based on|by) (?:prior|the history)\b",
        r"\bthat said\b",
        r"\bassum\w+",
        r"\bprobabl[ey]\b",
        r"\bid (?:say|guess|go|answer)\b",
        r"\bnevertheless\b",
        r"\bguess is\b",
        r"\banswer(?: is| ?:)",
        r"\bwould be\b",
        r"\bin general\b",
        r"\b(?:best|educated) guess\b",
        r"\bwould (?:say|guess|answer|choose|pick)\b",
        r"\bmost likely\b",
        r"答案",
    )
)
"""Phrases by which a text names an answer although it cannot see the image."""

_VERBS_OF_ANSWERS = (
    r"(?:determine|tell|say|answer|assess|judge|conclude|confirm|provide|identify|diagnose|interpret|know|help|"
    r"assist|evaluate|describe|comment|give|make|offer|discern|verif(?:y|ied)|analy[sz]e|establish|ascertain|decide|"
    r"draw|infer|reach)(?:d|ed)?\b"
)
_DECLINES_TOO = tuple(
    re.compile(pattern)
    for pattern in (
        rf"\b{CANNOT} (?:\w+ly )?(?:be )?(?:\w+ly )?{_VERBS_OF_ANSWERS}",
        r"\b(?:no answer|answer(?:ing)?|diagnosis|assessment) (?:is|would be|can be) (?:not possible|impossible|"
        r"possible)\b",
        r"\b(?:un|not )answerable\b",
        r"\bnot (?:enough|sufficient) (?:\w+ )?(?:information|detail|data|context)\b",
        r"\binsufficient (?:information|detail|data|context)\b",
        r"\binformation (?:\w+ ){0,3}insufficient\b",
        r"\b(?:decline|refuse|would rather not|prefer not) (?:to )?\w+",
        r"\b(?:not|isnt) possible to\b",
        r"\bimpossible to\b",
        r"\bcannot be used to\b",
        r"\b(?:must|have to) decline\b",
        r"\bnothing (?:for me )?to (?:evaluate|assess|analy[sz]e|answer)\b",
        r"^\W*(?:sorry|apologies)\b",
        r"\b(?:im|i am|i was|and am|so am)(?: \w+){0,2} (?:unable|not able) to \w+",
        r"\bi(?: \w+ly)? (?:cannot|cant|can not|couldnt|could not) (?:\w+ly )?(?:grade|name|measure|characteri[sz]e|"
        r"guess|produce|rate|stage|classify|count|speak|do)\b",
        r"\bcannot produce\b",
        r"\b(?:i wont|i will not|i would not|id rather not|i wouldnt) (?:\w+ )?(?:guess|answer|speculate|comment|"
        r"give|provide|diagnose|be able)\b",
        r"\bnot assessable\b",
        r"\bno (?:answer|diagnosis) (?:(?:can|could) be|possible)\b",
        r"\bneither\b.{0,60}\bcan be (?:assessed|evaluated)\b",
        r"\bno (?:basis for|way of knowing)\b",
        r"\bimpossible for me to\b",
        r"无法(?:从[^,]{0,8})?(?:作出|做出)?(?:回答|判断|确定|得知|诊断|评估|作答|辨别)",
        r"不能(?:作出|做出|提供)?(?:回答|判断|确定|诊断|医疗诊断)",
        r"不知道",
        r"不确定",
        r"看不出",
        r"不清楚",
    )
)
"""Forms of refusal that the parser's lexicon (`refusals.py`) lacks: there they would change how answers are read."""

_LEAVES_OPEN = re.compile(r" (?:\w+ly )?(?:be )?(?:exclude|rule out|ruled out|discount|dismiss)")
"""After "not possible to" or "hard to": a finding that stays possible, which many reports say, and no refusal."""

_SENTENCE_END = re.compile(r"[.!?;]+(?=\s|$)|[。\n]+")
_BRACKETED_FIRST = re.compile(r"^\(([^()]*)\)")
_QUOTES = re.compile('["\u201c\u201d()\\[\\]]+')


def find_remark(text: str, question: str = "") -> str | None:
    """The remark that the text makes on the image; None if it makes none.

    - MISSING: there is no image, or the model cannot see it or asks for it;
    - BLANK: the image shows nothing: it is uniform, black, grey, or cannot be read at all;
    - MISMATCH: the image does not fit the question: it shows another body part, modality or organ.

    If there are several, the first in this order is given; a mere request for an image counts only if nothing else is
    said. The whole text is read, up to LONGEST_ANSWER characters, without thoughts. "The image is no MRI" answers "Is
    this an MRI?", but is a remark on "Is there a lesion in this MRI?". So it does not count if the text opens with yes
    or no, or if `question` asks what the image is or holds; without a question it counts. That an organ "is not
    visible" or "not shown in this view" never counts: that is a finding.
    """
    sentences = _read_sentences(text)
    if _say(sentences, CANNOT_SEE + NOT_GIVEN):
        return MISSING
    if _say(sentences, SHOWS_NOTHING):
        return BLANK
    if _say(sentences, DOES_NOT_FIT):
        return MISMATCH
    is_answer = _say([fold(question)], _ASKS_WHAT_IT_IS) or _OPENS_WITH_AN_ANSWER.search("".join(sentences[:1]))
    if not is_answer and _say(sentences, IS_ANOTHER):
        return MISMATCH
    return MISSING if _say(sentences, REQUESTS) else None


def declines(text: str) -> bool:
    """Whether the text refuses or says that it cannot tell, whatever the cause.

    A text that cannot see the image, asks for it, or says only that there is no image also declines, unless it names an
    answer ("the answer is", "my best guess"). A text that only calls the image blank, or of another kind, does not
    decline: that may be its answer. A doubt after a "yes" revokes nothing, as in `answers.py`. A text that says it
    cannot tell declines even if it then answers.
    """
    sentences = _read_sentences(text)
    names_answer = _say(sentences, _ANSWERS)
    if not names_answer and _say(sentences, (ASSISTANT_TALK, *CANNOT_SEE, *REQUESTS)):
        return True
    if _OPENS_WITH_YES.search("".join(sentences[:1])):
        return False
    if any(_says_it_cannot_tell(sentence) for sentence in sentences):
        return True
    says_no_more = all("," not in sentence and _say([sentence], NOT_GIVEN) for sentence in sentences)
    return bool(sentences) and not names_answer and says_no_more


def _says_it_cannot_tell(sentence: str) -> bool:
    """Whether a sentence says so. A mere lack of sight, which the parser's lexicon also holds, does not count here: it
    is judged with the rest of the text."""
    refusals = (match for pattern in (REFUSES, *_DECLINES_TOO) for match in pattern.finditer(sentence))
    return _only_doubts(sentence) or any(
        not _say([refusal.group()], CANNOT_SEE) and not _LEAVES_OPEN.match(sentence, refusal.end())
        for refusal in refusals
    )


def _only_doubts(sentence: str) -> bool:
    """ "Unknown", or "it is unclear whether ..."; not "the margin is unclear"."""
    doubt = DOUBT_ONLY.match(sentence)
    return (
        doubt is not None
        and re.match(r"\W*$| (?:whether|if|what|which|how|from)\b", sentence[doubt.end() :]) is not None
    )


def _say(sentences: list[str], patterns: tuple[re.Pattern[str], ...]) -> bool:
    return any(pattern.search(sentence) for pattern in patterns for sentence in sentences)


def _read_sentences(text: str) -> list[str]:
    """The folded sentences of what was said, without quotation marks and brackets."""
    said = cut_next_turn(take_off_latex(find_said_text(text) or ""))
    return [
        sentence.strip()
        for sentence in _SENTENCE_END.split(_QUOTES.sub("", _BRACKETED_FIRST.sub(r"\1. ", fold(said))))
        if sentence.strip()
    ]
