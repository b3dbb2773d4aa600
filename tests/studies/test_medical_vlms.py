"""The study of public checkpoints: its cards, and each of its models as a tiny random twin, asked as the study asks."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
import yaml
from support.architectures import ARCHITECTURES
from support.original_llava import make_original, save_tower_settings
from typer.testing import CliRunner

from vrs_lmeval.benchmark.asked_tasks import find_tasks
from vrs_lmeval.bridge import register, tasks_folder
from vrs_lmeval.cli import app
from vrs_lmeval.commands.study import NAMED_BY, read_study

pytestmark = pytest.mark.models

STUDY = Path(__file__).parents[2] / "studies" / "medical_vlms" / "study.yaml"
CONTENT = yaml.safe_load(STUDY.read_text())
TASKS = "vrs_sample,vrs_sample_mc"

TWINS = {
    "llava-hf/llava-1.5-7b-hf": "llava",
    "Qwen/Qwen2.5-VL-7B-Instruct": "qwen2_5_vl",
    "FreedomIntelligence/HuatuoGPT-Vision-7B-Qwen2.5VL": "qwen2_5_vl",
    "lingshu-medical-mllm/Lingshu-7B": "qwen2_5_vl",
    "UCSC-VLAA/MedVLThinker-7B-SFT_PMC": "qwen2_5_vl",
    "UCSC-VLAA/MedVLThinker-7B-RL_PMC": "qwen2_5_vl",
    "UCSC-VLAA/MedVLThinker-7B-SFT_m23k": "qwen2_5_vl",
    "UCSC-VLAA/MedVLThinker-7B-RL_m23k": "qwen2_5_vl",
    "MedVLSynther/MedVLSynther-7B-RL_13K": "qwen2_5_vl",
    "Qwen/Qwen2.5-VL-3B-Instruct": "qwen2_5_vl",
    "UCSC-VLAA/MedVLThinker-3B-SFT_PMC": "qwen2_5_vl",
    "UCSC-VLAA/MedVLThinker-3B-RL_PMC": "qwen2_5_vl",
    "UCSC-VLAA/MedVLThinker-3B-RL_m23k": "qwen2_5_vl",
    "google/gemma-3-4b-it": "gemma3",
    "google/medgemma-4b-it": "gemma3",
    "Qwen/Qwen2-VL-2B-Instruct": "qwen2_vl",
    "JZPeterPan/MedVLM-R1": "qwen2_vl",
    "HuggingFaceM4/idefics2-8b": "idefics2",
}
"""The tiny architecture of each checkpoint that transformers loads as it is published."""

ORIGINALS = {
    "microsoft/llava-med-v1.5-mistral-7b": "llava_mistral",
    "Veda0718/llava-med-v1.5-mistral-7b-finetuned": "llava_mistral",
    "FreedomIntelligence/HuatuoGPT-Vision-7B": "llava_qwen2",
}
"""The layout of each checkpoint that is converted first."""


def name_of(entry):
    return next(str(entry["model_args"][key]) for key in NAMED_BY if key in entry["model_args"])


ENTRIES = {name_of(entry): entry for entry in CONTENT["models"]}
USUAL = ("./converted/llava-med-v1.5-mistral-7b",)
"""What every test run asks; `make test-all` asks all."""


def test_every_card_says_what_its_model_was_tuned_on_and_who_says_so():
    study = read_study(STUDY, Path("out"))
    assert len(study.cards) == len(CONTENT["models"]) >= 12
    for name, card in study.cards.items():
        for needed in ("label", "base", "tuned_on", "billions", "prompt", "sources"):
            assert getattr(card, needed), f"{name} has no {needed}"
    assert {card.training for card in study.cards.values()} == {None, "synthetic", "authentic", "mixed", "text-only"}
    unread = [source for card in study.cards.values() for source in card.sources if source.says is None]
    assert len(unread) < sum(len(card.sources) for card in study.cards.values()) / 3


def test_the_page_counts_as_the_files_do():
    cards = read_study(STUDY, Path("out")).cards.values()
    sources = [source for card in cards for source in card.sources]
    unread = sum(source.says is None for source in sources)
    page = (STUDY.parents[2] / "docs" / "study.md").read_text()
    assert f"asks {len(cards)} public checkpoints" in page
    assert f"{len(sources) - unread} of the {len(sources)} sources are quoted so; the other {unread} could not" in page
    kinds = Counter(card.training for card in cards)
    assert [kinds[kind] for kind in ("synthetic", "authentic", "mixed", "text-only", None)] == [8, 1, 3, 3, 7]


@pytest.mark.models
def test_what_a_model_has_seen_is_a_task_of_ours():
    from lm_eval.tasks import TaskManager

    register()
    index = TaskManager(include_defaults=False, include_path=str(tasks_folder())).task_index
    for card in read_study(STUDY, Path("out")).cards.values():
        assert all(find_tasks([task], index) for task in (*card.trained_on, *card.trained_on_test))


def test_a_folder_is_made_by_the_entrys_own_command():
    for entry in CONTENT["models"]:
        if entry["model_args"]["pretrained"].startswith("./"):
            command = shlex.split(entry["prepare"])
            assert command[:2] == ["vrs", "convert-llava"]
            assert f"./{command[3]}" == entry["model_args"]["pretrained"]


@cache
def find_twin_folder(root: Path, name: str) -> Path:
    return ARCHITECTURES[TWINS[name]].save(root / TWINS[name])


def make_twin(entry, root: Path) -> dict[str, str]:
    """The entry's arguments of the model, with tiny twins in place of its checkpoints. KeyError: it has none."""
    given = entry["model_args"]
    if "prepare" in entry:
        pretrained = convert_twin(shlex.split(entry["prepare"]), root)
    else:
        if reason := ARCHITECTURES[TWINS[given["pretrained"]]].reason_to_skip():
            pytest.skip(reason)
        pretrained = find_twin_folder(root, given["pretrained"])
    twin = {**given, "pretrained": str(pretrained), "dtype": "float32"}
    if "peft" in given:
        twin["peft"] = str(save_adapter(pretrained, root / "adapter"))
    return twin


def convert_twin(command, root: Path) -> Path:
    """`vrs convert-llava` as the study says it, on a tiny checkpoint of the original layout."""
    _, _, source, target, *options = command
    folder = root / "original" / Path(source).name
    make_original(folder, ORIGINALS[source])
    if "--vision-tower" in options:
        tower = root / "tower" / Path(source).name
        save_tower_settings(tower)
        options[options.index("--vision-tower") + 1] = str(tower)
    done = CliRunner().invoke(app, ["convert-llava", str(folder), str(root / target), *options])
    assert done.exit_code == 0, done.output
    return root / target


def save_adapter(pretrained: Path, folder: Path) -> Path:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForImageTextToText

    model = AutoModelForImageTextToText.from_pretrained(pretrained)
    adapted = get_peft_model(model, LoraConfig(r=2, target_modules=["q_proj", "v_proj"]))
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter)
    adapted.save_pretrained(folder)
    return folder


def write_twin_study(root: Path, entry) -> Path:
    """The study with this entry alone and few questions of the shipped benchmark; all other settings are its own."""
    arguments = {**CONTENT["arguments"], "limit": 2, "device": "cpu", "batch_size": 4}
    model = {key: value for key, value in entry.items() if key != "prepare"} | {"model_args": make_twin(entry, root)}
    path = root / "study.yaml"
    path.write_text(yaml.safe_dump({"models": [model], "tasks": [TASKS], "arguments": arguments}))
    return path


@pytest.mark.models
@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")  # asked for by peft
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in USUAL else pytest.mark.whole) for name in ENTRIES]
)
def test_every_entry_runs_as_a_tiny_twin(name, tmp_path):
    """The command that `vrs study` would run, in this process: lm_eval's start would cost more than the run."""
    (run,) = read_study(write_twin_study(tmp_path, ENTRIES[name]), tmp_path / "out").runs
    results = evaluate(run.command)
    assert set(results["samples"]) == set(TASKS.split(","))
    assert all(len(samples) == 2 for samples in results["samples"].values())
    assert all(sample["filtered_resps"] for samples in results["samples"].values() for sample in samples)
    config = results["config"]
    assert config["vrs_chat_template"] == "applied"
    assert config["vrs_missing_weights"] == []
    assert config["model_args"] == run.command[run.command.index("--model_args") + 1]


def evaluate(command):
    """What `lm_eval run` does with these options, without its own tasks, whose index takes a quarter of a minute."""
    import lm_eval
    from lm_eval.tasks import TaskManager

    register()

    def read(option):
        return command[command.index(option) + 1]

    return lm_eval.simple_evaluate(
        model=read("--model"),
        model_args=read("--model_args"),
        tasks=read("--tasks").split(","),
        limit=int(read("--limit")),
        batch_size=int(read("--batch_size")),
        device=read("--device"),
        apply_chat_template="--apply_chat_template" in command,
        bootstrap_iters=0,
        task_manager=TaskManager(include_defaults=False, include_path=str(tasks_folder())),
    )


@pytest.mark.models
@pytest.mark.whole
@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
def test_the_study_runs_to_its_page_by_its_command(tmp_path):
    """The adapter's entry: results and page call it by its own name."""
    plan = write_twin_study(tmp_path, ENTRIES["jihadzakki/idefics2-8b-vqarad-delta"])
    done = CliRunner().invoke(app, ["study", str(plan), "--output", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    (results,) = (tmp_path / "out").rglob("results_*.json")
    content = json.loads(results.read_text())
    assert content["model_name"] == str(tmp_path / "adapter")
    assert content["config"]["vrs_missing_weights"] == []
    assert "adapter" in (tmp_path / "out" / "leaderboard.csv").read_text()
