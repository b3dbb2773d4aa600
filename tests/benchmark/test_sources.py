"""Sources: which files are fetched, which commit was read, and errors that name the file."""

import json
from dataclasses import replace

import huggingface_hub
import pytest
from support.field_rows import write_medxpertqa, write_zip

from vrs_lmeval.benchmark.samples import load_benchmark
from vrs_lmeval.benchmark.sources import (
    Archive,
    DatasetSource,
    MalformedDataError,
    MissingDataError,
    _check_revision,
    find_pinned_revision,
    open_table,
)

COMMIT, OTHER = "0123456789abcdef" * 2 + "01234567", "f" * 40
MEDXPERTQA = DatasetSource(
    "TsinghuaC3I/MedXpertQA",
    "test",
    data_files="MM/test.jsonl",
    archive="images.zip",
    image_folder="images",
    shape="medxpertqa",
)


@pytest.fixture
def data_dir(tmp_path, monkeypatch):
    monkeypatch.setenv("VRS_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)  # it is read when that is imported
    return tmp_path


def write_json(data_dir, content, name="rows.json"):
    folder = data_dir / "someone" / "benchmark"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return DatasetSource("someone/benchmark", "test", data_files=name)


def test_from_the_hub_only_the_files_named_are_fetched_at_the_revision_asked_for(tmp_path, monkeypatch):
    snapshot = tmp_path / "snapshots" / COMMIT
    write_medxpertqa(tmp_path / "made")
    snapshot.parent.mkdir()
    (tmp_path / "made" / "TsinghuaC3I" / "MedXpertQA").rename(snapshot)
    asked = []
    monkeypatch.delenv("VRS_DATA_DIR", raising=False)
    monkeypatch.setattr(
        huggingface_hub, "snapshot_download", lambda path, **options: asked.append((path, options)) or str(snapshot)
    )
    benchmark = load_benchmark(replace(MEDXPERTQA, revision="main"))
    assert asked == [
        (
            "TsinghuaC3I/MedXpertQA",
            {"repo_type": "dataset", "revision": "main", "allow_patterns": ["MM/test.jsonl", "images.zip"]},
        )
    ]
    assert (benchmark.evidence["revision"], benchmark.evidence["read_from"]) == (COMMIT, "hub")


def test_what_is_fetched_is_what_one_is_told_to_fetch(data_dir):
    probmed = DatasetSource("a/b", "test", data_files="test.json", image_folder="probmed", shape="probmed")
    assert probmed.wanted == ["test.json", "probmed/*"]
    own_images = replace(probmed, image_folder="/elsewhere", image_folder_from="SOMEWHERE")
    assert own_images.wanted == ["test.json"]
    with pytest.raises(MissingDataError, match=r'--include "test\.json" --include "probmed/\*" --local-dir DIR/a/b'):
        open_table(probmed)


def test_a_mirror_knows_its_commit_from_what_the_download_left(data_dir):
    write_medxpertqa(data_dir)
    assert load_benchmark(MEDXPERTQA).evidence["revision"] is None
    notes = data_dir / MEDXPERTQA.path / ".cache" / "huggingface" / "download"
    notes.mkdir(parents=True)
    (notes / "images.zip.metadata").write_text(f"{COMMIT}\nan etag\n1700000000.0\n")
    assert load_benchmark(MEDXPERTQA).evidence["revision"] == COMMIT
    with pytest.raises(MissingDataError, match=f"revision {OTHER} is asked for, the copy read is of {COMMIT}"):
        load_benchmark(replace(MEDXPERTQA, revision=OTHER))
    assert load_benchmark(replace(MEDXPERTQA, revision=COMMIT)).evidence["revision_asked_for"] == COMMIT
    (notes / "other.metadata").write_text(f"{OTHER}\n")
    assert load_benchmark(MEDXPERTQA).evidence["revision"] is None  # files of two commits


def test_a_mirror_that_does_not_tell_its_commit_is_not_taken_for_the_one_asked_for(data_dir, caplog):
    write_medxpertqa(data_dir)
    evidence = load_benchmark(replace(MEDXPERTQA, revision=COMMIT)).evidence
    assert (evidence["revision"], evidence["revision_asked_for"]) == (None, COMMIT)
    assert "does not tell which it is" in caplog.text


@pytest.mark.parametrize(
    ("asked", "read_from", "found", "told"),
    [
        (COMMIT, "hub", None, COMMIT),  # a hub gives what is asked for
        ("main", "hub", None, None),  # a branch is no commit
        ("main", "hub", COMMIT, COMMIT),
        (None, "hub", None, None),
    ],
)
def test_the_revision_told_is_a_commit_or_nothing(asked, read_from, found, told):
    assert _check_revision(replace(MEDXPERTQA, revision=asked), read_from, found) == told


def test_revisions_are_pinned_by_an_environment_variable(monkeypatch):
    assert find_pinned_revision("a/b") is None
    monkeypatch.setenv("VRS_REVISIONS", f"a/b={COMMIT}, c/d={OTHER} e/f=main")
    assert [find_pinned_revision(path) for path in ("a/b", "c/d", "e/f", "g/h")] == [COMMIT, OTHER, "main", None]
    for wrong in ("a/b", "a/b=", f"={COMMIT}"):
        monkeypatch.setenv("VRS_REVISIONS", f"c/d={OTHER} {wrong}")
        with pytest.raises(ValueError, match=f"VRS_REVISIONS: '{wrong}' should be owner/name=commit"):
            find_pinned_revision("c/d")


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        ([{"a": 1}, {"b": 2}], [{"a": 1}, {"b": 2}]),
        ({"7": {"a": 1}}, [{"key": "7", "a": 1}]),
        (b"\xef\xbb\xbf[{}]", [{}]),
    ],
)
def test_json_files_are_read_as_they_are(data_dir, content, rows):
    assert open_table(write_json(data_dir, content)).rows == rows


def test_text_files_are_read_by_lines(data_dir):
    source = write_json(data_dir, b"a|b\r\n\r\n c\n", "rows.txt")
    assert open_table(source).rows == [{"line": "a|b"}, {"line": " c"}]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "someone/benchmark, rows.json: cannot be read as UTF-8 text or JSON"),
        (b'["\xff"]', "cannot be read as UTF-8 text or JSON"),
        ([1], "someone/benchmark, rows.json, entry 0: expected an object, it is int"),
    ],
)
def test_a_broken_file_is_named(data_dir, content, message):
    with pytest.raises(MalformedDataError, match=message):
        open_table(write_json(data_dir, content))


def test_missing_files_are_named(data_dir):
    source = write_json(data_dir, [])
    with pytest.raises(MissingDataError, match=r"no file other\.json in"):
        open_table(replace(source, data_files="other.json"))
    with pytest.raises(MissingDataError, match=r"pictures\.zip is missing, and so is .*pictures, where its content"):
        open_table(replace(source, archive="pictures.zip"))
    write_zip(data_dir / source.path / "pictures.zip", {"top/one.json": b"[]"})
    with pytest.raises(MissingDataError, match=r"nor in pictures\.zip, which begins with \['top/one\.json'\]"):
        open_table(replace(source, data_files="other.json", archive="pictures.zip"))
    (data_dir / source.path / "pictures.zip").write_bytes(b"no zip")
    with pytest.raises(MissingDataError, match="cannot read the copy in"):
        open_table(replace(source, archive="pictures.zip"))


def test_an_archive_names_the_member_it_lacks(tmp_path):
    write_zip(tmp_path / "a.zip", {"x/1.png": b"1"})
    archive = Archive(tmp_path / "a.zip")
    assert archive.read("x/1.png") == b"1"
    with pytest.raises(FileNotFoundError, match=r"a\.zip holds no x/2\.png"):
        archive.read("x/2.png")


def test_a_row_that_lacks_a_key_is_named_with_those_it_has(data_dir):
    write_medxpertqa(data_dir)
    rows = data_dir / MEDXPERTQA.path / "MM" / "test.jsonl"
    rows.write_text(rows.read_text().replace('"label"', '"gold"'))
    with pytest.raises(MalformedDataError, match=r"row 0: no 'label' in it, which 'medxpertqa' rows have; it has id"):
        load_benchmark(MEDXPERTQA)


def test_an_unknown_shape_is_named():
    with pytest.raises(ValueError, match="no row shape 'round'; there are medxpertqa, mmmu"):
        load_benchmark(replace(MEDXPERTQA, shape="round"))
