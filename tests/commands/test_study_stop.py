"""Ctrl-C and SIGTERM end a study with one line: what is kept, how to go on; no process of it is left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.models  # starts Ray

TESTS = Path(__file__).parent.parent

STUDY = """
import sys
from support import lm_eval_stand_in
from vrs_lmeval.commands import study, study_call, study_shards
from vrs_lmeval.cli import app

write = study.write_command

def write_stand_in(*arguments):
    python, *_ = write(*arguments)
    return (python, "-m", "support.lm_eval_stand_in", *write(*arguments)[4:])

study.write_command = study_shards.write_command = write_stand_in
study_call.check_study = lambda study, done: {}
app()
"""


@pytest.mark.parametrize(
    ("way", "number", "code"),
    [
        ("", signal.SIGTERM, 143),
        ("--ray", signal.SIGINT, 130),
        pytest.param("", signal.SIGINT, 130, marks=pytest.mark.whole),
        pytest.param("--ray", signal.SIGTERM, 143, marks=pytest.mark.whole),
    ],
)
def test_a_stopped_study_says_what_is_kept_and_leaves_no_process(tmp_path, way, number, code):
    if way:
        pytest.importorskip("ray", reason="the extra `cluster` is not installed")
    (tmp_path / "asked.txt").touch()
    models = [{"model_args": {"pretrained": "a", "cache_dir": "mine"}, "gpus": 0, "cpus": os.cpu_count()}]
    (tmp_path / "study.yaml").write_text(json.dumps({"models": models, "tasks": ["one", "two"]}))
    surroundings = {"STAND_IN_ASKED": str(tmp_path / "asked.txt"), "STAND_IN_SECONDS": "600"}
    paths = os.pathsep.join([str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-c", STUDY, "study", "study.yaml", *filter(None, [way])]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        env={**os.environ, **surroundings, "PYTHONPATH": paths},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    until = time.monotonic() + 120
    while not (tmp_path / "asked.txt").read_text():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < until
        time.sleep(0.1)
    log = next((tmp_path / "vrs-study").rglob("lm_eval.log")).read_text()
    (started,) = [int(line.split()[1]) for line in log.splitlines() if line.startswith("process")]
    process.send_signal(number)
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == code, printed
    last = "vrs study: stopped: 0 of 2 runs are done and kept in vrs-study/runs; a on one will go on from the answers "
    last += f"kept so far. To go on, call again: vrs study study.yaml {way}"
    assert " ".join(printed.split()).endswith(last.strip())
    until = time.monotonic() + 20  # its parent has ended, and whoever inherits it takes note of its end in his own time
    while is_there(started):
        assert time.monotonic() < until
        time.sleep(0.1)


def is_there(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
