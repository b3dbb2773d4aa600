"""Files of results and of kept answers, damaged several times over: a board stands, and no answer is wrong.

The damage is that of `support.damaged_results` and of the cache's own tests, drawn by Hypothesis.
"""

import random
import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.damaged_results import damage_drawn
from support.fuzzing import for_a_round_or_longer, repeat, search
from support.kept_answers import ANSWERS, PAGE, fill, find_all
from support.results import draw_rows, write_run

from vrs_lmeval.asking.answer_cache import FILE_NAME, AnswerCache
from vrs_lmeval.leaderboard.board import make_leaderboard
from vrs_lmeval.leaderboard.board_report import make_board_csv, make_board_json, make_board_markdown
from vrs_lmeval.leaderboard.runs import read_folders

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    for model, share in (("looks", 0.9), ("odd", 0.7)):
        write_run(folder, model, draw_rows(share, 0.4, images=4))
    return folder


@for_a_round_or_longer
def test_results_that_are_damaged_several_times_cost_themselves_alone(seconds, runs, tmp_path):
    @search
    @given(st.integers(0), st.integers(1, 3))
    def a_round(seed, damages):
        draw = random.Random(seed)
        folder = tmp_path / "damaged"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(runs, folder)
        for _ in range(damages):
            damage_drawn(folder / "odd", draw)
        board = make_leaderboard(*read_with_problems(folder))
        for make in (make_board_markdown, make_board_json, make_board_csv):
            make(board).encode()
        assert "looks" in [standing.label for each in board.boards for standing in each.standings]

    repeat(a_round, seconds)


def read_with_problems(folder):
    found, problems = read_folders([folder])
    return found, {}, problems


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("written")
    fill(folder)
    return (folder / FILE_NAME).read_bytes()


def draw_damage(data, content):
    """Some places overwritten, by noise or by other places of the file; a part cut out."""
    damaged = bytearray(content)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(damaged) - 1))
        kind = data.draw(st.sampled_from(["noise", "copy", "cut", "bit"]))
        if kind == "noise":
            noise = data.draw(st.binary(min_size=1, max_size=40))
            damaged[place : place + len(noise)] = noise
        elif kind == "copy":
            other, length = data.draw(st.integers(0, len(content) - 1)), data.draw(st.integers(1, PAGE))
            damaged[place : place + length] = content[other : other + length]
        elif kind == "cut":
            del damaged[place : place + data.draw(st.integers(1, PAGE))]
        else:
            damaged[place] ^= 1 << data.draw(st.integers(0, 7))
        if not damaged:
            break
    return bytes(damaged)


@for_a_round_or_longer
def test_a_cache_that_is_damaged_several_times_gives_no_wrong_answer(seconds, written, tmp_path):
    @search
    @given(st.data())
    def a_round(data):
        (tmp_path / FILE_NAME).write_bytes(draw_damage(data, written))
        (tmp_path / f"{FILE_NAME}-journal").unlink(missing_ok=True)
        cache = AnswerCache(tmp_path, "model")
        assert all(answer in (None, ANSWERS[question]) for question, answer in find_all(cache).items())
        cache.keep({cache.key("new"): "new"})
        assert cache.find(cache.key("new")) in (None, "new")
        assert all(problem.isprintable() for problem in cache.describe()["problems"])
        cache._close(OSError("the run ends"))

    repeat(a_round, seconds)
