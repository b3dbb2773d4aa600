"""The charts of the leaderboard that other tests do not reach: what is drawn, by hand."""

import json

import pytest
from support.results import log_question, write_run

from vrs_lmeval.leaderboard.board import make_leaderboard
from vrs_lmeval.leaderboard.modality_reliance import ModalityReliance
from vrs_lmeval.leaderboard.runs import read_folders
from vrs_lmeval.page.charts import draw_modalities, draw_severity
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
    figure = draw_severity(board)
    assert [annotation.text for annotation in figure.layout.annotations] == ["gaussian blur", "jpeg"]
    drawn = {(trace.name, trace.xaxis): (trace.x, trace.y) for trace in figure.data}
    assert drawn == {  # each begins with the accuracy on the real image
        ("first", "x"): ((0, 3), (1, 0)),
        ("first", "x2"): ((0, 1, 5), (1, 1, 0.5)),
        ("second", "x"): ((0, 3), (1, 0.5)),
        ("second", "x2"): ((0, 1, 5), (1, 0.5, 0)),
    }
    assert sum(trace.showlegend for trace in figure.data) == 2


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
    assert draw_severity(make_task_board(tmp_path, {"only": values})) is None


def interval(estimate, half):
    return Interval(estimate, estimate - half, estimate + half, "t", 40, 20)


def test_each_model_has_a_point_by_its_two_reliances_and_one_without_eyes_stands_at_no_image():
    looks = ModalityReliance(interval(0.4, 0.1), interval(0.2, 0.05))
    figure = draw_modalities([("<looks>", looks)], [("reads", interval(0.3, 0.2))])
    seeing, text = figure.data
    assert (seeing.x, seeing.y, seeing.name) == ((0.4,), (0.2,), "&lt;looks&gt;")
    assert seeing.error_y.array == pytest.approx([0.05])
    assert (text.x, text.y, text.name) == ((0.0,), (0.3,), "reads (no image)")
    assert text.error_x.array == (0.0,)


def test_without_anothers_questions_there_is_no_such_chart():
    assert draw_modalities([], [("reads", interval(0.3, 0.2))]) is None


def test_the_browser_of_questions_tells_what_was_asked_where_it_is_not_what_the_data_say(tmp_path):
    folder = write_run(tmp_path, "first", [("which side?", "image0", "left", 1, 0), ("q1", "image1", "no", 1, 1)])
    (samples,) = folder.glob("samples_*.jsonl")
    lines = [json.loads(line) for line in samples.read_text().splitlines()]
    lines[0]["doc"]["variants"]["shuffled"] |= {"question": "where is it?", "options": ["right", "left"]}
    samples.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    runs, problems = read_folders([tmp_path])
    (board,) = make_leaderboard(runs, {}, problems).boards
    asked = [
        variant.get("asked")
        for sample in fill_browser(board, 2, None)["samples"]
        if sample["question"] == "which side?"
        for variant in sample["answers"][0]["variants"]
    ]
    assert asked == [None, "where is it? A. right, B. left"]
