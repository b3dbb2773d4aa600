"""`vrs study` with the real lm_eval: on Ray, in shards, with kill -9, its samples files equal those of one by one."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest
import torch
import yaml
from support.tiny_llava import save_tiny_llava
from transformers import LlavaForConditionalGeneration

pytestmark = [pytest.mark.whole, pytest.mark.models]

VRS = (sys.executable, "-c", "from vrs_lmeval.cli import app; app()", "study", "study.yaml", "--output")
TASKS = ("vrs_sample", "vrs_sample_mirage")
SECONDS = 900
"""Long for 3 models on 2 tasks."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three models of other weights, and a study of them, one by one."""
    folder = tmp_path_factory.mktemp("study")
    for number, name in enumerate("abc"):
        save_tiny_llava(folder / name)
        model = LlavaForConditionalGeneration.from_pretrained(folder / name)
        generator = torch.Generator().manual_seed(number)
        with torch.no_grad():
            for weights in model.parameters():
                weights.add_(0.05 * torch.randn(weights.shape, generator=generator))
        model.save_pretrained(folder / name)
    # In float64, since in float32 two best tokens that are 5e-6 apart change places when a batch holds other questions.
    models = [{"model_args": {"pretrained": name, "dtype": "float64"}, "cpus": 1} for name in "abc"]
    models[0]["shards"] = 4
    plan = {"models": models, "tasks": list(TASKS), "arguments": {"batch_size": 4}}
    (folder / "study.yaml").write_text(yaml.safe_dump(plan))
    return folder


@pytest.fixture(scope="module")
def one_by_one(folder):
    finished = subprocess.run([*VRS, "serial"], cwd=folder, timeout=SECONDS, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stdout[-3000:] + finished.stderr[-3000:]
    return read_samples(folder / "serial")


def read_samples(output):
    """By model and task the bytes of the samples file."""
    files = list((output / "runs").rglob("samples_*.jsonl"))
    return {(file.parent.name, file.parent.parent.name): file.read_bytes() for file in files}


def find_differences(files, expected):
    """(run, question, its answers in both) of each line that differs."""
    return [
        (run, one["doc_id"], one["resps"], other["resps"])
        for run in expected
        for one, other in zip(*(map(json.loads, each[run].splitlines()) for each in (files, expected)), strict=True)
        if one != other
    ]


def wait_for_progress(log, process):
    """Until the run whose log this is has asked some of its questions."""
    until = time.monotonic() + SECONDS
    while not (log.is_file() and re.search(r"vrs-hf: +[1-8]\d%", log.read_text(errors="replace"))):
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.02)


def test_samples_are_equal_byte_for_byte_though_a_worker_and_a_run_were_killed(folder, one_by_one):
    pytest.importorskip("ray", reason="the extra `cluster` is not installed")
    command = [*VRS, "ray", "--ray"]
    with (folder / "printed.txt").open("w") as printed:
        process = subprocess.Popen(command, cwd=folder, stdout=printed, stderr=subprocess.STDOUT)
        try:
            (shard,) = wait_for_folder(folder / "ray" / "answers", f"a-*/{TASKS[1]}/2-of-4-*", process)
            wait_for_progress(shard / "lm_eval.log", process)
            worker = re.findall(r"worker (\d+)", (shard / "lm_eval.log").read_text(errors="replace"))[-1]
            os.kill(int(worker), signal.SIGKILL)
            (run,) = wait_for_folder(folder / "ray" / "runs", f"b-*/{TASKS[1]}", process)
            wait_for_progress(run / "lm_eval.log", process)
            found = subprocess.run(
                ["pgrep", "-f", f"^[^ ]+ -m lm_eval run .*{run.relative_to(folder)}"], capture_output=True, text=True
            )
            os.kill(int(found.stdout.split()[0]), signal.SIGKILL)
            assert process.wait(SECONDS) == 0, (folder / "printed.txt").read_text()[-3000:]
        finally:
            process.kill()
    assert (shard / "lm_eval.log").read_text(errors="replace").count("attempt 1 on") == 2
    assert "attempt 2 on" in (run / "lm_eval.log").read_text(errors="replace")
    on_ray = read_samples(folder / "ray")
    assert find_differences(on_ray, one_by_one) == []
    assert on_ray == one_by_one
    assert len({file for (name, _), file in one_by_one.items() if name == "a"}) == len(TASKS)
    results = next((folder / "ray" / "runs").glob(f"a-*/{TASKS[0]}/*/results_*.json"))
    config = json.loads(results.read_text())["config"]
    assert config["vrs_parts"] == {"count": 4, "answers_that_differ": 0}
    again = subprocess.run([*VRS, "ray", "--ray", "--dry-run"], cwd=folder, capture_output=True, text=True)
    assert "6 runs, 6 done, 0 to ask" in again.stdout


def wait_for_folder(root, pattern, process):
    while not (found := [path for path in root.glob(pattern) if (path / "lm_eval.log").is_file()]):
        assert process.poll() is None
        time.sleep(0.1)
    return found
