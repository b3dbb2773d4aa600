"""Noise: random words change single values or pixels."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from vrs_lmeval.pixels.reference.draws import random_words, value_words
from vrs_lmeval.pixels.reference.image_levels import EXAMPLE_KEY, Change, Levels, round_to_levels
from vrs_lmeval.records import Perturbation


def _gaussian_noise(image: Levels, change: Perturbation) -> Levels:
    (sigma,) = change.parameters
    words = value_words(change.key, image)
    offsets = rounded_quantiles(sigma, 255)[words & 0x7FFF]
    return round_to_levels(image + np.where(words >> 15, -offsets, offsets))


def _speckle_noise(image: Levels, change: Perturbation) -> Levels:
    (sigma,) = change.parameters
    words = value_words(change.key, image)
    offsets = (image * rounded_quantiles(sigma * 4096, 65535)[words & 0x7FFF] + 2048) >> 12
    return round_to_levels(image + np.where(words >> 15, -offsets, offsets))


def rounded_quantiles(scale: float, largest: int) -> npt.NDArray[np.int64]:
    """round(scale * z) up to `largest`, z the standard normal quantile at 0.5 + (t + 0.5) / 65536, for t < 32768."""
    if scale == 0:
        return np.zeros(32768, dtype=np.int64)
    first_above: list[float] = []  # the first t whose quantile rounds to more than 0, 1, 2 ...
    while len(first_above) < largest and (not first_above or first_above[-1] < 32768):
        share_below = 0.5 * math.erf((len(first_above) + 0.5) / (scale * math.sqrt(2.0)))
        first_above.append(math.ceil(share_below * 65536 - 0.5))
    return np.searchsorted(np.array(first_above), np.arange(32768), side="right")


def _shot_noise(image: Levels, change: Perturbation) -> Levels:
    (photons,) = change.parameters
    words = value_words(change.key, image)
    result = np.empty_like(image)
    for level in np.unique(image):
        is_level = image == level
        counts = np.searchsorted(poisson_thresholds(level, photons), words[is_level], side="right")
        result[is_level] = round_to_levels(255 * counts / photons)
    return result


def poisson_thresholds(level: int, photons: float) -> npt.NDArray[np.float64]:
    """For counts 0, 1, 2 ... the first word that gives more photons, up to the count that is white."""
    mean = int(level) * photons / 255
    share, share_up_to = math.exp(-mean), 0.0
    thresholds: list[float] = []
    while math.floor(255 * len(thresholds) / photons + 0.5) < 255:
        share_up_to += share
        share = share * mean / (len(thresholds) + 1)
        thresholds.append(math.ceil(share_up_to * 65536 - 0.5))
    return np.array(thresholds)


def _impulse_noise(image: Levels, change: Perturbation) -> Levels:
    words = random_words(change.key, *image.shape[:2])[:, :, None]
    is_hit = words < math.floor(change.parameters[0] * 65536 + 0.5)
    return np.where(is_hit, np.where(words % 2 == 0, 0, 255), image).astype(np.uint8)


KINDS: dict[str, Change] = {
    "gaussian_noise": _gaussian_noise,
    "impulse_noise": _impulse_noise,
    "shot_noise": _shot_noise,
    "speckle_noise": _speckle_noise,
}

EXAMPLES = [
    Perturbation("gaussian_noise", (0.0,), EXAMPLE_KEY),
    Perturbation("gaussian_noise", (25.0,), EXAMPLE_KEY),
    Perturbation("gaussian_noise", (255.0,), EXAMPLE_KEY),
    Perturbation("impulse_noise", (0.0,), EXAMPLE_KEY),
    Perturbation("impulse_noise", (0.1,), EXAMPLE_KEY),
    Perturbation("impulse_noise", (1.0,), EXAMPLE_KEY),
    Perturbation("shot_noise", (1.0,), EXAMPLE_KEY),
    Perturbation("shot_noise", (12.0,), EXAMPLE_KEY),
    Perturbation("shot_noise", (60.5,), EXAMPLE_KEY),
    Perturbation("shot_noise", (500.0,), EXAMPLE_KEY),
    Perturbation("speckle_noise", (0.0,), EXAMPLE_KEY),
    Perturbation("speckle_noise", (0.35,), EXAMPLE_KEY),
    Perturbation("speckle_noise", (3.0,), EXAMPLE_KEY),
]
