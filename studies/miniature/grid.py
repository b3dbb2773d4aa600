"""The settings -> trained models, one folder each: a finished one is not trained again; progress with the time left."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import shutil
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from studies.miniature.arms import make_arms
from studies.miniature.batches import BatchMaker
from studies.miniature.configuration import Settings
from studies.miniature.model import build_model, build_processor, build_tokenizer
from studies.miniature.pairs import Pair, Split, keep_images, read_split
from studies.miniature.tower import build_tower, keep_cells
from studies.miniature.training import fold_standardisation, standardise, train
from vrs_lmeval.benchmark.images import ImageStore

NOTE = "trained.json"
CELLS = "cells.safetensors"


@dataclass(frozen=True, slots=True)
class Job:
    """A model to train: `share` of the arm's pairs, from seed `seed`."""

    split: str
    arm: str
    seed: int
    share: float

    @property
    def name(self) -> str:
        """The folder's name, and the model's in results."""
        return f"{self.arm}-{self.seed}" + ("" if self.share == 1 else f"-{round(100 * self.share)}percent")


def list_jobs(settings: Settings) -> list[Job]:
    """Seeds outermost, so that a study that was stopped has whole sets of arms."""
    return [
        Job(split, arm, seed, share)
        for share in sorted(settings.shares, reverse=True)
        for seed in range(settings.seeds)
        for split in settings.splits
        for arm in settings.arms
    ]


def find_folder(output: Path, job: Job) -> Path:
    """Where a job's model lies."""
    return output / "models" / job.split / job.name


def describe(job: Job, settings: Settings) -> dict[str, Any]:
    """What a model depends on, as its note holds it."""
    return {**asdict(job), **settings.describe_training(), "torch": torch.__version__}


def is_trained(output: Path, job: Job, settings: Settings) -> bool:
    """Whether the folder holds a whole model of this very job."""
    return is_of(find_folder(output, job), describe(job, settings))


def is_of(folder: Path, wanted: Mapping[str, Any]) -> bool:
    """Whether what was trained there, as its note says, depends on all that is wanted."""
    try:
        note = json.loads((folder / NOTE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return all(note.get(key) == value for key, value in wanted.items())


def train_all(settings: Settings, output: Path, say: Callable[[str], None]) -> None:
    """Train what is missing, `settings.workers` models at a time. Raises what a worker raised."""
    missing = [job for job in list_jobs(settings) if not is_trained(output, job, settings)]
    if not missing:
        return
    splits = [read(split, settings) for split in settings.splits]
    wanted = {pair.image_id for split in splits for pair in split.train}
    keep_cells(output / CELLS, find_store(splits, wanted), wanted)  # once, before workers would do it twice
    began = time.monotonic()
    context = multiprocessing.get_context("spawn")  # a forked torch may hang
    with ProcessPoolExecutor(settings.workers, mp_context=context) as pool:
        running = {pool.submit(train_one, job, settings, output): job for job in missing}
        for done, future in enumerate(as_completed(running), start=1):
            seconds = time.monotonic() - began
            loss = future.result()
            left = seconds / done * (len(missing) - done)
            job = running[future]
            say(f"{done}/{len(missing)} {job.split} {job.name}: loss {loss:.3f}; {left / 60:.0f} min left")


def find_store(splits: Sequence[Split], wanted: Collection[str]) -> ImageStore:
    """The images of a split that holds all of them: the training images of one may be test images of another.

    One store, because a feature map's last bits depend on what else is in its batch. Raises ValueError.
    """
    for split in splits:
        if set(split.images) >= set(wanted):
            return split.images
    raise ValueError("no split holds the training images of all")


def read(split: str, settings: Settings) -> Split:
    """A split, with as many training images as the settings say."""
    whole = read_split(split)
    return whole if settings.images is None else keep_images(whole, settings.images)


def train_one(job: Job, settings: Settings, output: Path) -> float:
    """Train and save one model in one thread, bit for bit the same on one type of machine; its last loss."""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    split = read(job.split, settings)
    arms = make_arms(split, job.seed, job.share)
    everything = arms if job.share == 1 else make_arms(split, job.seed)
    tokenizer = build_tokenizer(list_texts(split, everything["synthetic"].pairs))
    torch.manual_seed(job.seed)
    model = build_model(tokenizer, settings.decoder)
    images = sorted({pair.image_id for pair in split.train})
    features = standardise(keep_cells(output / CELLS, split.images, images), images)
    maker = BatchMaker(tokenizer, arms[job.arm], settings.training.letters)
    losses = train(model, maker, features, settings.training, job.seed)
    fold_standardisation(model, features)
    model.model.vision_tower.timm_model.load_state_dict(build_tower().state_dict())
    folder = find_folder(output, job)
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    build_processor(tokenizer).save_pretrained(folder)
    note = {
        **describe(job, settings),
        "pairs": len(arms[job.arm].pairs),
        "images": len(maker.asked),
        "losses": losses,
        "weights_sha256": hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest(),
    }
    (folder / NOTE).write_text(json.dumps(note, indent=1) + "\n", encoding="utf-8")
    return losses[-1]


def list_texts(split: Split, synthetic: tuple[Pair, ...]) -> Iterator[str]:
    """What the vocabulary is made of: all human pairs of training and the synthetic ones, the same for every arm."""
    for pair in (*split.train, *synthetic):
        yield pair.question
        yield pair.answer
