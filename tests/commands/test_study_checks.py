"""What is wrong with a study is told at once, each with its file, its entry and what to do, before anything starts."""

from __future__ import annotations

import json

import pytest
from support.results import draw_rows, write_run
from typer.testing import CliRunner

from vrs_lmeval import cli
from vrs_lmeval.commands import study_call, study_runs
from vrs_lmeval.commands.study import UnreadableStudyError, read_study
from vrs_lmeval.commands.study_call import prepare_study
from vrs_lmeval.commands.study_checks import check_study


def write_plan(folder, content):
    path = folder / "study.yaml"
    path.write_text(json.dumps(content))  # JSON is YAML
    return path


def make_plan(models=({"model_args": {"pretrained": "org/one"}},), tasks=("vrs_sample",), **arguments):
    return {"models": list(models), "tasks": list(tasks), "arguments": arguments}


def faults_of(folder, content, done=()):
    try:
        check_study(read_study(write_plan(folder, content), folder / "out"), done)
    except UnreadableStudyError as error:
        _, *lines = str(error).replace(f"{folder}/", "").splitlines()
        return lines
    return []


def model(name="vrs-hf", **model_args):
    return {"model": name, "model_args": model_args or {"pretrained": "org/one"}}


def test_a_sound_study_has_no_faults(tmp_path):
    tasks = ["vrs_sample", "vrs_sample_mc", "vrs_sample,vrs_sample_mc", "vrs_sample_[cm]*"]
    models = [model(), model("hf-multimodal"), model("local-chat-completions", model="b", base_url="http://x")]
    plan = make_plan(models, tasks, batch_size=8, limit=0.5, apply_chat_template=True, gen_kwargs={"top_p": 1})
    assert faults_of(tmp_path, plan) == []


def test_a_token_in_the_file_is_refused_and_not_repeated(tmp_path):
    (fault,) = faults_of(tmp_path, make_plan([model(pretrained="org/one", token="hf_planted")]))
    assert fault.endswith("token: the harness would write it into the results; set HF_TOKEN in its place")


@pytest.mark.parametrize(
    ("task", "said"),
    [
        ("vrs_smaple", "no task is called 'vrs_smaple'; did you mean vrs_sample or vrs_sample_mc?"),
        ("vrs_sample,vrs_medvga", "no task is called 'vrs_medvga'; did you mean vrs_medvqa or vrs_medvqa_mc?"),
        ("vrs_samble*", "no task fits the pattern 'vrs_samble*'"),
        ("no/such.yaml", "there is no file no/such.yaml"),
    ],
)
def test_a_misspelt_task_is_named_with_what_may_be_meant(tmp_path, task, said, few_tasks):
    (fault,) = faults_of(tmp_path, make_plan(tasks=["vrs_sample", task]))
    assert fault.startswith(f"study.yaml, task {task}: {said}")


@pytest.fixture
def few_tasks(monkeypatch):
    """Without the built-in tasks of lm_eval, which it takes a quarter of a minute to look through."""
    from vrs_lmeval.commands.study_tasks import KnownTasks

    monkeypatch.setattr(KnownTasks, "_all", property(lambda self: self._ours))


def test_a_task_of_lm_eval_is_known_and_not_loaded(tmp_path, monkeypatch):
    """The real list of them, in a folder of two files."""
    import lm_eval.tasks

    class Manager(lm_eval.tasks.TaskManager):
        def __init__(self, include_path=None, include_defaults=True):
            (tmp_path / "tasks").mkdir(exist_ok=True)
            (tmp_path / "tasks" / "one.yaml").write_text("task: gsm_nine\ndataset_path: does/not_exist\n")
            folders = include_path if isinstance(include_path, list) else [include_path] if include_path else []
            super().__init__(
                include_path=[*folders, *([str(tmp_path / "tasks")] if include_defaults else [])],
                include_defaults=False,
            )

    monkeypatch.setattr(lm_eval.tasks, "TaskManager", Manager)
    assert faults_of(tmp_path, make_plan(tasks=["gsm_nine"])) == []
    (fault,) = faults_of(tmp_path, make_plan(tasks=["gsm_nime"]))
    assert "did you mean gsm_nine?" in fault


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"batchsize": 8}, "batchsize: `lm_eval run` has no such option; did you mean batch_size or max_batch_size?"),
        ({"batch": 8}, "batch: `lm_eval run` has no such option"),  # lm_eval would take the beginning of a name
        ({"output_path": "x"}, "output_path: the study sets it itself; leave it out"),
        ({"limit": "ten"}, "limit: argument --limit/-L: invalid float value: 'ten'"),
        ({"write_out": "yes"}, "write_out: takes no value; write `write_out: true`, not 'yes'"),
        ({"limit": 4, "samples": '{"vrs_sample": [1]}'}, "samples and limit: lm_eval takes only one of them"),
        ({"include_path": "/no/folder"}, "include_path: /no/folder is no folder"),
        ({"num_fewshot": 2}, "num_fewshot: tasks of vrs_lmeval take no examples; leave it out"),
    ],
)
def test_an_option_that_lm_eval_would_refuse_is_named(tmp_path, arguments, said):
    (fault,) = faults_of(tmp_path, make_plan(**arguments))
    assert fault.startswith(f"study.yaml, arguments: {said}")


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (model("vrs-hff"), "lm_eval knows no model 'vrs-hff'; did you mean vrs-hf?"),
        (model(pretrained="./none"), "pretrained: there is no folder ./none"),
        (model(pretrained="/no/such/folder"), "pretrained: there is no folder /no/such/folder"),
        (model(pretrained="a/b/c"), "pretrained: there is no folder a/b/c"),
        (model(pretrained="~/model"), "pretrained: ~/model: nobody writes out ~ here; give the whole path"),
        (model(pretrained="org/one", peft="./none"), "peft: there is no folder ./none"),
    ],
)
def test_a_model_that_is_not_there_is_named(tmp_path, entry, said):
    (fault,) = faults_of(tmp_path, make_plan([model(), entry]))
    assert fault.startswith(f"study.yaml, model 2: {said}")


def test_a_folder_that_is_to_be_made_first_comes_with_the_command(tmp_path):
    entry = {**model(pretrained="./none"), "prepare": "vrs convert-llava org/original none"}
    (fault,) = faults_of(tmp_path, make_plan([entry]))
    assert fault.endswith("there is no folder ./none; make it by: vrs convert-llava org/original none")


def test_a_folder_without_a_model_is_named(tmp_path):
    (fault,) = faults_of(tmp_path, make_plan([model(pretrained=str(tmp_path))]))
    assert fault.endswith(f"the folder {tmp_path} holds no config.json".replace(f"{tmp_path}/", ""))
    (tmp_path / "config.json").write_text("{}")
    assert faults_of(tmp_path, make_plan([model(pretrained=str(tmp_path))])) == []


def test_a_cache_that_our_models_refuse_is_named(tmp_path):
    (fault,) = faults_of(tmp_path, make_plan([model("hf-multimodal"), model()], use_cache="c"))
    assert fault.startswith("study.yaml, model 2: vrs-hf refuses use_cache")


@pytest.fixture
def no_data(monkeypatch, tmp_path):
    monkeypatch.setenv("VRS_DATA_DIR", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))


def test_data_that_are_not_here_are_told_with_how_to_get_them(tmp_path, no_data):
    fault, *more = faults_of(tmp_path, make_plan(tasks=["vrs_medvqa"]))
    assert fault.startswith("study.yaml, task vrs_medvqa: vrs_vqa_rad lacks flaviagiammarino/vqa-rad: the hub is not")
    assert [line.split()[0] for line in more[:3]] == ["vrs_slake", "vrs_pathvqa", "vrs_pmc_vqa"]
    assert "\n".join(more).count("hf download ") == 4


def test_runs_that_are_done_need_no_data(tmp_path, no_data):
    plan = make_plan(tasks=["vrs_vqa_rad"])
    (run,) = read_study(write_plan(tmp_path, plan), tmp_path / "out").runs
    assert faults_of(tmp_path, plan, {run.folder}) == []


def test_everything_is_told_in_one_error_and_nothing_is_started(tmp_path, monkeypatch, few_tasks):
    monkeypatch.setattr(study_runs, "WatchedCommand", lambda *_: pytest.fail("a run was started"))
    plan = make_plan([model("vrs-hff"), model(pretrained="./none")], ["vrs_smaple", "vrs_sample"], batchsize=8)
    shown = CliRunner().invoke(cli.app, ["study", str(write_plan(tmp_path, plan)), "--output", str(tmp_path / "out")])
    assert shown.exit_code == 2
    assert "nothing was started; 4 to mend:" in shown.output
    assert all(word in shown.output for word in ("vrs-hff", "./none", "vrs_smaple", "batchsize"))


def test_a_dry_run_shows_commands_and_what_is_done_and_starts_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(study_runs, "WatchedCommand", lambda *_: pytest.fail("a run was started"))
    path = write_plan(tmp_path, make_plan(tasks=["vrs_sample", "vrs_sample_mc"], batch_size=4))
    first, _ = read_study(path, tmp_path / "out").runs
    write_run(first.folder, "org_one", draw_rows(0.8, 0.4))
    first.mark_done()
    shown = CliRunner().invoke(cli.app, ["study", str(path), "--output", str(tmp_path / "out"), "--dry-run"])
    assert shown.exit_code == 0
    count, done, to_ask, command = shown.output.splitlines()
    assert count.endswith("2 runs, 1 done, 1 to ask")
    assert (done, to_ask) == ("done     one on vrs_sample", "to ask   one on vrs_sample_mc")
    assert command.split() == [
        *("$", "lm_eval", "run", "--model", "vrs-hf", "--model_args", "pretrained=org/one", "--tasks"),
        *("vrs_sample_mc", "--log_samples", "--output_path", str(first.folder.parent / "vrs_sample_mc")),
        *("--batch_size", "4"),
    ]


def test_a_comma_in_the_output_folder_is_refused_for_shards(tmp_path, monkeypatch):
    monkeypatch.setattr(study_call, "require_ray", lambda: None)
    with pytest.raises(UnreadableStudyError, match="parts arguments at commas"):
        prepare_study(write_plan(tmp_path, make_plan()), tmp_path / "a,b", ray=True)
