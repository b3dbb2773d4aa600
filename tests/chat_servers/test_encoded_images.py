"""Images on their way to a server: encoded once where the budget allows, always within it, and none waits for ever."""

import asyncio
import random
from collections import Counter

import pytest
from PIL import Image

from vrs_lmeval.asking.batch_planning import identify_image
from vrs_lmeval.chat_servers import encoded_images
from vrs_lmeval.chat_servers.encoded_images import EncodedImages
from vrs_lmeval.chat_servers.request_window import work_through

SIZE = 100
PICTURES = [Image.new("RGB", (1, 1), (shade, 0, 0)) for shade in range(12)]


@pytest.fixture(autouse=True)
def names_for_urls(monkeypatch):
    """Each URL is 100 characters and tells its image."""
    monkeypatch.setattr(encoded_images, "encode_image", lambda image: f"{image.getpixel((0, 0))[0]:0{SIZE}}")


def take_all(wanted, budget, width):
    """(encodings, most bytes kept at a time, bytes kept in the end) of requests for these pictures."""

    async def run():
        uses = Counter(identify_image(PICTURES[number]) for numbers in wanted for number in numbers)
        images, most = EncodedImages(uses, budget), 0

        async def ask(numbers):
            nonlocal most
            pictures = [PICTURES[number] for number in numbers]
            urls = await images.take(pictures)
            assert [int(url) for url in urls] == list(numbers)
            most = max(most, sum(map(len, images._urls.values())))
            await asyncio.sleep(0)
            images.give_back(pictures)

        await asyncio.wait_for(work_through(wanted, width, ask, lambda: None), 60)
        images.close()
        return images.encodings, most, sum(map(len, images._urls.values()))

    return asyncio.run(run())


def test_each_is_encoded_once_and_dropped_after_its_last_use():
    in_order = [(number,) for number in range(12) for _ in range(5)]
    encodings, most, left = take_all(in_order, 10**6, 4)
    assert (encodings, left) == (12, 0)
    assert most <= 4 * SIZE  # as many as requests in flight


@pytest.mark.parametrize("seed", range(10))
def test_the_budget_holds_and_nobody_waits_for_ever(seed):
    draw = random.Random(seed)
    wanted = [tuple(draw.choices(range(12), k=draw.randint(1, 3))) for _ in range(60)]
    encodings, most, left = take_all(wanted, 3 * SIZE, 6)
    assert most <= 3 * SIZE
    assert left == 0
    assert encodings >= 12


def test_a_request_larger_than_the_budget_is_served_alone():
    assert take_all([(0, 1, 2), (3, 4, 5), (0, 1, 2)], 1, 3) == (9, 3 * SIZE, 0)


def test_after_a_failure_nothing_new_starts_and_the_rest_ends():
    done = []

    async def work(job):
        await asyncio.sleep(0.01 * (job != 2))
        if job == 2:
            raise ValueError("job 2")
        done.append(job)

    given_up = []
    with pytest.raises(ValueError, match="job 2"):
        asyncio.run(work_through(iter(range(100)), 3, work, lambda: given_up.append(True)))
    assert (done, given_up) == ([0, 1], [True])
