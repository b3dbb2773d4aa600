"""Chinese options: takes a text and options, at least one of them Chinese, gives the option that the text names.

The text names it by label as in English ("B", "选B", "答案是B", "B、肝脏"), or by its words without a denial before
them.
"""

from __future__ import annotations

import re

from vrs_lmeval.reading.chinese import find_named, read_yes_no, refuses
from vrs_lmeval.reading.chinese_characters import has_han
from vrs_lmeval.reading.choices import lists_labels, read_label_alone, read_letter, read_option
from vrs_lmeval.reading.normalisation import normalise
from vrs_lmeval.reading.option_names import find_same_option, name_options
from vrs_lmeval.reading.reasons import CONTRADICTORY, NEGATED, NO_CHOICE, REFUSAL
from vrs_lmeval.records import Answer, Sample

YES_NO = ("是", "否")
"""The options that a Chinese yes/no question gets if the task asks for options."""

_LETTER_CHOSEN = re.compile(r"(?:选择?|选项|答案(?:应该|应当)?[是为选]?|应[为选是])\s*[:(]?\s*([A-Z])(?![A-Za-z])")
_LETTER_LEADS = re.compile(r"\W*([A-Z])\s*(?:是(?:正确|对)|正确|[.,:)])")


def read_given_options(text: str, sample: Sample) -> Answer:
    """The option that `text` names; its name (`option_names.py`), or why there is none."""
    options = sample.options
    if (label := read_label_alone(text, options)) is not None:
        return label
    if (same := find_same_option(text, options)) is not None:
        return Answer(same)
    if lists_labels(text, options):
        return Answer(None, CONTRADICTORY)
    lettered = _read_letter(text, options)
    if not has_han(text) and lettered is None:
        return read_option(text, options, sample.question)
    named = _read_words(text, sample)
    if lettered is None:
        return named
    return lettered if named.value in {None, lettered.value} else Answer(None, CONTRADICTORY)


def _read_letter(text: str, options: tuple[str, ...]) -> Answer | None:
    found = set(_LETTER_CHOSEN.findall(text)) or set(_LETTER_LEADS.findall(text[:20]))
    places = {ord(letter) - ord("A") for letter in found} & set(range(len(options)))
    if not places:
        return read_letter(text, options)
    return Answer(name_options(options)[places.pop()]) if len(places) == 1 else Answer(None, CONTRADICTORY)


def _read_words(text: str, sample: Sample) -> Answer:
    names = name_options(sample.options)
    if names == YES_NO:
        polar = read_yes_no(text, sample.question)
        return Answer({"yes": "是", "no": "否"}[polar.value]) if polar.value is not None else polar
    if refuses(text):
        return Answer(None, REFUSAL)
    words = {normalise(option): name for option, name in zip(sample.options, names, strict=True) if normalise(option)}
    denied: set[str] = set()
    for sentence in re.split(r"[.!?\n。]", text):
        named, refused = find_named(sentence, tuple(words))
        denied |= refused
        if named:
            return Answer(words[named.pop()]) if len(named) == 1 else Answer(None, CONTRADICTORY)
    return Answer(None, NEGATED if denied else NO_CHOICE)
