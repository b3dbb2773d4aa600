"""A watched command ends with whoever started it, however that ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from vrs_lmeval.commands.watched_command import WatchedCommand

SECONDS = 20
"""Long for a process to start or to end; none of these takes one."""

SLEEPER = "import os, sys, time; print(os.getpid(), flush=True); time.sleep(600)"
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + SLEEPER
WITH_CHILD = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {SLEEPER!r}]).wait()"


def wait_for(find):
    until = time.monotonic() + SECONDS
    while not (found := find()):
        assert time.monotonic() < until, "it never came"
        time.sleep(0.02)
    return found


def is_running(number):
    try:
        with open(f"/proc/{number}/stat") as file:
            return file.read().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False


needs_proc = pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="reads /proc")


@pytest.mark.parametrize(("code", "expected"), [("", 0), ("raise SystemExit(3)", 3)])
def test_the_exit_code_is_the_commands(tmp_path, code, expected):
    with (tmp_path / "log").open("w") as log:
        assert WatchedCommand([sys.executable, "-c", code], log).wait(SECONDS) == expected


def test_a_signal_is_told_by_the_exit_code(tmp_path):
    with (tmp_path / "log").open("w") as log:
        process = WatchedCommand([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"], log)
        assert process.wait(SECONDS) == 128 + signal.SIGKILL


def test_all_that_it_prints_is_in_the_log_and_it_runs_in_the_folder(tmp_path):
    with (tmp_path / "log").open("w") as log:
        code = "import os, sys; print(os.getcwd(), flush=True); print('beside', file=sys.stderr)"
        WatchedCommand([sys.executable, "-c", code], log, tmp_path).wait(SECONDS)
    assert (tmp_path / "log").read_text().splitlines() == [str(tmp_path), "beside"]


@needs_proc
@pytest.mark.parametrize("code", [SLEEPER, WITH_CHILD])
def test_a_stopped_command_has_ended_with_all_that_it_started(tmp_path, code):
    with (tmp_path / "log").open("w") as log:
        process = WatchedCommand([sys.executable, "-c", code], log)
        number = int(wait_for((tmp_path / "log").read_text))
        process.stop()
    wait_for(lambda: not is_running(number))


@needs_proc
def test_one_that_does_not_listen_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr("vrs_lmeval.commands.watched_command.SECONDS_TO_END", 1)
    with (tmp_path / "log").open("w") as log:
        process = WatchedCommand([sys.executable, "-c", DEAF], log)
        number = int(wait_for((tmp_path / "log").read_text))
        process.stop()
    wait_for(lambda: not is_running(number))


@needs_proc
def test_kill_9_of_the_starter_ends_the_command(tmp_path):
    log = tmp_path / "log"
    starter = (
        "import sys; from vrs_lmeval.commands.watched_command import WatchedCommand; "
        f"WatchedCommand([sys.executable, '-c', {SLEEPER!r}], open({str(log)!r}, 'w')).wait(600)"
    )
    with subprocess.Popen([sys.executable, "-c", starter]) as process:
        number = int(wait_for(lambda: log.is_file() and log.read_text()))
        assert is_running(number)
        process.kill()
    wait_for(lambda: not is_running(number))


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux to tell the command")
def test_kill_9_of_the_watcher_ends_the_command(tmp_path):
    """Ray ends all that a worker started so."""
    with (tmp_path / "log").open("w") as log:
        process = WatchedCommand([sys.executable, "-c", SLEEPER], log)
        command = int(wait_for((tmp_path / "log").read_text))
        os.kill(process._process.pid, signal.SIGKILL)
        assert process.wait(SECONDS) == 128 + signal.SIGKILL
    wait_for(lambda: not is_running(command))
