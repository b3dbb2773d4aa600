"""Boxes beside the images: as SLAKE's authors publish them, packed or not, and what is told of a file that is wrong."""

import zipfile
from dataclasses import replace

import pytest
from support.region_rows import BOXES, write_slake_with_regions

from vrs_lmeval.benchmark.region_files import RegionFiles
from vrs_lmeval.benchmark.samples import load_benchmark
from vrs_lmeval.benchmark.sources import DatasetSource, MalformedDataError
from vrs_lmeval.benchmark.table import Table
from vrs_lmeval.records import Region

SOURCE = DatasetSource(
    "BoKelvin/SLAKE", "test", data_files="test.json", archive="imgs.zip", image_folder="imgs", shape="slake_en",
    regions="detection.json",
)  # fmt: skip
OF_FIRST = (Region("Liver", 4, 5, 10, 8), Region("Lung", 16, 2, 20, 12), Region("Left Lung", 17, 3, 8, 6))


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.setenv("VRS_DATA_DIR", str(tmp_path))
    return lambda boxes=None: write_slake_with_regions(tmp_path, boxes)


def test_every_sample_has_the_boxes_of_its_image(write):
    write()
    samples = load_benchmark(SOURCE).samples
    assert [sample.regions == OF_FIRST for sample in samples] == [True] * 5 + [False] * 3
    assert samples[5].regions[2] == Region("Spleen", 90, 90, 5, 5), "as published, though outside the image"


def test_an_unpacked_archive_is_read_as_well(write):
    folder = write()
    packed = load_benchmark(SOURCE)
    zipfile.ZipFile(folder / "imgs.zip").extractall(folder)
    (folder / "imgs.zip").unlink()
    unpacked = load_benchmark(SOURCE)
    assert unpacked.samples == packed.samples
    assert unpacked.evidence["regions_sha256"] == packed.evidence["regions_sha256"]


def test_boxes_change_the_evidence_and_no_id(write):
    folder = write()
    own = load_benchmark(SOURCE)
    (folder / "imgs.zip").unlink()
    (folder / "test.json").unlink()
    folder.rmdir()
    write({**BOXES, 1: [{"Liver": [4.5, 5.25, 9.25, 8]}]})
    others = load_benchmark(SOURCE)
    assert others.samples[0].regions == (Region("Liver", 4, 5, 10, 9),), "all pixels that the box touches"
    assert [sample.sample_id for sample in others.samples] == [sample.sample_id for sample in own.samples]
    assert others.evidence["regions_sha256"] != own.evidence["regions_sha256"]


def test_a_task_that_does_not_name_the_file_reads_none_of_them(write):
    write({1: b"no JSON", 2: b""})
    benchmark = load_benchmark(replace(SOURCE, regions=None))
    assert all(sample.regions == () for sample in benchmark.samples)
    assert not {"regions", "regions_sha256"} & set(benchmark.evidence)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no JSON", r"row 0, xmlab1/detection\.json: cannot be read as JSON"),
        (b"\xff\xfe{", r"row 0, xmlab1/detection\.json: cannot be read as JSON"),
        ({"Liver": [1, 2, 3, 4]}, r"xmlab1/detection\.json: expected a list of objects, each a name with its box"),
        ([["Liver", 1, 2, 3, 4]], r"expected a list of objects"),
        ([{"Lung": [1, 2, 3, 4]}, {"Liver": [1, 2, 3]}], r"entry 1: 'Liver' should have a box \[x, y, width, height\]"),
        ([{"Liver": [1, 2, 3, True]}], r"it has \[1, 2, 3, True\]"),
        ([{"Liver": [1, 2, 3, "4"]}], "should have a box"),
        ([{"Liver": [1, 2, -3, 4]}], "should have a box"),
        ([{"Liver": None}], "it has None"),
        ([{" ": [1, 2, 3, 4]}], "' ' should have a box"),
        (b'[{"Liver": [1, 2, 3, NaN]}]', "should have a box"),
    ],
)
def test_a_file_of_another_form_is_an_error_that_names_row_and_file(write, content, message):
    write({**BOXES, 1: content})
    with pytest.raises(MalformedDataError, match=message):
        load_benchmark(SOURCE)


def test_a_missing_file_is_an_error_that_names_row_and_file(write):
    write({1: BOXES[1]})
    with pytest.raises(MalformedDataError, match=r"row 5: cannot read the regions of its image: .*xmlab2/detection"):
        load_benchmark(SOURCE)


@pytest.mark.parametrize("shown", [{"bytes": b"", "path": "a.png"}, None, ["a.png", "b.png"], "", ".."])
def test_images_that_are_not_one_file_have_no_file_beside_them(shown):
    files = RegionFiles("detection.json", Table([], "local folder", None, None))
    with pytest.raises(MalformedDataError, match=r"row 3: detection\.json should lie beside the image"):
        files.find(shown, "row 3")
