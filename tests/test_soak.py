"""Whole runs of VQA-RAD in one process: memory, open files and threads do not grow."""

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

CONTROL = Path(__file__).parents[1] / "controls" / "sighted"
RUNS = int(os.environ.get("VRS_SOAK_RUNS", "3"))
LIMIT = int(os.environ.get("VRS_SOAK_LIMIT", "0")) or None

PROGRAM = """
import ctypes, gc, json, os, sys, threading
import lm_eval, vrs_lmeval

def measure():
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # freed memory that the allocator keeps: 140 to 200 MB, another amount each time
    resident = int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    files, threads = (len(os.listdir(f"/proc/self/{name}")) for name in ("fd", "task"))
    return {"resident": resident, "files": files, "threads": threads}

vrs_lmeval.register()
control, runs, limit = sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3])
for _ in range(runs):
    results = lm_eval.simple_evaluate(
        model="vrs-hf", model_args=f"pretrained={control}", tasks=["vrs_vqa_rad"],
        batch_size=16, limit=limit, apply_chat_template=True, device="cpu",
    )
    questions = len(results["samples"]["vrs_vqa_rad"])
    told = {"vrs": results["results"]["vrs_vqa_rad"]["vrs,none"], "questions": questions}
    del results
    print(json.dumps(told | measure()), flush=True)
"""


@pytest.mark.whole
@pytest.mark.models
@pytest.mark.skipif("VRS_DATA_DIR" not in os.environ, reason="no VRS_DATA_DIR")
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="no glibc")
def test_nothing_grows_from_run_to_run():
    command = [sys.executable, "-c", PROGRAM, str(CONTROL), str(RUNS), json.dumps(LIMIT)]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr[-3000:]
    runs = [json.loads(line) for line in finished.stdout.splitlines() if line.startswith('{"vrs"')]
    sys.stdout.write(f"{runs}\n")  # with `pytest -s`: the numbers of docs/reliability.md
    first, *_, last = runs
    assert len(runs) == RUNS
    assert first["questions"] == last["questions"] == (LIMIT or 451)
    assert first["vrs"] == last["vrs"]
    assert (last["files"], last["threads"]) == (first["files"], first["threads"])
    assert last["resident"] <= 1.1 * first["resident"]
