"""The real command line: answers, shuffled partners and numbers do not depend on the model class or the processes."""

import json
import os
import subprocess
import sys

import pytest
from support.tiny_llava import save_tiny_llava

from vrs_lmeval.uncertainty.forms import MEAN
from vrs_lmeval.uncertainty.intervals import find_error

pytestmark = pytest.mark.models

DATA_DIR = os.environ.get("VRS_DATA_DIR")
needs_vqa_rad = pytest.mark.skipif(
    not DATA_DIR, reason="VRS_DATA_DIR is not set: it should hold flaviagiammarino/vqa-rad as the hub lays it out"
)


@pytest.fixture(scope="session")
def tiny_llava(tmp_path_factory):
    return save_tiny_llava(tmp_path_factory.mktemp("tiny_llava"))


def run_lm_eval(output, model, pretrained, task, *options, launcher=("-m", "lm_eval"), environment=None):
    command = [sys.executable, *launcher, "run", "--model", model, "--model_args", f"pretrained={pretrained}"]
    command += ["--tasks", task, "--log_samples", "--output_path", str(output), *options]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=900, env=environment)
    assert finished.returncode == 0, finished.stderr[-3000:]
    (results,) = output.rglob("results_*.json")
    (samples,) = output.rglob(f"samples_{task}_*.jsonl")
    return (
        finished.stdout,
        json.loads(results.read_text()),
        [json.loads(line) for line in samples.read_text().splitlines()],
    )


def answers_by_question(samples):
    return {sample["doc"]["sample_id"]: sample["resps"] for sample in samples}


def images_by_question(samples):
    return {
        sample["doc"]["sample_id"]: [variant["image_id"] for variant in sample["doc"]["variants"].values()]
        for sample in samples
    }


@pytest.fixture(scope="session")
def vqa_rad_run(tiny_llava, tmp_path_factory):
    """50 questions of real VQA-RAD, by vrs-hf in one process."""
    output = tmp_path_factory.mktemp("vqa_rad")
    return run_lm_eval(output, "vrs-hf", tiny_llava, "vrs_vqa_rad", "--limit", "50", "--batch_size", "16")


@needs_vqa_rad
@pytest.mark.parametrize(
    "metric", ["vrs", "parse_failure_rate"]
)  # the first is 0 for this model without any spread, the second is not
def test_the_harness_table_shows_our_metrics_with_their_clustered_errors(vqa_rad_run, metric):
    table, results, samples = vqa_rad_run
    (row,) = [line for line in table.splitlines() if f"|{metric} " in line or f"|{metric}|" in line]
    _, _, _, _, _, _, _, value, sign, error, _ = [cell.strip() for cell in row.split("|")]
    expected = find_error(MEAN, [sample[f"{metric}_stderr"] for sample in samples])
    assert sign == "±"
    assert float(value) == pytest.approx(results["results"]["vrs_vqa_rad"][f"{metric},none"], abs=5e-5)
    assert float(error) == pytest.approx(expected, abs=5e-5, nan_ok=True)


@needs_vqa_rad
def test_vrs_hf_took_the_fused_path_and_answers_as_stock_hf_multimodal(vqa_rad_run, tiny_llava, tmp_path):
    _, results, samples = vqa_rad_run
    options = ("--limit", "50", "--batch_size", "16")
    _, _, stock = run_lm_eval(tmp_path, "hf-multimodal", tiny_llava, "vrs_vqa_rad", *options)
    assert results["config"]["vrs_image_path"] == "fused"
    assert results["config"]["vrs_prefix_path"] == "shared"
    work = results["config"]["vrs_work"]
    assert work["asked_by_prefix"] == 3 * 50
    assert work["prefixes_computed"] + work["prefixes_reused"] == 3 * 50
    assert 0 < work["prefixes_computed"] < 2 * 50
    assert answers_by_question(samples) == answers_by_question(stock)
    distinct = {answer for answers in answers_by_question(samples).values() for (answer,) in answers}
    assert len(distinct) > 50, "the tiny model does not react to images: equality would mean little"


@needs_vqa_rad
def test_two_processes_give_the_numbers_of_one(vqa_rad_run, tiny_llava, tmp_path):
    _, results, samples = vqa_rad_run
    # `--multi_gpu` because accelerate makes one process of any number with `--cpu`; the variable keeps it off GPUs.
    launcher = ("-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "-m", "lm_eval")
    options = ("--limit", "50", "--batch_size", "16")
    _, shared, shared_samples = run_lm_eval(
        tmp_path,
        "vrs-hf",
        tiny_llava,
        "vrs_vqa_rad",
        *options,
        launcher=launcher,
        environment={**os.environ, "ACCELERATE_USE_CPU": "true"},
    )
    assert shared["config"]["vrs_processes"] == 2
    assert images_by_question(shared_samples) == images_by_question(samples)
    assert answers_by_question(shared_samples) == answers_by_question(samples)
    one, two = (
        {name: value for name, value in run["results"]["vrs_vqa_rad"].items() if name.endswith(",none")}
        for run in (results, shared)
    )
    assert two == pytest.approx(one, nan_ok=True)
