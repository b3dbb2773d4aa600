"""`vrs task` and `vrs run` as their user calls them: a table and a folder in; a task, a verdict or the bad rows out."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from support.dicom import NAME, write_dicom
from support.images import synthetic_image
from typer.testing import CliRunner

from vrs_lmeval.cli import app
from vrs_lmeval.commands.lm_eval_run import find_progress
from vrs_lmeval.commands.preview import load_task

CONTROLS = Path(__file__).parent.parent.parent / "controls"
HEADER = ("image", "question", "options", "answer", "category")
ROWS = [
    ("0.png", "Is there a lesion?", "", "yes", "finding"),
    ("1.png", "Which organ is this?", "liver | lung | heart", "B", "organ"),
    ("2.png", "Which organ is this?", "liver | lung", "liver", "organ"),
    ("3.png", "Is it left or right?", "", "left", "side"),
    ("3.png", "What is shown or seen?", "", "a mass", "finding"),
]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scans").mkdir()
    for seed in range(4):
        Image.fromarray(synthetic_image(40, 48, seed=seed, content="noise")).save(tmp_path / "scans" / f"{seed}.png")
    return tmp_path


def write_table(rows=ROWS, header=HEADER, name="questions.csv", separator=";"):
    with open(name, "w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter=separator).writerows([header, *rows])
    return name


def vrs(*arguments):
    shown = CliRunner().invoke(app, list(map(str, arguments)))
    assert shown.exception is None or isinstance(shown.exception, SystemExit), shown.exception
    return shown.exit_code, shown.output


def make_task(*arguments, code=0):
    found, output = vrs("task", *arguments)
    assert found == code, output
    return output


def read_rows(task="my_task"):
    return json.loads(Path(task, "questions.json").read_text(encoding="utf-8"))


def test_text_that_no_file_can_hold_is_told_by_its_row(folder):
    row = {"image": "0.png", "question": "Is it?", "answer": "no"}
    Path("q.json").write_text(json.dumps([row, row | {"image": "1.png", "answer": "half \ud800"}]))
    output = " ".join(make_task("q.json", "--images", "scans", code=2).split())
    assert "entry 2, column 'answer': 'half \\ud800' holds half of a surrogate pair" in output


def test_such_text_in_a_cell_that_lists_it_is_told_too(folder):
    """The table itself is plain ASCII."""
    lines = ["image;question;answer;options", '0.png;Which?;a;"[""a"", ""b \\ud800""]"', '1.png;Is it?;["no \\ud800"];']
    Path("q.csv").write_text("\n".join(lines))
    output = " ".join(make_task("q.csv", "--images", "scans", code=2).split())
    assert "row 2, column 'options': 'b \\ud800' holds half of a surrogate pair" in output
    assert "row 3, column 'answer': 'no \\ud800' holds half of a surrogate pair" in output
    assert not Path("my_task").exists()


def test_a_mark_of_an_image_in_an_option_is_told_by_its_column(folder):
    rows = [
        {"image": f"{i}.png", "question": "Which?", "answer": "A", "option_a": "a", "option_b": "<image>"}
        for i in range(2)
    ]
    Path("q.json").write_text(json.dumps(rows))
    output = " ".join(make_task("q.json", "--images", "scans", code=2).split())
    assert "entry 1, column 'option_b': the question or an option holds '<image>'" in output


def test_a_table_becomes_a_task_that_asks_its_questions(folder):
    output = make_task(write_table(), "--images", "scans")
    for said in (
        "read questions.csv (utf-8, separator ';'): 5 rows; 4 different images",
        "image          image                        guessed by its name",
        "question type  category                     guessed by its name",
        '5 questions: 2 closed (yes or no, or one of "a or b?"), 2 with options, 1 open',
        "  | <image>\n  | Is there a lesion?\n  | Answer the question using a single word or phrase.\n",
        "  right answer: yes\n",
        "lm_eval run --tasks my_task --include_path my_task --model vrs-hf",
    ):
        assert said in output
    assert [(row["row"], row["answer"], row["answer_type"], row.get("options")) for row in read_rows()] == [
        (2, ["yes"], "closed", None),
        (3, ["lung"], "closed", ["liver", "lung", "heart"]),
        (4, ["liver"], "closed", ["liver", "lung"]),
        (5, ["left"], "closed", None),
        (6, ["a mass"], "open", None),  # "or" in a question offers nothing where the answer is none of the two
    ]
    loaded = load_task("my_task", Path("my_task"))
    second = loaded.test_docs()[1]
    assert loaded.doc_to_text(second) == (
        "<image>\nWhich organ is this?\nA. liver\nB. lung\nC. heart\n"
        "Answer with the option's letter from the given choices directly."
    )
    assert [variant.name for variant in load_task("my_task_mirage", Path("my_task"))._variants] == [
        "real", "blank", "shuffled", "absent", "guess",
    ]  # fmt: skip


def test_the_task_is_written_again_and_nothing_else_is_overwritten(folder):
    make_task(write_table(), "--images", "scans")
    make_task(write_table(ROWS[:4]), "--images", "scans")
    assert len(read_rows()) == 4
    Path("other").mkdir()
    Path("other/questions.json").write_text("mine")
    output = make_task("questions.csv", "--images", "scans", "--output", "other", code=2)
    assert "other/questions.json is there already, and not by `vrs task`; give another --output" in output
    assert Path("other/questions.json").read_text() == "mine"
    Path("my_task/questions.json").write_text(json.dumps([dict(zip(HEADER, row, strict=True)) for row in ROWS]))
    make_task("my_task/questions.json", "--images", "scans", code=2)  # would be overwritten by its own copy


def test_paths_of_the_yaml_may_hold_anything(folder):
    odd = folder / 'sp ace: "q" #é'
    odd.mkdir()
    (folder / "scans").rename(odd / "scans")
    make_task(write_table(), "--images", odd / "scans", "--output", odd / "out")
    content = yaml.safe_load((odd / "out" / "my_task.yaml").read_text(encoding="utf-8"))
    assert content["dataset_path"] == str(odd / "out")
    assert content["dataset_kwargs"]["image_folder"] == str(odd / "scans")


def test_options_and_images_in_columns_of_their_own(folder):
    header = ("image_1", "image_2", "question", "A", "B", "C", "answer")
    rows = [
        ("0.png", "1.png", "Which changed?", "left", "right", "", "a"),
        ("2.png", "", "Which is it?", "x", "y", "z", "Z"),
    ]
    make_task(write_table(rows, header), "--images", "scans")
    assert [(row["image"], row["options"], row["answer"]) for row in read_rows()] == [
        (["0.png", "1.png"], ["left", "right"], ["left"]),
        (["2.png"], ["x", "y", "z"], ["z"]),
    ]
    loaded = load_task("my_task", Path("my_task"))
    assert loaded.doc_to_text(loaded.test_docs()[0]).startswith("<image><image>\nWhich changed?")


@pytest.mark.parametrize("cell", ["0.png;1.png", "0.png | 1.png", '["0.png", "1.png"]'])
def test_several_images_in_one_cell(folder, cell):
    make_task(
        write_table([(cell, "Q?", "yes"), ("2", "Q?", "no")], (*HEADER[:2], "answer"), separator="\t"),
        "--images",
        "scans",
    )
    assert [row["image"] for row in read_rows()] == [["0.png", "1.png"], ["2.png"]]


@pytest.mark.parametrize("cell", ["liver, lung", "liver;lung", "A) liver|B) lung", "['liver', 'lung']", "liver\nlung"])
def test_options_in_one_cell(folder, cell):
    rows = [("0.png", "Q?", cell, "B", ""), ("1.png", "Q?", cell, "liver", ""), ("2.png", "Is it?", "", "yes", "")]
    make_task(write_table(rows, separator="\t"), "--images", "scans")
    assert [(row.get("options"), row["answer"]) for row in read_rows()] == [
        (["liver", "lung"], ["lung"]),
        (["liver", "lung"], ["liver"]),
        (None, ["yes"]),
    ]


def test_named_columns_and_a_name(folder):
    table = write_table([("x", *row[:4]) for row in ROWS], ("answer", "p", "ask", "o", "truth"))
    output = make_task(
        table, "--images", "scans", "--name", "liver-1", "--image-column", "p", "--question-column", "ask",
        "--options-column", "o", "--answer-column", "truth",
    )  # fmt: skip
    assert "answer         truth                        named by you" in output
    assert "not used       answer" in output
    assert read_rows("liver-1")[0]["answer"] == ["yes"]


def test_all_bad_rows_are_told_at_once_with_row_and_column_and_nothing_is_written(folder):
    (folder / "scans" / "broken.png").write_bytes(b"no image")
    (folder / "scans" / "out.png").symlink_to(folder / "questions.csv")
    rows = [
        *ROWS,
        ("nine.png", "Is it?", "", "yes", ""),
        ("broken.png", "Is it?", "", "yes", ""),
        ("../questions.csv", "Is it?", "", "yes", ""),
        ("out.png", "", "", "", ""),
        ("0.png", "Which?", "a|b", "C", ""),
        ("", "See <image>?", "", "yes", ""),
        ("0.png", "Which?", "alone", "alone", ""),
    ]
    output = make_task(write_table(rows), "--images", "scans", code=2)
    for said in (
        "vrs task: questions.csv: 7 rows cannot be used. Nothing was written.",
        "row 7, column 'image': 'nine.png' is no file in",
        "row 8, column 'image': 'broken.png' cannot be read: cannot identify image file",
        "row 9, column 'image': '../questions.csv' leads by its path out of",
        "row 10, column 'image': 'out.png' leads through a link out of",
        "row 10, column 'question': is empty",
        "row 10, column 'answer': is empty",
        "row 11, column 'answer': 'C' is none of the options 'a', 'b', nor a letter",
        "row 12, column 'image': is empty",
        "row 12, column 'question': the question or an option holds '<image>'",
        "row 13, column 'options': a question has two options or more, none of them empty",
    ):
        assert said in output
    assert not Path("my_task").exists()


def test_of_many_bad_rows_twenty_are_listed_and_all_counted(folder):
    output = make_task(write_table([*ROWS, *[("none.png", "Is it?", "", "yes", "")] * 30]), "--images", "scans", code=2)
    assert "30 rows cannot be used" in output
    assert output.count("'none.png' is no file") == 20
    assert "and 10 more" in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--images", "nowhere"], "--images nowhere: there is no such folder"),
        (["--images", "scns"], "--images scns: there is no such folder; there is scans"),
        (["--name", "my task"], "--name 'my task': a task's name has letters, digits, _ and - only"),
        (["--name", "vrs_slake"], "--name vrs_slake: a task of vrs_lmeval is called so"),
        (["--answer-column", "gold"], "questions.csv: --answer-column 'gold': no such column; it has 'image'"),
    ],
)
def test_wrong_options_are_said_before_anything_is_written(folder, arguments, message):
    assert message in make_task(write_table(), "--images", "scans", *arguments, code=2)
    assert not Path("my_task").exists()


def test_one_picture_alone_cannot_be_swapped(folder):
    rows = [("0.png", "Is it?", "", "yes", ""), ("0.png", "Where?", "", "left", "")]
    assert "all rows show the same picture" in make_task(write_table(rows), "--images", "scans", code=2)


def test_images_beside_the_table_need_no_folder_named(folder):
    rows = [(f"scans/{row[0]}", *row[1:]) for row in ROWS]
    make_task(write_table(rows))
    assert read_rows()[0]["image"] == "scans/0.png"


def test_names_in_another_case_are_used_and_counted(folder):
    output = make_task(write_table([(row[0].upper(), *row[1:]) for row in ROWS]), "--images", "scans")
    assert "note: 4 image names: written in another case than the file's name; found all the same" in output


def test_dicom_images_are_counted_and_no_tag_of_them_is_written(folder):
    values = np.arange(0, 4096, 16, dtype=np.uint16).reshape(16, 16)
    write_dicom(folder / "scans", values, bits=12, window=(2048, 1024), name="a.dcm")
    write_dicom(folder / "scans", np.stack([values, values[::-1]]), bits=12, name="b.dcm")
    write_dicom(folder / "scans", values, bits=12, photometric="MONOCHROME1", name="c.dcm")
    output = make_task(write_table([(name, *ROWS[0][1:]) for name in ("a", "b.dcm", "c.dcm")]), "--images", "scans")
    assert "note: 2 DICOM files have no window of their own" in output
    assert "note: 1 DICOM files have several frames, of which the first is shown" in output
    written = "".join(path.read_text(encoding="utf-8") for path in Path("my_task").iterdir())
    assert NAME not in output + written
    evidence = load_task("my_task", Path("my_task")).evidence.dataset
    assert sum(evidence["image_remarks"].values()) == 3
    assert NAME not in str(evidence)


def test_lm_eval_names_the_rows_of_the_table(folder):
    """After the folder has changed: the rows are those that the table's owner knows."""
    make_task(write_table(), "--images", "scans")
    (folder / "scans" / "2.png").unlink()
    with pytest.raises(Exception, match=r"split test, row 4: cannot read the image"):
        load_task("my_task", Path("my_task"))


def test_progress_is_the_last_state_of_the_last_bar(tmp_path):
    log = tmp_path / "log"
    log.write_text("loading\nRunning:  10%|#   | 1/10 [00:01]\rRunning:  20%|##  | 2/10 [00:02]\nsaved\n")
    assert find_progress(log) == "Running: 20 %, 2/10 [00:02]"
    log.write_text("loading\n")
    assert find_progress(log) == ""


@pytest.mark.models
def test_a_run_asks_the_model_and_ends_with_its_verdict(folder):
    arguments = ("--images", "scans", "--mirage", "--limit", 4, "--batch-size", 4, "--output", "out")
    code, output = vrs("run", write_table(), "--model", CONTROLS / "sighted", *arguments)
    assert code == 0, output
    assert "$ lm_eval run --model vrs-hf --model_args pretrained=" in output
    assert "questions_mirage: 4 questions on 4 images" in output
    assert "sighted" in output.split("questions_mirage: 4 questions")[1]
    assert "|vrs" in Path("out/results/sighted/lm_eval.txt").read_text()
    assert "questions as asked: out/task" in output
    assert json.loads(Path("out/questions_mirage.json").read_text())["rows"][0]["model"] == "sighted"


@pytest.mark.models
def test_plain_lm_eval_asks_a_written_task_and_compare_reads_it(folder):
    output = make_task(write_table(), "--images", "scans")
    (command,) = [line.strip() for line in output.splitlines() if line.strip().startswith("lm_eval run")]
    arguments = command.replace("ORG/MODEL", str(CONTROLS / "blind")).split()[1:]
    finished = subprocess.run(
        [sys.executable, "-m", "lm_eval", *arguments], capture_output=True, text=True, timeout=600
    )
    assert finished.returncode == 0, finished.stderr[-2000:]
    code, shown = vrs("compare", "results")
    assert code == 0
    assert "my_task: 5 questions on 4 images" in shown


@pytest.mark.models
@pytest.mark.whole  # a start of lm_eval; that a run fails so is tested with others
def test_a_model_that_does_not_load_ends_with_the_log_and_its_code(folder):
    (folder / "no-model").mkdir()
    (folder / "no-model" / "config.json").write_text("{}")
    code, output = vrs("run", write_table(), "--images", "scans", "--model", folder / "no-model")
    assert code == 1
    assert "lm_eval failed; its whole output is in vrs-questions/results" in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "./sihgted"], "there is no folder ./sihgted; did you mean sighted?"),
        (["--model", "scans"], "the folder scans holds no config.json"),
        (["--model", "org/model", "--model-class", "vrs-hff"], "knows no model 'vrs-hff'; did you mean vrs-hf"),
    ],
)
def test_a_model_that_is_not_there_is_said_before_anything_is_written(folder, arguments, message):
    (folder / "sighted").mkdir()
    code, output = vrs("run", write_table(), "--images", "scans", *arguments)
    assert (code, message in output, "Nothing was written." in output) == (2, True, True), output
    assert not Path("vrs-questions").exists()
