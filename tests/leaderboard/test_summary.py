"""What a reader sees first: which tasks count for the mean, its limits, and the sentences, by hand."""

import json
import math

import pytest
from support.results import draw_rows, make_board, write_run

from vrs_lmeval.leaderboard.board_report import make_board_json
from vrs_lmeval.leaderboard.summary import summarise

LOOKS, BLIND = (0.9, 0.2), (0.5, 0.5)


def write(folder, model, task, shares, content, seed=0, images=60):
    """A run in a folder of its own for the task, as `vrs study` writes them; `content` names its images."""
    dataset = {"content_sha256": content}
    rows = [
        (asked, f"{content}/{image}", *rest) for asked, image, *rest in draw_rows(*shares, seed=seed, images=images)
    ]
    write_run(folder / task, model, rows, task=task, dataset=dataset)


def test_one_task_is_said_with_its_numbers(tmp_path):
    write(tmp_path, "a", "vrs_one", LOOKS, "1")
    board = make_board(tmp_path)
    summary = summarise(board.boards)
    assert [model.sentence for model in summary.models] == [board.boards[0].standings[0].verdict]
    assert summary.benchmarks == ("vrs_one",)


def test_several_tasks_are_grouped_by_what_is_said(tmp_path):
    for number, task in enumerate(("vrs_one", "vrs_two", "vrs_three")):
        write(tmp_path, "a", task, LOOKS, task, seed=number)
    (model,) = summarise(make_board(tmp_path).boards).models
    assert model.sentence == "a looks at the image on all 3 tasks."


def test_a_model_with_few_images_cannot_be_told_there(tmp_path):
    write(tmp_path, "b", "vrs_one", LOOKS, "1")
    write(tmp_path, "b", "vrs_two", LOOKS, "2", images=10)
    (model,) = summarise(make_board(tmp_path).boards).models
    assert model.sentence == "b looks at the image on vrs_one; cannot be told to look or not on vrs_two."


def test_a_model_with_one_task_of_several_is_said_with_its_name(tmp_path):
    for task in ("vrs_one", "vrs_two"):
        write(tmp_path, "all", task, LOOKS, task)
    write(tmp_path, "some", "vrs_two", LOOKS, "vrs_two", seed=1)
    sentences = {model.label: model.sentence for model in summarise(make_board(tmp_path).boards).models}
    assert sentences == {
        "all": "all looks at the image on both tasks.",
        "some": "some looks at the image on vrs_two.",
    }


def test_the_mean_is_over_benchmarks_and_its_models_come_first(tmp_path):
    for task, content in (("vrs_one", "1"), ("vrs_two", "2")):
        write(tmp_path, "weak", task, BLIND, content)
        write(tmp_path, "strong", task, LOOKS, content, seed=1)
    write(tmp_path, "strongest", "vrs_one", (1.0, 0.0), "1", seed=2)
    summary = summarise(make_board(tmp_path).boards)
    assert [model.label for model in summary.models] == ["strong", "weak", "strongest"]
    strong = summary.models[0]
    parts = [strong.standings[task].metrics["vrs"] for task in summary.benchmarks]
    assert strong.mean.estimate == pytest.approx(sum(each.estimate for each in parts) / 2)
    below = math.sqrt(sum((each.estimate - each.low) ** 2 for each in parts)) / 2
    assert strong.mean.low == pytest.approx(strong.mean.estimate - below)
    assert summary.models[-1].mean is None


def test_tasks_on_the_same_data_count_once_by_the_one_with_most_models(tmp_path):
    write(tmp_path, "a", "vrs_one", LOOKS, "1")
    write(tmp_path, "a", "vrs_one_cot", LOOKS, "1", seed=1)
    write(tmp_path, "b", "vrs_one_cot", LOOKS, "1", seed=2)
    write(tmp_path, "a", "vrs_two", LOOKS, "2", seed=3)
    summary = summarise(make_board(tmp_path).boards)
    assert summary.benchmarks == ("vrs_one_cot", "vrs_two")
    assert set(summary.tasks) == {"vrs_one", "vrs_one_cot", "vrs_two"}


def test_json_holds_it_and_an_empty_board_has_an_empty_one(tmp_path):
    write(tmp_path, "a", "vrs_one", LOOKS, "1")
    told = json.loads(make_board_json(make_board(tmp_path)))["summary"]
    assert told["mean_over"] == ["vrs_one"]
    assert told["models"][0]["mean_vrs"]["estimate"] > 0.5
    (tmp_path / "empty").mkdir()
    assert summarise(make_board(tmp_path / "empty").boards).models == ()
