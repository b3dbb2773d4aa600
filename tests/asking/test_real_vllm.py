"""`vrs-vllm` on vLLM itself, on a CPU: what the harness's class and `vrs-hf` answer, cold and warm, and the control.

`make test-vllm` installs a vLLM built for CPUs and runs this; where there is none, it is skipped.
"""

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from support.vllm_checks import check_likelihoods, check_texts, make_hf, save_model

from tools.controls.name_for_vllm import write_published_names

pytestmark = [
    pytest.mark.models,
    pytest.mark.filterwarnings("default"),  # vLLM's own
    pytest.mark.skipif(find_spec("vllm") is None, reason="vLLM is not installed here: make test-vllm"),
]

CONTROL = Path(__file__).parents[2] / "controls" / "sighted"
ENGINE = {
    "dtype": "float32",
    "enforce_eager": True,
    "max_model_len": 2048,
    "kv_cache_memory_bytes": 2**28,
    "max_num_seqs": 8,
    "block_size": 32,  # 128 by default on CPUs, longer than these prompts: nothing would be kept
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_model(tmp_path_factory.mktemp("llava"))


@pytest.fixture(scope="module")
def lm(folder, tmp_path_factory):
    from vrs_lmeval.vllm_model import VrsVLLM

    return VrsVLLM(pretrained=str(folder), cache_dir=str(tmp_path_factory.mktemp("kept")), **ENGINE)


def test_texts_are_those_of_the_harnesss_class_and_of_vrs_hf(lm, folder):
    stock = super(type(lm), lm).generate_until
    check_texts(lm, lambda requests: stock(requests, disable_tqdm=True), make_hf(folder))


def test_likelihoods_are_those_of_vrs_hf(lm, folder):
    check_likelihoods(lm, make_hf(folder), 1e-3)


def test_the_results_say_what_was_asked_again_and_how(lm):
    info = lm.get_model_info()
    assert info["vrs_cold_warm"]["asked_again"] > 0
    assert info["vrs_vllm"]["batch_invariant"] == "not asked for"
    assert info["vrs_vllm"]["kept_tokens"] > 0, "prompts on an image share its tokens"
    assert info["vrs_cache"]["answers_kept"] > 0


@pytest.fixture(scope="module")
def control(tmp_path_factory):
    folder = tmp_path_factory.mktemp("control") / "sighted"
    shutil.copytree(CONTROL, folder)
    write_published_names(folder)
    return folder


def run(model, control, output, **arguments):
    """lm_eval's command line -> its results, and the texts of every question."""
    settings = ",".join(f"{name}={value}" for name, value in {"pretrained": control, **arguments}.items())
    command = [sys.executable, "-m", "lm_eval", "run", "--model", model, "--model_args", settings]
    command += ["--device", "cpu", "--output_path", str(output), "--log_samples"]
    command += ["--tasks", "vrs_sample,vrs_sample_mc", "--apply_chat_template"]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    ended = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert ended.returncode == 0, ended.stderr[-4000:]
    (results,) = output.rglob("results_*.json")
    (samples,) = output.rglob("samples_vrs_sample_2*.jsonl")
    answers = [json.loads(line)["resps"] for line in samples.read_text().splitlines()]
    return json.loads(results.read_text()), [[text.strip() for (text,) in each] for each in answers]


def test_the_trained_control_scores_as_with_vrs_hf(control, tmp_path):
    ours, texts = run("vrs-vllm", control, tmp_path / "vllm", **ENGINE)
    theirs, expected = run("vrs-hf", control, tmp_path / "hf", dtype="float32")
    assert texts == expected
    for task, metrics in theirs["results"].items():
        for name, value in metrics.items():
            assert ours["results"][task][name] == pytest.approx(value, abs=1e-4, nan_ok=True), (task, name)
    assert ours["results"]["vrs_sample"]["vrs,none"] == pytest.approx(0.488, abs=5e-4)
    assert ours["config"]["vrs_cold_warm"]["warm"] > 0
