"""A run of lm_eval that is stopped: one line at its end, and no traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from vrs_lmeval.commands import stopped_run
from vrs_lmeval.commands.stopped_run import tell_what_is_kept

CONTROL = Path(__file__).parents[2] / "controls" / "sighted"
RUN = f"run questions.csv --images . --model {CONTROL} --output out --batch-size 1"
RUN_STOPPED = "vrs run: stopped; nothing of it is kept. With cache_dir=FOLDER in --model-args"
LOST = "nothing of it is kept. With cache_dir=FOLDER in --model_args"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--model_args", "pretrained=x,cache_dir=kept/here"], "answers that came are kept in kept/here, and the next"),
        (["--model_args", "pretrained=x", "cache_dir=kept"], "answers that came are kept in kept, and the next"),
        (['--model_args={"pretrained": "x", "cache_dir": "kept"}'], "answers that came are kept in kept, and the next"),
        (["-a", "cache_dir=\x1b[2J"], "are kept in \ufffd[2J, and"),
        (["--model_args", "pretrained=x"], LOST),
        (["--tasks", "vrs_sample"], LOST),
        (["--config", "run.yaml"], "are kept if it named a cache"),
        (["--model", "hf", "--use_cache", "here"], "are kept if it named a cache"),
    ],
)
def test_what_is_kept_is_told_by_the_arguments(arguments, said):
    assert said in tell_what_is_kept(["run", *arguments])


def test_an_error_is_shown_as_ever_with_the_line_below_it(monkeypatch, capsys):
    monkeypatch.setattr(stopped_run, "_ends", [])
    shown = []
    error = ValueError("x")
    stopped_run._make_hook(lambda *given: shown.append(given))(ValueError, error, None)
    assert shown == [(ValueError, error, None)]
    assert stopped_run.ends_early()
    stopped_run._tell(["--model_args", "cache_dir=kept"])
    told = capsys.readouterr().err
    assert told.startswith("\nvrs_lmeval: ended by the error above; answers that came are kept in kept,")

    stopped_run._tell(["--model_args", "pretrained=x"])  # which was perhaps refused before anything was asked
    assert capsys.readouterr().err == ""


def test_a_fork_of_the_run_ends_as_it_would_have():
    program = (
        "import os, signal; from vrs_lmeval.commands import stopped_run;"
        "signal.signal(signal.SIGTERM, stopped_run._make_handler(os.getpid()));"
        "child = os.fork() or os.kill(os.getpid(), signal.SIGTERM);"
        "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), stopped_run.ends_early())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == f"{-signal.SIGTERM} False\n"


def test_a_run_that_reaches_its_end_says_nothing(capsys):
    assert not stopped_run.ends_early()
    stopped_run._tell(["--model_args", "cache_dir=kept"])
    assert capsys.readouterr().err == ""


def start(*model_args, launcher=()):
    """As a terminal starts it: Ctrl-C is not ignored, as it is for what a shell starts behind `&`."""
    given = ",".join([f"pretrained={CONTROL}", *model_args])
    options = f"--model vrs-hf --model_args {given} --tasks vrs_sample --batch_size 1 --apply_chat_template --limit 40"
    return subprocess.Popen(
        [sys.executable, *launcher, "-m", "lm_eval", "run", *options.split()],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def stop(process, number, find=lambda process: process.pid):
    """Send the signal to the process that is found while questions are asked; (exit code, all that was printed)."""
    printed = ""
    while "questions/s" not in printed:
        character = process.stdout.read(1)
        assert character, printed
        printed += character
    os.kill(find(process), number)
    rest, _ = process.communicate(timeout=60)
    return process.returncode, printed + rest


@pytest.mark.models
def test_ctrl_c_says_where_answers_are_kept_and_the_same_command_goes_on(tmp_path):
    code, printed = stop(start(f"cache_dir={tmp_path}"), signal.SIGINT)
    assert code == -signal.SIGINT  # a shell's 130
    assert "Traceback" not in printed
    *_, last = printed.splitlines()
    assert last == (
        f"vrs_lmeval: stopped by Ctrl-C; answers that came are kept in {tmp_path}, and the next run goes on from there."
    )
    again, _ = start(f"cache_dir={tmp_path}").communicate(timeout=120)
    assert "|vrs_sample|" in again
    assert "stopped" not in again


@pytest.mark.models
def test_sigterm_without_a_cache_says_that_nothing_is_kept():
    code, printed = stop(start(), signal.SIGTERM)
    assert code == 128 + signal.SIGTERM
    assert "Traceback" not in printed
    *_, last = printed.splitlines()
    assert last.startswith(f"vrs_lmeval: stopped by SIGTERM; {LOST}")


def find_second(launched):
    """The process of rank 1 that `accelerate launch` started."""
    children = Path(f"/proc/{launched.pid}/task/{launched.pid}/children").read_text().split()
    [second] = [
        int(child) for child in children if b"RANK=1" in Path(f"/proc/{child}/environ").read_bytes().split(b"\0")
    ]
    return second


@pytest.mark.whole
@pytest.mark.models
@pytest.mark.skipif(not os.path.exists("/proc/self/environ"), reason="no /proc")
def test_a_worker_that_dies_ends_the_run_which_goes_on(tmp_path):
    two = ("-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2")
    code, printed = stop(start(f"cache_dir={tmp_path}", launcher=two), signal.SIGKILL, find_second)
    assert code == 1
    assert f"vrs_lmeval: stopped by SIGTERM; answers that came are kept in {tmp_path}, and the next" in printed
    again, _ = start(f"cache_dir={tmp_path}", launcher=two).communicate(timeout=120)
    assert again.count("|vrs_sample|") == 1


@pytest.mark.models
@pytest.mark.parametrize(
    ("options", "number", "said"),
    [
        (RUN, signal.SIGTERM, RUN_STOPPED),
        pytest.param(RUN, signal.SIGINT, RUN_STOPPED, marks=pytest.mark.whole),
        pytest.param("demo --output out", signal.SIGTERM, "vrs demo: stopped; the same", marks=pytest.mark.whole),
    ],
)
def test_a_command_that_starts_lm_eval_ends_it_and_says_so(tmp_path, options, number, said):
    for name, level in zip("ab", (50, 200), strict=True):
        Image.new("L", (20, 20), level).save(tmp_path / f"{name}.png")
    rows = [f"{name}.png,is this picture {place}?,yes" for place in range(40) for name in "ab"]
    (tmp_path / "questions.csv").write_text("\n".join(["image,question,answer", *rows]))
    vrs = [sys.executable, "-c", "from vrs_lmeval.cli import app; app()"]
    process = subprocess.Popen(
        [*vrs, *options.split()],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    until = time.monotonic() + 120
    while not any("questions/s" in log.read_text() for log in tmp_path.rglob("lm_eval.log")):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < until
        time.sleep(0.1)
    process.send_signal(number)
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert "Traceback" not in printed
    assert said in " ".join(printed.split())
    assert not [path for path in Path("/proc").glob("[0-9]*/cwd") if reads_as(path, tmp_path)]


def reads_as(link, folder):
    try:
        return link.resolve(strict=True) == folder
    except OSError:
        return False
