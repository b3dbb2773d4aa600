"""Which tasks a command line asks for, and what is said before a model is loaded where their data are missing."""

import dataclasses
import os
import re
import subprocess
import sys

import huggingface_hub
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lm_eval.tasks import TaskManager

from vrs_lmeval.benchmark.asked_tasks import check_data, check_files, find_tasks, holds_all, read_asked_names
from vrs_lmeval.benchmark.sources import MissingDataError
from vrs_lmeval.benchmark.task_keys import TaskKeyError
from vrs_lmeval.bridge import tasks_folder
from vrs_lmeval.variants.rules import read_variants

FOUR = ["vrs_vqa_rad", "vrs_slake", "vrs_pathvqa", "vrs_pmc_vqa"]


@pytest.fixture
def index():
    return dict(TaskManager(include_defaults=False, include_path=str(tasks_folder())).task_index)


@pytest.fixture
def only_vqa_rad(monkeypatch, tmp_path):
    """A machine without network that has one of the four data sets."""
    file = tmp_path / "flaviagiammarino" / "vqa-rad" / "data" / "test-0.parquet"
    file.parent.mkdir(parents=True)
    file.touch()
    monkeypatch.setenv("VRS_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["run", "--tasks", "a,b", "--limit", "2"], ["a", "b"]),
        (["run", "--tasks", "a", "b", "-m", "c"], ["a", "b"]),
        (["run", "--tasks=a, b"], ["a", "b"]),
        (["run", "-t", "a", "--tasks", "b"], ["a", "b"]),
        (["ls", "tasks"], []),
        (["run", "--tasks"], []),
    ],
)
def test_names_are_read_as_lm_eval_reads_them(arguments, names):
    assert read_asked_names(arguments) == names


@pytest.mark.slow
@given(st.lists(st.text()))
def test_any_arguments_are_read(arguments):
    assert all(name == name.strip() != "" for name in read_asked_names(arguments))


def test_groups_patterns_and_names_stand_for_tasks_each_once(index):
    assert find_tasks(["vrs_medvqa"], index) == FOUR
    assert find_tasks(["vrs_slake", "vrs_medvqa", "vrs_slake"], index) == ["vrs_slake", *FOUR[:1], *FOUR[2:]]
    assert find_tasks(["vrs_vqa_rad_m*"], index) == sorted(name for name in index if name.startswith("vrs_vqa_rad_m"))
    assert find_tasks(["no_such_task", "mmlu"], index) == []
    assert set(FOUR) < set(find_tasks(["vrs_medvqa_all"], index))


def test_every_yaml_of_the_package_passes_the_check_of_keys(index):
    check_files(index, list(index), read_variants)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("varients: [real]", "there is no 'varients'; did you mean variants[?]"),
        ("variants: [real, flip]", "variants: unknown 'flip'"),
        ("variants: [real", "cannot be read: while parsing"),
        ("include: none.yaml", "cannot be read: .*none.yaml"),
    ],
)
def test_a_yaml_given_by_its_path_is_checked_with_file_and_key(index, tmp_path, text, message):
    file = tmp_path / "mine.yaml"
    start = "" if "include" in text else f"include: {tasks_folder() / 'vrs_sample' / 'vrs_sample.yaml'}\n"
    file.write_text(f"{start}task: mine\n{text}\n")
    with pytest.raises(TaskKeyError, match=f"^{re.escape(str(file))}: {message}"):
        check_files(index, [str(file)], read_variants)


def test_a_yaml_of_lm_evals_own_kind_is_none_of_our_business(index, tmp_path):
    file = tmp_path / "theirs.yaml"
    file.write_text("task: theirs\ndataset_path: squad\nno_key_of_anyone: 1\n")
    check_files(index, [str(file), "mmlu"], read_variants)


@pytest.mark.models
def test_lm_eval_names_file_and_key_before_it_loads_a_model(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(f"include: {tasks_folder() / 'vrs_sample' / 'vrs_sample.yaml'}\ntask: mine\ncolums: {{}}\n")
    command = [sys.executable, "-m", "lm_eval", "run", "--tasks", "mine", "--include_path", str(tmp_path)]
    done = subprocess.run([*command, "--model", "vrs-hf"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.endswith(f"vrs_lmeval: {file}: there is no 'colums'; did you mean columns?\n")


def test_all_missing_sets_are_named_at_once_with_a_command_for_each(index, only_vqa_rad):
    with pytest.raises(MissingDataError) as caught:
        check_data(index, ["run", "--tasks", "vrs_medvqa,vrs_sample"])
    told = str(caught.value)
    assert told.startswith("3 of 5 tasks lack their data; nothing was asked.")
    assert all(f"  {name}: " in told for name in FOUR[1:])
    assert told.count("hf download ") == 3
    assert told.count("Two ways to get them") == 1
    assert told.endswith("VRS_SKIP_MISSING=1 asks the group without them: vrs_vqa_rad, vrs_sample.")


def test_what_is_here_is_no_reason_to_stop(index, only_vqa_rad):
    before = dict(index)
    check_data(index, ["run", "--tasks", "vrs_vqa_rad,vrs_sample"])
    check_data(index, ["run", "--tasks", "mmlu"])
    assert index == before


def test_a_group_goes_on_without_them_if_asked_and_says_so_in_its_name(index, only_vqa_rad, monkeypatch, caplog):
    monkeypatch.setenv("VRS_SKIP_MISSING", "1")
    check_data(index, ["run", "--tasks", "vrs_medvqa"])
    assert find_tasks(["vrs_medvqa"], index) == FOUR[:1]
    assert index["vrs_medvqa"].cfg["group_alias"] == "vrs_medvqa (without vrs_slake, vrs_pathvqa, vrs_pmc_vqa)"
    assert index["vrs_medvqa"].yaml_path is None  # else lm_eval reads the whole group again
    assert [record.args[0] for record in caplog.records] == FOUR[1:]


def add(index, name, **config):
    """A group or a tag of the user's own."""
    entry = index["vrs_medvqa"]
    cfg = {"group": name, **config} if config.keys() != {"tags"} else None
    index[name] = dataclasses.replace(entry, name=name, cfg=cfg, tags=set(config.get("tags", ())))


def test_what_a_group_says_of_its_other_members_stays(index, only_vqa_rad, monkeypatch):
    monkeypatch.setenv("VRS_SKIP_MISSING", "1")
    changed = {"task": "vrs_sample", "generation_kwargs": {"max_gen_toks": 512}}
    inline = {"group": "inline", "task": ["vrs_sample"]}
    add(index, "mine", task=[changed, "vrs_slake", inline])
    check_data(index, ["run", "--tasks", "mine"])
    assert index["mine"].cfg["task"] == [changed, inline]
    assert index["mine"].cfg["group_alias"] == "mine (without vrs_slake)"


def test_a_member_with_data_of_its_own_is_not_looked_for(index, only_vqa_rad):
    add(index, "mine", task=[{"task": "vrs_slake", "dataset_path": "/data/slake"}])
    check_data(index, ["run", "--tasks", "mine"])
    add(index, "all_mine", task=["vrs_slake"], dataset_path="/data/slake")
    check_data(index, ["run", "--tasks", "all_mine"])


def test_groups_of_groups_and_tags_say_what_they_lack_too(index, only_vqa_rad, monkeypatch):
    monkeypatch.setenv("VRS_SKIP_MISSING", "1")
    add(index, "tagged", tags=["vrs_slake", "vrs_sample"])
    add(index, "none_left", task=["vrs_pathvqa"])
    add(index, "outer", task=["vrs_medvqa", "tagged", "none_left"])
    check_data(index, ["run", "--tasks", "outer"])
    assert index["tagged"].tags == {"vrs_sample"}
    assert index["outer"].cfg["task"] == ["vrs_medvqa", "tagged"]
    assert index["outer"].cfg["group_alias"] == "outer (without vrs_slake, vrs_pathvqa, vrs_pmc_vqa)"
    assert find_tasks(["outer"], index) == ["vrs_vqa_rad", "vrs_sample"]


@pytest.mark.parametrize("names", ["vrs_slake", "vrs_medvqa,vrs_slake", "vrs_slak?", "vrs_[ps]*", "none_left"])
def test_what_was_asked_for_by_its_name_is_never_left_out(index, only_vqa_rad, monkeypatch, names):
    monkeypatch.setenv("VRS_SKIP_MISSING", "1")
    add(index, "none_left", task=["vrs_pathvqa"])
    with pytest.raises(MissingDataError):
        check_data(index, ["run", "--tasks", names])


@pytest.mark.models
def test_the_command_ends_before_the_model_is_looked_for_and_without_a_traceback(tmp_path):
    environment = {**os.environ, "VRS_DATA_DIR": str(tmp_path), "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hf")}
    command = [sys.executable, "-m", "lm_eval", "run", "--model", "vrs-hf", "--tasks", "vrs_medvqa"]
    command += ["--model_args", "pretrained=no/such/model"]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert finished.returncode == 1
    assert "vrs_lmeval: 4 of 4 tasks lack their data; nothing was asked." in finished.stderr
    assert "hf download flaviagiammarino/vqa-rad --repo-type dataset" in finished.stderr
    assert "Traceback" not in finished.stderr
    assert "no/such/model" not in finished.stderr


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["vrs_sample"], True),
        (["vrs_medvqa", "vrs_sample"], True),
        (["vrs_medvqa", "mmlu"], False),
        (["vrs_*"], False),
        (["vrs_sample.yaml"], False),
        ([], False),
    ],
)
def test_an_index_holds_all_that_names_and_their_groups_name(names, expected, index):
    assert holds_all(index, names) is expected


def test_a_group_that_names_a_task_elsewhere_is_not_all_here(index):
    add(index, "mine", group="mine", task=["vrs_sample", {"task": "elsewhere", "dataset_path": "other/set"}])
    assert not holds_all(index, ["mine"])
    index["elsewhere"] = dataclasses.replace(index["vrs_sample"], name="elsewhere")
    assert holds_all(index, ["mine"])


def test_every_group_of_ours_holds_tasks_of_ours_alone(index):
    assert all(holds_all(index, [name]) for name in index)
