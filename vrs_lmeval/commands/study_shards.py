"""Runs of a study cut by image -> shards with answers of their own, and the run that tells the whole from them.

A shard is a run of lm_eval on some of the questions (`--samples`). All questions on an image go to one shard, because
they share the work on it. What a shard answered lies in `answers/MODEL/TASK/SHARD/` below the study's folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vrs_lmeval.asking.answer_cache import FAULTS, FILE_NAME, AnswerCache
from vrs_lmeval.asking.kept_run import AnswersNotKeptError, DifferentModelsError, merge_parts
from vrs_lmeval.commands.study import NOTE, ModelEntry, Study, StudyRun, write_command
from vrs_lmeval.commands.study_tasks import Questions

CAN_BE_CUT = ("vrs-hf", "vrs-api", "vrs-openai")
"""Model classes that tell a run again from kept answers (`answers_from`)."""

KEEP_ANSWERS = (*CAN_BE_CUT, "vrs-vllm")
"""Model classes that keep answers in `cache_dir`."""

KEEP_TEXTS = ("vrs-api", "vrs-openai")
"""Those that keep answers to prompts of tasks without images, too."""

MAY_OFFLOAD = ("parallelize", "device_map")
"""Arguments of a model that may leave layers on the disk."""

SAMPLES = "samples.json"


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """A run and how it is done on a cluster: by `jobs`, then, if it is cut, by `replay`.

    `questions` is how many there are, where that is known; `why_whole` says why a run is not cut that should be.
    """

    run: StudyRun
    jobs: tuple[StudyRun, ...]
    replay: StudyRun | None = None
    questions: int | None = None
    sizes: tuple[int, ...] = ()
    why_whole: str | None = None

    @property
    def answer_folders(self) -> tuple[Path, ...]:
        """Where each job keeps its answers, if its class does."""
        return tuple(job.folder / "answers" if self.replay else _whole_folder(self.run) for job in self.jobs)


def keeps_answers(entry: ModelEntry) -> bool:
    """Whether the model's class can keep answers."""
    return entry.model in KEEP_ANSWERS


def cut_by_image(images: Sequence[str], shards: int) -> list[list[int]]:
    """Numbers of questions, a list a shard: those on one image together, in order, shards about as large as another.

    `images` holds the image of each question. Fewer lists than `shards` where there are fewer images.
    """
    counts = Counter(images)
    place, before = {}, 0
    for image, count in counts.items():  # in the order of first questions
        place[image] = int((before + count / 2) * shards / len(images))
        before += count
    cut: dict[int, list[int]] = {}
    for number, image in enumerate(images):
        cut.setdefault(place[image], []).append(number)
    return [cut[shard] for shard in sorted(cut)]


def plan_run(run: StudyRun, study: Study, questions: Mapping[str, Questions] | None) -> PlannedRun:
    """How a run is done; `questions` of its task, or of the tasks of its group, None where they are not known."""
    asked = {task: _limit(each.images, study.arguments.get("limit")) for task, each in (questions or {}).items()}
    count = sum(map(len, asked.values())) or None
    shards = _count_shards(run.entry, count)
    why = None if shards == 1 else _find_reason(run.entry, questions, study.arguments)
    if shards == 1 or why is not None:
        more = {"cache_dir": _whole_folder(run)} if _lacks_cache(run.entry) else {}
        command = write_command(run.entry, [run.task], run.folder, study.arguments, more)
        return PlannedRun(run, (replace(run, command=command),), questions=count, why_whole=why)
    parts = _cut_tasks(asked, shards)
    jobs = tuple(_make_shard(run, study, part, f"{place} of {len(parts)}") for place, part in enumerate(parts, 1))
    more = {"answers_from": _folder_of(run) / "merged"}
    command = write_command(run.entry, [run.task], run.folder, study.arguments, more)
    sizes = tuple(sum(map(len, part.values())) for part in parts)
    return PlannedRun(run, jobs, replace(run, command=command), count, sizes)


def _limit(images: Sequence[str], limit: Any) -> Sequence[str]:
    """The questions that lm_eval's --limit leaves: that many, or that share."""
    if not limit:
        return images
    return images[: math.ceil(len(images) * limit) if limit < 1 else int(limit)]


def _count_shards(entry: ModelEntry, questions: int | None) -> int:
    if entry.shards is None and entry.shard_above is None:
        return 1
    if questions is None:
        return 0  # cut, if one knew the questions
    if entry.shard_above is not None and questions <= entry.shard_above:
        return 1
    return entry.shards or math.ceil(questions / (entry.shard_above or questions))


def _find_reason(
    entry: ModelEntry, questions: Mapping[str, Questions] | None, arguments: Mapping[str, Any]
) -> str | None:
    """Why a run cannot be cut."""
    if entry.model not in CAN_BE_CUT:
        return f"{entry.model} cannot tell a run from the answers of its parts"
    if questions is None:
        return "not a task of vrs_lmeval"
    if "samples" in arguments:
        return "samples are among the arguments"
    if any(each.are_drawn for each in questions.values()):
        return "its answers are drawn (do_sample, temperature), and those are not kept"
    if entry.model not in KEEP_TEXTS and not all(each.shows_images for each in questions.values()):
        return f"{entry.model} keeps no answers to prompts of tasks without images"
    return None


def _cut_tasks(asked: Mapping[str, Sequence[str]], shards: int) -> list[dict[str, list[int]]]:
    """By task the questions of each shard; a group's tasks are each cut."""
    parts: list[dict[str, list[int]]] = [{} for _ in range(shards)]
    for task, images in asked.items():
        for place, numbers in enumerate(cut_by_image(images, shards)):
            parts[place][task] = numbers
    return [part for part in parts if part]


def _lacks_cache(entry: ModelEntry) -> bool:
    """Whether a run should get a `cache_dir`: not where layers may lie on the disk, since such a model has no key."""
    return keeps_answers(entry) and not {"cache_dir", *MAY_OFFLOAD} & set(entry.model_args)


def _folder_of(run: StudyRun) -> Path:
    """`answers/MODEL/TASK`, beside `runs/MODEL/TASK`: a board of runs/ must not take a shard for a run."""
    task, model = run.folder, run.folder.parent
    return model.parent.parent / "answers" / model.name / task.name


def _whole_folder(run: StudyRun) -> Path:
    return _folder_of(run) / "whole" / "answers"


def _make_shard(run: StudyRun, study: Study, part: Mapping[str, list[int]], place: str) -> StudyRun:
    """The digest of its questions is in the folder's name: shards of another cut are other runs."""
    digest = hashlib.sha256(json.dumps(part, sort_keys=True).encode()).hexdigest()[:8]
    folder = _folder_of(run) / f"{place.replace(' ', '-')}-{digest}"
    arguments = {key: value for key, value in study.arguments.items() if key != "limit"}
    arguments["samples"] = str(folder / SAMPLES)
    command = write_command(run.entry, list(part), folder, arguments, {"cache_dir": folder / "answers"})
    return StudyRun(run.entry, run.task, folder, command, f", shard {place}", dict(part))


def prepare_job(planned: PlannedRun, job: StudyRun) -> None:
    """Make a job's folder, name its questions, and let it begin with what is kept of its run anywhere already."""
    job.folder.mkdir(parents=True, exist_ok=True)
    if job.samples is not None:
        (job.folder / SAMPLES).write_text(json.dumps(job.samples), encoding="utf-8")
    if not keeps_answers(job.entry) or (planned.replay is None and not _lacks_cache(job.entry)):
        return
    own = planned.answer_folders[planned.jobs.index(job)]
    if (own / FILE_NAME).exists():
        if not AnswerCache(own, "").describe()["problems"]:
            return
        own.rename(own.with_name(f"damaged-{time.time_ns()}"))
    named = job.entry.model_args.get("cache_dir")
    older = [path.parent for path in sorted(_folder_of(planned.run).rglob(FILE_NAME))]
    older += [Path(str(named))] if named and (Path(str(named)) / FILE_NAME).is_file() else []
    for folder in older:
        with contextlib.suppress(*FAULTS):  # a file that cannot be read costs its answers
            AnswerCache(own, "").take_over(folder)


def prepare_replay(planned: PlannedRun) -> None:
    """Put the answers of all shards together. Raises DifferentModelsError and AnswersNotKeptError.

    Then those to ask again are no longer done.
    """
    assert planned.replay is not None
    planned.replay.folder.mkdir(parents=True, exist_ok=True)
    try:
        merge_parts(planned.answer_folders, _folder_of(planned.run) / "merged")
    except DifferentModelsError as error:
        ask_again([planned.jobs[number] for number in error.odd])
        raise
    except AnswersNotKeptError:
        ask_again(planned.jobs)
        raise


def ask_again(jobs: Sequence[StudyRun]) -> None:
    """They are no longer done; what they kept stays."""
    for job in jobs:
        (job.folder / NOTE).unlink(missing_ok=True)
