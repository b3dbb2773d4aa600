"""A question of a task -> one picture of all its image variants, labelled: what the model is shown."""

from __future__ import annotations

import difflib
import math
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from vrs_lmeval.benchmark.images import UnreadableImageError
from vrs_lmeval.benchmark.sources import MalformedDataError, MissingDataError
from vrs_lmeval.bridge import register, tasks_folder

CELL, MARGIN, TEXT = 320, 12, 16  # pixels: edge of a variant's picture, space around it, height of letters
COLUMNS = 4


class PreviewError(ValueError):
    """The task or the question does not exist; the message says what does."""


def load_task(name: str, folder: Path | None = None) -> Any:
    """The VRS task of this name, with its data; `folder`: where its YAML lies, if not in the package.

    Raises PreviewError: no task, or no data, and what to do.
    """
    from lm_eval.tasks import TaskManager

    register()
    manager = TaskManager(
        include_defaults=False, include_path=str(folder or tasks_folder())
    )  # the defaults take 14 s to index
    ours = sorted(manager.all_subtasks)
    if name not in ours:
        close = difflib.get_close_matches(name, ours, n=3)
        hint = f"did you mean {' or '.join(close)}?" if close else f"they are {', '.join(ours)}"
        raise PreviewError(f"{name} is none of our tasks; {hint}")
    try:
        return manager.load([name])["tasks"][name]
    except (MissingDataError, MalformedDataError, UnreadableImageError) as error:
        raise PreviewError(str(error)) from error


def draw_sheet(question: str, golds: list[str], images: Mapping[str, Image.Image]) -> Image.Image:
    """An RGB picture: the question and its gold answers, and below them every variant with its name."""
    font = ImageFont.load_default(TEXT)
    lines = textwrap.wrap(f"{question}   [gold: {' | '.join(golds)}]", 100) or [""]
    columns = max(1, min(COLUMNS, len(images)))  # none for a task that shows no image
    rows = math.ceil(len(images) / columns)
    top = MARGIN + len(lines) * (TEXT + 6) + MARGIN
    width = max(columns * (CELL + MARGIN) + MARGIN, int(max(font.getlength(line) for line in lines)) + 2 * MARGIN)
    sheet = Image.new("RGB", (width, top + rows * (CELL + TEXT + 2 * MARGIN)), "white")
    pen = ImageDraw.Draw(sheet)
    for number, line in enumerate(lines):
        pen.text((MARGIN, MARGIN + number * (TEXT + 6)), line, fill="black", font=font)
    for index, (name, image) in enumerate(images.items()):
        left = MARGIN + index % columns * (CELL + MARGIN)
        upper = top + index // columns * (CELL + TEXT + 2 * MARGIN)
        pen.text((left, upper), f"{name}, {image.width} x {image.height}", fill="black", font=font)
        shown = image.copy()
        shown.thumbnail((CELL, CELL))
        sheet.paste(shown, (left, upper + TEXT + 6))
    return sheet
