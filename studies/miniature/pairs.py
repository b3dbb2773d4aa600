"""VQA-RAD's rows -> question-answer pairs and their images, parted into training and test, officially or by image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vrs_lmeval.benchmark.images import ImageStore
from vrs_lmeval.benchmark.samples import Benchmark, load_benchmark
from vrs_lmeval.benchmark.sources import DatasetSource
from vrs_lmeval.records import Sample

DATA = "flaviagiammarino/vqa-rad"
SPLITS = ("official", "by_image")

HELD_OUT = Path(__file__).with_name("held_out_images.txt")
"""Ids of the images whose questions are the test by image: one in five, as `image_share` draws them in the task that
asks them (`tasks/vrs_vqa_rad_by_image.yaml`)."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A question on an image and its answer. `source` is the id of the human pair that it is, or was written from."""

    image_id: str
    question: str
    answer: str
    source: str


@dataclass(frozen=True, slots=True)
class Split:
    """Human pairs to train on and to be tested on, and the images of training."""

    name: str
    train: tuple[Pair, ...]
    test: tuple[Pair, ...]
    images: ImageStore


def read_split(name: str) -> Split:
    """The split `name`, one of SPLITS. Raises MissingDataError where VQA-RAD cannot be read."""
    if name == "official":
        published, asked = (_read(f"data/{part}-*", part) for part in ("train", "test"))
        return Split(name, _make_pairs(published.samples), _make_pairs(asked.samples), published.images)
    if name != "by_image":
        raise ValueError(f"split {name!r} is none of {', '.join(SPLITS)}")
    everything = _read("data/*.parquet", "test")
    held_out = set(HELD_OUT.read_text(encoding="utf-8").split())
    train = [sample for sample in everything.samples if sample.image_id not in held_out]
    test = [sample for sample in everything.samples if sample.image_id in held_out]
    return Split(name, _make_pairs(train), _make_pairs(test), everything.images)


def keep_images(split: Split, count: int) -> Split:
    """The split with the pairs of `count` training images alone, the first by id: the small form of a study."""
    kept = sorted({pair.image_id for pair in split.train})[:count]
    return replace(split, train=tuple(pair for pair in split.train if pair.image_id in kept))


def _read(files: str, split: str) -> Benchmark:
    return load_benchmark(DatasetSource(DATA, split, data_files=files))


def _make_pairs(samples: Sequence[Sample]) -> tuple[Pair, ...]:
    return tuple(Pair(s.image_id, s.question, s.golds[0], s.sample_id) for s in samples)
