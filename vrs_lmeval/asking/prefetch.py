"""Items of an iterator, computed by a thread ahead of their use, within a budget of bytes."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from typing import TypeVar

Item = TypeVar("Item")


def run_ahead(items: Iterator[Item], cost: Callable[[Item], int], budget: int) -> Generator[Item, None, None]:
    """The same items in the same order, and the same exception if `items` raises one.

    At most `budget` bytes of finished items wait, besides the one that waits for room. Close the result (or use it up)
    to end the thread; it then finishes the item at hand.
    """
    waiting: deque[tuple[Item, int]] = deque()
    changed = threading.Condition()
    is_closed = is_done = False
    failure: BaseException | None = None

    def compute() -> None:
        nonlocal is_done, failure
        try:
            for item in items:
                size = cost(item)
                with changed:
                    changed.wait_for(lambda: is_closed or not waiting or sum(c for _, c in waiting) + size <= budget)  # noqa: B023 - asked at once
                    if is_closed:
                        return
                    waiting.append((item, size))
                    changed.notify_all()
        except BaseException as error:  # raised again in the thread that waits for the item
            failure = error
        finally:
            with changed:
                is_done = True
                changed.notify_all()

    thread = threading.Thread(target=compute, name="vrs-hf prefetch", daemon=True)
    thread.start()
    try:
        while True:
            with changed:
                changed.wait_for(lambda: waiting or is_done)
                if not waiting:
                    break
                item, _ = waiting.popleft()
                changed.notify_all()
            yield item
        if failure is not None:
            raise failure
    finally:
        with changed:
            is_closed = True
            changed.notify_all()
        thread.join()
