"""Ctrl-C and SIGTERM, received where the command can end in order."""

from __future__ import annotations

import signal
from types import FrameType
from typing import Any


class StoppedError(Exception):
    """Somebody stopped the command; `code` is the exit code that says so."""

    def __init__(self, signal_number: int) -> None:
        super().__init__("stopped")
        self.code = 128 + signal_number


class StopSignals:
    """Within it Ctrl-C and SIGTERM wait until `check` is called: an error raised within Ray's own code breaks that."""

    def __init__(self, error: type[StoppedError] = StoppedError) -> None:
        self._error = error
        self._received: int | None = None
        self._before: dict[int, Any] = {}

    def check(self) -> None:
        """Raises the error if one of them came."""
        if self._received is not None:
            raise self._error(self._received)

    def __enter__(self) -> StopSignals:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._received = self._received or number
