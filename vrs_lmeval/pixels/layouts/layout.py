"""What every layout has: images and their changes go in, the features that a processor gives of them come out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, islice, pairwise
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image
from transformers import BatchFeature

from vrs_lmeval.benchmark.images import flatten_images
from vrs_lmeval.pixels.geometry import Geometry
from vrs_lmeval.pixels.preprocess import preprocess_pairs
from vrs_lmeval.records import Perturbation
from vrs_lmeval.variants.variant_image import QUARTER_TURNS

Pair = tuple[Any, Perturbation]
"""An image (PIL, or uint8 (height, width, 3)), and the change that it is shown with."""

Value = TypeVar("Value")

Row = dict[str, Any]
"""One image's part of each feature: a `Span` of pixel values, or a plain value."""


@dataclass(frozen=True, slots=True, eq=False)
class Span:
    """One image's part of a batch: its entries [begin, end) along the first axis."""

    batch: npt.NDArray[np.float32]
    begin: int
    end: int

    @property
    def values(self) -> npt.NDArray[np.float32]:
        """The entries, not copied."""
        return self.batch[self.begin : self.end]


def joined_span(spans: Sequence[Span]) -> Span:
    """The spans as one; copied only if they do not lie so already."""
    values = join_spans(spans)
    return spans[0] if len(spans) == 1 else Span(values, 0, len(values))


def join_spans(spans: Sequence[Span]) -> npt.NDArray[np.float32]:
    """The spans one after the other; copied only if they do not lie so already."""
    first, last = spans[0], spans[-1]
    follow = all(one.batch is two.batch and one.end == two.begin for one, two in pairwise(spans))
    return first.batch[first.begin : last.end] if follow else np.concatenate([span.values for span in spans])


def stack_spans(spans: Sequence[Span], length: int) -> npt.NDArray[np.float32]:
    """(spans, length, ...), zeros after the entries of a shorter span; copied only if the spans do not lie so."""
    entry = spans[0].batch.shape[1:]
    if all(span.end - span.begin == length for span in spans):
        return join_spans(spans).reshape(len(spans), length, *entry)
    batch = np.zeros((len(spans), length, *entry), np.float32)
    for index, span in enumerate(spans):
        batch[index, : span.end - span.begin] = span.values
    return batch


class Layout(ABC):
    """The features that one processor, with its settings, gives of images.

    `lists`: features that are lists, one entry an image or tile, as long as no type of tensors is asked for.
    """

    lists: tuple[str, ...] = ()

    @abstractmethod
    def compute(self, pairs: Sequence[Pair]) -> list[Row]:
        """One row a pair; all changes of an image that stand together by one reading of it.

        Raises UnsupportedGeometry for an image that must be left to the processor.
        """

    @abstractmethod
    def join(self, rows: Sequence[Row], counts: Sequence[int]) -> dict[str, Any]:
        """The features of all images, from a row each. `counts`: how many images each entry of the batch has."""

    def count_images(self, images: Any) -> list[int]:
        """How many images each entry has: of lists of images, each is one; otherwise each image."""
        is_nested = isinstance(images, list | tuple) and len(images) > 0 and isinstance(images[0], list | tuple)
        if is_nested:
            return [sum(1 for _ in flatten_images(entry)) for entry in images]
        return [1] * sum(1 for _ in flatten_images(images))

    def takes(self, counts: Sequence[int]) -> bool:
        """Whether entries of so many images get the processor's own bits."""
        return True

    def features(self, rows: Sequence[Row], counts: Sequence[int], return_tensors: Any) -> BatchFeature:
        """As the processor itself returns them."""
        data = self.join(rows, counts)
        if return_tensors is None:
            data |= {name: list(data[name]) for name in self.lists}
        return BatchFeature(data, tensor_type=return_tensors)


class FixedSize(Layout):
    """One picture an image, all of one size: CLIP, SigLIP, LLaVA, Gemma 3."""

    lists = ("pixel_values",)

    def __init__(self, geometry: Geometry, counts_crops: bool = False) -> None:
        """`counts_crops`: as Gemma 3's processor, which gives the number of extra crops."""
        self.geometry = geometry
        self._counts_crops = counts_crops

    def compute(self, pairs: Sequence[Pair]) -> list[Row]:
        """All sizes together: the output has one."""
        batch = preprocess_pairs(pairs, self.geometry)
        return [{"pixel_values": Span(batch, index, index + 1)} for index in range(len(pairs))]

    def join(self, rows: Sequence[Row], counts: Sequence[int]) -> dict[str, Any]:
        """(N, 3, height, width) float32."""
        features: dict[str, Any] = {"pixel_values": join_spans([row["pixel_values"] for row in rows])}
        return {**features, "num_crops": [0] * len(rows)} if self._counts_crops else features


def nest(values: Sequence[Value], counts: Sequence[int]) -> list[list[Value]]:
    """The values in lists of so many, as their images stand in the entries of a batch."""
    remaining = iter(values)
    return [list(islice(remaining, count)) for count in counts]


class BySize(Layout):
    """What an image becomes depends on its size; neighbours of one size are computed together."""

    def compute(self, pairs: Sequence[Pair]) -> list[Row]:
        """One row a pair."""
        rows: list[Row] = []
        for (height, width), group in groupby(pairs, key=lambda pair: perturbed_size(*pair)):
            rows += self._compute_equal(list(group), height, width)
        return rows

    @abstractmethod
    def _compute_equal(self, pairs: Sequence[Pair], height: int, width: int) -> list[Row]:
        """The rows of images that are all `height` x `width` after their change."""


class NestedBySize(BySize):
    """For processors that make one entry of a list of images, whatever their number."""

    def count_images(self, images: Any) -> list[int]:
        """As transformers' make_nested_list_of_images nests them."""
        is_nested = isinstance(images, list | tuple) and all(isinstance(entry, list | tuple) for entry in images)
        entries = images if is_nested else [images]
        return [sum(1 for _ in flatten_images(entry)) for entry in entries]

    def takes(self, counts: Sequence[int]) -> bool:
        """Entries without an image are left to the processor."""
        return all(counts)


def perturbed_size(image: Any, change: Perturbation) -> tuple[int, int]:
    """(height, width) of the changed image."""
    height, width = (image.height, image.width) if isinstance(image, Image.Image) else image.shape[:2]
    return (width, height) if change.kind in QUARTER_TURNS else (height, width)
