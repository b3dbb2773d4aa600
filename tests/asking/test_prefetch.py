"""Computing ahead in a thread: the same items in the same order, no more of them at once than promised."""

import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vrs_lmeval.asking.prefetch import run_ahead

PATIENCE_SECONDS = 30
"""How long a test waits for the thread before it fails."""


def wait_until(condition):
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < end, "the thread did not get there"
        time.sleep(0.001)


@settings(deadline=None)
@given(st.lists(st.integers(0, 9)), st.integers(0, 20))
def test_items_come_in_their_order(items, budget):
    assert list(run_ahead(iter(items), lambda item: item, budget)) == items


def test_items_are_computed_by_another_thread_before_they_are_asked_for():
    computed = []

    def items():
        for number in range(3):
            computed.append(threading.current_thread())
            yield number

    ahead = run_ahead(items(), lambda item: 1, 10)
    assert next(ahead) == 0
    wait_until(lambda: len(computed) == 3)
    assert threading.current_thread() not in computed


def test_no_more_waits_than_the_budget_and_one_for_room():
    computed = []

    def items():
        for number in range(20):
            computed.append(number)
            yield number

    ahead = run_ahead(items(), lambda item: 10, 30)
    for taken in range(1, 17):
        assert next(ahead) == taken - 1
        wait_until(lambda expected=taken + 3 + 1: len(computed) == expected)
    time.sleep(0.05)  # a thread that ignores the budget would go on
    assert len(computed) == 16 + 3 + 1


def test_one_item_may_exceed_the_budget():
    assert list(run_ahead(iter([100, 1, 100]), lambda item: item, 10)) == [100, 1, 100]


def test_an_error_is_raised_where_its_item_is_missed():
    def items():
        yield 1
        raise OSError("broken image")

    ahead = run_ahead(items(), lambda item: 1, 10)
    assert next(ahead) == 1
    with pytest.raises(OSError, match="broken image"):
        next(ahead)


def test_closing_ends_the_thread():
    before = threading.active_count()
    ahead = run_ahead(iter(range(1000)), lambda item: 1, 1)
    next(ahead)
    assert threading.active_count() == before + 1
    ahead.close()
    assert threading.active_count() == before
