"""Row text: takes the strings of a data set row as published, gives the same words in the form the other stages read.

Nothing is reworded: runs of white space become one space, an option loses the letter that stands in its text (the
prompt letters options by their place), and a gold that is a letter becomes the option it stands for.
"""

from __future__ import annotations

import re
from string import ascii_uppercase

MISSING_OPTION = "N/A"
"""The text shown for an empty option: without it, the letters of the later options would move."""

_LEADING_LETTER = re.compile(r"\(?([A-Z])\s*([:.)])\s*")
_LETTER_ALONE = re.compile(r"\(?([A-Z])\s*[:.)]?")


def collapse_spaces(text: str) -> str:
    """`text` without spaces at its ends; each run of spaces, tabs, newlines, non-breaking spaces becomes one space."""
    return " ".join(text.split())


def drop_option_letters(options: tuple[str, ...]) -> tuple[str, ...]:
    """The options without the letters that stand in their texts: "A:X-ray", "B: MRI" -> "X-ray", "MRI".

    Letters with a colon are dropped if more than half of the options have one, even the wrong letters of PMC-VQA
    ("C:Axillary tumor" in second place). Other marks ("A.", "(A)") are dropped only if every option has its own, so
    that "E. coli" and "S. aureus" stay whole. Options that are nothing but letters stay as they are.
    """
    letters = ascii_uppercase[: len(options)]
    found = [_LEADING_LETTER.match(option) for option in options]
    own = [match is not None and match[1] == letter for match, letter in zip(found, letters, strict=False)]
    with_colon = [match is not None and match[1] in letters and match[2] == ":" for match in found]
    if len(options) > 1 and len(own) == len(options) and all(own):
        dropped = [True] * len(options)
    elif 2 * sum(with_colon) > len(options):
        dropped = with_colon
    else:
        return options
    texts = tuple(
        option[match.end() :] if match and drop else option
        for option, match, drop in zip(options, found, dropped, strict=True)
    )
    return texts if any(texts) else options


def find_gold_option(gold: str, options: tuple[str, ...]) -> str | None:
    """The option that a published gold means, or None: by its text, else by a letter alone, else by letter and text.

    "MRI", "B" and "B:MRI" all mean the second of ("X-ray", "MRI"). If the letter in "C:MRI" belongs to another option,
    the text counts: letters inside texts are known to be wrong.
    """
    by_text = {option.casefold(): option for option in reversed(options)}
    if gold.casefold() in by_text:
        return by_text[gold.casefold()]
    if (alone := _LETTER_ALONE.fullmatch(gold)) and alone[1] in ascii_uppercase[: len(options)]:
        return options[ascii_uppercase.index(alone[1])]
    lettered = _LEADING_LETTER.match(gold)
    return by_text.get(gold[lettered.end() :].casefold()) if lettered else None
