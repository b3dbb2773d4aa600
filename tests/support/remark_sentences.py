"""Sentences labelled with what they say of the image: takes a file of `tests/data`, gives its rows."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import NamedTuple

DATA = Path(__file__).parents[1] / "data"

SETS = {"image_remarks": "development", "image_remarks_held_out": "held out"}
"""By the session that wrote the lexicon; by another that saw no code. The first line of each file says so."""


class Labelled(NamedTuple):
    """A text, the remark in it (None: none), and whether it declines to answer."""

    text: str
    remark: str | None
    declines: bool


def read_labelled(name: str) -> list[Labelled]:
    """The rows of `<name>.tsv` (text, remark or "none", declines as 0 or 1) below its first line, in order."""
    with (DATA / f"{name}.tsv").open(encoding="utf-8", newline="") as lines:
        next(lines)
        rows = list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [
        Labelled(row["text"], None if row["remark"] == "none" else row["remark"], row["declines"] == "1")
        for row in rows
    ]
