"""A question and its image under every variant -> one picture: severities of a kind in a row, all else before."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

CELL, MARGIN, TEXT = 320, 12, 16  # pixels: edge of a variant's picture, space around it, height of letters
LINE = TEXT + 6
COLUMNS = 5
"""Pictures in a row: the five severities of a published kind."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One picture of the sheet; `note` stands below its name."""

    name: str
    note: str
    image: Image.Image


def arrange(images: Mapping[str, Image.Image], strengths: Mapping[str, tuple[str, str]]) -> list[list[Cell]]:
    """Images by name -> rows of at most COLUMNS: first those without a strength, then a kind's own rows.

    `strengths`: variant -> (its kind, its strength in words). A name may have a number behind it, "blur_3 2": the
    second image of its question.
    """
    rows: dict[str, list[Cell]] = {"": []}
    for name, image in images.items():
        kind, strength = strengths.get(name) or strengths.get(name.rpartition(" ")[0]) or ("", "")
        size = f"{image.width} x {image.height}"
        rows.setdefault(kind, []).append(Cell(name, f"{strength}, {size}" if strength else size, image))
    return [row[start : start + COLUMNS] for row in rows.values() for start in range(0, len(row), COLUMNS)]


def draw_sheet(question: str, golds: Sequence[str], rows: Sequence[Sequence[Cell]]) -> Image.Image:
    """An RGB picture: the question and its gold answers, and below them the rows.

    Images are fitted into squares of CELL pixels. Small ones are drawn larger, each of their pixels as a block.
    """
    font = ImageFont.load_default(TEXT)
    lines = textwrap.wrap(f"{question}   [gold: {' | '.join(golds)}]", 100) or [""]
    top = MARGIN + len(lines) * LINE + MARGIN
    step = CELL + 2 * LINE + MARGIN
    columns = max((len(row) for row in rows), default=1)  # none for a task that shows no image
    width = max(columns * (CELL + MARGIN) + MARGIN, int(max(font.getlength(line) for line in lines)) + 2 * MARGIN)
    sheet = Image.new("RGB", (width, top + len(rows) * step), "white")
    pen = ImageDraw.Draw(sheet)
    for number, line in enumerate(lines):
        pen.text((MARGIN, MARGIN + number * LINE), line, fill="black", font=font)
    for row_number, row in enumerate(rows):
        for column, cell in enumerate(row):
            left, upper = MARGIN + column * (CELL + MARGIN), top + row_number * step
            pen.text((left, upper), cell.name, fill="black", font=font)
            pen.text((left, upper + LINE), cell.note, fill="dimgrey", font=font)
            sheet.paste(_fit(cell.image), (left, upper + 2 * LINE))
    return sheet


def _fit(image: Image.Image) -> Image.Image:
    scale = CELL / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.NEAREST if scale > 1 else Image.Resampling.BICUBIC)
