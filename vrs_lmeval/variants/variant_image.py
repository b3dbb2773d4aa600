"""An image of a request: it is decoded and changed only when its pixels are asked for."""

from __future__ import annotations

from typing import Any

from PIL import Image

from vrs_lmeval.benchmark.images import ImageStore
from vrs_lmeval.records import Perturbation
from vrs_lmeval.variants.two_step_changes import PerturbFunction, prepare

QUARTER_TURNS = ("rotate_90", "rotate_270")
"""The perturbations that change an image's size."""


class VariantImage(Image.Image):
    """An RGB image that is decoded and perturbed when its pixels are asked for, and not kept.

    Pillow asks several times within one call, so the store keeps the last few results, within its own bound. The image
    is a real `PIL.Image.Image`, so any model class of the harness takes it; `pixels_and_change` lets `vrs-hf` use the
    fused op directly. Pickling gives a plain image, since the other process has no data set to read from.
    """

    def __init__(
        self, source_id: str, perturbation: Perturbation, images: ImageStore, perturb: PerturbFunction
    ) -> None:
        super().__init__()
        self._mode = "RGB"
        width, height = images.size(source_id)
        self._size = (height, width) if perturbation.kind in QUARTER_TURNS else (width, height)
        self.readonly = 1  # Pillow then copies before it writes: the source is shared
        self.source_id = source_id
        self.perturbation = perturbation
        self.store = images
        self._perturb = perturb

    def pixels_and_change(self) -> tuple[Image.Image, Perturbation]:
        """An RGB image, shared with others, and the change that the fused op must still make to show this one.

        Most often it is the image of the data set. The fused op cannot make the losses of a JPEG: the image already
        has them.
        """
        return prepare(self.store.open(self.source_id), self.perturbation, self._perturb)

    def _render(self) -> Image.Image:
        image, change = self.pixels_and_change()
        return image if change == Perturbation.identity() else self._perturb(image, change)

    @property
    def im(self) -> Any:
        """Pillow's pixel memory: every method of the base class reaches the pixels through it."""
        if self._im is not None:
            return self._im
        return self.store.open_changed(self.source_id, self.perturbation, self._render).im

    @im.setter
    def im(self, pixels: Any) -> None:
        self._im = pixels

    def load(self) -> Any:
        """Pixel access as in the base class, whose own `load` would find no pixel memory here."""
        super().load()
        return self.im.pixel_access(self.readonly)

    def __reduce__(self) -> Any:
        return (Image.frombytes, (self.mode, self.size, self.tobytes()))
