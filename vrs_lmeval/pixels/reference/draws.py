"""Random numbers of a key: the same function of (key, row, position) as in the compiled op."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from vrs_lmeval.pixels.reference.image_levels import Levels


def value_words(key: int, image: Levels) -> npt.NDArray[np.int64]:
    """One random word for each value of the image, in its shape."""
    height, width = image.shape[:2]
    return random_words(key, height, 3 * width).reshape(image.shape)


def random_words(key: int, rows: int, count: int) -> npt.NDArray[np.int64]:
    """(rows, count) 16-bit random numbers. A draw gives eight; its counter is the row and the block of eight."""
    blocks = np.arange((count + 7) // 8, dtype=np.uint64)
    draws = philox(key, np.arange(rows, dtype=np.uint64)[:, None], blocks)
    halves = np.stack([draws & 0xFFFF, draws >> 16], axis=-1)
    return halves.reshape(rows, -1)[:, :count].astype(np.int64)


def permutation(count: int, key: int) -> list[int]:
    """The numbers 0..count-1, shuffled by Fisher and Yates from the last one down."""
    order = list(range(count))
    for i in range(count - 1, 0, -1):
        draw = int(philox(key, np.uint64(0), np.uint64(i))[0])
        j = (draw * (i + 1)) >> 32
        order[i], order[j] = order[j], order[i]
    return order


def philox(key: int, row: Any, block: Any) -> npt.NDArray[np.uint64]:
    """Philox4x32-10 (Salmon et al., SC 2011): four 32-bit numbers, in the last axis, per (row, block).

    The low 64 bits of `key` are Philox's key; the high ones are the upper half of its counter.
    """
    mask = np.uint64(0xFFFFFFFF)
    high = np.broadcast(row, block)
    words = [(key >> shift) & 0xFFFFFFFF for shift in (0, 32, 64, 96)]
    k0, k1 = words[:2]
    c0, c1, c2, c3 = (
        np.broadcast_to(np.uint64(part) if isinstance(part, int) else part, high.shape)
        for part in (block, row, *words[2:])
    )
    for _ in range(10):
        product0, product1 = np.uint64(0xD2511F53) * c0, np.uint64(0xCD9E8D57) * c2
        c0, c1 = (product1 >> np.uint64(32)) ^ c1 ^ np.uint64(k0), product1 & mask
        c2, c3 = (product0 >> np.uint64(32)) ^ c3 ^ np.uint64(k1), product0 & mask
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return np.stack([c0, c1, c2, c3], axis=-1)
