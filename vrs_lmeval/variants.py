"""Image variants: which image a question is shown, and changed how. A new variant is one function in VARIANTS."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image

from vrs_lmeval.images import ImageStore
from vrs_lmeval.records import BLANK, GREY, REAL, SHUFFLED, Perturbation, Sample

VariantRule = Callable[[Sample], tuple[str, Perturbation]]
"""Sample -> (id of the image to show, how to change it)."""

PerturbFunction = Callable[[Image.Image, Perturbation], Image.Image]
"""(RGB image, change) -> RGB image."""


class VariantError(ValueError):
    """A task's `variants:` names something that does not exist or does not fit its data."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One column of the experiment: a name, the kind of change it makes, and all of that kind's parameters."""

    name: str
    kind: str
    parameters: Mapping[str, Any]


class VariantImage(Image.Image):
    """An RGB image that is decoded and perturbed each time its pixels are asked for, and not kept.

    It is a real `PIL.Image.Image`, so any model class of the harness takes it; `source_id` and `perturbation` let
    `vrs-hf` go straight to the pixels. Pickling gives a plain image: the other process has no data set to read from.
    """

    def __init__(
        self, source_id: str, perturbation: Perturbation, images: ImageStore, perturb: PerturbFunction
    ) -> None:
        super().__init__()
        self._mode = "RGB"
        self._size = images.size(source_id)
        self.readonly = 1  # Pillow then copies before it writes: the source is shared
        self.source_id = source_id
        self.perturbation = perturbation
        self._images = images
        self._perturb = perturb

    def source(self) -> Image.Image:
        """The unperturbed RGB image, shared with other variants."""
        return self._images.open(self.source_id)

    @property
    def im(self) -> Any:
        """Pillow's pixel memory: every method of the base class reaches the pixels through it."""
        return self._im if self._im is not None else self._perturb(self.source(), self.perturbation).im

    @im.setter
    def im(self, pixels: Any) -> None:
        self._im = pixels

    def load(self) -> Any:
        """Pixel access as in the base class, whose own `load` would find no pixel memory here."""
        super().load()
        return self.im.pixel_access(self.readonly)

    def __reduce__(self) -> Any:
        return (Image.frombytes, (self.mode, self.size, self.tobytes()))


def show_real(image_ids: Sequence[str]) -> VariantRule:
    """The question's own image, unchanged."""
    return lambda sample: (sample.image_id, Perturbation.identity())


def show_blank(image_ids: Sequence[str], colour: Sequence[int] = GREY) -> VariantRule:
    """A uniform image of the same size. Grey, as in the VRS paper (arXiv 2603.03437; its grey value is not stated)."""
    if len(colour) != 3 or not all(isinstance(channel, int) and 0 <= channel <= 255 for channel in colour):
        raise VariantError(f"variant blank: colour should be three integers of 0..255, it is {colour!r}")
    red, green, blue = colour
    perturbation = Perturbation.blank((red, green, blue))
    return lambda sample: (sample.image_id, perturbation)


def show_shuffled(image_ids: Sequence[str], seed: int = 0) -> VariantRule:
    """The image of another question: never the same pixels, the same partner for all questions on one image."""
    partners = derange(image_ids, seed)
    return lambda sample: (partners[sample.image_id], Perturbation.identity())


VARIANTS: Mapping[str, Callable[..., VariantRule]] = {
    REAL: show_real,
    BLANK: show_blank,
    SHUFFLED: show_shuffled,
}


def derange(image_ids: Iterable[str], seed: int) -> dict[str, str]:
    """Each distinct image id -> another one: the next in a circle whose order is drawn by `seed`.

    The order comes from a keyed hash of each id, not from a generator's state, so it depends on the set of images and
    the seed alone: not on row order, limits, ranks or batches. A random circle is a derangement drawn uniformly among
    the cyclic ones (Sattolo 1986). Raises VariantError for fewer than two images.
    """
    circle = sorted(set(image_ids), key=lambda image_id: hashlib.sha256(f"{seed}:{image_id}".encode()).digest())
    if len(circle) < 2:
        raise VariantError("variant shuffled: needs at least two different images in the data set")
    return dict(zip(circle, circle[1:] + circle[:1], strict=True))


def read_variants(entries: Iterable[str | Mapping[str, Any]]) -> tuple[Variant, ...]:
    """A task's `variants:` -> Variants. An entry is a kind, or a mapping `{name, kind, <parameters>}`."""
    variants = tuple(_read_entry(entry) for entry in entries)
    names = [variant.name for variant in variants]
    if len(set(names)) != len(names):
        raise VariantError(f"variants: each name may stand once, got {', '.join(names)}")
    if REAL not in names:
        raise VariantError(f"variants: {REAL!r} is missing; every measure compares with it")
    return variants


def _read_entry(entry: str | Mapping[str, Any]) -> Variant:
    parameters: dict[str, Any] = {"name": entry} if isinstance(entry, str) else dict(entry)
    kind: Any = parameters.pop("kind", parameters.get("name"))
    if kind not in VARIANTS:
        raise VariantError(f"variants: unknown {kind!r} in {entry!r}; known are {', '.join(VARIANTS)}")
    name: str = parameters.pop("name", kind)
    if name in VARIANTS and name != kind:
        raise VariantError(f"variants: {name!r} is the name of another kind than {kind!r}; metrics go by that name")
    _, *known = inspect.signature(VARIANTS[kind]).parameters.values()  # the first takes the images
    defaults = {parameter.name: parameter.default for parameter in known}
    unknown = sorted(set(parameters) - set(defaults))
    if unknown:
        raise VariantError(
            f"variants: {name!r} has no parameter {', '.join(unknown)}; it has {', '.join(defaults) or 'none'}"
        )
    return Variant(name, kind, defaults | parameters)


def make_rule(variant: Variant, image_ids: Sequence[str]) -> VariantRule:
    """Bind a variant to the images of a whole split."""
    return VARIANTS[variant.kind](image_ids, **variant.parameters)
