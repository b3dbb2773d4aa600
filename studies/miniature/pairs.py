"""VQA-RAD's rows -> question-answer pairs and their images, parted into training and test, officially or by image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from vrs_lmeval.benchmark.images import ImageStore
from vrs_lmeval.benchmark.samples import Benchmark, load_benchmark
from vrs_lmeval.benchmark.sources import DatasetSource
from vrs_lmeval.records import Sample

DATA = "flaviagiammarino/vqa-rad"
SPLITS = ("official", "by_image")

HELD_OUT_SHARE = 0.2
"""Images whose questions are the test by image. `tasks/vrs_vqa_rad_by_image.yaml` says the same to lm_eval, and the
list in `held_out_images.txt` is what both must find."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A question on an image and its answer. `source` is the id of the human pair that it is, or was written from."""

    image_id: str
    question: str
    answer: str
    source: str


@dataclass(frozen=True, slots=True)
class Split:
    """Human pairs to train on and to be tested on, and the images of both."""

    name: str
    train: tuple[Pair, ...]
    test: tuple[Pair, ...]
    images: ImageStore


def read_split(name: str) -> Split:
    """The split `name`, one of SPLITS. Raises MissingDataError where VQA-RAD cannot be read."""
    if name == "official":
        train, test = (_read(f"data/{part}-*", part) for part in ("train", "test"))
        everything = _read("data/*.parquet", "test")
        return Split(name, _make_pairs(train.samples), _make_pairs(test.samples), everything.images)
    if name != "by_image":
        raise ValueError(f"split {name!r} is none of {', '.join(SPLITS)}")
    everything = _read("data/*.parquet", "test")
    test = _read("data/*.parquet", "test", HELD_OUT_SHARE)
    held_out = {sample.image_id for sample in test.samples}
    train = [sample for sample in everything.samples if sample.image_id not in held_out]
    return Split(name, _make_pairs(train), _make_pairs(test.samples), everything.images)


def keep_images(split: Split, count: int) -> Split:
    """The split with the pairs of `count` training images alone, the first by id: the small form of a study."""
    kept = sorted({pair.image_id for pair in split.train})[:count]
    return replace(split, train=tuple(pair for pair in split.train if pair.image_id in kept))


def _read(files: str, split: str, share: float | None = None) -> Benchmark:
    return load_benchmark(DatasetSource(DATA, split, data_files=files, image_share=share))


def _make_pairs(samples: Sequence[Sample]) -> tuple[Pair, ...]:
    return tuple(Pair(s.image_id, s.question, s.golds[0], s.sample_id) for s in samples)
