"""The fused op in forked children: they have threads and caches of their own."""

from __future__ import annotations

import itertools
import os
import signal
import threading

import numpy as np
import pytest
from support.images import synthetic_image

from vrs_lmeval.pixels.preprocess import Geometry, preprocess
from vrs_lmeval.records import Perturbation

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system"),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]

GEOMETRY = Geometry(size=(32, 32), crop=(32, 32))


def test_a_forked_child_starts_threads_of_its_own() -> None:
    images = [synthetic_image(100, 100)] * 4
    expected = preprocess(images, [Perturbation.identity()], GEOMETRY, threads=2)
    child = os.fork()
    if child == 0:
        again = preprocess(images, [Perturbation.identity()], GEOMETRY, threads=2)
        os._exit(0 if np.array_equal(again, expected) else 1)
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.slow
def test_a_child_forked_amid_the_work_of_another_thread_goes_on() -> None:
    image, is_over = synthetic_image(40, 40), threading.Event()

    def draw(photons: float) -> None:  # a table, and a batch's memory, that come from caches
        preprocess([image], [Perturbation("shot_noise", (photons,), key=1)], GEOMETRY, threads=1)

    def draw_on() -> None:
        for number in itertools.count():
            if is_over.is_set():
                return
            draw(1 + number % 400)

    other = threading.Thread(target=draw_on)
    other.start()
    ends = []
    for _ in range(20):
        child = os.fork()
        if child == 0:
            signal.alarm(20)  # ends a child that hangs
            draw(12.5)
            os._exit(0)
        ends.append(os.waitpid(child, 0)[1])
    is_over.set()
    other.join()
    assert ends == [0] * 20
