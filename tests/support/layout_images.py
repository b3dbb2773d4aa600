"""Images for the parity of processors whose output depends on the image: every mode, tall, wide, tiny and large."""

from __future__ import annotations

import numpy as np
from PIL import Image
from support.images import CONTENTS, pil_image, synthetic_image

MODES = ("RGB", "RGB", "L", "LA", "RGBA", "P", "P+t", "CMYK", "1")

EDGES = ((1, 40), (30, 300), (200, 900))
"""Ranges of an image's edges: tiny, usual, large."""


def draw_image(number: int) -> Image.Image:
    """The image of that number, always the same: at most 60 times as long as wide."""
    draws = np.random.default_rng([20, number])
    low, high = EDGES[draws.integers(len(EDGES))]
    height = int(draws.integers(low, high))
    aspect = float(np.exp(draws.uniform(-1, 1) * np.log(6 if number % 3 else 60)))
    width = int(np.clip(height * aspect, -(-height // 60), 2500))
    mode = MODES[draws.integers(len(MODES))]
    if mode != "RGB":
        return pil_image(mode, height, width, seed=number)
    return Image.fromarray(synthetic_image(height, width, seed=number, content=CONTENTS[number % len(CONTENTS)]))
