"""`vrs preview`: the sheet holds every variant as the model is shown it, of tasks, groups and YAMLs of one's own."""

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from vrs_lmeval.bridge import tasks_folder
from vrs_lmeval.cli import app
from vrs_lmeval.commands.preview_sheet import CELL, COLUMNS, MARGIN, arrange, draw_sheet

pytestmark = pytest.mark.slow

WIDE = {"COLUMNS": "300"}


def write_task(folder, text, name="my_task"):
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.yaml"
    path.write_text(f"include: {tasks_folder() / 'vrs_sample' / 'vrs_sample.yaml'}\ntask: {name}\n{text}")
    return path


def preview(*arguments):
    return CliRunner().invoke(app, ["preview", *map(str, arguments)], env=WIDE)


def test_every_variant_is_on_the_sheet_in_its_own_colours():
    colours = {"real": (200, 0, 0), "blank": (0, 200, 0), "a": (0, 0, 200), "b": (200, 200, 0), "c": (0, 200, 200)}
    rows = arrange({name: Image.new("RGB", (640, 320), c) for name, c in colours.items()}, {})
    sheet = draw_sheet("what?", ["x"], rows)
    pixels = np.asarray(sheet)
    for colour in colours.values():
        at_rows, at_columns = np.where((pixels == colour).all(axis=2))
        assert (np.ptp(at_rows) + 1, np.ptp(at_columns) + 1) == (CELL // 2, CELL)  # fitted, the shape kept
    assert sheet.width >= COLUMNS * CELL


def test_severities_stand_in_a_row_of_their_kind_whatever_their_order():
    names = ["real", "blur_3", "noise_1", "blank", "blur_5", "noise_1 2"]
    strengths = {"blur_3": ("blur", "sigma 3"), "blur_5": ("blur", "sigma 6"), "noise_1": ("noise", "sigma 20")}
    rows = arrange({name: Image.new("RGB", (4, 2)) for name in names}, strengths)
    told = [[(cell.name, cell.note) for cell in row] for row in rows]
    assert told == [
        [("real", "4 x 2"), ("blank", "4 x 2")],
        [("blur_3", "sigma 3, 4 x 2"), ("blur_5", "sigma 6, 4 x 2")],
        [("noise_1", "sigma 20, 4 x 2"), ("noise_1 2", "sigma 20, 4 x 2")],
    ]


def test_a_long_row_is_parted():
    rows = arrange({str(number): Image.new("RGB", (4, 2)) for number in range(COLUMNS + 1)}, {})
    assert [len(row) for row in rows] == [COLUMNS, 1]


def test_a_small_image_is_drawn_larger_with_its_own_colours_alone():
    image = Image.fromarray(np.array([[[9, 0, 0], [0, 9, 0]]], dtype=np.uint8))
    shown = np.asarray(draw_sheet("what?", ["x"], arrange({"real": image}, {})))[
        -CELL - MARGIN :, MARGIN : MARGIN + CELL
    ]
    counts = [int((shown == colour).all(axis=2).sum()) for colour in ((9, 0, 0), (0, 9, 0))]
    assert counts == [CELL // 2 * (CELL // 2)] * 2


def test_a_long_question_is_wrapped_and_stays_on_the_sheet():
    rows = arrange({"real": Image.new("RGB", (10, 10))}, {})
    short, long = (draw_sheet(text, ["yes"], rows) for text in ("short", "word " * 200))
    assert long.height > short.height + 100


def test_the_command_draws_a_question_of_the_embedded_task(tmp_path):
    path = tmp_path / "sheet.png"
    shown = preview("--task", "vrs_sample", "--index", "1", "--output", path)
    assert shown.exit_code == 0, shown.output
    with Image.open(path) as sheet:
        assert sheet.format == "PNG"
        assert sheet.width >= 3 * CELL  # real, blank, shuffled
    assert "gold:" in shown.output


STRENGTHS_OF_ONES_OWN = "variants: [real, gaussian_blur_3, {name: mine, kind: gaussian_blur, sigma: 9}, jpeg_1]"


@pytest.mark.parametrize("way", ["by its folder", "by its path"])
def test_a_yaml_of_ones_own_is_drawn_kind_by_kind(tmp_path, way):
    file = write_task(tmp_path / "own", STRENGTHS_OF_ONES_OWN)
    named = ("my_task", "--include-path", file.parent) if way == "by its folder" else (file,)
    shown = preview("--task", *named, "--output", tmp_path / "sheet.png")
    assert shown.exit_code == 0, shown.output
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.height > 3 * CELL  # real; both blurs; JPEG
        assert 2 * CELL < sheet.width < 3 * CELL


def test_a_group_gives_a_sheet_for_each_task_whose_data_are_here(tmp_path, monkeypatch):
    monkeypatch.setenv("VRS_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    folder = tmp_path / "own"
    write_task(folder, "", "first")
    write_task(folder, "dataset_path: nobody/nothing\n", "second")
    (folder / "both.yaml").write_text("group: both\ntask: [first, second]\n")
    shown = preview("--task", "both", "--include-path", folder, "--output", tmp_path / "sheet.png")
    assert shown.exit_code == 1, shown.output  # as for any command whose data are missing
    assert [path.name for path in tmp_path.glob("*.png")] == ["sheet_first.png"]
    assert "nobody/nothing" in shown.output


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("varients: [real]", "there is no 'varients'; did you mean variants?"),
        ("variants: [real, gaussian_blurr_3]", "unknown 'gaussian_blurr_3'; did you mean gaussian_blur_3 or"),
        ("variants: [real, {name: blank, color: [0, 0, 0]}]", "'blank' has no parameter color; it has colour"),
        ("columns: {questoin: q}", "columns: there is no 'questoin'; did you mean question?"),
        ("dataset_kwargs: {data_file: x}", "dataset_kwargs: there is no 'data_file'; did you mean data_files?"),
        ("prompt_style: shrt", "prompt_style: there is no 'shrt'; did you mean short?"),
        ("closed_rule: yesno", "closed_rule: there is no 'yesno'; did you mean yes_no?"),
        ("row_shape: nope", "row_shape: there is no 'nope'; there are medxpertqa,"),
        ("by: [modalty]", "by: there is no 'modalty'; did you mean modality?"),
        ("by: modality", "by: should be a list of question_type, modality, question_form, it is 'modality'"),
        ("xyz: 1", "there is no 'xyz'; there are variants, draws,"),
        ("variants: [real", "cannot be read: while parsing"),
    ],
)
def test_a_slip_in_a_yaml_is_told_with_its_file_and_key(tmp_path, text, message):
    file = write_task(tmp_path / "own", text)
    for named in (("my_task", "--include-path", file.parent), (file,)):
        shown = preview("--task", *named, "--output", tmp_path / "x.png")
        told = " ".join(shown.output.split())
        assert (shown.exit_code, f"{file}: " in told, message in told) == (2, True, True), told


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--task", "vrs_sample", "--index", "9999"], "vrs_sample has no question 9999, they are 0 to 161"),
        (["--task", "mmlu"], "mmlu is none of our tasks; they are"),
        (["--task", "vrs_medvqaa"], "vrs_medvqaa is none of our tasks; did you mean vrs_medvqa or"),
        (["--task", "no_such.yaml"], "no_such.yaml is none of our tasks"),
    ],
)
def test_what_does_not_exist_is_said(tmp_path, arguments, message):
    shown = preview(*arguments, "--output", tmp_path / "x.png")
    assert shown.exit_code == 2
    assert message in " ".join(shown.output.split())


def test_a_task_that_shows_no_image_is_told_in_words(tmp_path):
    shown = preview("--task", "vrs_sample_text", "--output", tmp_path / "sheet.png")
    assert shown.exit_code == 0, shown.output
    assert "absent: no image" in shown.output
    assert "guess: no image; There is no image for this question." in shown.output


def test_options_in_another_order_are_told_in_words(tmp_path):
    assert "rotated: right, left" in preview("--task", "vrs_sample_rotated", "--output", tmp_path / "sheet.png").output


@pytest.mark.parametrize("text", ["group: g\ntask: [vrs_sample]\n", "task: other\ndataset_path: x\ntest_split: test\n"])
def test_a_yaml_that_is_no_task_of_ours_is_told(text, tmp_path):
    path = tmp_path / "other.yaml"
    path.write_text(text)
    told = preview("--task", path, "--output", tmp_path / "x.png")
    assert (told.exit_code, "is no task of ours" in told.output) == (2, True)


def test_a_folder_in_the_sheets_place_is_told(tmp_path):
    told = preview("--task", "vrs_sample", "--output", tmp_path)
    assert (told.exit_code, "is a folder; name a file" in told.output) == (2, True)
