"""Report of remarks: takes the labelled sentences, gives a Markdown table of precision and recall by class.

`make parser-report` prints it after the parser's table; `list_errors` gives the errors of the development set only.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from tests.support.remark_sentences import SETS, Labelled, read_labelled
from vrs_lmeval.reading.image_remarks import BLANK, MISMATCH, MISSING, declines, find_remark

CLASSES = (MISSING, BLANK, MISMATCH, "any remark", "declines")
"""The classes that are counted: each remark, any remark at all, and whether the text declines."""


class Counts(NamedTuple):
    """How many sentences of a class were found, how many were wrongly taken for it, and how many were missed."""

    found: int
    wrong: int
    missed: int

    def describe(self) -> str:
        """Cells of the table: sentences of the class, precision, recall."""
        cells = [_share(self.found, self.found + self.wrong), _share(self.found, self.found + self.missed)]
        return " | ".join([str(self.found + self.missed), *cells])


def count(name: str, labelled: Iterable[Labelled]) -> Counts:
    """The counts of the class `name` (one of CLASSES)."""
    pairs = [(_is_in(name, row.remark, row.declines), _read(name, row.text)) for row in labelled]
    return Counts(pairs.count((True, True)), pairs.count((False, True)), pairs.count((True, False)))


def write_table() -> str:
    """The table that docs/metrics.md shows: every class, in both sets."""
    head = "| sentences | class | of the class | precision | recall |\n|---|---|---:|---:|---:|"
    rows = []
    for name, title in SETS.items():
        labelled = read_labelled(name)
        rows += [f"| {title}, {len(labelled)} | {each} | {count(each, labelled).describe()} |" for each in CLASSES]
    return "\n".join([head, *rows])


def list_errors() -> list[str]:
    """The errors in the development set, a line for each."""
    rows = [(row, find_remark(row.text), declines(row.text)) for row in read_labelled("image_remarks")]
    return [
        f"remark {found}, declines {refuses}: {row}"
        for row, found, refuses in rows
        if (found, refuses) != (row.remark, row.declines)
    ]


def _is_in(name: str, remark: str | None, refuses: bool) -> bool:
    if name == "declines":
        return refuses
    return remark is not None if name == "any remark" else remark == name


def _read(name: str, text: str) -> bool:
    return _is_in(name, find_remark(text), declines(text))


def _share(part: int, of: int) -> str:
    return f"{part / of:.2f} ({part} of {of})" if of else "-"
