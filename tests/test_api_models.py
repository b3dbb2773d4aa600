"""API models through lm_eval's command line against a server of ours, which gets every question with its pictures."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest
from support.chat_server import is_canary, read_cards, reply, serve
from support.oracles import QUESTIONS, gold, recognise, write_benchmark

from vrs_lmeval.leaderboard.board import make_leaderboard
from vrs_lmeval.leaderboard.board_report import make_board_json
from vrs_lmeval.leaderboard.runs import read_folders

pytestmark = pytest.mark.models

KEY = "sk-planted-0815-secret"


def look(asked):
    """It knows the pictures of the two-image benchmark by pixels, and reads the canary's cards."""
    if is_canary(asked):
        return read_cards(asked)
    question, shown = what_was_asked(asked)
    return reply("I cannot see the image." if shown == "blank" else gold(question, shown))


def what_was_asked(asked):
    (picture,) = asked.pictures
    return next(question for question in QUESTIONS if question in asked.text), recognise(picture)


@pytest.fixture
def server():
    with serve(look) as server:
        yield server


def start(folder, model, arguments, task="vrs_vqa_rad", *more):
    if not (folder / "data").exists():
        write_benchmark(folder / "data")
    command = [sys.executable, "-m", "lm_eval", "run", "--model", model, "--model_args", arguments, "--tasks", task]
    command += ["--log_samples", "--output_path", str(folder / "results"), *more]
    surroundings = {"VRS_DATA_DIR": str(folder / "data"), "HF_HUB_OFFLINE": "1", "OPENAI_API_KEY": KEY}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, **surroundings}
    )


def run(*arguments):
    """What it printed, once it is done."""
    process = start(*arguments)
    printed, _ = process.communicate(timeout=300)
    assert process.returncode == 0, printed[-3000:]
    return printed


def read_results(folder):
    (file,) = (folder / "results").rglob("results_*.json")
    return json.loads(file.read_text())


EXPECTED = [(question, shown) for question in QUESTIONS for shown in ("a", "b", "blank")] * 2
"""Each of the two pictures is asked about as real and, for the other's question, as shuffled; two are blank."""


def test_the_stock_class_is_shown_every_variant_and_scored(server, tmp_path):
    arguments = f"model=seeing,base_url={server.url},num_concurrent=2"
    run(tmp_path, "local-chat-completions", arguments, "vrs_vqa_rad", "--apply_chat_template")
    assert sorted(map(what_was_asked, server.asked)) == sorted(EXPECTED)
    assert_right(read_results(tmp_path))


def assert_right(results):
    measured = results["results"]["vrs_vqa_rad"]
    assert (measured["acc,none"], measured["acc_shuffled,none"], measured["vrs,none"]) == (1, 0.5, 0.5)
    assert measured["parse_failure_rate,none"] == pytest.approx(1 / 3)


def test_ours_asks_the_same_but_each_thing_once_and_says_what_it_cost(server, tmp_path):
    arguments = f"model=seeing,base_url={server.url},num_concurrent=4,price_in=1,price_out=2"
    printed = run(tmp_path, "vrs-api", arguments, "vrs_vqa_rad", "--apply_chat_template")
    once = [(question, shown) for question in QUESTIONS for shown in ("a", "b", "blank", "blank")]
    assert sorted(map(what_was_asked, server.questions)) == sorted(once)
    assert "<image>" not in "".join(asked.text for asked in server.asked)
    results = read_results(tmp_path)
    assert_right(results)
    told = results["config"]["vrs_api"]
    assert (told["requests"], told["canary_requests"], told["image_encodings"]) == (16 + 24, 24, 4)
    assert (told["tokens_in"], told["tokens_out"]) == (100 * 40, 3 * 40)
    assert told["cost"] == pytest.approx((4000 * 1 + 120 * 2) / 1e6)
    assert "24 of 24 cards" in told["canary"]
    written = [file.read_text() for file in (tmp_path / "results").rglob("*") if file.is_file()]
    assert all(KEY not in text for text in [printed, *written])


@pytest.mark.whole  # the class itself is tested in tests/chat_servers
def test_a_task_of_likelihoods_is_refused_before_anything_is_sent(server, tmp_path):
    arguments = f"model=seeing,base_url={server.url}"
    process = start(tmp_path, "vrs-api", arguments, "vrs_vqa_rad_mc", "--apply_chat_template")
    printed, _ = process.communicate(timeout=300)
    assert process.returncode != 0
    assert "vrs_vqa_rad_mc: asks for likelihoods of options" in printed
    assert not server.asked


CHAINS = max(1, int(os.environ.get("VRS_KILLS", "3")) // 3)
"""Of three kills each: `VRS_KILLS=180` makes the row of docs/reliability.md again."""


@pytest.mark.parametrize(
    ("kills", "chain"), [(1, 0), *(pytest.param(3, chain, marks=pytest.mark.whole) for chain in range(CHAINS))]
)
def test_runs_that_are_killed_at_any_moment_go_on(tmp_path, kills, chain):
    """Killed at moments drawn by a key; what was answered is not asked again."""
    in_flight, draw = 2, random.Random(f"killed runs {chain}")
    moments = [draw.randint(2, 4) for _ in range(kills)]  # questions after which each run is killed; 16 are to be asked
    running, answered = [], []

    def behave(asked):
        process, left = running[-1]
        if asked.number >= left:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            process.wait()
            return None
        with lock:
            answered.append((*what_was_asked(asked), asked.pictures[0].size))
        return look(asked)

    lock = threading.Lock()
    arguments = "model=seeing,base_url={},num_concurrent=2,canary=False,cache_dir={}"
    with serve(behave) as server:
        where = arguments.format(server.url, tmp_path / "kept")
        for moment in [*moments, 10_000]:
            server.asked.clear()
            process = start(tmp_path, "vrs-api", where, "vrs_vqa_rad", "--apply_chat_template")
            running.append((process, moment))
            printed, _ = process.communicate(timeout=300)
        assert process.returncode == 0, printed[-3000:]
    assert [each.returncode for each, _ in running] == [-signal.SIGKILL] * kills + [0]
    # Of what was answered, at most what was on its way back when a run was killed is asked once more.
    assert len(set(answered)) == 16
    assert len(answered) <= 16 + len(moments) * in_flight
    assert_right(read_results(tmp_path))


KILLS_WHILE_WRITING = int(os.environ.get("VRS_KILLS_WHILE_WRITING", "1"))


@pytest.mark.whole
def test_runs_that_are_killed_while_results_are_written_go_on(server, tmp_path):
    """Killed some milliseconds after the harness says that it saves; the board of what lies there stands each time."""
    arguments = f"model=seeing,base_url={server.url},num_concurrent=2,canary=False,cache_dir={tmp_path / 'kept'}"
    run(tmp_path, "vrs-api", arguments, "vrs_vqa_rad", "--apply_chat_template")
    asked, cut = len(server.asked), 0
    for kill in range(KILLS_WHILE_WRITING):
        shutil.rmtree(tmp_path / "results", ignore_errors=True)
        process = start(tmp_path, "vrs-api", arguments, "vrs_vqa_rad", "--apply_chat_template")
        while "Saving" not in (line := process.stdout.readline()) and line:
            pass
        time.sleep(random.Random(f"while writing {kill}").uniform(0, 0.02))
        process.kill()
        process.communicate()
        cut += process.returncode == -signal.SIGKILL
        runs, problems = read_folders([tmp_path / "results"])
        make_board_json(make_leaderboard(runs, {}, problems)).encode()
    assert cut >= KILLS_WHILE_WRITING / 2
    shutil.rmtree(tmp_path / "results", ignore_errors=True)
    run(tmp_path, "vrs-api", arguments, "vrs_vqa_rad", "--apply_chat_template")
    assert len(server.asked) == asked  # all was kept
    assert_right(read_results(tmp_path))
