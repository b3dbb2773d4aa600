"""The extension under the sanitizers: arbitrary bytes for its C++ entry points, drawn calls of its binding.

The corpus holds inputs that once ended the program, named by what they did, and inputs that reach far.
"""

import re
import sys
from pathlib import Path

import pytest
from support.fuzzing import SECONDS, SEED
from support.sanitized_build import build, find_runtime, reason_to_skip, run

CORPUS = Path(__file__).parent / "corpus"
BINDING = Path(__file__).parents[1] / "support" / "fuzz_binding.py"

pytestmark = [
    pytest.mark.native,
    pytest.mark.whole,  # compiles the extension twice more
    pytest.mark.skipif(reason_to_skip() is not None, reason=str(reason_to_skip())),
]


def test_the_corpus_is_small():
    assert sum(path.stat().st_size for path in CORPUS.iterdir()) < 16_000


def test_the_entry_points_take_arbitrary_bytes(tmp_path, monkeypatch):
    program = build("fuzz_preprocess")
    monkeypatch.chdir(tmp_path)  # where an input at which it ends is written
    found = tmp_path / "found"
    found.mkdir()
    said = run(
        str(program),
        f"-max_total_time={SECONDS}",
        f"-seed={SEED}",
        "-max_len=512",
        "-print_funcs=0",
        str(found),
        str(CORPUS),
    )
    (calls,) = re.findall(r"^(\d+) calls of the extension$", said, re.M)
    assert int(calls) > len(list(CORPUS.iterdir()))
    report(f"{calls} calls of the extension's entry points")


def test_the_binding_takes_any_arguments():
    extension = build("_native")
    environment = {
        "LD_PRELOAD": " ".join(map(str, find_runtime())),
        "ASAN_OPTIONS": "detect_leaks=0",
        "PYTHONPATH": str(BINDING.parents[1]),
    }
    said = run(sys.executable, str(BINDING), str(extension), str(10**9), SEED, str(SECONDS), **environment)
    report(said.splitlines()[-1])


def report(what):
    """With `pytest -s`: the numbers of docs/reliability.md."""
    sys.stdout.write(f"{what}\n")
