"""A study on Ray: each run, or each shard of one, is a task of Ray with what its model's entry asks for.

Ray is a package of the extra `cluster`, imported here alone, and only when it is asked for. The process that the user
starts hands out work and reads logs; it loads no model. All machines must see the study's folder at the same path.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from vrs_lmeval.asking.kept_run import AnswersNotKeptError, DifferentModelsError
from vrs_lmeval.asking.missing_packages import find_fault
from vrs_lmeval.commands.lm_eval_run import SECONDS_BETWEEN_LOOKS, find_progress
from vrs_lmeval.commands.ray_job import ATTEMPTS, run_job
from vrs_lmeval.commands.stop_signals import StopSignals
from vrs_lmeval.commands.study import MissingRayError, ModelEntry, StudyRun, StudyStoppedError, UnreadableStudyError
from vrs_lmeval.commands.study_runs import explain_end, tell_failure
from vrs_lmeval.commands.study_shards import PlannedRun, ask_again, prepare_job, prepare_replay
from vrs_lmeval.commands.watched_command import SECONDS_TO_END

INSTALL = 'pip install "vrs_lmeval[cluster]"'

OBJECT_STORE_BYTES = 100 * 2**20
"""What Ray keeps free for data between tasks, about its smallest: ours hand over nothing but exit codes."""

ON_CPUS: dict[str, Any] = {"num_cpus": 1, "num_gpus": 0}
"""What it takes to tell a run again from its shards' answers."""


def require_ray() -> Any:
    """The package. Raises MissingRayError."""
    fault = find_fault("ray")
    if fault is not None:
        raise MissingRayError(f"--ray needs the package ray ({fault}): {INSTALL}")
    import ray

    return ray


def run_on_ray(planned: Sequence[PlannedRun], console: Console) -> int:
    """Do what is `planned`; how many of the runs failed. A failure is shown and costs the others nothing.

    Raises MissingRayError, UnreadableStudyError where no machine has what an entry asks for, and StudyStoppedError when
    what was started has been ended.
    """
    ray = require_ray()
    _start(ray)
    try:
        needs = _find_needs([each.run.entry for each in planned], ray)
        with StopSignals(StudyStoppedError) as signals, _Board(len(planned), console) as board:
            return _Conductor(ray, needs, console, board, signals).run(planned)
    finally:
        ray.shutdown()


def _start(ray: Any) -> None:
    """One machine, unless RAY_ADDRESS names a cluster."""
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address := os.environ.get("RAY_ADDRESS"):
        try:
            ray.init(**quiet)
        except (ConnectionError, ValueError) as error:
            said = next((line for each in (error.__cause__, error) for line in str(each or "").splitlines()), "")
            raise UnreadableStudyError(
                f"RAY_ADDRESS={address}: no cluster can be joined there: {said}. Does it run? Where it asks for a "
                "token, set RAY_AUTH_MODE=token"
            ) from error
    else:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # a study is nobody else's business
        small = {"include_dashboard": False, "object_store_memory": OBJECT_STORE_BYTES}
        ray.init(address="local", _system_config={"task_oom_retries": ATTEMPTS - 1}, **small, **quiet)


def asks_a_server(entry: ModelEntry) -> bool:
    """Whether the class sends requests and loads no weights."""
    return entry.model in ("vrs-api", "vrs-openai") or entry.model.endswith("completions")


def _find_needs(entries: Sequence[ModelEntry], ray: Any) -> dict[str, dict[str, Any]]:
    """By the place of an entry what one process of it takes. Raises UnreadableStudyError where no machine has it."""
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    has_gpus = any(machine.get("GPU") for machine in machines)
    needs, faults = {}, []
    for entry in {entry.where: entry for entry in entries}.values():
        usual = 0 if asks_a_server(entry) or not has_gpus else 1
        cpus = 1 if entry.cpus is None else entry.cpus
        gpus = usual if entry.gpus is None else entry.gpus
        needs[entry.where] = {"num_cpus": cpus, "num_gpus": gpus}
        if not any(machine.get("CPU", 0) >= cpus and machine.get("GPU", 0) >= gpus for machine in machines):
            there = "; ".join(sorted({f"{m.get('CPU', 0):g} CPUs, {m.get('GPU', 0):g} GPUs" for m in machines}))
            faults.append(f"{entry.where}: asks for {cpus:g} CPUs and {gpus:g} GPUs, and the machines have {there}")
    if faults:
        raise UnreadableStudyError("\n".join(faults))
    return needs


class _Conductor:
    """Hands out jobs as they become possible, and notes what is done."""

    def __init__(
        self, ray: Any, needs: Mapping[str, dict[str, Any]], console: Console, board: _Board, signals: StopSignals
    ) -> None:
        self._ray = ray
        self._needs = needs
        self._console = console
        self._board = board
        self._signals = signals
        self._remote = ray.remote(run_job)
        self._under_way: dict[Any, tuple[PlannedRun, StudyRun]] = {}
        self._failed: set[Path] = set()

    def run(self, planned: Sequence[PlannedRun]) -> int:
        """How many of the runs failed."""
        try:
            for each in planned:
                self._begin(each)
            while self._under_way:
                self._signals.check()
                self._board.show([job for _, job in self._under_way.values()])
                ended, _ = self._ray.wait(list(self._under_way), timeout=SECONDS_BETWEEN_LOOKS)
                for reference in ended:
                    self._end(reference)
        except BaseException as error:
            begun = self._stop()
            if isinstance(error, StudyStoppedError):
                error.begun = begun
            raise
        return len(self._failed)

    def _begin(self, planned: PlannedRun) -> None:
        left = [job for job in planned.jobs if planned.replay is None or not job.is_done]
        for job in left:
            self._attempt(planned, job)
        if not left:
            self._replay(planned)

    def _attempt(self, planned: PlannedRun, job: StudyRun) -> None:
        """Hand out a job; a folder that cannot be written costs its run alone."""
        try:
            if job is planned.replay:
                prepare_replay(planned)
            else:
                prepare_job(planned, job)
            job.log.unlink(missing_ok=True)
        except (OSError, DifferentModelsError, AnswersNotKeptError) as error:
            self._fail(planned, job, str(error))
            return
        needs = ON_CPUS if job is planned.replay else self._needs[job.entry.where]
        task = self._remote.options(**needs, max_retries=ATTEMPTS - 1, name=job.label)
        reference = task.remote(list(job.command), str(job.log.resolve()), str(Path.cwd()))
        self._under_way[reference] = (planned, job)

    def _end(self, reference: Any) -> None:
        planned, job = self._under_way.pop(reference)
        try:
            code = self._ray.get(reference)
            fault = explain_end(code, job.log) if code else job.find_fault()
            if fault is None:
                (planned.run if job.folder == planned.run.folder else job).mark_done()
        except (self._ray.exceptions.RayError, OSError) as error:
            fault = (str(error).strip().splitlines() or [type(error).__name__])[-1]
        self._board.leave(job)
        if fault is not None:
            if job is planned.replay:  # an answer may be missing: next time the shards look for theirs
                ask_again(planned.jobs)
            self._fail(planned, job, fault)
            return
        self._console.print(f"done: {job.label}", highlight=False, markup=False)
        if job.folder == planned.run.folder:
            self._board.finish()
        elif all(each.is_done for each in planned.jobs):
            self._replay(planned)

    def _replay(self, planned: PlannedRun) -> None:
        if planned.run.folder not in self._failed:
            assert planned.replay is not None
            self._attempt(planned, planned.replay)

    def _fail(self, planned: PlannedRun, job: StudyRun, fault: str) -> None:
        tell_failure(job, fault, self._console)
        if planned.run.folder not in self._failed:
            self._failed.add(planned.run.folder)
            self._board.finish()

    def _stop(self) -> list[StudyRun]:
        """End what was begun; which runs that were."""
        begun = [job for _, job in self._under_way.values() if job.log.exists()]
        for reference in self._under_way:
            self._ray.cancel(reference)
        until = time.monotonic() + SECONDS_TO_END
        left = list(self._under_way)
        while left and time.monotonic() < until:
            _, left = self._ray.wait(left, num_returns=len(left), timeout=SECONDS_BETWEEN_LOOKS)
        return begun


class _Board(Progress):
    """A bar of all runs, and below it a line for each job at work."""

    def __init__(self, runs: int, console: Console) -> None:
        super().__init__(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console
        )
        self._all = self.add_task("runs", total=runs)
        self._lines: dict[Path, TaskID] = {}

    def show(self, jobs: Sequence[StudyRun]) -> None:
        """What each job's own bar says, at the end of its log."""
        waiting = 0
        for job in jobs:
            if not job.log.exists():
                waiting += 1
                continue
            if job.log not in self._lines:
                self._lines[job.log] = self.add_task("", total=100)
            state = find_progress(job.log)
            percent = next((int(word) for word in state.split() if word.isdigit()), 0)
            description = escape(f"  {job.label}: {state or 'loading'}")
            self.update(self._lines[job.log], description=description, completed=percent)
        self.update(self._all, description=f"runs ({waiting} jobs wait for a free machine)" if waiting else "runs")

    def leave(self, job: StudyRun) -> None:
        """The job has ended."""
        if job.log in self._lines:
            self.remove_task(self._lines.pop(job.log))

    def finish(self) -> None:
        """One more run has ended."""
        self.advance(self._all)
