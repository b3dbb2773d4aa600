"""`python -m studies.lora.run --output FOLDER`: trains the adapters of lora.yaml, then `vrs study` and the leaderboard.

It goes on where it was stopped: a trained adapter is kept, one in training goes on from its last whole epoch, and
`vrs study` from its last whole run.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from transformers import AutoProcessor

from studies.lora.configuration import Settings, read_settings
from studies.lora.examples import Example, encode, find_image, write_example
from studies.lora.training import add_adapter, load_base, train
from studies.miniature.arms import Arm, make_arms
from studies.miniature.batches import word_letters, word_short
from studies.miniature.grid import NOTE, is_of
from studies.miniature.pairs import Pair, Split, keep_images, read_split
from studies.miniature.run import HERE as MINIATURE
from studies.miniature.run import TRAINING, call_vrs, forget_stale_runs

HERE = Path(__file__).parent
KEPT = "last_epoch.pt"


@dataclass(frozen=True, slots=True)
class Job:
    """An adapter to train."""

    arm: str
    seed: int

    @property
    def name(self) -> str:
        """The folder's name, and the label in results."""
        return f"{self.arm}-{self.seed}"


def list_jobs(settings: Settings) -> list[Job]:
    """Seeds outermost, so that a study that was stopped has whole sets of arms."""
    return [Job(arm, seed) for seed in range(settings.seeds) for arm in settings.arms]


def find_folder(output: Path, job: Job) -> Path:
    """Where a job's adapter lies."""
    return output / "adapters" / job.name


def describe(job: Job, settings: Settings) -> dict[str, Any]:
    """What an adapter depends on, as its note holds it."""
    return {"arm": job.arm, "seed": job.seed, **settings.describe_training(), "torch": torch.__version__}


def is_trained(output: Path, job: Job, settings: Settings) -> bool:
    """Whether the folder holds a whole adapter of this very job."""
    return is_of(find_folder(output, job), describe(job, settings))


class Examples:
    """An arm's pairs as a model is asked them; `texts` are written once, images read when they are shown."""

    def __init__(self, processor: Any, arm: Arm, split: Split, letters: float) -> None:
        self._processor, self._arm, self._split, self._letters = processor, arm, split, letters
        self._texts = [self._write(pair) for pair in arm.pairs]

    def _write(self, pair: Pair) -> tuple[Example, Example | None]:
        words = word_letters(pair)
        by_letters = None if words is None else write_example(self._processor, *words)
        return write_example(self._processor, *word_short(pair)), by_letters

    def draw_epoch(self, rng: np.random.Generator) -> list[int]:
        """Every pair once in a random order. A number beyond the pairs is that pair asked by letters."""
        count = len(self._texts)
        by_letters = rng.random(count) < self._letters
        order = rng.permutation(count).tolist()
        return [n + count if by_letters[n] and self._texts[n][1] is not None else n for n in order]

    def encode(self, numbers: Sequence[int]) -> dict[str, torch.Tensor]:
        """The inputs of some of them."""
        count = len(self._texts)
        chosen = [self._texts[n % count][n // count] for n in numbers]
        shown = [find_image(self._arm, self._split.images, self._arm.pairs[n % count]) for n in numbers]
        return encode(self._processor, [each for each in chosen if each is not None], shown)


def train_one(job: Job, settings: Settings, output: Path, split: Split, say: Callable[[str], None] = print) -> float:
    """Train and save one adapter; its last loss."""
    torch.use_deterministic_algorithms(True, warn_only=torch.cuda.is_available())  # some kernels of CUDA are not
    arm = make_arms(split, job.seed)[job.arm]
    examples = Examples(AutoProcessor.from_pretrained(settings.base), arm, split, settings.training.letters)
    model = add_adapter(load_base(settings), settings.lora, job.seed)
    folder = find_folder(output, job)
    kept = folder / f"{_digest(describe(job, settings))}-{KEPT}"  # of other settings it is another file
    losses = train(model, examples.encode, examples.draw_epoch, settings.training, job.seed, kept, say)
    model.save_pretrained(folder)
    weights = hashlib.sha256((folder / "adapter_model.safetensors").read_bytes()).hexdigest()
    note = {**describe(job, settings), "pairs": len(arm.pairs), "losses": losses, "weights_sha256": weights}
    (folder / NOTE).write_text(json.dumps(note, indent=1) + "\n", encoding="utf-8")
    kept.unlink(missing_ok=True)
    return losses[-1]


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:8]


def train_all(settings: Settings, output: Path, say: Callable[[str], None] = print) -> None:
    """Train what is missing, one after another: each takes the whole GPU."""
    missing = [job for job in list_jobs(settings) if not is_trained(output, job, settings)]
    split = read_split(settings.split) if missing else None
    for number, job in enumerate(missing, start=1):
        assert split is not None
        chosen = split if settings.images is None else keep_images(split, settings.images)
        loss = train_one(job, settings, output, chosen, say)
        say(f"{number}/{len(missing)} {job.name}: loss {loss:.3f}")


def write_study(settings: Settings, output: Path) -> Path:
    """study.yaml: the base as it is, and every adapter that is trained; those of a seed have one base."""
    common = {"pretrained": settings.base, "dtype": settings.precision}
    models: list[dict[str, Any]] = [{"model_args": common, "label": "base"}]
    for job in list_jobs(settings):
        if is_trained(output, job, settings):
            adapter = str(find_folder(output, job).resolve())
            entry: dict[str, Any] = {"model_args": {**common, "peft": adapter}, "label": job.name}
            entry["trained_on"] = ["vrs_vqa_rad"]  # of every arm: its pairs, or facts that were read from them
            if job.arm in TRAINING:
                entry |= {"training": TRAINING[job.arm], "base": f"seed {job.seed}"}
            models.append(entry)
    arguments = {**settings.arguments, "include_path": str((MINIATURE / "tasks").resolve())}
    path = output / "study.yaml"
    content = {"models": models, "tasks": list(settings.tasks), "arguments": arguments}
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return path


def evaluate(settings: Settings, output: Path) -> int:
    """`vrs study` on the base and its adapters; its exit status. Its page is `output`/leaderboard.html."""
    plan = write_study(settings, output)
    forget_stale_runs(output)
    return call_vrs(["study", str(plan), "--output", str(output)], output / "study.log")


def main() -> None:
    """Read the arguments; train, evaluate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True, help="adapters, results, page")
    parser.add_argument("--config", type=Path, default=HERE / "lora.yaml")
    parser.add_argument("--base", help="a hub id or a folder, instead of the configuration's")
    parser.add_argument("--seeds", type=int, help="adapters an arm, instead of the configuration's")
    parser.add_argument("--steps", type=int, help="the small form: stop each training after so many steps")
    parser.add_argument("--images", type=int, help="the small form: train on so many images alone")
    chosen = parser.parse_args()
    settings = read_settings(chosen.config)
    given = {name: getattr(chosen, name) for name in ("base", "seeds", "images") if getattr(chosen, name) is not None}
    settings = replace(settings, **given)
    if chosen.steps is not None:
        settings = replace(settings, training=replace(settings.training, steps=chosen.steps))
    chosen.output.mkdir(parents=True, exist_ok=True)
    train_all(settings, chosen.output)
    sys.exit(evaluate(settings, chosen.output))


if __name__ == "__main__":
    main()
