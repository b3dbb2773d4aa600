"""Images as the reference takes them, and the rounding of its values to levels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from vrs_lmeval.records import Perturbation

Levels: TypeAlias = npt.NDArray[np.uint8]
"""An image, (height, width, 3)."""

Change: TypeAlias = Callable[[Levels, Perturbation], Levels]
"""A kind of perturbation: image, parameters and key -> the perturbed image."""

EXAMPLE_KEY = 0x0123456789ABCDEF_FEDCBA9876543210
"""The key of the examples of random kinds: any key that uses all of its bits."""


def round_to_levels(values: npt.NDArray[Any]) -> Levels:
    """Round to integers, halves up, then clamp to 0..255."""
    levels: Levels = np.clip(np.floor(values + 0.5), 0, 255).astype(np.uint8)
    return levels
