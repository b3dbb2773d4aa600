"""`vrs plan`: counts by hand, what is missing, and what hours and money rest on."""

import json
import re
from pathlib import Path

import huggingface_hub
import pytest
from typer.testing import CliRunner

from vrs_lmeval.bridge import tasks_folder
from vrs_lmeval.cli import app
from vrs_lmeval.commands.plan import Pace, PlanError, read_pace

pytestmark = pytest.mark.slow

CONTROLS = Path(__file__).parents[2] / "controls"


@pytest.fixture(autouse=True)
def nothing_but_what_ships(monkeypatch, tmp_path):
    monkeypatch.setenv("VRS_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)


def plan(*arguments, code=0):
    shown = CliRunner().invoke(app, ["plan", *arguments], env={"COLUMNS": "200"})
    assert shown.exit_code == code, shown.output
    return " ".join(shown.output.split())


def test_what_ships_is_counted():
    shown = plan("--tasks", "vrs_sample")
    assert "vrs_sample │ 162 │ 178 │ 3 │ 486" in shown  # 89 pictures, each as it is and blank; shuffled adds none
    assert f"486 requests; answers have at most {486 * 32:,} tokens together" in shown


def test_a_limit_is_a_number_of_questions_and_likelihoods_write_nothing():
    assert "│ 10 │" in (shown := plan("--tasks", "vrs_sample_mc", "--limit", "10"))
    assert "no answer is written: likelihoods" in shown


def test_hours_at_a_given_rate():
    assert "time: about 13.5 hours at 0.01 requests a second (as given)" in plan(
        "--tasks", "vrs_sample", "--rate", "0.01"
    )


@pytest.mark.models
def test_tokens_and_money_by_the_models_own_processor():
    shown = plan(
        "--tasks", "vrs_sample", "--model", str(CONTROLS / "sighted"), "--price-in", "1000", "--price-out", "10"
    )
    found = re.search(r"tokens read: about ([\d,]+), (\d+) a request", shown)
    total, each = (int(number.replace(",", "")) for number in found.groups())
    assert total == pytest.approx(486 * each, rel=0.01)
    read = float(re.search(r"\(([\d.]+) read;", shown)[1])
    assert read == pytest.approx(total * 1000 / 1e6, rel=0.01)
    assert f"{486 * 32 * 10 / 1e6:,.2f} if every answer is as long as it may be" in shown


STUDY = """
models:
  - {model_args: {pretrained: org/one}, training: synthetic, base: b, billions: 7.5, trained_on: [vrs_slake]}
  - model_args: {pretrained: ./two}
    prepare: vrs convert-llava org/two two
    trained_on_test: [vrs_sample]
    sources: [{where: card, says: made by GPT}, {where: paper, source_read: no}]
tasks: ["vrs_sample,vrs_sample_mc"]
arguments: {limit: 10}
"""


def test_a_study_is_counted_with_all_its_models(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text(STUDY)
    shown = plan(str(path), "--rate", "0.01")
    each = 2 * 10 * 3  # of two tasks 10 questions under three variants; `_mc` asks each option apart
    requests = int(re.search(r"([\d,]+) requests a model, by 2 models", shown)[1].replace(",", ""))
    assert requests > each
    assert f"by 2 models: {2 * requests:,} requests" in shown
    assert (
        f"time: about {2 * requests / 0.01 / 3600:,.1f} hours at 0.01 requests a second (as given), the same" in shown
    )
    assert "org/one │ synthetic │ b │ 7.5 │ 15.0 │ vrs_slake" in shown
    assert "./two │ - │ - │ - │ - │ vrs_sample (test)" in shown
    assert "the largest takes 15.0 GB" in shown
    assert "1 of 2 models do not say how many parameters they have" in shown
    assert "to be made first, ./two: vrs convert-llava org/two two" in shown
    assert "1 of 2 sources of the cards are quoted; not read: paper" in shown


def test_money_is_that_of_all_models(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text("{models: [{model_args: {model: a}}, {model_args: {model: b}}], tasks: [vrs_sample]}")
    shown = plan(str(path), "--price-out", "10")
    assert f"money: at most {2 * 486 * 32 * 10 / 1e6:,.2f} " in shown


def test_tasks_of_others_are_named_and_a_file_is_counted(tmp_path):
    own, sample = tmp_path / "own.yaml", next(tasks_folder().rglob("vrs_sample.yaml"))
    own.write_text(f"include: {sample}\ntask: my_sample\n")
    (tmp_path / "other.yaml").write_text("task: other\ndataset_path: text\n")
    shown = plan("--tasks", f"{tmp_path}/*.yaml,hellaswag", "--limit", "10")
    assert "my_sample │ 10 │" in shown
    assert "not counted, since they are no tasks of ours: hellaswag, other" in shown


def test_missing_sets_are_all_named_and_the_rest_is_counted():
    shown = plan("--tasks", "vrs_medvqa,vrs_sample", code=1)
    assert "4 of 5 tasks lack their data. Two ways to get them" in shown
    assert shown.count("hf download") == 4
    assert "of 1 of 5 tasks, whose data are here: 486 requests" in shown


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        pytest.param(
            ("--tasks", "vrs_vqarad"),
            "lm_eval knows no task vrs_vqarad; did you mean vrs_vqa_rad",
            marks=pytest.mark.slow,
        ),
        (("--tasks", "no/such.yaml"), "there is no file no/such.yaml"),
        (("--tasks", "vrs_sample", "--price-in", "3"), "--price-in needs the tokens read"),
        (("--tasks", "vrs_sample", "--model", "no/such/model"), "no/such/model: its tokens cannot be counted"),
        (("--tasks", "vrs_sample", "--like", "nothing/here"), "no results_*.json below it"),
        (("--tasks", "vrs_sample", "--like", "nothing/here", "--rate", "2"), "--rate and --like say the same"),
        ((), "name either a study.yaml or --tasks"),
        (("no/study.yaml", "--tasks", "vrs_sample"), "name either a study.yaml or --tasks"),
        (("no/study.yaml",), "no/study.yaml: cannot be read as YAML"),
    ],
)
def test_what_cannot_be_planned_says_what_to_do(arguments, told):
    assert told in plan(*arguments, code=2)


def test_the_pace_of_an_earlier_run_is_its_requests_by_its_seconds(tmp_path):
    results = {
        "total_evaluation_time_seconds": "20.0",
        "n-samples": {"vrs_sample": {"original": 162, "effective": 50}},
        "config": {"vrs_api": {"requests": 100, "tokens_in": 40_000, "tokens_out": 500, "cache_hits": 0}},
    }
    (tmp_path / "results_2026.json").write_text(json.dumps(results))
    (tmp_path / "samples_vrs_sample_2026.jsonl").write_text('{"resps": [["a"], ["b"], ["c"]]}\n' * 50)
    assert read_pace(tmp_path) == Pace(7.5, 400.0, 5.0, f"as measured in {tmp_path}")
    shown = plan("--tasks", "vrs_sample", "--like", str(tmp_path), "--price-in", "1", "--price-out", "100")
    assert "tokens read: about 194,400, 400 a request" in shown
    assert "money: about 0.44 (0.19 read, 0.24 written, as long as before)" in shown
    results["config"]["vrs_api"]["cache_hits"] = 1
    (tmp_path / "results_2026.json").write_text(json.dumps(results))
    with pytest.raises(PlanError, match="was told from kept answers"):
        read_pace(tmp_path)
    del results["total_evaluation_time_seconds"]
    (tmp_path / "results_2026.json").write_text(json.dumps(results))
    with pytest.raises(PlanError, match=r"results_2026\.json: does not say how long it took"):
        read_pace(tmp_path)


@pytest.mark.models
def test_a_real_run_tells_its_pace(control_runs):
    assert read_pace(control_runs / "blind").requests_a_second > 0
