"""`vrs study`: what it would run, that it goes on where it stopped, and that a failure costs the others nothing."""

import json
import signal
from pathlib import Path

import pytest
from support.results import draw_rows, write_run
from typer.testing import CliRunner

from vrs_lmeval import cli
from vrs_lmeval.commands import study_call, study_runs
from vrs_lmeval.commands.study import UnreadableStudyError, read_study, write_option
from vrs_lmeval.leaderboard.model_cards import ModelCard

PLAN = """
models:
  - {model_args: {pretrained: org/one, dtype: float32}, training: synthetic, label: One}
  - {model: hf-multimodal, model_args: {pretrained: org/two}}
tasks: [vrs_test, vrs_other]
arguments: {batch_size: 8, apply_chat_template: true}
"""


def write_plan(tmp_path, text=PLAN):
    path = tmp_path / "study.yaml"
    path.write_text(text)
    return path


def test_a_plan_becomes_commands_of_lm_eval(tmp_path):
    study = read_study(write_plan(tmp_path), tmp_path / "out")
    assert [(run.name, run.task) for run in study.runs] == [
        (name, task) for name in ("org/one", "org/two") for task in ("vrs_test", "vrs_other")
    ]
    assert study.cards["org/one"] == ModelCard(label="One", training="synthetic")
    first, third = study.runs[0].command, study.runs[2].command
    assert first[1:11] == (
        *("-m", "lm_eval", "run", "--model", "vrs-hf", "--model_args", "pretrained=org/one,dtype=float32"),
        *("--tasks", "vrs_test", "--log_samples"),
    )
    assert first[-3:] == ("--batch_size", "8", "--apply_chat_template")
    assert third[5] == "hf-multimodal"
    assert len({run.folder for run in study.runs}) == 4


def test_two_settings_of_one_model_have_folders_of_their_own(tmp_path):
    text = "models: [{model_args: {pretrained: a}}, {model_args: {pretrained: a, dtype: bfloat16}}]\ntasks: [t]"
    first, second = read_study(write_plan(tmp_path, text), tmp_path).runs
    assert first.folder != second.folder


def test_an_adapter_has_the_name_and_the_card_of_its_own(tmp_path):
    text = """
models:
  - {model_args: {pretrained: org/base}, label: Base}
  - {model_args: {pretrained: org/base, peft: org/adapter}, label: Tuned}
tasks: [t]
"""
    study = read_study(write_plan(tmp_path, text), tmp_path / "out")
    assert [run.name for run in study.runs] == ["org/base", "org/adapter"]  # as lm_eval's results call them
    assert {name: card.label for name, card in study.cards.items()} == {"org/base": "Base", "org/adapter": "Tuned"}


def test_cards_may_stand_in_a_file_of_their_own(tmp_path):
    plan = write_plan(tmp_path, "{models: [{model_args: {pretrained: ./x/one}}], tasks: [t], cards: cards.yaml}")
    (tmp_path / "cards.yaml").write_text("models: {one: {label: One}}")
    assert read_study(plan, tmp_path / "out").cards == {"./x/one": ModelCard(label="One")}


@pytest.mark.parametrize(
    ("cards", "message"),
    [
        ("models: {one: {}, two: {}}", "cards.yaml, two: is no model of .*study.yaml"),
        ("models: {one: {labl: One}}", "cards.yaml, one: there is no 'labl'; did you mean label"),
        (None, "cards.yaml: cannot be read as YAML"),
    ],
)
def test_a_faulty_file_of_cards_is_named(tmp_path, cards, message):
    plan = write_plan(tmp_path, "{models: [{model_args: {pretrained: one}}], tasks: [t], cards: cards.yaml}")
    if cards is not None:
        (tmp_path / "cards.yaml").write_text(cards)
    with pytest.raises(UnreadableStudyError, match=message):
        read_study(plan, tmp_path)


def test_a_card_stands_in_one_place(tmp_path):
    (tmp_path / "cards.yaml").write_text("models: {one: {}}")
    plan = "{models: [{model_args: {pretrained: one}, label: One}], tasks: [t], cards: cards.yaml}"
    with pytest.raises(UnreadableStudyError, match="model 1: label: belongs into the file that `cards` names"):
        read_study(write_plan(tmp_path, plan), tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("models: []", "should hold models, tasks"),
        ("{models: [], tasks: [], task: x}", "nothing else"),
        ("{models: {}, tasks: []}", "should be lists"),
        ("{models: [{pretrained: a}], tasks: [t]}", "model 1: needs model_args"),
        ("{models: [{model_args: {dtype: a}}], tasks: [t]}", "model 1: model_args should name the model"),
        ("{models: [{model_args: {pretrained: a}, training: x}], tasks: [t]}", "model 1: training 'x' is none of"),
        ("models: [", "cannot be read as YAML"),
        ("{models: [{model_args: {pretrained: a}, gpus: two}], tasks: [t]}", "model 1: gpus should be a number"),
        ("{models: [{model_args: {pretrained: a}, gpus: 1.5}], tasks: [t]}", "a share of one GPU or a number of whole"),
        ("{models: [{model_args: {pretrained: a}, shards: 0}], tasks: [t]}", "model 1: shards should be a number"),
        ("{models: [{model_args: {pretrained: a}}], tasks: [t], shard_above: many}", "shard_above should be a number"),
    ],
)
def test_a_faulty_plan_is_named(tmp_path, text, message):
    with pytest.raises(UnreadableStudyError, match=message):
        read_study(write_plan(tmp_path, text), tmp_path)


class EndedProcess:
    def __init__(self, code):
        self.code = code

    def wait(self, seconds):
        return self.code


def test_all_faulty_entries_are_named_at_once(tmp_path):
    text = "{models: [{pretrained: a}, {model_args: {pretrained: b}, training: x}, {model_args: {}}], tasks: [t]}"
    with pytest.raises(UnreadableStudyError) as caught:
        read_study(write_plan(tmp_path, text), tmp_path)
    assert [line.split(": ")[0][-7:] for line in str(caught.value).splitlines()] == ["model 1", "model 2", "model 3"]


@pytest.mark.parametrize(
    ("key", "value", "written"),
    [
        ("apply_chat_template", True, ["--apply_chat_template"]),
        ("apply_chat_template", False, []),
        ("fewshot_as_multiturn", False, ["--fewshot_as_multiturn", "false"]),
        ("limit", None, []),
        ("limit", 0.5, ["--limit", "0.5"]),
        ("gen_kwargs", {"temperature": 0, "top_p": 1}, ["--gen_kwargs", "temperature=0", "top_p=1"]),
    ],
)
def test_an_argument_is_written_as_lm_eval_reads_it(key, value, written):
    assert write_option(key, value) == written


def test_a_task_by_the_path_of_its_file_has_a_folder_below_the_output(tmp_path):
    text = "{models: [{model_args: {pretrained: a}}], tasks: [/some/where/task.yaml]}"
    (run,) = read_study(write_plan(tmp_path, text), tmp_path / "out").runs
    assert run.folder.parent.parent == tmp_path / "out" / "runs"
    assert run.command[run.command.index("--tasks") + 1] == "/some/where/task.yaml"


@pytest.fixture
def lm_eval(monkeypatch):
    """Stands for the lm_eval process: writes results as it does, or fails for the names in `broken`."""
    calls, broken = [], set()

    def start(command, output):
        name = command[command.index("--model_args") + 1].split("=")[1].split(",")[0]
        calls.append((name, command[command.index("--tasks") + 1]))
        if name in broken:
            output.write("starting\nOutOfMemoryError: too big\n")
            output.flush()
            return EndedProcess(1)
        folder = command[command.index("--output_path") + 1]
        write_run(Path(folder), name.replace("/", "_"), draw_rows(0.8, 0.4), task=calls[-1][1])
        return EndedProcess(0)

    monkeypatch.setattr(study_runs, "WatchedCommand", start)
    return calls, broken


@pytest.fixture(autouse=True)
def unchecked(monkeypatch):
    """The names of these plans are made up; tests of the checks have a file of their own."""
    monkeypatch.setattr(study_call, "check_study", lambda study, done: {})


def study(tmp_path, text=PLAN):
    plan = write_plan(tmp_path, text)
    return CliRunner().invoke(cli.app, ["study", str(plan), "--output", str(tmp_path / "out")])


@pytest.mark.slow
def test_a_study_runs_all_once_and_builds_the_page(tmp_path, lm_eval):
    calls, _ = lm_eval
    for _ in range(2):
        shown = study(tmp_path)
        assert shown.exit_code == 0, shown.output
    assert len(calls) == 4
    assert (tmp_path / "out" / "leaderboard.html").is_file()
    assert "some/org_one" in (tmp_path / "out" / "leaderboard.csv").read_text() or "org_one" in shown.output


@pytest.mark.slow
def test_a_changed_argument_runs_again(tmp_path, lm_eval):
    calls, _ = lm_eval
    study(tmp_path)
    study(tmp_path, PLAN.replace("batch_size: 8", "limit: 8"))
    assert len(calls) == 8


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (1, "the end"),
        (
            128 + signal.SIGKILL,
            "killed by SIGKILL, as the system does where memory runs out; the last it said: the end",
        ),
        (128 + signal.SIGSEGV, "killed by SIGSEGV; the last it said: the end"),
        (255, "the end"),
    ],
)
def test_a_run_that_a_signal_killed_is_told_so(tmp_path, code, told):
    (tmp_path / "log").write_text("begun\nthe end\n")
    assert study_runs.explain_end(code, tmp_path / "log") == told


@pytest.mark.slow
def test_a_failed_run_is_said_and_tried_again_and_costs_the_others_nothing(tmp_path, lm_eval):
    calls, broken = lm_eval
    broken.add("org/one")
    shown = study(tmp_path)
    assert shown.exit_code == 1
    assert "OutOfMemoryError: too big" in shown.output
    assert (tmp_path / "out" / "leaderboard.html").is_file()
    broken.clear()
    assert study(tmp_path).exit_code == 0
    assert sorted(calls) == sorted(
        [("org/one", task) for task in ("vrs_test", "vrs_other")] * 2
        + [("org/two", task) for task in ("vrs_test", "vrs_other")]
    )


def test_a_run_that_was_killed_is_not_done(tmp_path):
    (run, *_) = read_study(write_plan(tmp_path), tmp_path / "out").runs
    write_run(run.folder, "org_one", draw_rows(0.8, 0.4))  # results, but no note
    assert not run.is_done
    run.mark_done()
    assert run.is_done
    assert json.loads((run.folder / "study_run.json").read_text())[:2] == ["-m", "lm_eval"]


def finish(tmp_path):
    """The first run of the plan, done, and its folder with results."""
    (run, *_) = read_study(write_plan(tmp_path), tmp_path / "out").runs
    folder = write_run(run.folder, "org_one", draw_rows(0.8, 0.4))
    (results,) = folder.glob("results_*")
    counts = {"vrs_test": {"original": 120, "effective": 120}}
    results.write_text(json.dumps(json.loads(results.read_text()) | {"n-samples": counts}))
    run.mark_done()
    assert run.is_done
    return run, folder


def cut_in_the_middle(path):
    path.write_text(path.read_text()[: path.stat().st_size // 2])


def leave_out_lines(path):
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-3]))


def spoil_a_line(path):
    path.write_text(path.read_text().replace("{", "[", 1))


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        *(("samples_*", damage) for damage in (cut_in_the_middle, leave_out_lines, spoil_a_line)),
        *(("results_*", damage) for damage in (cut_in_the_middle, spoil_a_line)),
        *((name, lambda path: path.unlink()) for name in ("samples_*", "results_*")),
        *((name, lambda path: path.write_bytes(b"")) for name in ("samples_*", "results_*")),
    ],
)
def test_a_run_whose_results_are_not_whole_is_not_done(tmp_path, name, damage):
    run, folder = finish(tmp_path)
    damage(next(folder.glob(name)))
    assert not run.is_done
    write_run(run.folder, "org_one", draw_rows(0.8, 0.4), time="2027-01-01T00-00-00.000000")  # run again
    assert run.is_done


@pytest.mark.parametrize("content", [b"", b"[", b"\xff", b"5", b"[" * 100_000])
def test_a_damaged_note_is_none(tmp_path, content):
    run, _ = finish(tmp_path)
    (run.folder / "study_run.json").write_bytes(content)
    assert not run.is_done


def test_samples_of_a_task_that_is_not_ours_are_whole_too(tmp_path):
    """A line a question for each of its filters."""
    run, folder = finish(tmp_path)
    (results,) = folder.glob("results_*")
    content = json.loads(results.read_text())
    content["n-samples"]["gsm8k"] = {"original": 9, "effective": 3}
    results.write_text(json.dumps(content))
    samples = results.with_name(results.name.replace("results_", "samples_gsm8k_") + "l")
    assert not run.is_done
    for lines, is_done in ((6, True), (3, True), (5, False)):
        samples.write_text("{}\n" * lines)
        assert run.is_done is is_done
    samples.write_text("{}\n{}\n{\n")
    assert not run.is_done


def test_the_note_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    run, _ = finish(tmp_path)
    before = (run.folder / "study_run.json").read_text()

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        run.mark_done()
    assert (run.folder / "study_run.json").read_text() == before


def test_results_that_lm_eval_lost_without_an_error_are_a_failure(tmp_path, monkeypatch):
    monkeypatch.setattr(study_runs, "WatchedCommand", lambda command, output: EndedProcess(0))
    shown = study(tmp_path)
    assert shown.exit_code == 1
    assert "lm_eval wrote no results there" in " ".join(shown.output.split())
    assert not list(tmp_path.rglob("study_run.json"))


def test_a_folder_that_cannot_be_written_costs_its_run_alone(tmp_path, lm_eval):
    plan = write_plan(tmp_path)
    run = read_study(plan, tmp_path / "out").runs[0]
    run.folder.parent.mkdir(parents=True)
    run.folder.write_text("a file where the folder should be")
    shown = study(tmp_path)
    assert shown.exit_code == 1
    assert "File exists" in " ".join(shown.output.split())
    assert "1 of 4 runs failed" in " ".join(shown.output.split())
