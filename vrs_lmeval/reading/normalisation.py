"""Normalised words: takes any answer, gold or question text, gives the words that count when texts are compared.

The steps are those of the VQA evaluation (GT-Vision-Lab/VQA, `vqaEval.py`: `processPunctuation` and
`processDigitArticle`) that LLaVA-Med also uses (`llava/eval/eval_metrics/glossary.py`): lower case, no
punctuation, digits for number words, no articles. It differs from them in these points, because the original depends on
neighbouring text or loses a distinction:

- punctuation always becomes a space; the original deletes it instead when the same mark stands beside a space
  *anywhere* in the text ("left,right and x, y" -> "leftright and x y");
- apostrophes are dropped, and the table of contractions is not used, since it only puts apostrophes back;
- a full stop stays only where it is a decimal point, and dotted abbreviations close up ("p.a." -> "pa");
- "x ray", "x-ray" and "xray" are one word (so lmms-eval, `tasks/slake/utils.py`);
- "gray" is "grey";
- spaces beside Chinese characters are dropped, and each such character is a word (`chinese_characters.py`);
- text is brought to Unicode form NFKC first, so that a non-breaking space or a full-width letter is the plain one.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from vrs_lmeval.reading.chinese_characters import close_up, split_characters

ARTICLES = frozenset({"a", "an", "the"})

NUMBER_WORDS = {
    "none": "0", "zero": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5",
    "six": "6", "seven": "7", "eight": "8", "nine": "9", "ten": "10",
}  # fmt: skip
"""The VQA evaluation's `manualMap`, "none" included."""

_SAME_WORDS = NUMBER_WORDS | {"gray": "grey"}

_APOSTROPHES = re.compile(r"['\u2018\u2019\u02bc`]")
_DOTTED_ABBREVIATION = re.compile(r"\b(?:[^\W\d_]\.){2,}")
_THOUSANDS_COMMA = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_FULL_STOP = re.compile(r"\.(?!\d)|(?<=[^\W\d_])\.")
_PUNCTUATION = re.compile(r"[^\w.]|_")
_X_RAY = re.compile(r"\bx ray\b")


_AROUND = " .,;:!?\"'()[]"
_MINUS = str.maketrans("\u2212\u2013\u2014", "---")


def fold(text: str) -> str:
    """Lower-case `text` in Unicode form NFKC without apostrophes; punctuation stays."""
    return _APOSTROPHES.sub("", unicodedata.normalize("NFKC", text).lower())


def close_abbreviations(folded: str) -> str:
    """Folded text with dotted abbreviations closed up; the full stops that are left are ends or decimal points."""
    return _DOTTED_ABBREVIATION.sub(lambda match: match.group().replace(".", ""), folded)


def normalise(text: str) -> str:
    """The words of `text` that count, joined by single spaces; "" if none is left. The module lists the rules."""
    return _normalise_once(text) if len(text) <= _SHORT else _normalise(text)


def _normalise(text: str) -> str:
    folded = _THOUSANDS_COMMA.sub("", close_abbreviations(fold(text)))
    folded = _PUNCTUATION.sub(" ", _FULL_STOP.sub(" ", folded))
    kept = (_SAME_WORDS.get(word, word) for word in folded.split() if word not in ARTICLES)
    return close_up(_X_RAY.sub("xray", " ".join(kept)))


_SHORT = 100
_normalise_once = lru_cache(maxsize=32_768)(_normalise)
"""Golds and options are met again at each comparison: 13,000 times while a task of 162 questions is loaded."""


def name_text(text: str) -> str:
    """`normalise(text)`; for a text of articles and signs only, these ("a", "+", "a+"), so that it can be compared.

    "" for a text of blanks and punctuation only.
    """
    if words := normalise(text):
        return words
    kept = " ".join(fold(text).translate(_MINUS).split()).strip(_AROUND)
    return kept if has_sign_or_letter(kept) else ""


def has_sign_or_letter(text: str) -> bool:
    """Whether anything in it could be an answer: a letter, a digit, or a sign as "+", "-", "<"."""
    return any(character.isalnum() or character == "-" or unicodedata.category(character) == "Sm" for character in text)


def split_words(text: str) -> list[str]:
    """The normalised words of `text`, in order."""
    return split_characters(normalise(text))


def word_set(words: str) -> frozenset[str]:
    """The words of a space-separated list, as they stand."""
    return frozenset(words.split())
