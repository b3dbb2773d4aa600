"""Where data sets lie: folders, the hub's cache, a hub that answers, one that does not."""

import huggingface_hub
import pytest
from support.hub import serve_hub

from vrs_lmeval.benchmark.data_places import Hub, find_place
from vrs_lmeval.benchmark.sources import DatasetSource

TABLE = DatasetSource(path="owner/set", split="test", data_files=("data/test-*", "more.json"))
IMAGES = DatasetSource(
    path="owner/set", split="test", data_files="data/test-*", image_folder_from="VRS_SOME_IMAGES", homepage="a page"
)
ZIP = DatasetSource(path="owner/set", split="test", data_files="test.json", archive="imgs.zip", image_folder="imgs")


@pytest.fixture(autouse=True)
def nothing_anywhere(monkeypatch, tmp_path):
    monkeypatch.delenv("VRS_DATA_DIR", raising=False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)


def put(root, *names):
    for name in names:
        path = root / "owner" / "set" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"12345")
    return root


def test_a_folder_with_a_file_for_every_pattern_is_the_data_set(monkeypatch, tmp_path):
    monkeypatch.setenv("VRS_DATA_DIR", str(put(tmp_path, "data/test-0", "more.json")))
    place = find_place(TABLE, Hub())
    assert (place.state, place.detail) == ("here", str(tmp_path / "owner" / "set"))


def test_a_folder_that_lacks_a_file_is_missing_and_says_which(monkeypatch, tmp_path):
    monkeypatch.setenv("VRS_DATA_DIR", str(put(tmp_path, "data/train-0", "more.json")))
    place = find_place(TABLE, Hub())
    assert (place.state, place.detail) == ("missing", f"{tmp_path / 'owner' / 'set'} holds no data/test-*")
    assert "cannot read the copy in" in place.advice


@pytest.mark.parametrize(("files", "state"), [(("imgs.zip",), "here"), (("imgs/a.png",), "here"), ((), "missing")])
def test_an_archive_may_lie_unpacked(monkeypatch, tmp_path, files, state):
    monkeypatch.setenv("VRS_DATA_DIR", str(put(tmp_path, "test.json", *files)))
    assert find_place(ZIP, Hub()).state == state


@pytest.mark.parametrize(
    ("value", "state", "detail"),
    [
        (None, "missing", "images: VRS_SOME_IMAGES is not set"),
        ("gone", "missing", "images: VRS_SOME_IMAGES names gone, which is no folder"),
        (".", "here", ""),
    ],
)
def test_images_that_the_data_set_does_not_hold_count_too(monkeypatch, tmp_path, value, state, detail):
    monkeypatch.setenv("VRS_DATA_DIR", str(put(tmp_path, "data/test-0")))
    if value is None:
        monkeypatch.delenv("VRS_SOME_IMAGES", raising=False)
    else:
        monkeypatch.setenv("VRS_SOME_IMAGES", value)
    place = find_place(IMAGES, Hub())
    assert place.state == state
    assert place.detail.endswith(detail)


def test_what_no_hub_holds_is_not_looked_for_there():
    place = find_place(IMAGES, Hub())
    assert (place.state, place.detail) == ("missing", "on no hub")
    assert "Get it from a page" in place.advice


def test_offline_the_cache_is_the_last_place(tmp_path):
    assert find_place(TABLE, Hub()).detail == "the hub is not asked (HF_HUB_OFFLINE is set)"
    commit = "0" * 40
    repository = tmp_path / "cache" / "datasets--owner--set"
    for name in ("data/test-0", "more.json"):
        path = repository / "snapshots" / commit / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    assert find_place(TABLE, Hub()).state == "here"
    (repository / "snapshots" / commit / "more.json").unlink()
    assert find_place(TABLE, Hub()).state == "missing"


def test_a_set_that_datasets_may_hold_in_a_cache_of_its_own_is_not_called_missing():
    assert find_place(DatasetSource(path="owner/set", split="test"), Hub()).state == "unsure"


def test_the_hub_says_what_is_to_be_downloaded_and_what_it_does_not_have(monkeypatch, tmp_path):
    put(tmp_path / "hub", "data/test-0", "data/test-1", "data/train-0", "more.json")
    with serve_hub(tmp_path / "hub") as hub:
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", hub.address)
        place = find_place(TABLE, Hub())
        assert (place.state, place.download_bytes) == ("hub", 3 * 5)
        other = find_place(DatasetSource(path="owner/other", split="test", data_files="x"), Hub())
    assert other.state == "missing"
    assert "RepositoryNotFoundError" in other.detail


def test_a_hub_that_is_not_reached_is_asked_once(monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:1")
    hub = Hub()
    first = find_place(TABLE, hub)
    assert first.state == "missing"
    assert first.detail.startswith("the hub is not reached (")
    monkeypatch.setattr(huggingface_hub, "HfApi", None)  # would fail if it was called
    assert find_place(TABLE, hub).detail == first.detail


def test_a_hub_that_is_only_slow_is_no_reason_to_stop(monkeypatch):
    class Slow:
        def dataset_info(self, *args, **kwargs):
            raise TimeoutError("The read operation timed out")

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub, "HfApi", Slow)
    assert find_place(TABLE, Hub()).state == "unsure"


def test_of_several_processes_none_asks_the_hub(monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub, "HfApi", None)
    assert find_place(TABLE, Hub(is_asked=False)).state == "hub"
