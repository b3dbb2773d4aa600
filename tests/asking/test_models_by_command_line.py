"""The real command line on saved tiny models of today's architectures: the stock class's answers, or a refusal."""

import json
import math
import subprocess
import sys

import pytest
from support.architectures import ARCHITECTURES

pytestmark = pytest.mark.models

NAMES = ["qwen2_5_vl", "qwen3_5", "gemma4", "gemma4_e", "llava_next", "mllama", "molmo2", "idefics2"]
USUAL = ("qwen2_5_vl", "chat")
"""The one that every test run takes; `make test-models` takes all."""

CASES = [
    pytest.param(name, form, id=f"{name}-{form}", marks=() if (name, form) == USUAL else pytest.mark.whole)
    for name in NAMES
    for form in ("chat", "bare")
]


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


def run(output, model, folder, tasks, form, limit, **arguments):
    """(standard error, exit status, samples by task, the results' `config`) of `lm_eval run`."""
    given = {"pretrained": folder, "dtype": "float32", **arguments}
    command = [sys.executable, "-m", "lm_eval", "run", "--model", model, "--tasks", ",".join(tasks)]
    command += [
        "--model_args",
        json.dumps({name: str(value) if name == "pretrained" else value for name, value in given.items()}),
    ]
    command += ["--limit", str(limit), "--batch_size", "4", "--device", "cpu", "--log_samples"]
    command += ["--output_path", str(output), *(["--apply_chat_template"] if form == "chat" else [])]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=900)
    samples = {
        task: [json.loads(line) for line in path.read_text().splitlines()]
        for task in tasks
        for path in output.rglob(f"samples_{task}_2*.jsonl")
    }
    config = [json.loads(path.read_text())["config"] for path in output.rglob("results_*.json")]
    return finished.stderr, finished.returncode, samples, config[0] if config else {}


def texts(samples):
    return {sample["doc"]["sample_id"]: sample["resps"] for sample in samples}


@pytest.mark.parametrize(("name", "form"), CASES)
def test_the_stock_classes_answers_and_likelihoods_of_every_option(save, tmp_path, name, form):
    folder, architecture = save(name), ARCHITECTURES[name]
    ours = {"double_bos": True} if form == "chat" else {}  # as the stock class writes it
    theirs = {"image_string": architecture.placeholder} if form == "bare" else {}  # as the processor expands it
    expected = run(tmp_path / "stock", "hf-multimodal", folder, ["vrs_sample"], form, 12, **theirs)
    assert expected[1] == 0, expected[0][-2000:]
    opens_thought = form == "chat" and architecture.opens_thought
    both = ["vrs_sample"] if opens_thought else ["vrs_sample", "vrs_sample_mc"]
    for limit in (12,) if (name, form) == USUAL else (1, 12):
        stderr, code, samples, config = run(tmp_path / f"{limit}", "vrs-hf", folder, both, form, limit, **ours)
        assert code == 0, stderr[-2000:]
        assert texts(samples["vrs_sample"]) == texts(expected[2]["vrs_sample"][:limit])
        assert config["vrs_chat_template"] == ("applied" if form == "chat" else "not applied")
        assert ("Pass --apply_chat_template" in stderr) == (form == "bare")
    if opens_thought:
        stderr, code, _, _ = run(tmp_path / "mc", "vrs-hf", folder, ["vrs_sample_mc"], form, 12)
        assert code != 0
        assert "ends the rendered prompt" in stderr
        closed = {"enable_thinking": False}
        stderr, code, samples, _ = run(tmp_path / "closed", "vrs-hf", folder, ["vrs_sample_mc"], form, 12, **closed)
        assert code == 0, stderr[-2000:]
    scores = [float(score) for sample in samples["vrs_sample_mc"] for score in flatten(sample["resps"])]
    assert len(samples["vrs_sample_mc"]) == 12
    assert all(math.isfinite(score) and score < 0 for score in scores)
    assert len(set(scores)) > len(scores) / 4


def flatten(responses):
    """The log-likelihoods; the harness logs each as [[value, is greedy]], as text."""
    return [score for ((score, _),) in responses]
