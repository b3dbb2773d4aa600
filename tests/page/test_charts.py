"""The charts of the leaderboard: axes, places of names, and what is drawn where, by hand."""

import itertools
import json
import math

import pytest
from support.results import log_question, make_board, write_run

from vrs_lmeval.leaderboard.board import make_leaderboard
from vrs_lmeval.leaderboard.groups import GroupContrast
from vrs_lmeval.leaderboard.modality_reliance import ModalityReliance
from vrs_lmeval.leaderboard.model_cards import ModelCard
from vrs_lmeval.leaderboard.runs import read_folders
from vrs_lmeval.page.axes import Axis, choose_axis
from vrs_lmeval.page.charts import draw_accuracy, draw_contrasts, draw_modalities, draw_vrs
from vrs_lmeval.page.curves import draw_severity, find_style
from vrs_lmeval.page.labels import LETTER, SCREENS, overlap, place_labels
from vrs_lmeval.page.sample_browser import fill_browser
from vrs_lmeval.records import Interval

NO_VARIANT = "acc_modality_stage_3"
"""The accuracy on one kind of question, whose name happens to end in a number."""


def make_task_board(folder, curves):
    """Two questions a model; `curves`: model -> {metric: its values of both questions}."""
    for model, values in curves.items():
        rows = [("q0", "image0", "yes", 1, 0), ("q1", "image1", "no", 1, 1)]
        graded = [{"name": name.removeprefix("acc_")} for name in values if name != NO_VARIANT]
        run = write_run(folder, model, rows, variants=graded)
        (samples,) = run.glob("samples_*.jsonl")
        lines = [log_question(*row) for row in rows]
        for index, line in enumerate(lines):
            line |= {name: pair[index] for name, pair in values.items()}
            line["metrics"] += list(values)
        samples.write_text("\n".join(map(json.dumps, lines)) + "\n")
    runs, problems = read_folders([folder])
    (board,) = make_leaderboard(runs, {}, problems).boards
    return board


def test_each_perturbation_has_a_panel_with_a_line_per_model(tmp_path):
    board = make_task_board(
        tmp_path,
        {
            "first": {"acc_jpeg_1": (1, 1), "acc_jpeg_5": (1, 0), "acc_gaussian_blur_3": (0, 0)},
            "second": {"acc_jpeg_1": (0, 1), "acc_jpeg_5": (0, 0), "acc_gaussian_blur_3": (1, 0)},
        },
    )
    chart = draw_severity(board, {"first": 7, "second": 8}, 12)
    assert [panel.title for panel in chart.panels] == ["gaussian blur", "jpeg"]
    drawn = {(line.models, panel.title): line.points for panel in chart.panels for line in panel.lines}
    assert drawn == {  # each begins with the accuracy on the real image
        ((7,), "gaussian blur"): ((0, 1), (3, 0)),
        ((7,), "jpeg"): ((0, 1), (1, 1), (5, 0.5)),
        ((8,), "gaussian blur"): ((0, 1), (3, 0.5)),
        ((8,), "jpeg"): ((0, 1), (1, 0.5), (5, 0)),
    }
    assert [key.text for key in chart.keys] == ["first", "second"]
    said = [mark.says for mark in chart.panels[1].marks if mark.models == (8,) and mark.x == 1]
    assert said[0].startswith("second: accuracy under jpeg 1 0.500 [")
    assert said[0].endswith("2 questions on 2 images")


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"acc_shuffled_hard": (1, 0)},
        {NO_VARIANT: (1, 0)},
        {"acc_rotated_1": (1, 0), "acc_rotated_2": (1, 0)},  # the options turned
        {"acc_rotate_90": (1, 0), "acc_rotate_180": (1, 0)},  # the image turned: an angle is no severity
    ],
)
def test_without_graded_variants_there_is_no_severity_chart(values, tmp_path):
    assert draw_severity(make_task_board(tmp_path, {"only": values}), {"only": 0}, 12) is None


def interval(estimate, half):
    return Interval(estimate, estimate - half, estimate + half, "t", 40, 20)


def test_each_model_has_a_point_by_its_two_reliances_and_one_without_eyes_stands_at_no_image():
    looks = ModalityReliance(interval(0.4, 0.1), interval(0.2, 0.05))
    chart = draw_modalities([("looks", looks)], [("reads", interval(0.3, 0.2))], {"looks": 0})
    seeing, text = chart.panels[0].marks
    assert (seeing.x, seeing.y, seeing.x_ends, seeing.y_ends) == pytest.approx(
        (0.4, 0.2, pytest.approx((0.3, 0.5)), pytest.approx((0.15, 0.25)))
    )
    assert (
        seeing.says == "looks: image +0.400 [+0.300, +0.500], 40 questions on 20 images; "
        "text +0.200 [+0.150, +0.250], 40 questions on 20 images"
    )
    assert (text.x, text.y, text.x_ends) == (0.0, 0.3, None)
    assert [key.text for key in chart.keys] == ["looks", "reads (no image)"]


def test_without_anothers_questions_there_is_no_such_chart():
    assert draw_modalities([], [("reads", interval(0.3, 0.2))], {}) is None


def test_a_model_stands_where_its_numbers_are_with_the_mark_of_its_training_data(tmp_path):
    for model, real, shuffled in (("all_right", 1, 0), ("all_wrong", 0, 0)):
        write_run(tmp_path, model, [(f"q{i}", f"image{i}", "yes", real, shuffled) for i in range(4)])
    cards = {"all_right": ModelCard(training="mixed")}
    board = make_board(tmp_path, cards)
    numbers = {"all_right": 0, "all_wrong": 1}
    first, second = (row.mark for row in draw_vrs(board.boards[0], numbers).rows)
    assert (first.x, first.colour, first.symbol, first.models) == (1.0, "mixed", "square", (0,))
    assert (second.x, second.colour, second.symbol, second.models) == (0.0, "unknown", "cross", (1,))
    points = [(mark.x, mark.y) for mark in draw_accuracy(board.boards[0], numbers).panels[0].marks]
    assert points == [(1.0, 1.0), (0.0, 0.0)]


def test_a_comparison_without_models_of_one_kind_has_a_row_and_no_point():
    nothing = Interval(math.nan, math.nan, math.nan, "t", 0, 0, reason="no models")
    contrast = GroupContrast("vrs_one", ("a",), (), nothing, nothing, None, (), ())
    forest = draw_contrasts([contrast], {"a": 0})
    assert (forest.axis.low < 0 < forest.axis.high, len(forest.rows)) == (True, 1)
    assert math.isnan(forest.rows[0].mark.x)


@pytest.mark.parametrize(
    ("values", "low", "high", "texts"),
    [
        ([0.0, 0.41], 0.0, 0.6, ["0.0", "0.2", "0.4", "0.6"]),
        ([-0.1, 0.25], -0.1, 0.3, ["\u22120.1", "0.0", "0.1", "0.2", "0.3"]),
        ([0.02], -0.05, 0.1, ["\u22120.05", "0.00", "0.05", "0.10"]),
        ([math.nan], 0.0, 1.0, ["0.0", "0.5", "1.0"]),
    ],
)
def test_an_axis_has_round_ends_and_ticks(values, low, high, texts):
    axis = choose_axis(values)
    assert (axis.low, axis.high) == pytest.approx((low, high))
    assert [text for _, text in axis.ticks] == texts


def test_places_on_an_axis_are_counted_from_the_left_and_from_the_top():
    axis = Axis(-1.0, 1.0, 0.25)
    assert (axis.across(-0.5), axis.down(-0.5), axis.across(7)) == ("25", "75", "100")
    assert [text for _, text in axis.ticks][:2] == ["\u22121.00", "\u22120.75"]


def test_names_of_points_cover_no_other_name_and_no_point():
    points = [(0.5, 0.5), (0.52, 0.5), (0.5, 0.52), (0.9, 0.1), (0.51, 0.51)]
    names = ["a model of some name", "another model of a name", "third", "the last at the edge", "crowded out"]
    for (screen, width), height in zip(SCREENS.items(), (380, 380), strict=True):
        boxes = []
        marks = [(x * width - 7, y * height - 7, x * width + 7, y * height + 7) for x, y in points]
        for (x, y), name, labels in zip(points, names, place_labels(points, names, height), strict=True):
            for label in labels:
                if label.screen == screen:
                    boxes.append(box_of(label, x * width, y * height, len(name)))
        assert 2 <= len(boxes) < len(points)
        assert all(left >= 0 and right <= width for left, _, right, _ in boxes)
        pairs = [*itertools.combinations(boxes, 2), *itertools.product(boxes, marks)]
        assert not any(overlap(one, other) for one, other in pairs)


def box_of(label, x, y, letters):
    """Left, bottom, right, top of a name as `charts.html` draws it, some pixels beside its point."""
    wide, high = letters * LETTER[0], LETTER[1]
    left = {"above": x - wide / 2, "below": x - wide / 2, "right": x + 9, "left": x - 9 - wide}[label.side]
    bottom = {"above": y + 9, "below": y - 9 - high, "right": y - high / 2, "left": y - high / 2}[label.side]
    return left, bottom, left + wide, bottom + high


def test_thirty_models_differ_in_colour_or_symbol():
    assert len({find_style(index)[:2] for index in range(30)}) == 30


def test_the_browser_of_questions_tells_what_was_asked_and_the_prompt_of_every_answer(tmp_path):
    folder = write_run(tmp_path, "first", [("which side?", "image0", "left", 1, 0), ("q1", "image1", "no", 1, 1)])
    (samples,) = folder.glob("samples_*.jsonl")
    lines = [json.loads(line) for line in samples.read_text().splitlines()]
    lines[0]["doc"]["variants"]["shuffled"] |= {"question": "where is it?", "options": ["right", "left"]}
    lines[1]["arguments"] = {"gen_args_0": {"arg_0": "q1 <image>"}, "gen_args_1": {"arg_0": "q1, guess"}}
    samples.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    runs, problems = read_folders([tmp_path])
    (board,) = make_leaderboard(runs, {}, problems).boards
    kept = fill_browser(board, 2, None, {"first": 0})
    texts = kept["texts"]
    by_question = {texts[sample["question"]]: sample for sample in kept["samples"]}
    asked = by_question["which side?"]["asked"]
    assert {variant: texts[place] for variant, place in asked.items()} == {"shuffled": "where is it? A. right, B. left"}
    assert by_question["which side?"]["prompts"] == []  # the log does not say
    prompts = [(texts[text], places) for text, *places in by_question["q1"]["prompts"]]
    assert prompts == [("q1 <image>", [0]), ("q1, guess", [1])]
