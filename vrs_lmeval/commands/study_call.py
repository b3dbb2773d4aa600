"""`vrs study`: a file -> everything checked, what is done already, and what is left, one by one or on Ray."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from vrs_lmeval.commands.ray_study import require_ray, run_on_ray
from vrs_lmeval.commands.stop_signals import StopSignals
from vrs_lmeval.commands.study import Study, StudyStoppedError, UnreadableStudyError, read_study
from vrs_lmeval.commands.study_checks import check_study
from vrs_lmeval.commands.study_plan import describe_plan, describe_runs
from vrs_lmeval.commands.study_runs import run_one_by_one, tell_what_is_kept
from vrs_lmeval.commands.study_shards import PlannedRun, plan_run

DEFAULT_OUTPUT = Path("vrs-study")


@dataclass(frozen=True, slots=True)
class StudyCall:
    """A study that was checked. `done` holds the folders of runs that are done; `planned`: the others, for Ray."""

    study: Study
    done: frozenset[Path]
    planned: tuple[PlannedRun, ...] | None

    def describe(self) -> Iterable[str]:
        """Lines that say what would be done."""
        if self.planned is None:
            return describe_runs(self.study, self.done)
        return describe_plan(self.study, self.done, self.planned)

    def run(self, console: Console) -> int:
        """Do it; how many runs failed. Raises StudyStoppedError, which says what is kept."""
        where = self.study.output / "runs" / "MODEL" / "TASK"
        console.print(f"What lm_eval prints goes to {where}/lm_eval.log", highlight=False, markup=False)
        try:
            if self.planned is None:
                return run_one_by_one(self.study, console)
            return run_on_ray(self.planned, console) if self.planned else 0
        except StudyStoppedError as stopped:
            stopped.tell(tell_what_is_kept(self.study, stopped.begun, self._command))
            raise

    @property
    def _command(self) -> str:
        """The call that goes on."""
        command = f"vrs study {shlex.quote(str(self.study.path))}"
        if self.study.output != DEFAULT_OUTPUT:
            command += f" --output {shlex.quote(str(self.study.output))}"
        return command + (" --ray" if self.planned is not None else "")


def prepare_study(path: Path, output: Path, ray: bool) -> StudyCall:
    """Read and check. Raises UnreadableStudyError, which names all faults, and MissingRayError."""
    if ray:
        require_ray()
    study = read_study(path, output)
    with StopSignals(StudyStoppedError) as signals:
        done = frozenset(run.folder for run in study.runs if run.is_done)
        questions = check_study(study, done)
        signals.check()
    if ray and "," in str(output):
        raise UnreadableStudyError(f"--output {output}: lm_eval parts arguments at commas; name another folder")
    if not ray:
        return StudyCall(study, done, None)
    planned = (plan_run(run, study, questions.get(run.task)) for run in study.runs if run.folder not in done)
    return StudyCall(study, done, tuple(planned))
