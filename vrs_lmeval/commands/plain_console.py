"""The terminal of `vrs`: what it prints holds names and texts of others, and none of them moves the cursor."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from vrs_lmeval.leaderboard.shown_text import make_visible

WIDTH = 160
"""Columns where no terminal says how many it has: a table of six metrics fits."""


class PlainConsole(Console):
    """Writes U+FFFD for control characters in texts; rich itself leaves ESC as it is. Its own colours stay."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The segments of `renderable`, each with its text made visible."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(make_visible(segment.text), segment.style)


def make_console() -> PlainConsole:
    """For standard output."""
    return PlainConsole(width=None if sys.stdout.isatty() else WIDTH)
