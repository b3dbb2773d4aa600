"""What `vrs convert-llava` refuses: other models, broken or quantised checkpoints, no room; nothing is left then."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from support.original_llava import TOWER, make_original, name_tensors, save_shards, write_json

from vrs_lmeval.conversion import convert_llava as conversion
from vrs_lmeval.conversion.convert_llava import convert_llava
from vrs_lmeval.conversion.llava_layouts import CONVERSATIONS, ConversionError

pytestmark = pytest.mark.models

SETTINGS = {
    "mm_projector_type": ("linear", r"mm_projector_type is 'linear'.*mlp2x_gelu"),
    "mm_resampler_type": ("perceiver", "mm_resampler_type is 'perceiver'"),
    "mm_use_im_start_end": (True, "mm_use_im_start_end is True"),
    "mm_vision_select_feature": ("cls", "mm_vision_select_feature is 'cls'"),
    "mm_vision_tower": (None, "no vision tower"),
    "image_aspect_ratio": ("anyres", "LLaVA-NeXT"),
    "quantization_config": ({"quant_method": "gptq"}, "the checkpoint that was quantised"),
    "s2": (True, "one scale"),
    "model_type": ("llava_mpt", r"model_type is 'llava_mpt'; only llava_mistral, llava_qwen2, llava_llama"),
    "intermediate_size": (40, r"mlp.* has shape \[48, 32\], and config.json calls for \[40, 32\]|has shape \[32, 48\]"),
    "num_hidden_layers": (3, r"tensor model.layers.2.* is in none of the weight files \(9 are missing\)"),
}


@pytest.mark.parametrize("setting", SETTINGS)
def test_settings_of_other_models_are_refused_before_anything_is_written(tmp_path, setting):
    value, message = SETTINGS[setting]
    original = make_original(tmp_path / "original", "llava_mistral", **{setting: value})
    refuse(original.folder, message)


def refuse(folder, message, **options):
    before = sorted(folder.parent.iterdir())
    with pytest.raises(ConversionError, match=message):
        convert_llava(str(folder), folder.parent / "converted", **options)
    assert sorted(folder.parent.iterdir()) == before


def break_index(folder):
    (folder / "model-00002-of-00003.safetensors").unlink()


def leave_the_folder(folder):
    path = folder / "model.safetensors.index.json"
    path.write_text(path.read_text().replace("model-00002", "../model-00002"))


def cut_a_file(folder):
    path = folder / "model-00003-of-00003.safetensors"
    path.write_bytes(path.read_bytes()[:-4])


def point_to_lfs(folder):
    (folder / "model-00001-of-00003.safetensors").write_text(
        "version https://git-lfs.github.com/spec/v1\noid sha256:0\n"
    )


def change_a_shard(folder, change):
    path = folder / "model-00001-of-00003.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)


def add_a_tensor(folder):
    change_a_shard(folder, lambda tensors: tensors.update({"model.image_newline": torch.ones(32)}))


def lose_a_tensor(folder):
    change_a_shard(folder, lambda tensors: tensors.pop("model.embed_tokens.weight"))


def quantise(folder):
    change_a_shard(folder, lambda tensors: tensors.update({"lm_head.qweight": torch.ones(2, dtype=torch.int8)}))


def repeat_a_tensor(folder):
    path = folder / "model-00002-of-00003.safetensors"
    save_file(load_file(path) | {"model.embed_tokens.weight": torch.ones(2)}, path)


def remove_weights(folder):
    for path in folder.glob("model*"):
        path.unlink()
    (folder / "adapter_config.json").write_text("{}")


def break_config(folder):
    (folder / "config.json").write_text("{")


def convert_already(folder):
    write_json(folder / "config.json", {"model_type": "llava", "text_config": {}})


def lose_tokenizer(folder):
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").unlink()


def keep_tokenizer_model(folder):
    lose_tokenizer(folder)
    (folder / "tokenizer.model").write_text("no pieces")


def change_tower(folder):
    write_json(folder / TOWER / "config.json", {"model_type": "siglip"})


def lose_image_settings(folder):
    (folder / TOWER / "preprocessor_config.json").unlink()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (break_index, r"model-00002-of-00003.safetensors is missing, which .*index.json names"),
        (leave_the_folder, r"is missing, which .*index.json names"),
        (cut_a_file, r"model-00003-of-00003.safetensors cannot be read.*copy it again"),
        (point_to_lfs, r"model-00001-of-00003.safetensors cannot be read.*git-lfs"),
        (add_a_tensor, r"model-00001.*tensor model.image_newline is not part of LLaVA-1.5"),
        (lose_a_tensor, r"tensor model.embed_tokens.weight is in none of the weight files \(1 are missing\)"),
        (quantise, r"model-00001.*tensor lm_head.qweight is of type I8, as in quantised"),
        (repeat_a_tensor, r"tensor model.embed_tokens.weight is in .*model-00001.* and in .*model-00002"),
        (remove_weights, r"holds no weights.*adapter \(LoRA\) has to be merged"),
        (break_config, r"config.json cannot be read"),
        (convert_already, r"already in transformers' layout"),
        (lose_tokenizer, r"its tokenizer cannot be read"),
        (
            keep_tokenizer_model,
            r"its tokenizer cannot be read; (pip install sentencepiece protobuf|copy its files again)",
        ),
        (change_tower, r"the vision tower is 'siglip'; only CLIP"),
        (lose_image_settings, r"preprocessor_config.json is missing"),
    ],
)
def test_a_broken_checkpoint_is_refused_before_anything_is_written(tmp_path, spoil, message):
    original = make_original(tmp_path / "original", "llava_mistral")
    spoil(original.folder)
    refuse(original.folder, message)


class Harmful:
    def __reduce__(self):
        return (print, ("run",))


def test_a_bin_file_with_code_is_not_run(tmp_path, capsys):
    original = make_original(tmp_path / "original", "llava_mistral", "bin", 1)
    torch.save({"model.norm.weight": Harmful()}, original.folder / "pytorch_model.bin")
    refuse(original.folder, r"pytorch_model.bin holds Python objects beside tensors")
    assert "run" not in capsys.readouterr().out


def test_a_target_that_exists_is_left_alone(tmp_path):
    original = make_original(tmp_path / "original", "llava_mistral")
    (tmp_path / "converted").mkdir()
    refuse(original.folder, "converted exists; name a folder that does not")
    assert not list((tmp_path / "converted").iterdir())


def test_a_conversion_beside_another_is_refused(tmp_path):
    original = make_original(tmp_path / "original", "llava_mistral")
    (tmp_path / "converted.unfinished").mkdir()
    refuse(original.folder, r"converted.unfinished exists: another conversion is running, or one was killed")


def test_an_unknown_conversation_or_source_is_refused(tmp_path):
    original = make_original(tmp_path / "original", "llava_mistral")
    refuse(
        original.folder, "conversation 'chatml' is none of mistral_instruct, vicuna_v1, huatuo", conversation="chatml"
    )
    refuse(tmp_path / "nowhere", "nowhere is no folder")
    assert set(CONVERSATIONS) == {"mistral_instruct", "vicuna_v1", "huatuo"}


def test_without_room_nothing_is_written(tmp_path, monkeypatch):
    original = make_original(tmp_path / "original", "llava_mistral")
    usage = conversion.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(conversion.shutil, "disk_usage", lambda _: usage._replace(free=60 * 2**20))
    refuse(original.folder, r"has 0.1 GB left and the conversion takes 0.1 GB; make room")


@pytest.mark.parametrize(
    ("stop", "expected"),
    [(OSError(28, "No space left on device"), ConversionError), (KeyboardInterrupt(), KeyboardInterrupt)],
)
def test_a_conversion_that_stops_leaves_nothing(tmp_path, monkeypatch, stop, expected):
    original = make_original(tmp_path / "original", "llava_mistral")
    write, written = conversion.write_weights, []

    def write_one(source, target, moves):
        if written:
            assert (tmp_path / "converted.unfinished").exists()
            raise stop
        written.append(target)
        write(source, target, moves)

    monkeypatch.setattr(conversion, "write_weights", write_one)
    with pytest.raises(expected):
        convert_llava(str(original.folder), tmp_path / "converted")
    assert [path.name for path in tmp_path.iterdir()] == ["original"]


def test_a_tower_without_weights_anywhere_is_refused(tmp_path):
    original = make_original(tmp_path / "original", "llava_qwen2")
    tensors = {n: t for n, t in name_tensors(original).items() if "vision_tower" not in n}
    save_shards(original.folder, tensors, "safetensors", 3)
    known = "openai/clip-vit-large-patch14-336"
    settings = json.loads((original.folder / "config.json").read_text()) | {"mm_vision_tower": known}
    write_json(original.folder / "config.json", settings)
    with pytest.raises(ConversionError, match=f"does not hold the weights of its vision tower '{known}'; name"):
        convert_llava(str(original.folder), tmp_path / "converted")
