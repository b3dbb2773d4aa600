"""Studies on Ray, two workers on this machine: what is done once, in shards, after kill -9, and equal to one by one.

A stand-in for lm_eval answers here, so that it takes seconds; tests/test_study_on_ray.py runs the real one.
"""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from rich.console import Console
from support import lm_eval_stand_in
from typer.testing import CliRunner

from vrs_lmeval import cli
from vrs_lmeval.asking import missing_packages
from vrs_lmeval.asking.answer_cache import FILE_NAME, AnswerCache
from vrs_lmeval.asking.kept_run import MODEL
from vrs_lmeval.commands import study
from vrs_lmeval.commands.ray_study import run_on_ray
from vrs_lmeval.commands.study import UnreadableStudyError, read_study
from vrs_lmeval.commands.study_shards import plan_run, prepare_job
from vrs_lmeval.commands.study_tasks import Questions

pytestmark = pytest.mark.models  # starts Ray

TESTS = Path(__file__).parent.parent
SECONDS = 60
"""Long for something of the stand-in to happen."""

TASKS = ("one", "two")
QUESTIONS_ASKED = lm_eval_stand_in.QUESTIONS
QUESTIONS = Questions(tuple(f"i{n // 2}" for n in range(QUESTIONS_ASKED)), True, False)


@pytest.fixture
def ray_package():
    return pytest.importorskip("ray", reason="the extra `cluster` is not installed")


@pytest.fixture
def stand_in(monkeypatch, tmp_path):
    """In place of lm_eval; gives the file with a line for each question asked."""
    asked = tmp_path / "asked.txt"
    asked.touch()
    monkeypatch.setenv("STAND_IN_ASKED", str(asked))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])]))
    write = study.write_command

    def write_stand_in(*arguments):
        (
            python,
            *_,
        ) = write(*arguments)
        return (python, "-m", "support.lm_eval_stand_in", *write(*arguments)[4:])

    monkeypatch.setattr("vrs_lmeval.commands.study.write_command", write_stand_in)
    monkeypatch.setattr("vrs_lmeval.commands.study_shards.write_command", write_stand_in)
    return asked


def plan(folder, models, tasks=TASKS):
    path = folder / "study.yaml"
    path.write_text(json.dumps({"models": models, "tasks": list(tasks)}))
    made = read_study(path, folder / "out")
    return [plan_run(run, made, {run.task: QUESTIONS}) for run in made.runs if not run.is_done]


def entry(name, **more):
    return {"model_args": {"pretrained": name}, "gpus": 0, **more}


def run(planned):
    printed = io.StringIO()
    failed = run_on_ray(planned, Console(file=printed, width=200))
    return failed, printed.getvalue()


def read_answers(folder):
    """By model and task: the lines of its samples."""
    files = (folder / "out" / "runs").rglob("samples_*.jsonl")
    return {
        (file.parent.name, file.parent.parent.name): list(map(json.loads, file.read_text().splitlines()))
        for file in files
    }


def wait_for(find):
    until = time.monotonic() + SECONDS
    while not (found := find()):
        assert time.monotonic() < until, "it never came"
        time.sleep(0.01)
    return found


def kill_when(log, pattern, half):
    """In a thread: kill -9 the process whose number `pattern` finds in the log, once half of it is asked."""

    def kill():
        wait_for(lambda: log.is_file() and f"{half}/" in log.read_text())
        os.kill(int(re.findall(pattern, log.read_text())[-1]), signal.SIGKILL)

    thread = threading.Thread(target=kill, daemon=True)
    thread.start()
    return thread


def test_a_study_on_two_workers_with_a_worker_killed_in_the_middle(ray_package, stand_in, tmp_path):
    """3 models x 2 tasks, one model in 4 shards: as one by one, and nothing is asked twice but what was in flight."""
    models = [entry("a", shards=4), entry("b"), entry("c")]
    planned = plan(tmp_path, models)
    assert [len(each.jobs) for each in planned] == [4, 4, 1, 1, 1, 1]
    killed = planned[2].jobs[0]
    killer = kill_when(killed.log, r"worker (\d+)", half=QUESTIONS_ASKED // 2)
    failed, printed = run(planned)
    killer.join()
    assert failed == 0, printed
    assert killed.log.read_text().count("attempt 1 on") == 2, "the worker was not killed"
    asked = Counter(stand_in.read_text().splitlines())
    assert len(asked) == 6 * QUESTIONS_ASKED
    assert sum(asked.values()) - len(asked) <= 1
    assert "done: a on two, shard 4 of 4" in printed
    assert read_answers(tmp_path) == {
        (name, task): [{"doc_id": n, "text": f"{name} says {n}"} for n in range(QUESTIONS_ASKED)]
        for name in "abc"
        for task in TASKS
    }
    assert plan(tmp_path, models) == []


def test_a_process_that_dies_is_begun_again_and_a_failure_costs_its_run_alone(ray_package, stand_in, tmp_path):
    planned = plan(tmp_path, [entry("broken"), entry("a", shards=2), entry("b")], ["one"])
    _, cut, whole = planned
    damaged = cut.answer_folders[1] / FILE_NAME
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(b"no database at all" * 100)
    killer = kill_when(whole.jobs[0].log, r"process (\d+)", half=QUESTIONS_ASKED // 2)
    failed, printed = run(planned)
    killer.join()
    assert failed == 1
    assert "broken on one failed: OutOfMemoryError: too big" in printed
    assert [each.run.is_done for each in planned] == [False, True, True]
    assert "attempt 2 on" in whole.jobs[0].log.read_text()
    asked = Counter(stand_in.read_text().splitlines())
    assert sum(asked.values()) - len(asked) <= 1


@pytest.mark.whole
def test_answers_that_went_missing_are_asked_again_by_the_next_call(ray_package, stand_in, tmp_path):
    models = [entry("a", shards=2)]
    (planned,) = plan(tmp_path, models, ["one"])
    for job, folder in zip(planned.jobs, planned.answer_folders, strict=True):  # done, but for what they kept
        prepare_job(planned, job)
        AnswerCache(folder, "").note(MODEL, "a")
        (job.folder / "results_1.json").write_text('{"configs": {}}')
        job.mark_done()
    failed, printed = run([planned])
    assert failed == 1
    assert "no answer to 0" in printed
    failed, printed = run(plan(tmp_path, models, ["one"]))
    assert failed == 0, printed
    assert len(stand_in.read_text().splitlines()) == QUESTIONS_ASKED


def test_more_than_any_machine_has_is_told_before_anything_starts(ray_package, stand_in, tmp_path):
    planned = plan(tmp_path, [entry("a", cpus=10_000)])
    with pytest.raises(UnreadableStudyError, match="model 1: asks for 10000 CPUs and 0 GPUs, and the machines have"):
        run(planned)
    assert not stand_in.read_text()


def test_without_ray_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(missing_packages, "find_spec", lambda name: None if name == "ray" else object())
    (tmp_path / "study.yaml").write_text("{models: [{model_args: {pretrained: a}}], tasks: [vrs_sample]}")
    shown = CliRunner().invoke(cli.app, ["study", str(tmp_path / "study.yaml"), "--ray"])
    assert shown.exit_code == 2
    assert 'needs the package ray (not installed): pip install "vrs_lmeval[cluster]"' in " ".join(shown.output.split())


def test_ray_is_imported_only_where_it_is_asked_for():
    code = "import sys, vrs_lmeval.cli, vrs_lmeval.commands.study_call; sys.exit('ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=300).returncode == 0
