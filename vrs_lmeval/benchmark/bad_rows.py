"""Bad rows: takes what is wrong with rows of a data set; says all of it at once, or leaves them out and counts them."""

from __future__ import annotations

import logging
import os
from typing import Any, Literal, get_args

logger = logging.getLogger(__name__)

OnError = Literal["stop", "skip"]

VARIABLE = "VRS_ON_ERROR"
"""Wins over the task's `on_error`: the tasks of the package stop."""

ROWS_SHOWN = 20
"""How many bad rows an error or a warning describes; the others are counted."""


def choose_on_error(named: str, task: str) -> OnError:
    """What the environment says, or the task's YAML. Raises ValueError for another word."""
    asked = os.environ.get(VARIABLE)
    word = asked or named
    if word not in get_args(OnError):
        raise ValueError(f"{task}: {VARIABLE if asked else 'on_error'} should be stop or skip, it is {word!r}")
    return "skip" if word == "skip" else "stop"


class BadRows:
    """Collects the rows of a split that cannot be asked, each with the error that names it."""

    def __init__(self) -> None:
        self._found: list[tuple[str, Exception]] = []

    def add(self, row: str, error: Exception) -> None:
        """`row` is its number, or what the data set calls it."""
        self._found.append((row, error))

    def settle(self, on_error: OnError, rows: int, path: str) -> dict[str, Any]:
        """What the evidence says of the rows left out; empty where there are none.

        Raises an error of the first one's class that lists them, where the run is to stop, and where no row is left.
        """
        if not self._found:
            return {}
        if on_error == "stop" or len(self._found) == rows:
            _, first = self._found[0]
            if len(self._found) == 1:
                raise type(first)(f"{first}\n{_ADVICE}") from first
            raise type(first)(f"{self._count(rows, path)} cannot be asked:\n{self._list()}\n{_ADVICE}") from first
        logger.warning("%s are left out (on_error: skip):\n%s", self._count(rows, path), self._list())
        return {
            "skipped_rows": {"count": len(self._found), "of": rows, "rows": ", ".join(row for row, _ in self._found)}
        }

    def _count(self, rows: int, path: str) -> str:
        return f"{path}: {len(self._found):,} of {rows:,} rows"

    def _list(self) -> str:
        lines = [f"  {error}" for _, error in self._found[:ROWS_SHOWN]]
        more = len(self._found) - ROWS_SHOWN
        return "\n".join([*lines, *([f"  and {more:,} more"] if more > 0 else [])])


_ADVICE = f"Mend them, or leave them out: {VARIABLE}=skip, or `on_error: skip` in the YAML; results then say which."
