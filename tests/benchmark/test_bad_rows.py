"""Rows that cannot be asked: all said at once, or left out and counted; paths and zip members that are refused."""

import io
import json
import zipfile
from dataclasses import replace

import datasets
import pytest
from support.results import draw_rows, make_board, write_run
from support.stores import encode, gradient

from vrs_lmeval.benchmark import samples, table
from vrs_lmeval.benchmark.bad_rows import VARIABLE, choose_on_error
from vrs_lmeval.benchmark.images import UnreadableImageError, encoded_image
from vrs_lmeval.benchmark.row_checks import check_encodable, name_row, read_gold_text
from vrs_lmeval.benchmark.samples import load_benchmark
from vrs_lmeval.benchmark.sources import Columns, DatasetSource, MalformedDataError
from vrs_lmeval.benchmark.task_keys import take_source


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("VRS_DATA_DIR", str(tmp_path))
    monkeypatch.delenv(VARIABLE, raising=False)
    folder = tmp_path / "someone" / "set"
    folder.mkdir(parents=True)
    for name, width in (("a", 10), ("b", 12)):
        (folder / f"{name}.png").write_bytes(encode(gradient(width, 8), "PNG"))
    (folder / "broken.png").write_bytes(b"no picture")
    (tmp_path / "outside.png").write_bytes(encode(gradient(14, 8), "PNG"))
    return folder


def row(image="a.png", question="is it?", answer="yes"):
    return {"image": image, "question": question, "answer": answer}


def write_rows(folder, rows, **changes):
    (folder / "rows.json").write_text(json.dumps(rows))
    return replace(DatasetSource("someone/set", "test", data_files="rows.json"), **changes)


BAD = [row(), row("broken.png"), row(question=" "), row("b.png", answer=None), row("missing.png"), row("b.png")]


def test_all_bad_rows_are_said_at_once(folder):
    with pytest.raises(UnreadableImageError) as told:
        load_benchmark(write_rows(folder, BAD))
    first, *lines, advice = str(told.value).splitlines()
    assert first == "someone/set, split test: 4 of 6 rows cannot be asked:"
    assert [line.partition(": ")[0] for line in lines] == [f"  someone/set, split test, row {n}" for n in (1, 2, 3, 4)]
    assert "VRS_ON_ERROR=skip" in advice


def test_of_many_bad_rows_twenty_are_described_and_the_others_counted(folder):
    with pytest.raises(MalformedDataError) as told:
        load_benchmark(write_rows(folder, [row(), *[row(answer=None)] * 45]))
    lines = str(told.value).splitlines()
    assert len(lines) == 23
    assert lines[-3].startswith("  someone/set, split test, row 20: column 'answer'")
    assert lines[-2] == "  and 25 more"


def test_skipped_rows_are_left_out_said_once_and_named_in_the_evidence(folder, caplog):
    benchmark = load_benchmark(write_rows(folder, BAD, on_error="skip"))
    good = load_benchmark(write_rows(folder, [BAD[0], BAD[5]]))
    assert benchmark.samples == good.samples
    assert list(benchmark.images) == list(good.images)
    assert benchmark.evidence["skipped_rows"] == {"count": 4, "of": 6, "rows": "1, 2, 3, 4"}
    assert "skipped_rows" not in good.evidence
    [said] = [record.getMessage() for record in caplog.records if "left out" in record.getMessage()]
    assert said.startswith("someone/set, split test: 4 of 6 rows are left out (on_error: skip):\n")


def test_images_of_skipped_rows_are_no_partners(folder):
    rows = [row(), row("b.png", question=" ")]
    assert len(load_benchmark(write_rows(folder, rows, on_error="skip")).images) == 1


def test_a_data_set_without_a_good_row_stops_all_the_same(folder):
    with pytest.raises(MalformedDataError, match="2 of 2 rows cannot be asked"):
        load_benchmark(write_rows(folder, [row(answer=None)] * 2, on_error="skip"))


@pytest.mark.parametrize(
    ("yaml", "environment", "expected"),
    [
        (None, None, "stop"),
        ("skip", None, "skip"),
        ("skip", "stop", "stop"),
        (None, "skip", "skip"),
        ("skip", "", "skip"),
    ],
)
def test_the_environment_wins_over_the_task(yaml, environment, expected, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    if environment is not None:
        monkeypatch.setenv(VARIABLE, environment)
    config = {"task": "mine", "dataset_path": "a/b", "test_split": "test", **({"on_error": yaml} if yaml else {})}
    assert take_source(config).on_error == expected
    assert "on_error" not in config  # the harness does not know the key


@pytest.mark.parametrize(("environment", "place"), [(None, "on_error"), ("ignore", VARIABLE)])
def test_another_word_is_refused(environment, place, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    if environment:
        monkeypatch.setenv(VARIABLE, environment)
    with pytest.raises(ValueError, match=f"mine: {place} should be stop or skip, it is 'ignore'"):
        choose_on_error("ignore", "mine")


@pytest.mark.parametrize(
    ("logged", "said"),
    [({"count": 2, "of": 9, "rows": "3, 4"}, True), (None, False), ("all", False), ({"count": "2"}, False)],
)
def test_the_board_says_which_models_lack_rows(logged, said, tmp_path):
    data = {"content_sha256": "0", **({"skipped_rows": logged} if logged else {})}
    write_run(tmp_path, "one", draw_rows(0.9, 0.5), dataset=data)
    [task] = make_board(tmp_path).boards
    warning = "2 of 9 rows of its data could not be read and were left out"
    assert (warning in task.standings[0].warnings) is said


# --- files of a row stay inside the data set ---------------------------------------------------------------------


@pytest.mark.parametrize("form", [str, lambda path: {"bytes": None, "path": path}], ids=["text", "struct"])
@pytest.mark.parametrize("name", ["../../outside.png", "{root}/outside.png", "x/../../../outside.png"])
def test_a_row_cannot_name_an_image_outside_its_data_set(folder, name, form):
    named = form(name.replace("{root}", str(folder.parents[1])))
    with pytest.raises(UnreadableImageError, match=r"row 0: .*leads out of the data set's folder"):
        load_benchmark(write_rows(folder, [row(named)]))


@pytest.mark.parametrize("name", ["a.png", "x/../a.png", "./a.png", "{root}/someone/set/a.png"])
def test_a_row_names_an_image_of_its_data_set_in_any_way(folder, name):
    source = write_rows(folder, [row(name.replace("{root}", str(folder.parents[1])))])
    assert load_benchmark(source).samples == load_benchmark(write_rows(folder, [row()])).samples


def test_a_folder_that_is_reached_by_a_link_may_be_named_by_either_way(folder, tmp_path, monkeypatch):
    (tmp_path / "link").symlink_to(tmp_path)
    source = write_rows(folder, [row(str(folder / "a.png")), row(str(tmp_path / "link" / "someone" / "set" / "b.png"))])
    monkeypatch.setenv("VRS_DATA_DIR", str(tmp_path / "link"))
    assert len(load_benchmark(source).samples) == 2


def test_links_of_the_hubs_cache_are_followed(folder):
    (folder / "linked.png").symlink_to(folder.parents[1] / "outside.png")
    assert load_benchmark(write_rows(folder, [row("linked.png")])).images.size is not None


def test_data_of_ones_own_may_lie_anywhere(folder):
    outside = str(folder.parents[1] / "outside.png")
    source = write_rows(folder, [row(outside)], path=str(folder))
    assert len(load_benchmark(source).samples) == 1
    with pytest.raises(UnreadableImageError, match="leads out"):  # but not by a way that its reader would not see
        load_benchmark(write_rows(folder, [row("../../outside.png")], path=str(folder)))


def test_a_zip_member_that_unpacks_to_too_much_is_refused(folder, monkeypatch):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", encode(gradient(10, 8), "PNG"))
        archive.writestr("bomb.png", b"\0" * 100_000)
    (folder / "images.zip").write_bytes(packed.getvalue())
    monkeypatch.setattr(table, "MEMBER_BYTES", 99_999)
    source = write_rows(folder, [row(), row("bomb.png")], archive="images.zip", on_error="skip")
    assert load_benchmark(source).evidence["skipped_rows"]["rows"] == "1"
    with pytest.raises(UnreadableImageError, match=r"bomb.png in .*images.zip unpacks to 100,000 bytes, more than"):
        load_benchmark(replace(source, on_error="stop"))


def test_a_number_is_no_images_bytes():
    """`bytes` would take it for a length, and make so many zeros."""
    with pytest.raises(ValueError, match="expected the bytes of an image, got int"):
        encoded_image({"bytes": 10**12, "path": None}, None)


def test_an_answer_may_be_a_number_that_no_float_holds():
    assert read_gold_text(10**400, "answer", "row 0") == "1" + "0" * 400


def test_text_that_utf_8_cannot_write_is_told():
    with pytest.raises(MalformedDataError, match=r"row 0: 'what\\ud800' holds half of a surrogate pair"):
        check_encodable(["yes", "what\ud800"], "row 0")


@pytest.mark.parametrize(
    ("value", "name"),
    [(7, "7"), ("patient 3", "patient 3"), ("a\nb", r"'a\nb'"), ("\ud800", r"'\ud800'"), (None, "None")],
)
def test_a_row_is_called_by_one_line_that_can_be_written(value, name):
    assert name_row(value) == name


def test_a_row_without_a_name_is_called_by_its_number(folder):
    rows = [row() | {"number": "first"}, row(answer=None)]
    with pytest.raises(MalformedDataError, match="split test, row 1: column 'answer'"):
        load_benchmark(write_rows(folder, rows, columns=Columns(row="number")))


def test_a_column_of_names_that_no_row_has_is_told(folder, monkeypatch):
    rows = datasets.Dataset.from_list([row()])
    monkeypatch.setattr(samples, "open_table", lambda source: table.Table(rows, "local folder", None, folder))
    with pytest.raises(MalformedDataError, match="split test: no column 'number'; it has image, question, answer"):
        load_benchmark(DatasetSource("someone/set", "test", columns=Columns(row="number")))
