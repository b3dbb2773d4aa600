"""Graded perturbations: one table of published severities, each row with its source, mapped to the fused op's kinds.

A row's severities are numbered from 1, as in `gaussian_noise_3`; a row with one severity has no number (`retest`).
What the published parameters become here:

- Noise: published for levels 0..1, so sigma is multiplied by 255. Like the noise of a scanner, it is added to the
  pixels of the *source*, whatever its size. A model that shrinks a large image averages part of the noise away, so
  severities compare models on one benchmark, not benchmarks with each other.
- Lengths (blur's sigma, pixelate's edge): published for images of 224 x 224, so they are multiplied by (shorter edge /
  224): a model that resizes to 224 sees the published blur. A blur beyond the fused op's sigma of 10 is several smaller
  ones, which is the same Gaussian.
- Brightness and contrast act on levels and need no conversion. ImageNet-C's brightness adds to V of HSV, which no kind
  of ours does; brightness is therefore MedMNIST-C's factor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf
from typing import Any

VERSION = "1"
"""Goes into every result. Raise it if what a variant shows changes; runs of different versions are not compared."""

PUBLISHED_EDGE = 224
"""Edge in pixels of the images for which ImageNet-C's lengths are published."""

LEVELS = 255

IMAGENET_C = "ImageNet-C (arXiv 1903.12261, read in code)"
MEDMNIST_C = "MedMNIST-C (arXiv 2406.17536, read in code)"
OURS = "this project"


@dataclass(frozen=True, slots=True)
class GradedRow:
    """A family of variants: `severities` are the parameters of `kind`, in the units of `Perturbation`.

    `has_length`: the parameters are pixels of an image whose shorter edge is 224. `is_random`: drawn by a key. A row
    whose kind the installed extension does not have is refused when the task is loaded.
    """

    kind: str
    severities: tuple[tuple[float, ...], ...]
    source: str
    has_length: bool = False
    is_random: bool = False


def _levels(*sigmas: float) -> tuple[tuple[float, ...], ...]:
    return tuple((round(sigma * LEVELS, 6),) for sigma in sigmas)


def _each(*numbers: float) -> tuple[tuple[float, ...], ...]:
    return tuple((number,) for number in numbers)


def _pixelate_edges(*shares: float) -> tuple[tuple[float, ...], ...]:
    """Edges of cells from the published shares: the image's edge shrinks to that share, so a cell covers 1 / share
    pixels."""
    return tuple((1 / share,) for share in shares)


def _occlude(*shares: float) -> tuple[tuple[float, ...], ...]:
    """Parameters of a centred rectangle in grey 128, with the image's shape and that share of its area."""
    margins = [round((1 - share**0.5) / 2, 6) for share in shares]
    return tuple((margin, margin, 1 - margin, 1 - margin, 128.0, 128.0, 128.0) for margin in margins)


_HALF, _FULL = 2, 0
"""Pillow's numbers for chroma subsampling: 4:2:0 (the default of Pillow and ImageNet-C), and 4:4:4 (none)."""

GRADED: Mapping[str, GradedRow] = {
    "gaussian_noise": GradedRow("gaussian_noise", _levels(0.08, 0.12, 0.18, 0.26, 0.38), IMAGENET_C, is_random=True),
    "impulse_noise": GradedRow("impulse_noise", _each(0.03, 0.06, 0.09, 0.17, 0.27), IMAGENET_C, is_random=True),
    "shot_noise": GradedRow("shot_noise", _each(60, 25, 12, 5, 3), IMAGENET_C, is_random=True),
    "speckle_noise": GradedRow("speckle_noise", _each(0.15, 0.2, 0.35, 0.45, 0.6), IMAGENET_C, is_random=True),
    "gaussian_blur": GradedRow("gaussian_blur", _each(1, 2, 3, 4, 6), IMAGENET_C, has_length=True),
    "contrast": GradedRow("contrast", _each(0.4, 0.3, 0.2, 0.1, 0.05), IMAGENET_C),
    "pixelate": GradedRow("pixelate", _pixelate_edges(0.6, 0.5, 0.4, 0.3, 0.25), IMAGENET_C, has_length=True),
    "jpeg": GradedRow("jpeg", tuple((quality, _HALF) for quality in (25, 18, 15, 10, 7)), IMAGENET_C),
    "xray_gaussian_noise": GradedRow(
        "gaussian_noise", _levels(0.04, 0.08, 0.12, 0.18, 0.26), f"{MEDMNIST_C}, chest X-ray", is_random=True
    ),
    "xray_contrast": GradedRow("contrast", _each(0.9, 0.8, 0.7, 0.6, 0.4), f"{MEDMNIST_C}, chest X-ray"),
    "xray_jpeg": GradedRow(
        "jpeg", tuple((quality, _HALF) for quality in (50, 30, 15, 10, 7)), f"{MEDMNIST_C}, chest X-ray"
    ),
    "brightness": GradedRow("brightness", _each(1.1, 1.2, 1.3, 1.4, 1.5), f"{MEDMNIST_C}, chest X-ray"),
    "ct_gaussian_noise": GradedRow(
        "gaussian_noise", _levels(0.04, 0.08, 0.12, 0.16, 0.20), f"{MEDMNIST_C}, CT organs", is_random=True
    ),
    "ct_contrast": GradedRow("contrast", _each(1.3, 1.4, 1.6, 1.7, 1.8), f"{MEDMNIST_C}, CT organs"),
    # No medical source with a grid was found: from halves to about the 16 x 16 patches of a CLIP ViT-L/14 at 224.
    "patch_shuffle": GradedRow(
        "patch_shuffle", tuple((edge, edge) for edge in (2, 4, 8, 12, 16)), OURS, is_random=True
    ),
    # MedVIGIL (arXiv 2605.07919) masks 33, 67 and 100 % of a marked region in grey 128; without one, the centre.
    "occlusion": GradedRow("occlusion", _occlude(0.1, 0.2, 0.33, 0.5, 0.67), OURS),
    # Lines left along the shorter edge: from about half of what 224 pixels can show down to a blurred impression. Ours,
    # since no source was found.
    "low_pass": GradedRow("low_pass", _each(96, 64, 32, 16, 8), OURS),
    "flip_horizontal": GradedRow("flip_horizontal", ((),), OURS),
    "flip_vertical": GradedRow("flip_vertical", ((),), OURS),
    "rotate_90": GradedRow("rotate_90", ((),), OURS),
    "rotate_180": GradedRow("rotate_180", ((),), OURS),
    "rotate_270": GradedRow("rotate_270", ((),), OURS),
    # JPEG at quality 95 without chroma subsampling: pixels change by a level or two, nothing that a reader sees.
    "retest": GradedRow("jpeg", ((95, _FULL),), "test-retest floor, this project"),
}


@dataclass(frozen=True, slots=True)
class Strength:
    """The one number that makes a kind stronger or weaker: its name in a task's YAML, and what it is counted in.

    It is above 0, from `least` to `most`, and whole if `is_whole`. `spell` writes the op's parameters for it, as the
    rows of `GRADED` hold them; `read` takes it out of them again.
    """

    name: str
    unit: str = ""
    least: float = 0
    most: float = inf
    is_whole: bool = False
    spell: Callable[[float], tuple[float, ...]] = lambda number: (number,)
    read: Callable[[tuple[float, ...]], float] = lambda parameters: parameters[0]


STRENGTHS: Mapping[str, Strength] = {
    "gaussian_noise": Strength("sigma", "levels of 255"),
    "impulse_noise": Strength("share", "of the pixels", most=1),
    "shot_noise": Strength("photons", "at white"),
    "speckle_noise": Strength("sigma", "of the level"),
    "gaussian_blur": Strength("sigma", f"pixels of {PUBLISHED_EDGE}"),
    "contrast": Strength("factor"),
    "brightness": Strength("factor"),
    "pixelate": Strength("edge", f"pixels of {PUBLISHED_EDGE}"),
    "jpeg": Strength("quality", "of 100", 1, 100, is_whole=True, spell=lambda quality: (quality, _HALF)),
    "patch_shuffle": Strength("patches", "a side", 2, is_whole=True, spell=lambda patches: (patches, patches)),
    "occlusion": Strength(
        "share",
        "of the area",
        most=1,
        spell=lambda share: _occlude(share)[0],
        read=lambda parameters: (1 - 2 * parameters[0]) ** 2,
    ),
    "low_pass": Strength("lines", "of the shorter edge", 1),
}
"""By kind. Each is also the name of a row of `GRADED`, whose severities are published values of this number."""


def find_graded(name: str) -> tuple[GradedRow, tuple[float, ...]] | None:
    """`gaussian_noise_3` -> its row and parameters; None where the table has no such variant."""
    if name in GRADED and len(GRADED[name].severities) == 1:
        return GRADED[name], GRADED[name].severities[0]
    family, _, number = name.rpartition("_")
    row = GRADED.get(family)
    if row is None or len(row.severities) == 1 or number not in {str(n + 1) for n in range(len(row.severities))}:
        return None
    return row, row.severities[int(number) - 1]


def describe_strength(kind: str, parameters: Mapping[str, Any]) -> tuple[str, str] | None:
    """A variant's family and strength in words: ("gaussian_blur", "sigma 2 pixels of 224"); None for other variants.

    `parameters` are those of the `Variant`, whose "values" the op gets.
    """
    family = kind if kind in STRENGTHS else kind.rpartition("_")[0]
    if family not in GRADED or "values" not in parameters:
        return None
    strength = STRENGTHS[GRADED[family].kind]
    return family, f"{strength.name} {strength.read(parameters['values']):.4g} {strength.unit}".rstrip()


def list_graded() -> list[str]:
    """The names of graded variants, as a message shows them: "gaussian_noise_1..5"."""
    return [name if len(row.severities) == 1 else f"{name}_1..{len(row.severities)}" for name, row in GRADED.items()]


def list_names() -> list[str]:
    """Every name of a graded variant, written out: "gaussian_noise_1", "gaussian_noise_2" ..."""
    return [
        name if len(row.severities) == 1 else f"{name}_{number}"
        for name, row in GRADED.items()
        for number in range(1, len(row.severities) + 1)
    ]


def fit_to_image(row: GradedRow, parameters: tuple[float, ...], size: tuple[int, int]) -> tuple[float, ...]:
    """The parameters for an image of (width, height) pixels: lengths are scaled, and stay what their kind can take."""
    if not row.has_length:
        return parameters
    scale = min(size) / PUBLISHED_EDGE
    if row.kind == "pixelate":
        return tuple(float(max(1, round(number * scale))) for number in parameters)
    return tuple(max(0.1, round(number * scale, 6)) for number in parameters)
