"""Answers: takes a model's text and the sample it answers, gives an `Answer` or the reason why it cannot be told.

Never a guess. Matching is by whole words, since "no" stands in "normal", "nodule" and "know": substring tests
mark right answers wrong (facts: LLaVA-Med, MedEvalKit), and a random option where nothing parses (lm-eval's mmmu,
VLMEvalKit) hides the failure and adds noise. An unparsable answer is wrong and counted.
"""

from __future__ import annotations

import re

from vrs_lmeval.choices import (
    CONTRADICTORY,
    NO_WORDS,
    YES_WORDS,
    find_choices,
    read_alternative,
    read_letter,
    read_option,
    split_sentences,
)
from vrs_lmeval.normalisation import fold, normalise, split_words, word_set
from vrs_lmeval.records import Answer, Sample

PARSER_VERSION = "1"
"""Goes into every report; raised whenever any text would be read differently, so that runs are comparable or not."""

EMPTY = "empty"
UNFINISHED = "unfinished reasoning"
REFUSAL = "refusal"
UNDECIDED = "no decisive token"

LONGEST_ANSWER = 4000
"""Characters of an answer that are read: far beyond any benchmark's gold, and a 1 MB answer stays cheap."""

_THOUGHT_OPENS = re.compile(r"<think(?:ing)?>", re.IGNORECASE)
_THOUGHT_CLOSES = re.compile(r"</think(?:ing)?>", re.IGNORECASE)
_ANSWER_TAG = re.compile(r"<answer>(.*?)(?:</answer>|$)", re.DOTALL | re.IGNORECASE)
_SPECIAL_TOKEN = re.compile(r"<\|[^|>]*\|>|</?s>|<(?:eos|pad|end_of_turn|end_of_utterance)>", re.IGNORECASE)
_EMPHASIS = re.compile(r"[*#]+")
_NEXT_TURN = re.compile(r"\n(?:question|user|human|q) ?:.*", re.DOTALL | re.IGNORECASE)
_ANSWER_LABEL = re.compile(
    r"(?:^|[\n.!?]\s*)(?:(?:so|thus|therefore|hence),?\s+)?(?:the\s+|my\s+)?(?:(?:final|correct|best)\s+)*"
    r"answer\s*(?::|is\b\s*:?|to the question is\b)",
    re.IGNORECASE,
)

_REFUSES = re.compile(
    r"\b(?:not (?:sure|certain|possible to|able to|enough information)|no (?:idea|way to (?:tell|know|say))|"
    r"(?:cannot|cant|can not|could not|couldnt|unable to|impossible to|hard to|difficult to) (?:be )?"
    r"(?:determined?|tell|told|say|said|answer(?:ed)?|assess(?:ed)?|judged?|conclude|confirm(?:ed)?|provide|"
    r"identify|diagnose|interpret|know|help|assist)|"
    r"(?:cannot|cant|can not|unable to) (?:see|view|access|analy[sz]e) (?:the|this|any|your) (?:image|picture|scan)|"
    r"(?:dont|do not) know|insufficient information|as an ai|im sorry|i am sorry|i apologi[sz]e)\b"
)
_DOUBTS = re.compile(r"\b(?:unclear|unknown|uncertain|indeterminate|not clear)\b")
_DOUBT_ONLY = re.compile(r"(?:it |this |that |the answer )?(?:is |remains )?(?:unclear|unknown|uncertain|n ?/ ?a)")

_TOKEN = re.compile(r"[^\W_]+|[.,;:!?\n]")
_PAUSES = frozenset(".,;:!?\n")
_PREAMBLE = word_set("well so ok okay hmm") | _PAUSES
_AFTER_NO = word_set(
    "evidence sign signs indication indications any definite visible clear significant obvious apparent acute "
    "radiographic of an a the"
)
"""Words between "no" and what it denies: "no evidence of an effusion" is about the effusion."""


def parse_answer(text: str, sample: Sample) -> Answer:
    """What `text` answers to `sample`: a value in normalised words, or None with a reason.

    - closed, options given: the option's normalised text, named by letter or by its words;
    - closed, "A or B" question: "yes"/"no" where the text opens with it (so a yes/no question that holds an "or" is
      read too), else the alternative's key, else the whole normalised text (see `choices.py`);
    - closed otherwise: "yes" or "no" by the first decisive word; the opposite in the same sentence, or a refusal before
      it, makes the answer unparsable;
    - open: the whole normalised text, unless it is empty or a refusal.

    Reasoning in `<think>` is dropped, the first `<answer>` tag or the last "Answer:" label is followed, and an
    invented next turn ("Question: ...") is cut. Reasons: "empty", "unfinished reasoning", "refusal",
    "no decisive token", "contradictory", "no option named", "negated option".
    """
    final = _find_final_text(text)
    if final is None:
        return Answer(None, UNFINISHED)
    if not any(character.isalnum() for character in final):
        return Answer(None, EMPTY)
    if sample.answer_type == "open":
        return _read_open(final)
    if sample.options:
        return _read_given_options(final, sample)
    if " or " in sample.question.lower():
        return _read_alternatives(final, sample)
    return read_yes_no(final, sample.question)


def _find_final_text(text: str) -> str | None:
    """The part of a model's text that is its answer; None where it ends inside its reasoning."""
    text = "\n".join(" ".join(line.split()) for line in text.splitlines() if line.strip())
    before = _THOUGHT_OPENS.split(text, maxsplit=1)[0]
    after = _THOUGHT_CLOSES.split(text)[-1]  # a chat template may have opened the reasoning in the prompt
    if _THOUGHT_OPENS.search(after) or not after.strip():
        if not before.strip() and before != text:
            return None
        after = before
    if tag := _ANSWER_TAG.search(after):
        after = tag.group(1)
    after = _EMPHASIS.sub("", _SPECIAL_TOKEN.sub("", after)).strip()[:LONGEST_ANSWER]
    after = _NEXT_TURN.sub("", after)
    labels = list(_ANSWER_LABEL.finditer(after))
    return after[labels[-1].end() :].strip() if labels else after


def _read_open(text: str) -> Answer:
    words = normalise(text)
    if not words:
        return Answer(None, EMPTY)
    refusal = _REFUSES.search(fold(text))
    # Three words may precede it: "I am really not sure".
    opens_with_refusal = refusal is not None and len(fold(text)[: refusal.start()].split()) <= 3
    if opens_with_refusal or _DOUBT_ONLY.fullmatch(fold(text).strip(" .!")):
        return Answer(None, REFUSAL)
    return Answer(words)


def _read_given_options(text: str, sample: Sample) -> Answer:
    if set(find_choices(sample)) == {"yes", "no"}:
        lettered, polar = read_letter(text, sample.options), read_yes_no(text, sample.question)
        if lettered is not None and polar.is_parsed and polar != lettered:
            return Answer(None, CONTRADICTORY)
        return lettered or polar
    head = fold(text)[: _doubt_starts(text)]  # what stands before the doubt; upper case, since letters are capitals
    if head != fold(text) and not read_option(head.upper(), sample.options).is_parsed:
        return Answer(None, REFUSAL)
    return read_option(text, sample.options)


def _read_alternatives(text: str, sample: Sample) -> Answer:
    polar = read_yes_no(text, sample.question)
    if _opens_with_polar_word(text) and polar.reason != UNDECIDED:  # "true lumen" opens so, and decides nothing
        return polar
    if not normalise(text):
        return Answer(None, EMPTY)
    keys = find_choices(sample)
    head = fold(text)[: _doubt_starts(text)]
    if head != fold(text) and not (normalise(head) and read_alternative(head, sample.question, keys).value in keys):
        return Answer(None, REFUSAL)
    return read_alternative(text, sample.question, keys)


def _opens_with_polar_word(text: str) -> bool:
    first = next((token for token in _TOKEN.findall(fold(text)) if token not in _PREAMBLE), "")
    return first in YES_WORDS | NO_WORDS


def _doubt_starts(text: str) -> int | None:
    """Offset in the folded text where the model first declines to answer."""
    starts = [match.start() for pattern in (_REFUSES, _DOUBTS) if (match := pattern.search(fold(text)))]
    return min(starts, default=None)


def read_yes_no(text: str, question: str) -> Answer:
    """ "yes" or "no" by the first decisive word of `text`, or the reason why there is none.

    Decisive are "yes", "yeah", "yep" and "nope"; "true" and "false" where they open the text and stand alone (not in
    "true lumen"); "no" where it opens the text, stands alone, or denies what `question` asks about ("there is no
    evidence of a fracture"), but not as a mere determiner ("normal, with no enlargement").
    """
    decided = _find_polarities(text, set(split_words(question)))
    doubt = _doubt_starts(text)
    if doubt is not None and (not decided or doubt <= decided[0][0]):
        return Answer(None, REFUSAL)
    if not decided:
        return Answer(None, UNDECIDED)
    start, value = decided[0]
    end = start + len(split_sentences(fold(text)[start:])[0])
    if any(later < end and opposite != value for later, opposite in decided):
        return Answer(None, CONTRADICTORY)
    return Answer(value)


def _find_polarities(text: str, asked: set[str]) -> list[tuple[int, str]]:
    """Offsets in the folded text and values of every decisive word."""
    tokens = [(match.start(), match.group()) for match in _TOKEN.finditer(fold(text))]
    words = [token for _, token in tokens]
    opening = next((at for at, word in enumerate(words) if word not in _PREAMBLE), len(words))
    return [
        (start, "yes" if word in YES_WORDS else "no")
        for at, (start, word) in enumerate(tokens)
        if word in YES_WORDS | NO_WORDS and _is_decisive(words, at, at == opening, asked)
    ]


def _is_decisive(words: list[str], at: int, opens: bool, asked: set[str]) -> bool:
    following = words[at + 1] if at + 1 < len(words) else "."
    stands_alone = following in _PAUSES
    if words[at] in {"true", "false"}:
        return opens and stands_alone
    if words[at] != "no" or opens or stands_alone or following in {"or", "and"} | YES_WORDS:
        return True
    return next((word for word in words[at + 1 :] if word not in _AFTER_NO), "") in asked
