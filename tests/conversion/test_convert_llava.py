"""Checkpoints in the original LLaVA layout: converted, they compute what the original computes."""

import json
import math
import subprocess
import sys
import weakref

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from support.original_llava import (
    KINDS,
    SIDE,
    TOWER,
    load_processor,
    make_image,
    make_original,
    name_tensors,
    save_shards,
    write_original_prompt,
)
from transformers import AutoModelForImageTextToText, AutoProcessor, LlavaConfig
from typer.testing import CliRunner

from vrs_lmeval.cli import app
from vrs_lmeval.commands.preview import load_task
from vrs_lmeval.conversion import llava_plan, llava_weights
from vrs_lmeval.conversion.convert_llava import convert_llava
from vrs_lmeval.conversion.llava_layouts import ConversionError
from vrs_lmeval.conversion.llava_plan import find_tower

pytestmark = pytest.mark.models

QUESTION = "What is shown?\nAnswer with a word (CT, MRI), über alles."
FORMS = [("safetensors", 3), ("bin", 2), ("bin", 1), ("safetensors", 1)]


@pytest.fixture(scope="module", params=KINDS)
def converted(request, tmp_path_factory):
    """The original of a kind and the folder that it becomes."""
    original = make_original(tmp_path_factory.mktemp(request.param) / "original", request.param)
    target = original.folder.parent / "converted"
    convert_llava(str(original.folder), target)
    return original, target


@pytest.fixture(scope="module")
def loaded(converted):
    _, target = converted
    model, loading = AutoModelForImageTextToText.from_pretrained(target, output_loading_info=True)
    assert not loading["missing_keys"]
    assert not loading["unexpected_keys"]
    assert not loading["mismatched_keys"]
    return model.eval(), load_processor(target)


@pytest.mark.parametrize("size", [(50, 21), (21, 50), (32, 32), (33, 32)])
def test_pixels_are_the_originals_square_of_the_mean_colour(converted, loaded, size):
    original, (_, processor) = converted[0], loaded
    image = make_image(*size)
    pixels = processor.image_processor(image, return_tensors="pt")["pixel_values"]
    torch.testing.assert_close(pixels, original.see(image), rtol=0, atol=1e-6)


def test_logits_and_greedy_text_are_the_originals(converted, loaded):
    original, (model, processor) = converted[0], loaded
    image = make_image()
    prompt = write_original_prompt(original.kind, [(f"<image>\n{QUESTION}", None)])
    inputs = processor(text=prompt, images=image, return_tensors="pt")
    with torch.no_grad():
        logits = model(**inputs).logits[0]
    rows = original.language.config.vocab_size
    expected = original.compute_logits(prompt, original.see(image))
    assert logits.shape[0] == expected.shape[0]
    torch.testing.assert_close(logits[:, :rows], expected, rtol=1e-4, atol=1e-4)
    assert expected.std() > 0.5
    other = original.compute_logits(prompt, original.see(make_image(21, 50)))
    assert (other[-1] - expected[-1]).abs().max() > 0.01  # a hundred times the tolerance: the image is seen

    answer = model.generate(**inputs, max_new_tokens=6, do_sample=False)[0, inputs["input_ids"].shape[1] :].tolist()
    twin = []
    while len(twin) < len(answer):
        twin.append(int(original.compute_logits(prompt, original.see(image), twin)[-1].argmax()))
    assert answer == twin


def test_no_token_changes_but_the_image_mark_that_is_added(converted, loaded):
    original, (model, processor) = converted[0], loaded
    before, after = original.tokenizer.get_vocab(), processor.tokenizer.get_vocab()
    assert after == before | {"<image>": len(before)}
    assert model.config.image_token_id == len(before)
    rows = original.language.config.vocab_size
    old, new = original.language.get_input_embeddings().weight, model.get_input_embeddings().weight
    assert torch.equal(new[:rows], old)
    assert len(new) == max(rows, len(before) + 1) == model.config.text_config.vocab_size
    assert model.config.text_config.pad_token_id == original.tokenizer.pad_token_id
    assert model.generation_config.eos_token_id == original.tokenizer.eos_token_id


def test_an_added_row_takes_at_most_its_share_and_is_never_the_answer(converted, loaded):
    original, (model, _) = converted[0], loaded
    rows = original.language.config.vocab_size
    head = model.get_output_embeddings().weight
    states = torch.randn(200, head.shape[1])
    logits = states @ head.T
    if len(head) == rows:  # Qwen2 has rows to spare, and none is added
        return
    torch.testing.assert_close(head[rows], head[:rows].mean(dim=0), rtol=0, atol=1e-6)
    assert (logits.argmax(dim=1) < rows).all()
    lost = torch.logsumexp(logits, 1) - torch.logsumexp(logits[:, :rows], 1)
    assert lost.max() <= math.log1p(1 / rows) + 1e-5


@pytest.mark.parametrize(("form", "shards"), FORMS)
def test_every_form_of_weight_files_gives_the_same_tensors(tmp_path, form, shards):
    original = make_original(tmp_path / "original", "llava_qwen2", form, shards)
    made = convert_llava(str(original.folder), tmp_path / "converted")
    expected = {
        conversion_name(name): value
        for name, value in name_tensors(original).items()
        if not name.endswith(("inv_freq", "position_ids"))
    }
    found, files = {}, sorted((tmp_path / "converted").glob("*.safetensors"))
    for file in files:
        found |= load_file(file)
    assert [file.name for file in files] == [f"model-{n + 1:05}-of-{shards:05}.safetensors" for n in range(shards)]
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in found)
    index = json.loads((tmp_path / "converted" / "model.safetensors.index.json").read_text())
    assert index["weight_map"].keys() == found.keys()
    assert made.size == index["metadata"]["total_size"] == sum(value.nbytes for value in found.values())


def conversion_name(name):
    if name.startswith("model.vision_tower.vision_tower."):
        return "vision_tower." + name.removeprefix("model.vision_tower.vision_tower.")
    if name.startswith("model.mm_projector."):
        return f"multi_modal_projector.linear_{ {'0': 1, '2': 2}[name.split('.')[2]] }.{name.split('.')[3]}"
    return f"language_model.{name}"


def test_each_tensor_keeps_its_dtype(tmp_path):
    original = make_original(tmp_path / "original", "llava_mistral")
    tensors = name_tensors(original)
    for name in tensors:
        if tensors[name].is_floating_point():
            tensors[name] = tensors[name].to(torch.float16 if "vision_tower" in name else torch.bfloat16)
    save_shards(original.folder, tensors, "safetensors", 3)
    convert_llava(str(original.folder), tmp_path / "converted")
    for file in (tmp_path / "converted").glob("*.safetensors"):
        with safe_open(file, "pt") as weights:
            for name in weights.keys():  # noqa: SIM118
                kind = torch.float16 if name.startswith("vision_tower") else torch.bfloat16
                assert weights.get_tensor(name).dtype == kind, name
    assert AutoModelForImageTextToText.from_pretrained(tmp_path / "converted").dtype == torch.bfloat16


@pytest.mark.parametrize("form", ["safetensors", "bin"])
def test_one_file_is_open_at_a_time_and_its_tensors_are_let_go(tmp_path, monkeypatch, form):
    original = make_original(tmp_path / "original", "llava_mistral", form, 3)
    opened, most_open, tensors, most_held = [], [], [], []
    inner = llava_weights.open_weights

    class Watched(type(inner(original.folder))):
        def __enter__(self):
            weights = super().__enter__()
            opened.append(1)
            most_open.append(len(opened))
            assert not [tensor for tensor in tensors if tensor() is not None], "tensors of an earlier file are alive"
            read = weights.read

            def watch(name):
                tensor = read(name)
                if form == "safetensors":  # those of a .bin file are mapped, all at once
                    tensors.append(weakref.ref(tensor))
                    most_held.append(sum(held() is not None for held in tensors))
                return tensor

            weights.read = watch
            return weights

        def __exit__(self, *error):
            opened.pop()
            return super().__exit__(*error)

    monkeypatch.setattr(llava_weights, "open_weights", lambda path: Watched(inner.__wrapped__, (path,), {}))
    convert_llava(str(original.folder), tmp_path / "converted")
    assert len(most_open) == 3
    assert max(most_open) == 1
    assert max(most_held, default=1) <= 2


@pytest.mark.parametrize("form", ["safetensors", "bin"])
def test_a_checkpoint_on_the_hub_is_fetched_without_the_files_that_are_not_read(tmp_path, monkeypatch, form):
    original = make_original(tmp_path / "original", "llava_mistral", form)
    fetched = []

    def fetch(name, allow_patterns):
        fetched.append((name, "pytorch_model*.bin" in allow_patterns))
        return str(original.folder)

    monkeypatch.setattr(llava_plan, "snapshot_download", fetch)
    convert_llava("somebody/a-model", tmp_path / "converted")
    twice = [("somebody/a-model", False), ("somebody/a-model", True)]
    assert fetched == (twice if form == "bin" else twice[:1])


@pytest.mark.parametrize("prefix", ["vision_model.", ""])
def test_a_tower_that_the_checkpoint_lacks_is_named(tmp_path, prefix):
    original = make_original(tmp_path / "original", "llava_mistral", shards=2, mm_vision_tower="openai/clip-unknown")
    tensors = name_tensors(original)
    inside = "model.vision_tower.vision_tower.vision_model."
    save_shards(original.folder, {n: t for n, t in tensors.items() if not n.startswith(inside)}, "safetensors", 2)
    tower = tmp_path / "tower"
    (original.folder / TOWER).rename(tower)
    with pytest.raises(ConversionError, match=r"mm_vision_tower 'openai/clip-unknown' are not known.*--vision-tower"):
        convert_llava(str(original.folder), tmp_path / "converted", None)
    with pytest.raises(ConversionError, match="tower holds no weights"):
        convert_llava(str(original.folder), tmp_path / "converted", str(tower))
    clip = {prefix + n.removeprefix(inside): t for n, t in tensors.items() if n.startswith(inside)}
    clip |= {"visual_projection.weight": torch.ones(2, 2), "text_model.final_layer_norm.bias": torch.ones(2)}
    save_shards(tower, clip, "bin", 1)
    made = convert_llava(str(original.folder), tmp_path / "converted", str(tower))
    assert made.tower_source == str(tower)
    model = AutoModelForImageTextToText.from_pretrained(tmp_path / "converted").eval()
    processor = load_processor(tmp_path / "converted")
    prompt, image = "[INST] <image>\nWhat? [/INST]", make_image()
    with torch.no_grad():
        logits = model(**processor(text=prompt, images=image, return_tensors="pt")).logits[0]
    expected = original.compute_logits(prompt, original.see(image))
    torch.testing.assert_close(logits[:, : expected.shape[1]], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["openai/clip-vit-large-patch14-336", "./vit/clip_vit_large_patch14_336"])
def test_the_tower_of_both_models_is_known_without_its_folder(tmp_path, name):
    known, default = find_tower(tmp_path, name, None).config.to_dict(), LlavaConfig().vision_config.to_dict()
    assert known["image_size"] == 336
    assert {key: known[key] for key in default if key != "vocab_size"} == {
        key: value for key, value in default.items() if key != "vocab_size"
    }


def test_images_are_not_padded_where_the_original_does_not(tmp_path):
    original = make_original(tmp_path / "original", "llava_llama", image_aspect_ratio="square")
    convert_llava(str(original.folder), tmp_path / "converted")
    processor = load_processor(tmp_path / "converted").image_processor
    image = make_image(64, 32)
    pixels = processor(image, return_tensors="pt")["pixel_values"]
    torch.testing.assert_close(pixels, original.see(image.crop((16, 0, 48, 32))), rtol=0, atol=1e-6)
    assert pixels.shape == (1, 3, SIDE, SIDE)


def test_huatuo_pads_whatever_its_config_says_and_gives_its_tower_class_token_if_asked(tmp_path):
    settings = {"image_aspect_ratio": None, "mm_vision_select_feature": "cls_patch"}
    original = make_original(tmp_path / "original", "llava_qwen2", **settings)
    convert_llava(str(original.folder), tmp_path / "converted")
    processor = load_processor(tmp_path / "converted")
    inputs = processor(text="<image>", images=make_image(), return_tensors="pt")
    assert processor.image_processor.do_pad
    assert (inputs["input_ids"] == processor.image_token_id).sum() == 17
    assert AutoModelForImageTextToText.from_pretrained(tmp_path / "converted").config.image_seq_length == 17


def test_a_rope_theta_that_is_not_said_is_the_default_of_its_time():
    for kind in ("mistral", "qwen2", "llama"):
        assert llava_plan.make_text_config({}, kind).rope_parameters["rope_theta"] == 10000.0
        assert llava_plan.make_text_config({"rope_theta": 5e5}, kind).rope_parameters["rope_theta"] == 5e5


def test_tied_embeddings_stay_tied(tmp_path):
    original = make_original(tmp_path / "original", "llava_mistral", tie_word_embeddings=True)
    made = convert_llava(str(original.folder), tmp_path / "converted")
    model = AutoModelForImageTextToText.from_pretrained(tmp_path / "converted")
    assert made.added_rows == 1
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight
    rows = original.language.config.vocab_size
    assert torch.equal(model.get_input_embeddings().weight[:rows], original.language.get_input_embeddings().weight)


def test_a_bin_file_of_the_form_before_zip_is_read(tmp_path):
    original = make_original(tmp_path / "original", "llava_mistral", "bin", 1)
    path = original.folder / "pytorch_model.bin"
    torch.save(name_tensors(original), path, _use_new_zipfile_serialization=False)
    convert_llava(str(original.folder), tmp_path / "converted")
    model = AutoModelForImageTextToText.from_pretrained(tmp_path / "converted")
    rows = original.language.config.vocab_size
    assert torch.equal(model.get_output_embeddings().weight[:rows], original.language.lm_head.weight)


def test_the_command_converts_and_says_what_it_made(tmp_path):
    original = make_original(tmp_path / "original", "llava_mistral")
    target = tmp_path / "models" / "converted"
    done = CliRunner().invoke(app, ["convert-llava", str(original.folder), str(target)])
    assert done.exit_code == 0, done.output
    assert "model-00003-of-00003.safetensors" in done.output
    assert "vision tower from the checkpoint; prompt mistral_instruct; 1 rows added" in done.output
    origin = json.loads((target / "converted_from.json").read_text())
    assert (origin["model_type"], origin["conversation"]) == ("llava_mistral", "mistral_instruct")
    again = CliRunner().invoke(app, ["convert-llava", str(original.folder), str(target)])
    assert again.exit_code == 2
    assert "vrs convert-llava:" in again.output


@pytest.mark.parametrize("kind", ["llava_mistral", pytest.param("llava_qwen2", marks=pytest.mark.whole)])
def test_lm_eval_runs_the_converted_model_by_its_fused_path(tmp_path, kind):
    original = make_original(tmp_path / "original", kind)
    convert_llava(str(original.folder), tmp_path / "converted")
    command = [sys.executable, "-m", "lm_eval", "run", "--model", "vrs-hf", "--tasks", "vrs_sample", "--limit", "2"]
    command += ["--model_args", f"pretrained={tmp_path / 'converted'},dtype=float32", "--apply_chat_template"]
    command += ["--batch_size", "4", "--log_samples", "--output_path", str(tmp_path / "results")]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert finished.returncode == 0, finished.stderr[-3000:]
    (results,) = (tmp_path / "results").rglob("results_*.json")
    (samples,) = (tmp_path / "results").rglob("samples_*.jsonl")
    config = json.loads(results.read_text())["config"]
    assert (config["vrs_image_path"], config["vrs_prefix_path"]) == ("fused", "shared")
    task = load_task("vrs_sample")
    processor = AutoProcessor.from_pretrained(tmp_path / "converted").image_processor
    for line in samples.read_text().splitlines():
        sample = json.loads(line)
        arguments = sample["arguments"]["gen_args_0"]
        _, images = task.show_variants(sample["doc_id"])
        prompt = arguments["arg_0"]
        pixels = processor(images["real"].convert("RGB"), return_tensors="pt")["pixel_values"]
        assert prompt.startswith("[INST] <image>\n" if kind == "llava_mistral" else "<|user|>\n<image>\n")
        tokens = []
        while len(tokens) < 4:
            tokens.append(int(original.compute_logits(prompt, pixels, tokens)[-1].argmax()))
        start = original.tokenizer.decode(tokens, skip_special_tokens=True).rstrip("\ufffd")  # half of a character
        assert start
        assert sample["resps"][0][0].startswith(start)
