"""The key of an engine's kept answers: other files or settings are another model; another place or amount is not."""

from types import SimpleNamespace

import pytest

from vrs_lmeval.asking.engine_identity import find_files, hash_files, identify_engine


def make_engine(**model):
    resolved = {"dtype": "float32", "max_model_len": 2048, "quantization": None, **model}
    return SimpleNamespace(
        model_config=SimpleNamespace(**resolved), cache_config=SimpleNamespace(cache_dtype=model.pop("kept", "auto"))
    )


@pytest.fixture
def checkpoint(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "config.json").write_text("{}")
    (folder / "README.md").write_text("a page")
    return folder


def identify(folder, lora=None, engine=None, settings=None, **arguments):
    return identify_engine({"model": str(folder), **arguments}, lora, engine or make_engine(), settings or {})


def copy(folder, place):
    place.mkdir()
    for path in folder.iterdir():
        (place / path.name).write_bytes(path.read_bytes())
    return place


def test_the_same_files_elsewhere_are_the_same_model(checkpoint, tmp_path):
    assert identify(checkpoint) == identify(copy(checkpoint, tmp_path / "other"))


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_changed_file_is_another_model(checkpoint, name):
    before = identify(checkpoint)
    (checkpoint / name).write_bytes(b"{ }")
    assert identify(checkpoint) != before


def test_a_changed_page_is_not(checkpoint):
    before = identify(checkpoint)
    (checkpoint / "README.md").write_text("another page")
    assert identify(checkpoint) == before


def test_results_below_the_checkpoint_are_not(checkpoint):
    before = identify(checkpoint)
    (checkpoint / "runs" / "model").mkdir(parents=True)
    (checkpoint / "runs" / "model" / "results_2026-11-29T00-00-00.json").write_text("{}")
    assert identify(checkpoint) == before


def test_settings_that_change_answers_are_in_the_key_and_amounts_are_not(checkpoint, tmp_path):
    lora = tmp_path / "lora"
    lora.mkdir()
    (lora / "adapter_model.safetensors").write_bytes(b"adapter")
    keys = [
        identify(checkpoint),
        identify(checkpoint, dtype="bfloat16"),
        identify(checkpoint, quantization="fp8"),
        identify(checkpoint, mm_processor_kwargs={"max_pixels": 1}),
        identify(checkpoint, engine=make_engine(max_model_len=1024)),
        identify(checkpoint, engine=make_engine(kept="fp8")),
        identify(checkpoint, settings={"double_bos": True}),
        identify(checkpoint, lora=str(lora)),
        identify(checkpoint, tokenizer=str(lora)),
    ]
    assert len(set(keys)) == len(keys)
    assert identify(checkpoint, gpu_memory_utilization=0.5, max_num_seqs=7) == keys[0]


def test_a_file_alone_and_nothing_at_all(checkpoint, tmp_path):
    (name, _digest), *more = hash_files(checkpoint / "model.safetensors")
    assert (name, more) == (".safetensors", [])
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="holds no file of a checkpoint"):
        hash_files(tmp_path / "empty")
    with pytest.raises(ValueError, match="are not found on this machine"):
        find_files("nobody/nothing")
