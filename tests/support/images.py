"""Images for the pixel tests and benchmarks: seeded, with the contents that break resizers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

CONTENTS = ("smooth", "noise", "edges", "extremes")


def synthetic_image(height: int, width: int, *, seed: int = 0, content: str = "smooth") -> npt.NDArray[np.uint8]:
    """(height, width, 3) uint8.

    smooth: gradients under a little grain, as a scan has; noise: every level; edges: a grid of hard lines;
    extremes: black or white alone, where bicubic overshoots most.
    """
    rng = np.random.default_rng([seed, height, width])
    shape = (height, width, 3)
    if content == "noise":
        return rng.integers(0, 256, shape, dtype=np.uint8)
    if content == "extremes":
        return rng.integers(0, 2, shape, dtype=np.uint8) * np.uint8(255)
    rows, columns = np.ogrid[:height, :width]
    if content == "edges":
        grid = ((rows // 7 + columns // 5) % 2 * 200 + 20).astype(np.uint8)
        return np.repeat(grid[:, :, None], 3, axis=2) ^ np.array([0, 32, 64], dtype=np.uint8)
    period = np.array([31.0, 57.0, 91.0])
    waves = 127 + 90 * np.sin(rows[..., None] / period) * np.cos(columns[..., None] / period[::-1])
    return np.clip(waves + rng.normal(0, 6, shape), 0, 255).astype(np.uint8)


def pil_image(mode: str, height: int, width: int, *, seed: int = 0) -> Image.Image:
    """A PIL image of the mode, with a gradient of opacity where it has alpha; "P+t": transparent palette."""
    rgb = Image.fromarray(synthetic_image(height, width, seed=seed))
    if mode == "P+t":
        palette = rgb.quantize(16)
        palette.info["transparency"] = 3
        return palette
    if mode in ("LA", "RGBA"):
        opacity = np.linspace(0, 255, height * width).reshape(height, width).astype(np.uint8)
        image = rgb.convert(mode)
        image.putalpha(Image.fromarray(opacity))
        return image
    return rgb.convert(mode)
