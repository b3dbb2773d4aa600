"""When a request may start: so many a minute, not while the server asked for quiet, not once the run is given up."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 1.0, 60.0
"""Before the first and the last attempts: eight of them wait some two minutes in all, the time a server takes to
restart."""

LONGEST_QUIET_SECONDS = 600.0
"""A server that asks for more is as good as gone: the run ends, is kept, and goes on later."""


class Pace:
    """Shared by all requests of a run. `per_minute`: how many may start in a minute; None for no limit."""

    def __init__(self, per_minute: float | None = None) -> None:
        self._interval = 60 / per_minute if per_minute else 0.0
        self._next_start = 0.0
        self._quiet_until = 0.0
        self._given_up = asyncio.Event()

    @property
    def is_given_up(self) -> bool:
        """Whether nothing new shall start."""
        return self._given_up.is_set()

    def give_up(self) -> None:
        """Let nothing new start; who waits returns at once."""
        self._given_up.set()

    async def wait_for_turn(self) -> None:
        """Return when the next request may start."""
        now = asyncio.get_running_loop().time()
        start = max(now, self._next_start, self._quiet_until)
        self._next_start = start + self._interval
        while start > now and not self.is_given_up:
            await self._rest(start - now)
            now = asyncio.get_running_loop().time()
            start = max(start, self._quiet_until)

    async def back_off(self, attempt: int, retry_after: float | None) -> None:
        """Wait after the failed `attempt` (1, 2 ...), twice as long each time; all wait where the server names a time.

        Half to three halves of that, by chance, so that those who failed together do not come back together.
        """
        seconds = min(FIRST_WAIT_SECONDS * 2 ** (attempt - 1), LONGEST_WAIT_SECONDS) * random.uniform(0.5, 1.5)
        if retry_after is not None:
            quiet = min(retry_after, LONGEST_QUIET_SECONDS)
            self._quiet_until = max(self._quiet_until, asyncio.get_running_loop().time() + quiet)
            seconds = quiet + min(seconds, FIRST_WAIT_SECONDS)
        await self._rest(seconds)

    async def _rest(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._given_up.wait(), seconds)


def read_retry_after(value: str | None) -> float | None:
    """Seconds of a Retry-After header, which is a number or a date; None where it is absent or unreadable."""
    if value is None:
        return None
    try:
        return max(float(value), 0.0)
    except ValueError:
        pass
    try:
        return max((parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds(), 0.0)
    except (ValueError, TypeError):  # TypeError: a date without a zone
        return None
