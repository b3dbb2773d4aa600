"""Damaged results cost themselves alone: the others stand on the board, with the same numbers, in every format."""

import json
import os
import shutil
import signal
import unicodedata
from contextlib import contextmanager

import pytest
from support.damaged_results import damage_run
from support.results import draw_rows, write_run
from typer.testing import CliRunner

from vrs_lmeval import cli
from vrs_lmeval.commands.doctor import Finding
from vrs_lmeval.commands.plain_console import PlainConsole
from vrs_lmeval.leaderboard.board import make_leaderboard
from vrs_lmeval.leaderboard.board_report import make_board_csv, make_board_json, make_board_markdown
from vrs_lmeval.leaderboard.runs import name_samples_file, read_folders
from vrs_lmeval.page.page import make_page

SECONDS = 60
"""After which a reader that waits for a pipe is taken for hanging."""

CASES = 60
"""Damaged folders in one test."""

PARTS = [*range(2), *(pytest.param(part, marks=pytest.mark.whole) for part in range(2, 50))]


@contextmanager
def time_limit():
    def stop(*_):
        raise AssertionError("it hangs")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """Two models, and a third that will be damaged."""
    folder = tmp_path_factory.mktemp("sound")
    for name, share in (("looks", 0.9), ("guesses", 0.5), ("odd", 0.7)):
        run = write_run(folder, name, draw_rows(share, 0.4, images=10))
        add_what_the_harness_writes(run)
    return folder


def add_what_the_harness_writes(run):
    (path,) = run.glob("results_*")
    results = json.loads(path.read_text())
    results |= {"n-samples": {"vrs_test": {"original": 20, "effective": 20}}, "system_instruction": None}
    results["config"] = {"limit": None, "vrs_missing_weights": [], "vrs_thoughts": "none", "vrs_bos": "one"}
    results["configs"]["vrs_test"]["metadata"] = {"version": 1.0}
    path.write_text(json.dumps(results))


def write_all(board):
    """Every quick format of it, as bytes."""
    return [make(board).encode() for make in (make_board_markdown, make_board_json, make_board_csv)]


def is_control(character):
    return unicodedata.category(character) == "Cc" and character not in "\n\t"


def names_no_task(run):
    """Whether nothing there tells of a VRS task any more: the results are gone, or their entry of it."""
    found = list(run.glob("results_*"))
    return not found or (len(found) == 1 and "vrs_test" not in json.loads(found[0].read_text())["configs"])


def check(folder, draw_page=False):
    """Both sound models stand on a board, and the third there or among what was left out; every format is written."""
    with time_limit():
        runs, problems = read_folders([folder])
        board = make_leaderboard(runs, {}, problems)
        write_all(board)
        if draw_page:
            make_page(board).encode()
    (task,) = [task for task in board.boards if task.task == "vrs_test"]
    labels = [standing.label for standing in task.standings]
    assert {"looks", "guesses"} <= set(labels)
    others = len(labels) - 2 + len(board.left_out) + len(board.boards) - 1
    assert others >= 1 or names_no_task(folder / "odd")
    assert all(len(left.reason) < 2000 and len(left.name) < 1000 for left in board.left_out)
    return board


@pytest.mark.slow
@pytest.mark.parametrize("part", PARTS)
def test_a_damaged_folder_costs_itself_alone(tmp_path, sound, part, monkeypatch):
    for case in range(CASES):
        key = f"{part} {case}"
        folder = tmp_path / str(case)
        shutil.copytree(sound, folder)
        damage_run(folder / "odd", key)
        try:
            with cli.console.capture() as shown:
                check(folder, draw_page=case == 0)
                cli._show_board([folder], {}, {})
        except Exception as error:
            raise AssertionError(f"damage_run(folder, {key!r})") from error
        assert not any(map(is_control, shown.get())), key
        shutil.rmtree(folder)


@pytest.mark.slow
@pytest.mark.parametrize("part", [0, *(pytest.param(part, marks=pytest.mark.whole) for part in range(1, 10))])
def test_commands_that_refuse_a_damaged_folder_say_why(tmp_path, sound, part):
    for case in range(CASES):
        folder = tmp_path / str(case)
        shutil.copytree(sound, folder / "runs")
        damage_run(folder / "runs" / "odd", f"commands {part} {case}")
        for command in (["compare"], ["rescore", "--output", str(folder / "new")]):
            with time_limit():
                shown = CliRunner().invoke(cli.app, [*command, str(folder / "runs")])
            assert shown.exception is None or isinstance(shown.exception, SystemExit), (case, command, shown.exception)
            assert shown.exit_code in (0, 2), (case, command, shown.output)
            assert not any(map(is_control, shown.output))
        shutil.rmtree(folder)


def test_the_numbers_of_the_others_do_not_change(tmp_path, sound):
    """A run that is left out has no say in the others' intervals."""
    shutil.copytree(sound, tmp_path / "damaged")
    shutil.copytree(sound, tmp_path / "without")
    shutil.rmtree(tmp_path / "without" / "odd")
    (samples,) = (tmp_path / "damaged" / "odd").glob("samples_*")
    samples.write_text("{")
    boards = [json.loads(make_board_json(read_board(tmp_path / name))) for name in ("damaged", "without")]
    assert [len(board.pop("left_out")) for board in boards] == [1, 0]
    assert boards[0] == boards[1]


def read_board(folder):
    runs, problems = read_folders([folder])
    return make_leaderboard(runs, {}, problems)


def rename(run, name, task="vrs_test"):
    """The model and the task of a run, called otherwise."""
    (results,), (samples,) = run.glob("results_*"), run.glob("samples_*")
    content = json.loads(results.read_text())
    content["model_name"] = name
    content["configs"] = {task: content["configs"]["vrs_test"]}
    content["n-samples"] = {}
    results.write_text(json.dumps(content))
    samples.rename(samples.with_name(name_samples_file(results, task).name))


ESCAPE = "\x1b[2J\x1b]0;owned\x07\x9b31m\u202egnp\r"
NAMES = [
    *("", "/", ".", "..", "\x00", "a/" * 5000, "long" * 20_000, "日本/模型", "[red]x[/red]", "[/]", ESCAPE),
    *("# heading\n\n<script>alert(1)</script>", "a|b\\|c](http://x)![i](http://y)", "\ud800", " \n "),
]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_any_name_of_a_model_can_be_shown(tmp_path, sound, name):
    shutil.copytree(sound, tmp_path / "runs")
    rename(tmp_path / "runs" / "odd", name)
    board = check(tmp_path / "runs", draw_page=True)
    assert board.left_out == ()
    (label,) = {standing.label for standing in board.boards[0].standings} - {"looks", "guesses"}
    assert label.strip()
    assert len(label) <= 200
    out = tmp_path / "out"
    for command in (
        ["leaderboard", "--md", str(out / "board.md"), "--csv", str(out / "board.csv"), str(tmp_path / "runs")],
        ["compare", "--output", str(out), str(tmp_path / "runs")],
    ):
        shown = CliRunner().invoke(cli.app, command)
        assert shown.exit_code == 0, shown.output
        assert not any(map(is_control, shown.output))
    for path in (out / "board.md", out / "vrs_test.md"):
        markdown = path.read_text()
        assert not any(map(is_control, markdown))
        assert not any(mark in markdown for mark in ("<script", "](http", "\n# heading", "\n\n<"))
        rows = [line.replace("\\\\", "").replace("\\|", "") for line in markdown.splitlines() if line.startswith("|")]
        assert len({row.count("|") for row in rows}) == 1


TASKS = [
    *("vrs_" + ESCAPE.replace("\r", ""), "vrs_\n\n# heading <script>", "vrs_](http://x)"),
    *("../../vrs_up", "vrs_/../../up"),
]


@pytest.mark.parametrize("task", TASKS, ids=range(len(TASKS)))
def test_any_name_of_a_task_can_be_shown(tmp_path, sound, task):
    shutil.copytree(sound, tmp_path / "runs")
    for name in ("looks", "guesses", "odd"):
        rename(tmp_path / "runs" / name, f"some/{name}", task)
    out = tmp_path / "deep" / "out"
    for command in (
        ["leaderboard", "--md", str(out / "board.md"), str(tmp_path / "runs")],
        ["compare", "--output", str(out), str(tmp_path / "runs")],
    ):
        shown = CliRunner().invoke(cli.app, command)
        assert shown.exit_code == 0, shown.output
        assert not any(map(is_control, shown.output))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["deep", "runs"]  # nothing was written elsewhere
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["out"]
    (page,) = out.glob("*up*.md") if "up" in task else [out / "board.md"]
    assert not any(mark in page.read_text() for mark in ("\n# heading", "<script", "](http"))


def test_a_task_whose_name_is_too_long_for_a_file_is_left_out(tmp_path, sound):
    shutil.copytree(sound, tmp_path / "runs")
    (results,) = (tmp_path / "runs" / "odd").glob("results_*")
    results.write_text(results.read_text().replace('"vrs_test"', f'"vrs_{"t" * 300}"'))
    board = check(tmp_path / "runs")
    assert "is missing beside" in board.left_out[0].reason


def test_the_doctor_shows_no_control_characters(monkeypatch):
    finding = Finding("data", f"VRS_DATA_DIR names {ESCAPE}, which is no folder", False, f"set {ESCAPE} to [red]x")
    monkeypatch.setattr(cli, "examine", lambda: iter([finding]))
    shown = CliRunner().invoke(cli.app, ["doctor"])
    assert shown.exit_code == 1
    assert "which is no folder" in shown.output
    assert not any(map(is_control, shown.output))


def test_our_own_colours_stay_on_a_terminal():
    console = PlainConsole(force_terminal=True, color_system="standard", width=80)
    with console.capture() as shown:
        console.print("[red]vrs:[/red] \x1b[2Jx", highlight=False)
    assert shown.get() == "\x1b[31mvrs:\x1b[0m \ufffd[2Jx\n"


@pytest.mark.parametrize("number", ["9" * 6000, "1" + "0" * 400, "1e999"])
def test_a_number_beyond_all_others_costs_itself_alone(tmp_path, sound, number):
    shutil.copytree(sound, tmp_path / "runs")
    (samples,) = (tmp_path / "runs" / "odd").glob("samples_*")
    samples.write_text(samples.read_text().replace('"vrs": 1', f'"vrs": {number}', 1))
    board = check(tmp_path / "runs")
    assert [standing.label for standing in board.boards[0].standings] == ["looks", "guesses"]
    assert f"{samples}, line " in board.left_out[0].reason


@pytest.mark.parametrize("name", ["results_0.json", "results_2026-01-01T00-00-00.000000.json"])
def test_a_pipe_is_left_out_and_not_waited_for(tmp_path, sound, name):
    shutil.copytree(sound, tmp_path / "runs")
    place = tmp_path / "runs" / "odd" / name
    place.unlink(missing_ok=True)
    os.mkfifo(place)
    board = check(tmp_path / "runs")
    assert "it is no file" in board.left_out[0].reason
