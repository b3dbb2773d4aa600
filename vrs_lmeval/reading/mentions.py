"""Mentions: takes a text and a phrase, tells whether the text says the phrase without denying it.

"The image shows the left lung" says "left lung"; "not the left lung" does not. FORMS lists forms that say and forms
that deny, each with an example, which is also its test.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import dropwhile, takewhile
from typing import NamedTuple

from vrs_lmeval.reading import chinese
from vrs_lmeval.reading.chinese_characters import has_han
from vrs_lmeval.reading.choices import NOT_ONLY, PAUSE, VERBS, find_runs, split_sentences
from vrs_lmeval.reading.normalisation import close_abbreviations, fold, split_words, word_set
from vrs_lmeval.reading.statements import AFTER_NO, PHRASE_ENDS, SEEN


class Form(NamedTuple):
    """A phrase, a text, and whether the text says it."""

    phrase: str
    text: str
    is_said: bool


FORMS = (
    Form("left lung", "The image shows the left lung.", True),
    Form("left lung", "The left upper lung", False),
    Form("left lung", "No left lung.", False),
    Form("left lung", "It is not the left lung.", False),
    Form("pneumonia", "A chest without pneumonia", False),
    Form("pneumonia", "No evidence of effusion or pneumonia", False),
    Form("pneumonia", "No effusion, no mass, pneumonia or fracture.", False),
    Form("pneumonia", "No effusion, but pneumonia is seen.", True),
    Form("pneumonia", "There is no effusion, this is pneumonia.", True),
    Form("pneumonia", "There is no effusion and the left lung shows pneumonia.", True),
    Form("pneumonia", "There is no effusion. Pneumonia.", True),
    Form("pneumonia", "No, pneumonia.", True),
    Form("pneumonia", "Not only effusion but also pneumonia", True),
    Form("pneumonia", "Pneumonia is not seen.", False),
    Form("pneumonia", "Pneumonia is absent.", False),
    Form("pneumonia", "Pneumonia isn't present, an effusion is.", False),
    Form("pneumonia", "Pneumonia has been ruled out.", False),
    Form("pneumonia", "Pneumonia, not effusion", True),
    Form("pneumonia", "Effusion rather than pneumonia", False),
    Form("pneumonia", "It is not pneumonia. It is pneumonia with effusion.", True),
    # The limit: "no" reaches to the end of its clause, and so over a place, which is then no answer to "where?".
    Form("left lung", "There is no effusion in the left lung.", False),
    Form("left lung", "The left lung has no effusion.", True),
    # "Without" reaches to the end of its noun phrase.
    Form("liver", "A CT without contrast shows the liver.", True),
    Form("right lung", "Free of effusion in the right lung", True),
    Form("contrast CT", "A non-contrast CT", False),
    Form("CT", "A non-contrast CT", True),
    # A denial inside the phrase is part of it.
    Form("no fracture", "There is no fracture.", True),
    Form("without contrast", "CT without contrast", True),
    Form("right lung, left lung", "The right lung, left lung and heart", True),
    Form("p.a.", "The view is P.A. and upright.", True),
    Form("x-ray", "a chest x ray", True),
    Form("a", "a", False),  # no word of its own
)

_DENIES_CLAUSE = word_set(
    "no not never neither nor cannot cant isnt arent wasnt werent doesnt dont didnt hardly lacks lack lacking exclude "
    "excludes excluded excluding"
)
"""Words that deny what follows, to the end of their clause."""

_DENIES_PHRASE = re.compile(
    r"(?:without|absence of|free of|free from|clear of|negative for|rules? out|ruled out|rather than|instead of|"
    r"other than|unlike)\b"
)
"""Words that deny the noun phrase after them."""

_ENDS_DENIAL = word_set("but however though although while whereas except because since")

_DENIED_BEFORE = re.compile(
    r" (?:isnt|arent|wasnt|werent|cannot be|cant be|can not be) (?:clearly )?"
    r"(?:present|seen|noted|visible|visuali[sz]ed|identified|observed|evident|detected|shown)\b"
    r"| (?:is|are|was|were|has been|have been) (?:ruled out|excluded|unlikely)\b"
)


def says(text: str, phrase: str) -> bool:
    """Whether the normalised words of `phrase` stand in one run in `text` that the text does not deny.

    A phrase without a normalised word is never said. A denial counts where it stands before the run.
    """
    if has_han(text):
        return chinese.says(text, phrase)
    words = _read_words(text)
    runs = find_runs([word.text for word in words], split_words(phrase))
    return any(not words[start].is_denied for start in runs)


class _Word(NamedTuple):
    text: str
    is_denied: bool


def _read_words(text: str) -> list[_Word]:
    plain = close_abbreviations(NOT_ONLY.sub("", fold(text)))
    return [word for sentence in split_sentences(plain) for word in _read_sentence(sentence)]


def _read_sentence(sentence: str) -> Iterator[_Word]:
    """Its words; a denial goes on over a comma or an "and" until a clause has its own verb ("no mass, fracture")."""
    parts = PAUSE.split(sentence)
    denies = False
    for pause, piece in zip(["", *parts[1::2]], parts[::2], strict=True):
        for number, clause in enumerate(re.split(r"(?=\band\b)", piece)):
            goes_on = number or pause == ","
            denies = denies and bool(goes_on) and not VERBS & set(split_words(clause))
            words = split_words(clause)
            denied_before = _count_denied_before(clause)
            denied_behind, denies = _find_denied_behind(words, denies)
            for place, word in enumerate(words):
                yield _Word(word, place < denied_before or place in denied_behind)
            denies = denies and len(words) > 1  # "no, the left lung": an answer to itself


def _count_denied_before(clause: str) -> int:
    """How many words at the start of `clause` are denied by the words after them ("... is not seen")."""
    if found := _DENIED_BEFORE.search(clause):
        return len(split_words(clause[: found.start()]))
    seen = SEEN.search(clause)
    if seen is None or (seen["no"] is None) != ((seen["seen"] or seen["alone"]) == "absent"):
        return 0
    return len(split_words(clause[: seen.start()]))


def _find_denied_behind(words: list[str], denies: bool) -> tuple[set[int], bool]:
    """Places of the words behind a denial, and whether the last one is still denied by its clause."""
    denied: set[int] = set()
    for place, word in enumerate(words):
        denies = denies and word not in _ENDS_DENIAL
        if denies:
            denied.add(place)
        denies = denies or word in _DENIES_CLAUSE
        if word == "non":
            denied.add(place + 1)
        if found := _DENIES_PHRASE.match(" ".join(words[place : place + 2])):
            first = place + len(found.group().split())
            skipped = len(words[first:]) - len(list(dropwhile(AFTER_NO.__contains__, words[first:])))
            phrase = takewhile(lambda word: word not in PHRASE_ENDS | VERBS | _ENDS_DENIAL, words[first + skipped :])
            denied.update(range(first, first + skipped + len(list(phrase))))
    return denied, denies
