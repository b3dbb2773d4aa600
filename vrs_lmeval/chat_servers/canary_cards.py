"""Cards with a letter on a colour, which any model that sees can read: drawn, asked about, and read in answers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

COLOURS = {
    "red": (205, 25, 25),
    "green": (20, 140, 50),
    "blue": (30, 60, 210),
    "yellow": (245, 215, 30),
    "orange": (245, 130, 20),
    "purple": (125, 40, 160),
}
"""No black, white or grey: models name the letter's own colours."""

SIDE, LETTER_HEIGHT = 224, 150
"""Pixels: what every vision tower sees whole; the letter fills the card."""

MEANT = "Answer with the colour and the letter only, for example: grey Q"
"""Grey and Q are on no card: a model that repeats the example names none."""


@dataclass(frozen=True, slots=True)
class Card:
    """`letter` on `colour`; no two cards have the same letter."""

    letter: str
    colour: str

    def draw(self) -> Image.Image:
        """RGB, the same bytes each time: white with a black rim, so that it stands out from every colour."""
        image = Image.new("RGB", (SIDE, SIDE), COLOURS[self.colour])
        font = ImageFont.load_default(LETTER_HEIGHT)
        ImageDraw.Draw(image).text(
            (SIDE / 2, SIDE / 2), self.letter, (255, 255, 255), font, "mm", stroke_width=5, stroke_fill=(0, 0, 0)
        )
        return image


CARDS = tuple(Card(letter, colour) for letter, colour in zip("KRTHXMFZLPWY", tuple(COLOURS) * 2, strict=True))
"""The first six differ in colour and letter both. No A and no I, which are words; letters alike (K and X, F and P) are
on different colours, so that a misread letter does not give another card."""


@dataclass(frozen=True, slots=True)
class Said:
    """What an answer names."""

    letters: frozenset[str]
    colours: frozenset[str]

    def is_right(self, card: Card) -> bool:
        """It names this letter and this colour, and no other."""
        return self.letters == {card.letter} and self.colours == {card.colour}

    def find_other(self, card: Card, cards: Sequence[Card]) -> Card | None:
        """The card, not the one that was sent, whose letter and colour are both named, and no other."""
        return next((other for other in cards if other != card and self.is_right(other)), None)


def read_said(text: str) -> Said:
    """Letters that stand alone and colours; of a text with thoughts what follows them."""
    said = text.rpartition("</think>")[2]
    letters = re.findall(r"(?<!\w)(?<!\w['\u2019])[A-Za-z](?!\w|['\u2019]\w)", said)  # not the s of "it's"
    colours = re.findall(r"[a-z]+", said.lower())
    return Said(
        frozenset(letter.upper() for letter in letters) - {"A", "I"},
        frozenset("purple" if word == "violet" else word for word in colours) & frozenset(COLOURS),
    )
