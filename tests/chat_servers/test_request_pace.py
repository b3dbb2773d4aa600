"""When requests may start, on a clock that only moves when somebody waits."""

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from vrs_lmeval.chat_servers.request_pace import (
    FIRST_WAIT_SECONDS,
    LONGEST_QUIET_SECONDS,
    LONGEST_WAIT_SECONDS,
    Pace,
    read_retry_after,
)


def run(work, per_minute=None):
    """What `work(pace, now)` gives; `now()` are seconds since the beginning."""

    async def on_a_clock():
        clock = [100.0]
        asyncio.get_running_loop().time = lambda: clock[0]
        pace = Pace(per_minute)

        async def rest(seconds):
            clock[0] += seconds

        pace._rest = rest
        return await work(pace, lambda: clock[0] - 100)

    return asyncio.run(on_a_clock())


def test_requests_a_minute_are_spaced():
    async def work(pace, now):
        starts = []
        for _ in range(4):
            await pace.wait_for_turn()
            starts.append(now())
        return starts

    assert run(work, per_minute=120) == pytest.approx([0, 0.5, 1, 1.5])
    assert run(work) == [0, 0, 0, 0]


@pytest.mark.parametrize(("attempt", "seconds"), [(1, 1), (2, 2), (3, 4), (6, 32), (7, LONGEST_WAIT_SECONDS), (40, 60)])
def test_waits_double_up_to_a_minute_with_some_chance(attempt, seconds):
    async def work(pace, now):
        await pace.back_off(attempt, None)
        return now()

    waits = {run(work) for _ in range(20)}
    assert all(0.5 * seconds <= wait <= 1.5 * seconds for wait in waits)
    assert len(waits) > 1


def test_all_wait_as_long_as_the_server_says():
    async def work(pace, now):
        rest, pace._rest = pace._rest, lambda seconds: asyncio.sleep(0)
        await pace.back_off(1, 30.0)
        pace._rest = rest
        await pace.wait_for_turn()  # another request's
        return now()

    assert run(work) == pytest.approx(30)


def test_who_was_told_a_time_waits_it_and_a_little_more():
    async def work(pace, now):
        await pace.back_off(8, 5.0)
        return now()

    assert 5 < run(work) <= 5 + FIRST_WAIT_SECONDS


def test_a_server_that_asks_for_hours_is_not_waited_for_so_long():
    async def work(pace, now):
        await pace.back_off(1, 86_400.0)
        return now()

    assert run(work) <= LONGEST_QUIET_SECONDS + FIRST_WAIT_SECONDS


def test_who_waits_returns_once_the_run_is_given_up():
    async def work():
        pace = Pace()
        waiting = asyncio.create_task(pace.back_off(10, 500.0))
        await asyncio.sleep(0)
        pace.give_up()
        await asyncio.wait_for(waiting, 60)
        return pace.is_given_up

    assert asyncio.run(work())


@pytest.mark.parametrize(("value", "seconds"), [(None, None), ("7", 7), ("0.5", 0.5), ("-1", 0), ("soon", None)])
def test_seconds_of_a_header(value, seconds):
    assert read_retry_after(value) == seconds


def test_a_date_of_a_header():
    later = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    assert 3500 < read_retry_after(later) <= 3600
    assert read_retry_after("Thu, 01 Jan 2015 00:00:00 GMT") == 0
