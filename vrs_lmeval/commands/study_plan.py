"""What a study would do: the lines that `vrs study --dry-run` shows, and nothing is started."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from vrs_lmeval.commands.study import ModelEntry, Study, StudyRun
from vrs_lmeval.commands.study_shards import PlannedRun


def describe_runs(study: Study, done: Collection[Path]) -> Iterator[str]:
    """Lines for a study whose runs are done one after another."""
    yield _count(study, done)
    for run in study.runs:
        yield f"{_say_state(run, done)}  {run.label}"
        if run.folder not in done:
            yield _show(run)


def describe_plan(study: Study, done: Collection[Path], planned: Sequence[PlannedRun]) -> Iterator[str]:
    """Lines for a study on a cluster: also shards, what each takes, and why a run is not cut."""
    yield _count(study, done)
    by_folder = {each.run.folder: each for each in planned}
    for run in study.runs:
        plan = by_folder.get(run.folder)
        if plan is None:
            yield f"{_say_state(run, done)}  {run.label}"
            continue
        size = "" if plan.questions is None else f", {plan.questions} questions"
        cut = "" if plan.replay is None else f" in {len(plan.jobs)} shards of {', '.join(map(str, plan.sizes))}"
        yield f"{_say_state(run, done)}  {run.label}{size}{cut}; each takes {_say_needs(run.entry)}"
        if plan.why_whole is not None:
            yield f"         not cut: {plan.why_whole}"
        for job in plan.jobs:
            is_kept = plan.replay is not None and job.is_done
            yield f"         done{job.part.replace(',', ':')}" if is_kept else _show(job)
        if plan.replay is not None:
            yield f"{_show(plan.replay)}  (loads no weights)"


def _count(study: Study, done: Collection[Path]) -> str:
    return f"{study.path}: {len(study.runs)} runs, {len(done)} done, {len(study.runs) - len(done)} to ask"


def _say_state(run: StudyRun, done: Collection[Path]) -> str:
    return "done   " if run.folder in done else "to ask "


def _say_needs(entry: ModelEntry) -> str:
    cpus = 1 if entry.cpus is None else entry.cpus
    gpus = "1 GPU where the cluster has any" if entry.gpus is None else f"{entry.gpus:g} GPUs"
    return f"{cpus:g} CPUs, {gpus}"


def _show(run: StudyRun) -> str:
    return f"         $ lm_eval {shlex.join(run.command[3:])}"
