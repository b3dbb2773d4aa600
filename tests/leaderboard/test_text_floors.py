"""Models without eyes under those that see, and the questions that need the image: by hand, and from results files."""

import json
import math

import pytest
from support.results import make_board
from typer.testing import CliRunner

from vrs_lmeval.cli import app
from vrs_lmeval.leaderboard.board import make_leaderboard
from vrs_lmeval.leaderboard.board_report import make_board_csv, make_board_json, make_board_markdown, make_task_notes
from vrs_lmeval.leaderboard.runs import read_folders
from vrs_lmeval.page.page import make_page
from vrs_lmeval.records import NOT_ASKED

METRICS = {"acc": "mean", "acc_shuffled": "mean", "vrs": "mean", "acc_absent": "mean"}


def write(folder, model, rows, names, task="vrs_t", **changes):
    """`rows`: by question, 1 or 0 under each of the variants `names`; a run as the harness logs it."""
    folder = folder / model
    folder.mkdir(parents=True)
    metrics = {
        "acc": lambda right: right["real"],
        "acc_shuffled": lambda right: right["shuffled"],
        "vrs": lambda right: right["real"] - right["shuffled"],
        "acc_absent": lambda right: right["absent"],
    }
    needs = {"acc": {"real"}, "acc_shuffled": {"shuffled"}, "vrs": {"real", "shuffled"}, "acc_absent": {"absent"}}
    chosen = {name: metrics[name] for name in metrics if needs[name] <= set(names)}
    described = {
        name: {"form": "mean", "unit": "", "low": -1.0, "high": 1.0, "needs": sorted(needs[name])} for name in chosen
    }
    evidence = {
        "dataset": {"content_sha256": "0"},
        "variants": [{"name": name} for name in names],
        "parser_version": "1",
        "record_version": 3,
        "metrics": described,
    } | changes
    config = {"vrs": evidence, "doc_to_text": "{{question}}", "generation_kwargs": {"max_gen_toks": 32}}
    time = "2026-01-01T00-00-00.000000"
    results = {"model_name": f"some/{model}", "configs": {task: config}, "config": {}}
    (folder / f"results_{time}.json").write_text(json.dumps(results))
    lines = []
    for number, row in enumerate(rows):
        right = dict(zip(names, row, strict=True))
        image = f"i{number // 2}"
        records = {
            name: {"image_id": None if name in ("absent", "guess") else image, "value": "x", "reason": None}
            | dict.fromkeys(("correct", "token_f1", "token_recall"), value)
            for name, value in right.items()
        }
        document = {"sample_id": f"s{number}", "image_id": image, "question": "q", "golds": ["x"]}
        document |= {"answer_type": "closed", "options": [], "variants": records}
        values = {name: measure(right) for name, measure in chosen.items()}
        lines.append({"doc": document, "metrics": list(values), "filtered_resps": ["x"] * len(right), **values})
    (folder / f"samples_{task}_{time}.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))


IMAGES = 24
SEEING, TEXT = ("real", "shuffled", "absent"), ("absent", "guess")
# Each image has two questions. The first needs no image for "both" and for the text model, the second needs it.
LOOKS = [(1, 0, 0), (1, 0, 0)] * IMAGES  # right by its image alone
BOTH = [(1, 1, 1), (1, 0, 0)] * IMAGES
BLIND = [(1, 1, 1), (0, 0, 0)] * IMAGES
WITHOUT_EYES = [(1, 1), (0, 0)] * IMAGES


@pytest.fixture
def folder(tmp_path):
    for model, rows in {"looks": LOOKS, "both": BOTH, "blind": BLIND}.items():
        write(tmp_path, model, rows, SEEING)
    write(tmp_path, "textual", WITHOUT_EYES, TEXT, task="vrs_t_text")
    return tmp_path


def test_a_model_without_eyes_stands_under_those_that_see_on_the_same_questions(folder):
    board = make_board(folder)
    (task,) = board.boards
    assert [standing.label for standing in task.standings] == ["looks", "both", "blind"]
    assert board.left_out == ()
    (floor,) = task.floors
    assert (floor.label, floor.metrics["acc_absent"].estimate) == ("textual", 0.5)
    assert {label: above.estimate for label, above in floor.above.items()} == {"looks": 0.5, "both": 0.5, "blind": 0}
    (said,) = (note for note in make_task_notes(task) if note.startswith("textual"))
    assert "was shown no image, and is right without a word about it 0.500" in said
    assert said.endswith("With the image, blind is not shown to be right more often.")


def test_every_report_has_the_floor_and_says_that_it_saw_no_image(folder):
    board = make_board(folder)
    assert "| textual (no image) |  | 0.500 |" in make_board_markdown(board)
    (task,) = json.loads(make_board_json(board))["tasks"]
    assert task["text_floors"][0]["accuracy_with_image_above_it"]["blind"]["estimate"] == 0
    assert "vrs_t,textual,text alone,,,,,acc_absent,0.5," in make_board_csv(board)
    page = make_page(board)
    assert "textual" in page
    assert "no image" in page


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"parser_version": "0"}, "different parser version than vrs_t"),
        ({"prompt_style": "mc"}, "different prompt style than vrs_t"),
        ({"dataset": {"content_sha256": "1"}}, "no model that sees was asked its questions"),
    ],
)
def test_a_text_run_of_other_questions_or_prompts_is_left_out_with_its_reason(tmp_path, changes, reason):
    write(tmp_path, "looks", LOOKS, SEEING)
    write(tmp_path, "textual", WITHOUT_EYES, TEXT, task="vrs_t_text", **changes)
    board = make_board(tmp_path)
    assert board.boards[0].floors == ()
    (left,) = board.left_out
    assert left.name == "some/textual on vrs_t_text"
    assert reason in left.reason


def test_a_text_run_of_fewer_questions_is_no_floor(tmp_path):
    write(tmp_path, "looks", LOOKS, SEEING)
    write(tmp_path, "textual", WITHOUT_EYES[:10], TEXT, task="vrs_t_text")
    assert "10 of 48 shared" in make_board(tmp_path).left_out[0].reason


def necessary(folder):
    runs, problems = read_folders([folder])
    (task,) = make_leaderboard(runs, {}, problems, vision_necessary=True).boards
    return task


def test_a_model_is_judged_on_what_no_other_answers_without_an_image(folder):
    chosen = necessary(folder).vision_necessary
    assert set(chosen.chosen_by) == {"looks", "both", "blind", "textual"}
    rows = {row.label: row for row in chosen.rows}
    # Three others answer the first question of each image without it: all are judged on the second alone.
    assert {label: (row.questions, row.images) for label, row in rows.items()} == dict.fromkeys(
        ("looks", "both", "blind"), (24, 24)
    )
    assert {label: (row.accuracy.estimate, row.vrs.estimate) for label, row in rows.items()} == {
        "looks": (1, 1),
        "both": (1, 1),
        "blind": (0, 0),
    }
    assert [(rows[label].best_rank, rows[label].worst_rank) for label in ("looks", "both", "blind")] == [
        (1, 2),
        (1, 2),
        (3, 3),
    ]


def test_a_model_that_could_not_be_asked_without_an_image_is_compared_with_the_others(tmp_path):
    write(tmp_path, "looks", LOOKS, SEEING)
    folder = tmp_path / "needs an image"
    write(tmp_path, folder.name, BOTH, SEEING)
    (samples,) = folder.glob("samples_*")
    lines = [json.loads(line) for line in samples.read_text().splitlines()]
    for line in lines:
        del line["doc"]["variants"]["absent"]
        line["filtered_resps"][2], line["acc_absent"] = NOT_ASKED, None
    samples.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    board = make_board(tmp_path)
    assert {standing.label for standing in board.boards[0].standings} == {"looks", "needs an image"}
    assert board.left_out == ()


def test_who_is_apart_does_not_depend_on_who_comes_first(tmp_path):
    """One is judged on two images alone, which tell nothing, however many the other is judged on."""
    knows = [(1, 1, 1)] * (2 * IMAGES - 4) + [(1, 0, 0)] * 4
    write(tmp_path, "a", [(0, 0, 0)] * 2 * IMAGES, SEEING)
    write(tmp_path, "b", knows, SEEING)
    rows = {row.label: row for row in necessary(tmp_path).vision_necessary.rows}
    assert (rows["a"].questions, rows["b"].questions) == (4, 48)
    assert {(row.best_rank, row.worst_rank) for row in rows.values()} == {(1, 2)}


def test_an_older_run_of_a_text_model_is_named(tmp_path):
    write(tmp_path, "looks", LOOKS, SEEING)
    for place in ("one", "two"):
        write(tmp_path / place, "textual", WITHOUT_EYES, TEXT, task="vrs_t_text")
    board = make_board(tmp_path)
    assert len(board.boards[0].floors) == 1
    assert [(left.name, left.reason) for left in board.left_out] == [
        ("some/textual on vrs_t_text", "a newer run of this model is shown")
    ]


def test_a_text_task_whose_variant_has_another_name_is_one_all_the_same(tmp_path):
    write(tmp_path, "looks", LOOKS, SEEING)
    variants = [{"name": "absent", "kind": "absent"}, {"name": "guess_zh", "kind": "guess"}]
    write(tmp_path, "textual", WITHOUT_EYES, ("absent", "guess_zh"), task="vrs_t_text", variants=variants)
    assert [floor.label for floor in make_board(tmp_path).boards[0].floors] == ["textual"]


def test_two_models_without_eyes_are_put_side_by_side_by_what_they_have(tmp_path):
    for model in ("one", "two"):
        write(tmp_path, model, WITHOUT_EYES, TEXT, task="vrs_t_text")
    shown = CliRunner().invoke(app, ["compare", str(tmp_path / "one"), str(tmp_path / "two")])
    assert shown.exit_code == 0, shown.output
    assert "no image" in shown.output
    assert shown.output.count("0.500") >= 2


def test_a_models_own_answers_without_an_image_choose_nothing_for_it(tmp_path):
    write(tmp_path, "looks", LOOKS, SEEING)
    write(tmp_path, "blind", BLIND, SEEING)
    rows = {row.label: row for row in necessary(tmp_path).vision_necessary.rows}
    assert rows["blind"].questions == 48, "the other one answers nothing without an image"
    assert rows["looks"].questions == 24
    assert rows["blind"].vrs.estimate == 0


def test_without_a_second_model_nothing_can_be_told(tmp_path):
    write(tmp_path, "looks", LOOKS, SEEING)
    assert necessary(tmp_path).vision_necessary is None
    shown = CliRunner().invoke(app, ["leaderboard", str(tmp_path), "--vision-necessary"])
    assert shown.exit_code == 0
    assert "no question can be told to need the image" in shown.output.replace("\n", " ")


def test_where_all_questions_are_answered_without_an_image_there_is_no_number(tmp_path):
    write(tmp_path, "looks", LOOKS, SEEING)
    write(tmp_path, "knows", [(1, 1, 1)] * 2 * IMAGES, SEEING)
    write(tmp_path, "knows too", [(1, 1, 1)] * 2 * IMAGES, SEEING)
    task = necessary(tmp_path)
    rows = {row.label: row for row in task.vision_necessary.rows}
    assert rows["looks"].questions == 0
    assert math.isnan(rows["looks"].vrs.estimate)
    assert json.loads(make_board_json(make_board(tmp_path)))


def test_the_command_shows_the_table_and_says_how_the_questions_were_chosen(folder):
    shown = CliRunner().invoke(app, ["leaderboard", str(folder), "--vision-necessary"])
    assert shown.exit_code == 0, shown.output
    text = " ".join(shown.output.split())
    assert "questions that no other model answers without an image" in text
    assert "each model is judged on those that no other model answers without one" in text
