"""The same questions to the same model: equal samples files, byte for byte, however the run was cut into pieces."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.models

SIGHTED = Path(__file__).parents[1] / "controls" / "sighted"
ACCELERATE = ("-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2")


def run(folder, batch_size=8, threads=1, launcher=(), model_args=""):
    """The samples file that 24 questions to the sighted control leave."""
    command = [sys.executable, *launcher, "-m", "lm_eval", "run", "--model", "vrs-hf", "--batch_size", str(batch_size)]
    command += ["--model_args", f"pretrained={SIGHTED},dtype=float32{model_args}", "--tasks", "vrs_sample"]
    command += ["--apply_chat_template", "--limit", "24", "--log_samples", "--output_path", str(folder)]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "HF_HUB_OFFLINE": "1"}
    finished = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert finished.returncode == 0, finished.stderr[-3000:]
    [samples] = folder.rglob("samples_*.jsonl")
    return samples.read_bytes()


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    return run(tmp_path_factory.mktemp("first"))


def test_the_first_run_asked_under_every_variant(first):
    assert len(first.splitlines()) == 24


WAYS = {
    "another batch size": {"batch_size": 3},
    "the same command": {},
    "one by one": {"batch_size": 1},
    "two threads": {"threads": 2},
    "two processes": {"launcher": ACCELERATE},
    "image prefixes not shared": {"model_args": ",share_prefixes=False"},
}


@pytest.mark.parametrize("way", [pytest.param(way, marks=[pytest.mark.whole] * (i > 0)) for i, way in enumerate(WAYS)])
def test_samples_are_the_same_bytes(way, first, tmp_path):
    assert run(tmp_path, **WAYS[way]) == first
