"""Images on their way to a chat server: each content is encoded once, when it is first sent, within a budget."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from PIL import Image

from vrs_lmeval.asking.batch_planning import identify_image
from vrs_lmeval.chat_servers.chat_messages import encode_image


class EncodedImages:
    """Data URLs by the content of their images. `uses`: how many requests will take each content, all in all.

    A URL is dropped after its last use. Where those kept exceed `budget` bytes, the ones that no request holds go
    first, and are encoded again if they are asked for; then a request waits until others have given theirs back. A
    single request may exceed the budget: it waits until it is alone. `encodings` counts what was encoded.
    """

    def __init__(self, uses: Counter[Hashable], budget: int) -> None:
        self._uses = Counter(uses)
        self._budget = budget
        self._urls: dict[Hashable, str] = {}
        self._holders: Counter[Hashable] = Counter()
        self._turn = asyncio.Lock()  # one request at a time takes its images, so that two never wait for each other
        self._given_back = asyncio.Event()
        self._encoder = ThreadPoolExecutor(1)  # one: an image store is read by one thread at a time
        self.encodings = 0

    async def take(self, images: Sequence[Image.Image]) -> list[str]:
        """The URL of each image, held until `give_back`."""
        async with self._turn:
            mine: list[Hashable] = []
            try:
                for image in images:
                    key = identify_image(image)
                    if key not in self._urls:
                        await self._make_room(set(mine))
                        self._urls[key] = await asyncio.get_running_loop().run_in_executor(
                            self._encoder, encode_image, image
                        )
                        self.encodings += 1
                    self._holders[key] += 1
                    mine.append(key)
            except BaseException:
                self._release(mine)
                raise
            return [self._urls[key] for key in mine]

    def give_back(self, images: Sequence[Image.Image]) -> None:
        """The request that took them is done with them."""
        keys = [identify_image(image) for image in images]
        self._uses.subtract(keys)
        self._release(keys)

    def close(self) -> None:
        """Let the encoding thread end."""
        self._encoder.shutdown(cancel_futures=True)

    def _release(self, keys: Iterable[Hashable]) -> None:
        for key in keys:
            self._holders[key] -= 1
            if self._uses[key] <= 0 and self._holders[key] <= 0:
                self._urls.pop(key, None)
        self._given_back.set()

    async def _make_room(self, mine: set[Hashable]) -> None:
        """Return once there is room, or nobody else holds anything."""
        while sum(map(len, self._urls.values())) >= self._budget:
            idle = next((key for key in self._urls if self._holders[key] <= 0), None)
            if idle is not None:
                del self._urls[idle]
            elif mine >= {key for key in self._urls if self._holders[key] > 0}:
                return
            else:
                self._given_back.clear()
                await self._given_back.wait()
