"""Adapters of published models: labels, training and evaluation, on tiny models of their architectures."""

from __future__ import annotations

import copy
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from peft import PeftModel
from support.architectures import ARCHITECTURES
from support.harness_models import wrap
from support.original_llava import make_original
from support.stores import make_store
from transformers import AutoModelForImageTextToText, AutoProcessor

from studies.lora import run as lora_run
from studies.lora.configuration import Lora, Schedule, Settings, UnreadableSettingsError, read_settings
from studies.lora.examples import UnusableTemplateError, encode, find_image, write_example
from studies.lora.training import add_adapter, find_share, load_base, recompute_activations, sum_losses, take_step
from studies.miniature.arms import Arm
from studies.miniature.batches import IGNORED
from studies.miniature.pairs import DATA, Pair, Split
from vrs_lmeval.bridge import register, tasks_folder
from vrs_lmeval.commands.study import read_study
from vrs_lmeval.conversion.convert_llava import convert_llava
from vrs_lmeval.model import VrsHF

pytestmark = [
    pytest.mark.models,
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),  # asked for by peft
]

CONFIGURATION = Path(__file__).parents[2] / "studies" / "lora" / "lora.yaml"
TARGETS = yaml.safe_load(CONFIGURATION.read_text())["lora"]["targets"]
SCHEDULE = Schedule(
    epochs=2,
    batch_size=4,
    pairs_at_once=2,
    learning_rate=0.02,
    weight_decay=0.0,
    warmup=0.1,
    letters=0.5,
    gradient_checkpointing=False,
)
NAMES = ("llava", "qwen2_5_vl", "gemma3")


def make_settings(base, **training):
    return Settings(
        base=str(base),
        split="official",
        arms=("authentic", "mispaired"),
        seeds=1,
        precision="float32",
        lora=Lora(rank=4, alpha=8, dropout=0.1, targets=TARGETS),
        training=replace(SCHEDULE, **training),
        tasks=("vrs_sample",),
        arguments={"batch_size": 4, "apply_chat_template": True, "device": "cpu", "limit": 2},
    )


@pytest.fixture(scope="module")
def save(tmp_path_factory):
    saved = {}

    def write(name):
        if reason := ARCHITECTURES[name].reason_to_skip():
            pytest.skip(reason)
        if name not in saved:
            saved[name] = ARCHITECTURES[name].save(tmp_path_factory.mktemp(name))
        return saved[name]

    return write


def make_split():
    """Three images with four human pairs each, of which a third is held apart."""
    store, ids = make_store((40, 32), (32, 48), (33, 33))
    findings = ("edema", "a mass", "a fracture", "gas")
    pairs = tuple(
        Pair(image, f"is there {finding}?", "yes" if (i + k) % 2 else "no", f"{image}-{k}")
        for i, image in enumerate(ids)
        for k, finding in enumerate(findings)
    )
    return Split("official", pairs, (), store)


def show(count=1):
    store, ids = make_store((40, 32), (32, 48))
    return [store.open(image).convert("RGB") for image in ids[:count]]


def test_labels_are_the_answer_and_the_mark_that_ends_it_by_hand(save):
    """The twin's tokenizer writes a token a character, so everything can be counted."""
    processor = AutoProcessor.from_pretrained(save("llava"))
    long, short = write_example(processor, "why?\nSay.", "no"), write_example(processor, "?", "yes")
    assert long.prompt == "USER: <image>\n\nwhy?\nSay. ASSISTANT:"
    assert (long.whole, short.whole) == (f"{long.prompt}no</s>", "USER: <image>\n\n? ASSISTANT:yes</s>")
    inputs = encode(processor, [long, short], show(2))
    cells = 16  # of 32 x 32 pixels in patches of 8 x 8
    prompt = 1 + len("USER: ") + cells + len("\n\nwhy?\nSay. ASSISTANT:")  # 1: the tokenizer's BOS
    n, o, y, e, s = (processor.tokenizer.convert_tokens_to_ids(letter) for letter in "noyes")
    end = processor.tokenizer.eos_token_id
    assert inputs["labels"][0].tolist() == [IGNORED] * prompt + [n, o, end]
    shorter = prompt - len("why?\nSay.") + len("?")
    padding = prompt + 3 - (shorter + 4)
    assert inputs["labels"][1].tolist() == [IGNORED] * shorter + [y, e, s, end] + [IGNORED] * padding
    assert inputs["attention_mask"][1].tolist() == [1] * (shorter + 4) + [0] * padding
    assert (inputs["input_ids"] == processor.tokenizer.convert_tokens_to_ids("<image>")).sum().item() == 2 * cells


@pytest.mark.parametrize("name", NAMES)
def test_what_is_trained_on_is_what_the_evaluation_asks(save, name):
    processor = AutoProcessor.from_pretrained(save(name))
    example = write_example(processor, "is it a liver?\nAnswer.", "yes")
    model, other = ARCHITECTURES[name].make()
    lm = wrap(VrsHF, model, other)
    asked = lm.apply_chat_template([{"role": "user", "content": "<image>\nis it a liver?\nAnswer."}])
    assert example.prompt == asked
    inputs = encode(processor, [example], show())
    said = inputs["input_ids"][inputs["labels"] != IGNORED]
    end = "</s>" if name == "llava" else "<|im_end|>" if name == "qwen2_5_vl" else "<end_of_turn>"
    assert processor.tokenizer.decode(said) == f"yes{end}"
    bos = processor.tokenizer.bos_token_id
    assert bos is None or (inputs["input_ids"] == bos).sum() == 1


@pytest.mark.parametrize(
    ("kind", "asked", "said"),
    [
        (
            "llava_mistral",
            "[INST] <image>\n?\nSay. [/INST]",
            ["▁", "l", "e", "f", "t", "▁", "l", "o", "b", "e", "</s>"],
        ),
        ("llava_qwen2", "<|user|>\n<image>\n?\nSay.\n<|assistant|>\n", [*"left", "Ġ", *"lobe", "<|endoftext|>"]),
    ],
)
def test_a_converted_checkpoint_answers_as_its_conversation_does(tmp_path, kind, asked, said):
    """LLaVA-Med's prompt ends without a space, which then belongs to the answer; HuatuoGPT-Vision's in a line feed."""
    make_original(tmp_path / "original", kind)
    convert_llava(str(tmp_path / "original"), tmp_path / "converted", None, None, lambda line: None)
    processor = AutoProcessor.from_pretrained(tmp_path / "converted")
    example = write_example(processor, "?\nSay.", "left lobe")
    assert example.prompt == asked
    inputs = encode(processor, [example], show())
    answer = inputs["input_ids"][inputs["labels"] != IGNORED].tolist()
    assert processor.tokenizer.convert_ids_to_tokens(answer) == said


def test_a_template_that_answers_elsewhere_than_it_asks_is_told(save):
    processor = copy.deepcopy(AutoProcessor.from_pretrained(save("llava")))
    processor.chat_template = "{% if add_generation_prompt %}ask{% else %}no question: yes{% endif %}"
    with pytest.raises(UnusableTemplateError, match="the answer does not go on from the prompt"):
        write_example(processor, "?", "yes")


def test_a_blank_image_is_grey_of_the_images_own_size():
    split = make_split()
    pair = split.train[0]
    arm = Arm("text-only", (pair,), {pair.image_id: "blank"})
    image = find_image(arm, split.images, pair)
    assert (image.size, image.getcolors()) == ((40, 32), [(40 * 32, (128, 128, 128))])
    own = find_image(replace(arm, shown={pair.image_id: pair.image_id}), split.images, pair)
    assert len(own.getcolors(maxcolors=2000)) > 100


@pytest.mark.parametrize("name", ["llava", "qwen2_5_vl"])
def test_the_loss_is_the_answers_mean_whatever_is_in_memory_together(save, name):
    """Against one pass a pair, and cross-entropy written out."""
    settings = make_settings(save(name))
    processor = AutoProcessor.from_pretrained(settings.base)
    examples = [write_example(processor, "is it a liver?", "no"), write_example(processor, "?", "a long answer")]
    model = add_adapter(load_base(settings), replace(settings.lora, dropout=0.0), seed=0)
    by_hand, tokens = 0.0, 0
    with torch.no_grad():
        for example, image in zip(examples, show(2), strict=True):
            inputs = encode(processor, [example], [image])
            labels = inputs.pop("labels")[0]
            chances = model(**inputs).logits[0].log_softmax(-1)
            for place in (labels != IGNORED).nonzero()[:, 0].tolist():
                by_hand -= float(chances[place - 1, labels[place]])
                tokens += 1
    parts = {
        "together": [encode(processor, examples, show(2))],
        "apart": [encode(processor, [each], [image]) for each, image in zip(examples, show(2), strict=True)],
    }
    for kind in parts.values():
        assert sum(float(sum_losses(model, part).detach()) for part in kind) == pytest.approx(by_hand, rel=1e-4)
        told = take_step(model, kind, torch.optim.SGD(model.parameters(), lr=0.0), list(model.parameters()))
        assert told == pytest.approx(by_hand / tokens, rel=1e-4)


def test_checkpointing_changes_memory_not_gradients(save):
    settings = make_settings(save("qwen2_5_vl"))
    processor = AutoProcessor.from_pretrained(settings.base)
    inputs = encode(processor, [write_example(processor, "?", "yes")], show())
    gradients, passes = [], []
    for checkpointing in (False, True):
        model = add_adapter(load_base(settings), replace(settings.lora, dropout=0.0), seed=0).train()
        if checkpointing:
            recompute_activations(model)
        called = []
        layer = next(m for key, m in model.named_modules() if key.endswith("language_model.layers.0.mlp"))
        layer.register_forward_pre_hook(lambda *_, called=called: called.append(1))
        sum_losses(model, inputs).backward()
        gradients.append([w.grad for w in model.parameters() if w.requires_grad])
        passes.append(len(called))
    assert passes == [1, 2]  # recomputed on the way back
    assert any(gradient.abs().max() > 0 for gradient in gradients[0])
    for plain, recomputed in zip(*gradients, strict=True):
        torch.testing.assert_close(recomputed, plain, rtol=1e-4, atol=1e-6)


def test_the_adapter_is_in_the_language_model_alone(save):
    for name in NAMES:
        model = add_adapter(load_base(make_settings(save(name))), Lora(2, 4, 0.0, TARGETS), seed=0)
        trained = [key for key, weight in model.named_parameters() if weight.requires_grad]
        assert len(trained) == 2 * 2 * 7  # two matrices for each of seven layers in each of two blocks
        assert all("language_model" in key and "lora_" in key for key in trained)


def test_the_rate_rises_then_falls_to_nothing():
    shares = [find_share(step, 20, 0.1) for step in range(21)]
    assert shares[:3] == [0.5, 1.0, 1.0]
    assert shares[11] == pytest.approx(0.5)  # halfway between step 2 and step 20
    assert shares[20] == pytest.approx(0.0)


def train(settings, output, **changes):
    job = lora_run.Job("authentic", 0)
    lora_run.train_one(job, replace(settings, **changes), output, make_split(), say=lambda line: None)
    folder = lora_run.find_folder(output, job)
    return (folder / "adapter_model.safetensors").read_bytes(), json.loads((folder / lora_run.NOTE).read_text())


@pytest.mark.parametrize("name", ["llava", pytest.param("qwen2_5_vl", marks=pytest.mark.whole)])
def test_the_loss_falls_and_the_same_seed_gives_the_same_bytes(save, tmp_path, name):
    settings = make_settings(save(name), epochs=12)
    first, note = train(settings, tmp_path / "first")
    assert note["losses"][-1] < 0.5 * note["losses"][0]
    again, _ = train(settings, tmp_path / "again")
    assert again == first


def test_a_base_in_bfloat16_is_trained_by_an_adapter_in_float32(save, tmp_path):
    settings = replace(make_settings(save("qwen2_5_vl"), epochs=6, gradient_checkpointing=True), precision="bfloat16")
    model = add_adapter(load_base(settings), settings.lora, seed=0)
    precisions = {"lora_" in name: weight.dtype for name, weight in model.named_parameters()}
    assert precisions == {True: torch.float32, False: torch.bfloat16}
    _, note = train(settings, tmp_path)
    assert note["losses"][-1] < note["losses"][0]


class StoppedError(Exception):
    pass


def test_a_stopped_training_goes_on_from_its_last_epoch(save, tmp_path):
    settings = make_settings(save("llava"), epochs=3)
    whole, note = train(settings, tmp_path / "whole")
    job, split = lora_run.Job("authentic", 0), make_split()

    def stop(line):
        if line.startswith("epoch 2"):
            raise StoppedError

    with pytest.raises(StoppedError):
        lora_run.train_one(job, settings, tmp_path / "parts", split, say=stop)
    assert not lora_run.is_trained(tmp_path / "parts", job, settings)
    said = []
    lora_run.train_one(job, settings, tmp_path / "parts", split, say=said.append)
    assert [line[:7] for line in said] == ["epoch 3"]
    folder = lora_run.find_folder(tmp_path / "parts", job)
    assert (folder / "adapter_model.safetensors").read_bytes() == whole
    assert json.loads((folder / lora_run.NOTE).read_text())["losses"] == note["losses"]
    assert lora_run.is_trained(tmp_path / "parts", job, settings)
    assert not lora_run.is_trained(tmp_path / "parts", job, replace(settings, base="another"))
    assert sorted(path.name for path in folder.glob("*.pt")) == []


@pytest.fixture(scope="module")
def adapter(save, tmp_path_factory):
    """(base, adapter that was trained to say yes and no) of LLaVA's architecture."""
    output = tmp_path_factory.mktemp("adapter")
    train(make_settings(save("llava"), epochs=12), output)
    return save("llava"), output / "adapters" / "authentic-0"


def ask(task="vrs_sample", **model_args):
    """(answers by question, the log's `config`) of `lm_eval` with `vrs-hf`."""
    import lm_eval
    from lm_eval.tasks import TaskManager

    register()
    results = lm_eval.simple_evaluate(
        model="vrs-hf",
        model_args=",".join(f"{key}={value}" for key, value in {"dtype": "float32", **model_args}.items()),
        tasks=[task],
        limit=8,
        batch_size=4,
        device="cpu",
        apply_chat_template=True,
        bootstrap_iters=0,
        task_manager=TaskManager(include_defaults=False, include_path=str(tasks_folder())),
    )
    answers = {sample["doc"]["sample_id"]: sample["filtered_resps"] for sample in results["samples"][task]}
    return answers, results["config"]


def test_vrs_hf_asks_the_base_with_its_adapter(adapter, tmp_path):
    base, folder = adapter
    merged = PeftModel.from_pretrained(AutoModelForImageTextToText.from_pretrained(base), folder).merge_and_unload()
    merged.save_pretrained(tmp_path / "merged")
    AutoProcessor.from_pretrained(base).save_pretrained(tmp_path / "merged")
    plain, _ = ask(pretrained=base)
    adapted, config = ask(pretrained=base, peft=folder)
    assert adapted == ask(pretrained=tmp_path / "merged")[0]
    assert adapted != plain
    assert ask(pretrained=base)[0] == plain
    assert config["vrs_prefix_path"] == "shared"
    assert config["vrs_missing_weights"] == []
    assert f"peft={folder}" in config["model_args"]


def test_kept_answers_of_an_adapter_are_not_its_bases(adapter, tmp_path):
    base, folder = adapter
    first, config = ask(pretrained=base, cache_dir=tmp_path)
    adapted, other = ask(pretrained=base, peft=folder, cache_dir=tmp_path)
    assert config["vrs_work"]["cache_hits"] == other["vrs_work"]["cache_hits"] == 0
    assert adapted != first
    again, told = ask(pretrained=base, peft=folder, cache_dir=tmp_path)
    assert again == adapted
    assert told["vrs_work"]["cache_hits"] == 24  # 8 questions under three variants


def test_a_study_lists_the_base_and_each_adapter_by_its_own_name(adapter, tmp_path):
    base, _ = adapter
    settings = make_settings(base, epochs=1)
    split = make_split()
    for arm in settings.arms:
        lora_run.train_one(lora_run.Job(arm, 0), settings, tmp_path, split, say=lambda line: None)
    study = read_study(lora_run.write_study(settings, tmp_path), tmp_path)
    names = {run.name: run for run in study.runs}
    assert list(names) == [str(base), *(str(tmp_path / "adapters" / f"{arm}-0") for arm in settings.arms)]
    cards = [study.cards[name] for name in names]
    assert [(card.label, card.training, card.base) for card in cards] == [
        ("base", None, None),
        ("authentic-0", "authentic", "seed 0"),
        ("mispaired-0", None, None),  # a control, which no group holds
    ]
    assert all(card.find_seen_split("vrs_vqa_rad_mc") == "training" for card in cards[1:])


def test_the_shipped_configuration_is_read():
    settings = read_settings(CONFIGURATION)
    assert (settings.base, settings.seeds, len(settings.arms)) == ("llava-hf/llava-1.5-7b-hf", 3, 5)
    assert settings.training.gradient_checkpointing


SHIPPED = yaml.safe_load(CONFIGURATION.read_text())["training"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"split": "random"}, "split should be of official, by_image, not random"),
        ({"arms": ["authentic", "fake"]}, "arms should be of .*fake"),
        ({"precision": "int4"}, "precision should be of bfloat16"),
        ({"rank": 4}, "not a configuration of this study .*rank"),
        ({"lora": {"rank": 4}}, "not a configuration of this study"),
        ({"tasks": "vrs_vqa_rad"}, "not a configuration of this study .*should be lists"),
        ({"seeds": "3"}, "seeds should be a whole number from 1 on, it is '3'"),
        ({"seeds": True}, "seeds should be a whole number"),
        ({"images": 0}, "images should be a whole number"),
        ({"training": {**SHIPPED, "learning_rate": "2e-4"}}, "learning_rate should be a number, it is '2e-4'"),
        ({"training": {**SHIPPED, "pairs_at_once": 0}}, "pairs_at_once should be a whole number"),
        ({"training": {**SHIPPED, "steps": 0}}, "steps should be a whole number"),
    ],
)
def test_a_faulty_configuration_is_named(tmp_path, change, told):
    path = tmp_path / "lora.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(CONFIGURATION.read_text()), **change}))
    with pytest.raises(UnreadableSettingsError, match=told):
        read_settings(path)


@pytest.mark.whole
@pytest.mark.skipif(
    not Path(os.environ.get("VRS_DATA_DIR", "/nowhere"), DATA).is_dir(),
    reason="VRS_DATA_DIR names no folder with flaviagiammarino/vqa-rad: the real VQA-RAD is not in the repository",
)
@pytest.mark.parametrize("name", ["llava", "qwen2_5_vl"])
def test_the_whole_command_on_real_pairs_small(save, tmp_path, name, monkeypatch):
    content = yaml.safe_load(CONFIGURATION.read_text())
    content |= {"base": str(save(name)), "precision": "float32", "arms": ["authentic", "synthetic"], "seeds": 1}
    content |= {"tasks": ["vrs_vqa_rad"], "arguments": {**content["arguments"], "limit": 2, "device": "cpu"}}
    config = tmp_path / "lora.yaml"
    config.write_text(yaml.safe_dump(content))
    arguments = ["run", "--output", str(tmp_path / "out"), "--config", str(config), "--steps", "1", "--images", "4"]
    monkeypatch.setattr("sys.argv", arguments)
    with pytest.raises(SystemExit) as ended:
        lora_run.main()
    log = (tmp_path / "out" / "study.log").read_text()
    assert ended.value.code == 0, log
    assert (tmp_path / "out" / "leaderboard.html").is_file()
    board = (tmp_path / "out" / "leaderboard.csv").read_text()
    assert all(label in board for label in ("base", "authentic-0", "synthetic-0"))
