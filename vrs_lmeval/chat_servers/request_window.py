"""Jobs in their order, so many at a time: the next starts when any one ends, and a slow one holds no other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

Job = TypeVar("Job")


async def work_through(
    jobs: Iterable[Job], width: int, work: Callable[[Job], Awaitable[None]], give_up: Callable[[], None]
) -> None:
    """Do `work` on every job, `width` at a time; `jobs` is read only as far as it is started.

    After a failure nothing new starts, `give_up` is called, what is under way ends by itself, and the first failure is
    raised. A cancellation (Ctrl-C) ends all at once.
    """
    waiting = iter(jobs)
    failures: list[Exception] = []

    async def take_jobs() -> None:
        for job in waiting:
            try:
                await work(job)
            except Exception as error:
                failures.append(error)
                give_up()
            if failures:
                return

    async with asyncio.TaskGroup() as group:
        for _ in range(max(width, 1)):
            group.create_task(take_jobs())
    if failures:
        raise failures[0]
