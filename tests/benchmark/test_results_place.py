"""A run whose results could not be written ends before anything is asked."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from lm_eval.loggers.evaluation_tracker import GeneralConfigTracker
from lm_eval.utils import sanitize_model_name, simple_parse_args_string

from vrs_lmeval.benchmark.results_place import ResultsPlaceError, check_results_place, find_folder, read_model_args

TASKS = ["vrs_sample", "vrs_medxpertqa_mm_cot"]


def check(output, *more):
    check_results_place(["run", "--output_path", str(output), "--model_args", "pretrained=org/model", *more], TASKS)


@pytest.mark.parametrize("path", ["new", "new/deep", "new/board.json"])
def test_a_place_that_can_be_written_is_left_as_it_was(tmp_path, path):
    check(tmp_path / path)
    assert not list(tmp_path.iterdir())


def test_what_is_there_stays(tmp_path):
    kept = tmp_path / "org__model" / "results_2026.json"
    kept.parent.mkdir()
    kept.write_text("{}")
    check(tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [kept]


def test_without_an_output_path_nothing_is_tried():
    check_results_place(["run", "--tasks", "vrs_sample"], TASKS)


def test_a_file_in_the_folders_place_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(
        ResultsPlaceError, match=r"results could not be written to .*file.*nothing was asked. Give another"
    ):
        check(tmp_path / "file" / "below")


def test_a_link_to_nowhere_is_told(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "nowhere" / "below")
    with pytest.raises(ResultsPlaceError):
        check(tmp_path / "link")


def test_a_model_whose_path_is_too_long_for_a_name_is_told(tmp_path):
    long = "/".join(["folder" * 8] * 6)
    with pytest.raises(ResultsPlaceError, match=r"File name too long.*shorter one in --model_args, for example a link"):
        check_results_place(["--output_path", str(tmp_path), "--model_args", f"pretrained=/{long}"], TASKS)
    assert not list(tmp_path.iterdir())


def test_a_task_whose_name_is_too_long_is_told(tmp_path):
    with pytest.raises(ResultsPlaceError, match="File name too long"):
        check_results_place(["--output_path", str(tmp_path)], ["vrs_" + "x" * 240])


def test_a_full_disk_is_told(tmp_path):
    """As a limit on the size of files, which ends a write in the same way."""
    script = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000));"
        "from vrs_lmeval.benchmark.results_place import check_results_place;"
        "check_results_place(['--output_path', sys.argv[1]], ['vrs_sample'])"
    )
    finished = subprocess.run([sys.executable, "-c", script, tmp_path], capture_output=True, text=True, check=False)
    assert "ResultsPlaceError: results could not be written" in finished.stderr
    assert not list(tmp_path.iterdir())


MODEL_ARGS = st.dictionaries(
    st.sampled_from(["peft", "pretrained", "model", "path", "engine", "dtype", "delta"]),
    st.text(st.characters(exclude_characters=",= ", categories=["L", "N", "P"]), min_size=1, max_size=20),
    min_size=1,
)


@given(MODEL_ARGS)
@example({"pretrained": "007"})  # a number to the harness
def test_the_folder_is_the_one_that_the_harness_makes(given_args):
    text = ",".join(f"{key}={value}" for key, value in given_args.items())
    name = GeneralConfigTracker._get_model_name(simple_parse_args_string(text))
    if name is not None:
        given = read_model_args(["run", "--model_args", text, "--tasks", "x"])
        assert find_folder(Path("x"), given) == Path("x", sanitize_model_name(name))


@pytest.mark.models
def test_the_command_ends_before_the_model_is_looked_for(tmp_path):
    (tmp_path / "file").write_text("")
    command = [sys.executable, "-m", "lm_eval", "run", "--model", "vrs-hf", "--tasks", "vrs_sample", "--output_path"]
    command += [str(tmp_path / "file"), "--model_args", "pretrained=no/such/model"]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert finished.returncode == 1
    assert finished.stderr.splitlines()[-1].startswith("vrs_lmeval: results could not be written to ")
    assert "Traceback" not in finished.stderr


def test_private_results_are_readable_by_their_owner_alone(tmp_path):
    script = "from vrs_lmeval.bridge import keep_private; keep_private(); open('x', 'w')"
    for private, mode in (("1", 0o600), ("0", 0o644)):
        environment = {**os.environ, "VRS_PRIVATE": private}
        subprocess.run(
            ["sh", "-c", 'umask 022; exec "$0" -c "$1"', sys.executable, script],
            cwd=tmp_path,
            env=environment,
            check=True,
        )
        assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == mode
        (tmp_path / "x").unlink()
