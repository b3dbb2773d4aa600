"""`vrs preview`: the sheet holds every variant as the model is shown it."""

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from vrs_lmeval.cli import app
from vrs_lmeval.commands.preview import CELL, COLUMNS, draw_sheet


def test_every_variant_is_on_the_sheet_in_its_own_colours():
    colours = {"real": (200, 0, 0), "blank": (0, 200, 0), "a": (0, 0, 200), "b": (200, 200, 0), "c": (0, 200, 200)}
    sheet = draw_sheet("what?", ["x"], {name: Image.new("RGB", (640, 320), c) for name, c in colours.items()})
    pixels = np.asarray(sheet)
    for colour in colours.values():
        rows, columns = np.where((pixels == colour).all(axis=2))
        assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == (CELL // 2, CELL)  # fitted, the shape kept
    assert sheet.width >= COLUMNS * CELL


def test_a_long_question_is_wrapped_and_stays_on_the_sheet():
    image = Image.new("RGB", (10, 10))
    short, long = (draw_sheet(text, ["yes"], {"real": image}) for text in ("short", "word " * 200))
    assert long.height > short.height + 100


def test_the_command_draws_a_question_of_the_embedded_task(tmp_path):
    path = tmp_path / "sheet.png"
    shown = CliRunner().invoke(app, ["preview", "--task", "vrs_sample", "--index", "1", "--output", str(path)])
    assert shown.exit_code == 0, shown.output
    with Image.open(path) as sheet:
        assert sheet.format == "PNG"
        assert sheet.width >= 3 * CELL  # real, blank, shuffled
    assert "gold:" in shown.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--task", "vrs_sample", "--index", "9999"], "vrs_sample has no question 9999, they are 0 to 161"),
        (["--task", "mmlu"], "mmlu is none of our tasks; they are"),
    ],
)
def test_what_does_not_exist_is_said(tmp_path, arguments, message):
    shown = CliRunner().invoke(app, ["preview", *arguments, "--output", str(tmp_path / "x.png")])
    assert shown.exit_code == 2
    assert message in " ".join(shown.output.split())


def test_a_task_that_shows_no_image_is_told_in_words(tmp_path):
    shown = CliRunner().invoke(app, ["preview", "--task", "vrs_sample_text", "--output", str(tmp_path / "sheet.png")])
    assert shown.exit_code == 0, shown.output
    assert "absent: no image" in shown.output
    assert "guess: no image; There is no image for this question." in shown.output


def test_options_in_another_order_are_told_in_words(tmp_path):
    shown = CliRunner().invoke(
        app, ["preview", "--task", "vrs_sample_rotated", "--output", str(tmp_path / "sheet.png")]
    )
    assert "rotated: right, left" in shown.output
