"""Problems of a user's table: each names row and column; many become one error that lists the first of them."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

LISTED = 20
"""Problems that an error lists: a screen of them; the rest is counted."""


class OwnDataError(ValueError):
    """A user's table, folder or option is not what is needed; the message names file, row and column."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one cell; `where` is the row as its owner counts it, "row 7"."""

    where: str
    column: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}, column {self.column!r}: {self.what}"


def explain(file: str, problems: Sequence[Problem]) -> OwnDataError:
    """One error for all problems of a file, the first `LISTED` of them in full."""
    rows = len({problem.where for problem in problems})
    lines = [f"  {problem}" for problem in problems[:LISTED]]
    if len(problems) > LISTED:
        lines.append(f"  and {len(problems) - LISTED} more")
    head = f"{file}: {rows} row{'s' if rows > 1 else ''} cannot be used. Nothing was written."
    return OwnDataError("\n".join((head, *lines)))


def name_near(missing: Path) -> str:
    """ "; there is scans" where the folder of a missing file or folder holds one of nearly that name; else nothing."""
    beside = [path.name for path in missing.parent.iterdir()] if missing.parent.is_dir() else []
    near = difflib.get_close_matches(missing.name, beside, n=2)
    return f"; there is {' and '.join(near)}" if near else ""
