"""Places: every pixel keeps its colour, but may move to another place."""

from __future__ import annotations

from vrs_lmeval.pixels.reference.draws import permutation
from vrs_lmeval.pixels.reference.image_levels import EXAMPLE_KEY, Change, Levels
from vrs_lmeval.records import Perturbation


def _identity(image: Levels, change: Perturbation) -> Levels:
    return image


def _patch_shuffle(image: Levels, change: Perturbation) -> Levels:
    rows, columns = (int(count) for count in change.parameters)
    height, width = image.shape[0] // rows, image.shape[1] // columns
    result = image.copy()
    for target, source in enumerate(permutation(rows * columns, change.key)):
        (top, left), (source_top, source_left) = (
            (index // columns * height, index % columns * width) for index in (target, source)
        )
        patch = image[source_top : source_top + height, source_left : source_left + width]
        result[top : top + height, left : left + width] = patch
    return result


KINDS: dict[str, Change] = {
    "identity": _identity,
    "patch_shuffle": _patch_shuffle,
    "flip_horizontal": lambda image, _: image[:, ::-1],
    "flip_vertical": lambda image, _: image[::-1],
    "rotate_90": lambda image, _: image.swapaxes(0, 1)[::-1],
    "rotate_180": lambda image, _: image[::-1, ::-1],
    "rotate_270": lambda image, _: image.swapaxes(0, 1)[:, ::-1],
}

EXAMPLES = [
    Perturbation.identity(),
    Perturbation("patch_shuffle", (4.0, 4.0), EXAMPLE_KEY),
    Perturbation("patch_shuffle", (3.0, 5.0), EXAMPLE_KEY),
    Perturbation("patch_shuffle", (200.0, 2.0), EXAMPLE_KEY),
    *(Perturbation(kind) for kind in ("flip_horizontal", "flip_vertical", "rotate_90", "rotate_180", "rotate_270")),
]
