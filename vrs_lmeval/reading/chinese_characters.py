"""Chinese characters: takes normalised text, gives it in the form in which Chinese texts are compared, and its parts.

Chinese is written without spaces, so a space beside a Chinese character does not count. Where words are counted (token
F1 and recall), each such character is one word. An answer that is only a number becomes digits ("两个" is "2"); inside
longer words numerals stay, since "十二指肠" is the duodenum. Simplified and traditional characters differ.
"""

from __future__ import annotations

import re

HAN = "\u3400-\u4dbf\u4e00-\u9fff"
"""CJK unified ideographs and their first extension, for a character class."""

_HAN = re.compile(f"[{HAN}]")
_SPACE_BESIDE = re.compile(f"(?<=[{HAN}]) | (?=[{HAN}])")
_WORD = re.compile(rf"[{HAN}]|[^\s{HAN}]+")
_COUNT = re.compile(r"([零一二两三四五六七八九十]|\d+)(?:个|只|条|块|根|颗|枚)?")
_DIGITS = {"零": "0", "两": "2", "十": "10"} | {
    numeral: str(number) for number, numeral in enumerate("一二三四五六七八九", start=1)
}


def has_han(text: str) -> bool:
    """Whether a Chinese character stands in `text`."""
    return _HAN.search(text) is not None


def close_up(normalised: str) -> str:
    """Normalised text without spaces beside Chinese characters; in digits if it says a number and nothing else."""
    if not has_han(normalised):
        return normalised
    text = _SPACE_BESIDE.sub("", normalised)
    count = _COUNT.fullmatch(text)
    return _DIGITS.get(count[1], count[1]) if count else text


def split_characters(normalised: str) -> list[str]:
    """The words of a normalised text; each Chinese character is one word."""
    return _WORD.findall(normalised)
