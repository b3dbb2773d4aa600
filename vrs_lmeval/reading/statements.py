"""Statements: takes a text without yes or no, and a yes/no question; gives the answer that the text states.

The same rules read affirmations and denials: "an effusion is seen", "no effusion is seen". FORMS lists the forms, each
with an example, which is also its test.
"""

from __future__ import annotations

import re
from itertools import dropwhile, pairwise, takewhile
from typing import NamedTuple

from vrs_lmeval.reading.choices import NEUTRAL, split_sentences
from vrs_lmeval.reading.normalisation import fold, split_words, word_set


class Form(NamedTuple):
    """A question, a text, and what the text states: "yes", "no", or None where nothing is clear."""

    question: str
    text: str
    value: str | None


_Q = "is there a pleural effusion?"
FORMS = (
    Form(_Q, "There is a small pleural effusion on the left.", "yes"),
    Form(_Q, "The scan demonstrates a large right pleural effusion.", "yes"),
    Form(_Q, "The patient has a pleural effusion.", "yes"),
    Form(_Q, "A pleural effusion can be seen at the left base.", "yes"),
    Form(_Q, "Pleural effusion present", "yes"),
    Form(_Q, "Pleural effusion is absent.", "no"),
    Form(_Q, "A pleural effusion is not present.", "no"),
    Form(_Q, "The image does not show any pleural effusion.", "no"),
    Form(_Q, "There isn't a pleural effusion.", "no"),
    Form(_Q, "Neither a pneumothorax nor a pleural effusion is seen.", "no"),
    Form(_Q, "Without pleural effusion", "no"),
    Form(_Q, "Negative for pleural effusion.", "no"),
    Form(_Q, "A large pleural effusion is not present.", None),
    Form(_Q, "A pleural effusion may be present.", None),
    Form(_Q, "A pleural effusion cannot be seen.", None),
    Form(_Q, "A pleural effusion is commonly seen in heart failure.", None),
    Form(_Q, "It does not have a mass and a pleural effusion is present.", None),
    Form("is there a left effusion?", "There is an effusion.", None),
    Form("is there a left effusion?", "There is a right effusion.", None),
    Form("is the heart normal in size?", "The heart appears normal in size.", "yes"),
    Form("is the heart normal in size?", "The heart is not normal in size.", "no"),
    Form("are the lungs clear?", "Both lungs are clear.", "yes"),
    Form("are the lungs clear?", "The left lung is clear.", None),
    Form("are the lungs clear?", "Clear", "yes"),
)

AFTER_NO = word_set(
    "evidence sign signs indication indications any definite visible clear significant obvious apparent acute "
    "radiographic suggest suggesting suggestive of for to an a the"
)
"""Words between "no" and what it denies: "no evidence of an effusion" is about the effusion."""

PHRASE_ENDS = word_set(
    "in on at to from for by with within without into over under underneath beneath above below outside inside near "
    "is are was were be been being can could may has have had that which who and but seen noted noticed identified "
    "identifiable detected present visible visualized visualised evident apparent observed found shown appreciated "
    "demonstrated placed located used here"
)
"""Words that end the noun phrase before them; "of" is not one: it continues the phrase."""

INVERTS = re.compile(r"\b(?:no|not|without|absent|absence|free (?:of|from)|clear of|rule out|ruled out)\b")
"""A question that holds these is not answered by a phrase that denies: "are the lungs free of effusion?"."""

PLACES = word_set("left right upper lower anterior posterior elsewhere")
"""Places that narrow a denial: "no effusion on the left" answers only a question about the left."""

_HAS = re.compile(
    r"\b(?:there (?:is|are|appears to be|appear to be|seems to be)|"
    r"(?:image|scan|picture|x-?ray|radiograph|ct|mri|film|study) (?:clearly )?"
    r"(?:shows?|demonstrates?|reveals?|depicts?)|patient has)\b"
)
"""Words behind which a text says what is there."""

_LACKS = re.compile(
    r"\b(?:(?:does not|doesnt|do not|dont|did not|didnt) (?:show|demonstrate|reveal|depict|contain|have|see)|"
    r"there (?:is not|isnt|are not|arent)|negative for|without|neither)\b"
)
"""Words behind which a text says what is not there."""

SEEN = re.compile(
    r" (?:is|are|was|were|can be)(?P<no> not)?(?: (?:clearly|also))? "
    r"(?P<seen>present|seen|noted|visible|visuali[sz]ed|identified|observed|evident|detected|absent)\b"
    r"| (?P<alone>present|absent|seen|noted)\W*$"
)
_HEDGES = re.compile(
    r"\b(?:may|might|could|would|possibl[ey]|likely|probabl[ey]|suspected|if|cannot|cant|never|hardly|"
    r"typically|usually|commonly|often|frequently|generally|sometimes|patients with)\b"
)
"""Words of a sentence that states nothing of this image, or leaves it open."""

_DEGREES = word_set("small large mild moderate massive minimal severe bilateral extensive trace")
"""Words that narrow a thing: a small effusion is an effusion, but without a small one there may be a large one."""

_NOT = word_set("not isnt arent wasnt werent")
_STATE_VERBS = word_set("is are was were be appear appears seem seems look looks to both clearly")

_ONE_WORD = {"present": "yes", "positive": "yes", "correct": "yes"} | dict.fromkeys(
    ["absent", "negative", "none"], "no"
)
"""Whole answers to a question whether something is there. If the question itself says one of them, that word means
"yes"."""

_OPPOSITE = {"present": "absent", "positive": "negative", "normal": "abnormal"}
_OPPOSITE |= {second: first for first, second in _OPPOSITE.items()}


def read_statement(text: str, question: str) -> str | None:
    """The answer to `question` in the first sentence that says what is there or is not there; else None.

    It gives no answer to a question with a negation.
    """
    if (word := _read_one_word(text, question)) is not None:
        return word
    asked = split_words(question)
    if INVERTS.search(" ".join(asked)):
        return None
    for sentence in split_sentences(fold(text)):
        if _HEDGES.search(sentence):
            continue
        if lacks := _LACKS.search(sentence):
            return "no" if _denies(sentence[lacks.end() :], asked) else None
        if has := _HAS.search(sentence):
            return "yes" if _affirms(sentence, sentence[has.end() :], asked) else None
        if seen := SEEN.search(sentence):
            phrase = sentence[: seen.start()]
            absent = (seen["seen"] or seen["alone"]) == "absent"
            if seen["no"] or absent:
                return "no" if _denies(phrase, asked) and not (seen["no"] and absent) else None
            return "yes" if _affirms(sentence, phrase, asked) else None
    return None


def read_echo(text: str, question: str) -> str | None:
    """ "yes" where the first clause states what the question asks in its words, "no" where it adds "not"; else None."""
    verb, *rest = split_words(question) or [""]
    if verb not in {"is", "are", "was", "were"} or not rest or INVERTS.search(" ".join(rest)):
        return None
    sentence = next(iter(split_sentences(fold(text))), "")
    clause, _, behind = sentence.partition(",")
    if re.search(r"\b(?:no|not|but|except)\b", behind):
        return None
    said = split_words(clause)
    stated = [word for word in said if word not in _STATE_VERBS | _NOT]
    if rest[0] not in {"there", "this", "it"} and len(rest) > 1 and said == rest[-1:]:
        return "yes"
    asked = [word for word in rest if word not in _STATE_VERBS]
    if not set(said) & _STATE_VERBS | set(said) & _NOT or stated[: len(asked)] != asked:
        return None
    if not set(stated[len(asked) :]) <= NEUTRAL:
        return None
    negations = sum(word in _NOT for word in said)
    return {0: "yes", 1: "no"}.get(negations)


def _affirms(sentence: str, phrase: str, asked: list[str]) -> bool:
    """Whether the sentence affirms what is asked. It must say a place that was asked about; any other place only
    narrows what is there."""
    words = split_words(sentence)
    if INVERTS.search(" ".join(words)) or PLACES & set(asked) - set(words):
        return False
    if PLACES & set(asked) and PLACES & set(words) - set(asked):
        return False
    narrowing = AFTER_NO | _DEGREES | (PLACES - set(asked))
    return _names_asked(list(dropwhile(narrowing.__contains__, split_words(phrase))), asked)


def _denies(phrase: str, asked: list[str]) -> bool:
    """Whether the phrase denies what is asked. It does not if it has a place or degree that was not asked about."""
    if PLACES & set(split_words(phrase)) - set(asked):
        return False
    items = re.split(r"\b(?:or|nor)\b", re.split(r"[,;:]|\b(?:and|but)\b", phrase)[0])
    return any(_names_asked(list(dropwhile(AFTER_NO.__contains__, split_words(item))), asked) for item in items)


def _names_asked(words: list[str], asked: list[str]) -> bool:
    phrase = list(takewhile(lambda word: word not in PHRASE_ENDS, words))
    return bool(phrase) and is_asked(phrase, asked)


def _read_one_word(text: str, question: str) -> str | None:
    """ "Present", "Negative" and the like as whole answers; "Normal" and "Abnormal" where the question has the word."""
    word, asked = fold(text).strip(" .!\n"), set(split_words(question))
    if word in asked & set(_OPPOSITE):
        return "yes"
    if _OPPOSITE.get(word) in asked or (word == "normal" and asked & {"abnormality", "abnormalities"}):
        return "no"
    return None if INVERTS.search(" ".join(split_words(question))) else _ONE_WORD.get(word)


def is_asked(item: list[str], asked: list[str]) -> bool:
    """True if `item` stands in `asked` and its noun ends a phrase there: "mass effect" does not ask for a "mass"."""
    ends = {_singular(word) for word, after in pairwise([*asked, "of"]) if after in PHRASE_ENDS | {"of", "or"}}
    noun = _singular(next(reversed(list(takewhile("of".__ne__, item))), ""))
    return noun in ends and {_singular(word) for word in item} <= {_singular(word) for word in asked} | {"of"}


def _singular(word: str) -> str:
    """A plural without its ending: "masses" is "mass", "opacities" is "opacity"; "pus" and "mass" stay."""
    if word.endswith("ies"):
        return word[:-3] + "y"
    if word.endswith(("sses", "xes", "shes", "ches")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith(("ss", "us", "is")) else word
