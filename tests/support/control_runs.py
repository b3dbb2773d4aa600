"""Both control models, asked some tasks by the real command line: one process of lm_eval each, for all tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

CONTROLS = Path(__file__).parents[2] / "controls"
LIMIT = 20
TASKS = (
    "vrs_sample",
    "vrs_sample_robust",
    "vrs_sample_mc",
    "vrs_sample_mirage",
    "vrs_sample_rotated",
    *(["vrs_vqa_rad"] if os.environ.get("VRS_DATA_DIR") else []),
)
"""By text, under perturbations, by likelihood, without images, with options in every order; and VQA-RAD where it is."""


def ask_controls(folder: Path) -> None:
    """The first questions of each task; results below `folder`/sighted and `folder`/blind, what was printed beside."""
    for control in ("sighted", "blind"):
        command = [sys.executable, "-m", "lm_eval", "run", "--model", "vrs-hf", "--apply_chat_template"]
        command += ["--model_args", f"pretrained={CONTROLS / control}", "--tasks", ",".join(TASKS)]
        command += ["--limit", str(LIMIT), "--batch_size", "16", "--log_samples"]
        finished = subprocess.run(
            [*command, "--output_path", str(folder / control)], capture_output=True, text=True, timeout=900
        )
        assert finished.returncode == 0, finished.stderr[-3000:]
        (folder / f"{control}.txt").write_text(finished.stdout, encoding="utf-8")
