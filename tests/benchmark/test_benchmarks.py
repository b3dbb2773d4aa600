"""The paper's four benchmarks in the harness, on rows made by us with their schema and quirks; all values by hand."""

import io
import json
import math
import os
import subprocess
import sys

import lm_eval
import pytest
from PIL import Image
from support.medvqa_rows import BENCHMARKS, RIGHT, MedVqaOracle, write_labelled_slake, write_medvqa
from support.oracles import find_tasks
from support.tiny_llava import save_tiny_llava

pytestmark = pytest.mark.models

GROUP_METRICS = (
    *("acc", "acc_blank", "acc_shuffled", "acc_majority", "vrs", "vrs_ceiling", "image_sensitivity"),
    "parse_failure_rate",
)


def looks(task, question, image):
    return "I cannot tell." if image == "blank" else RIGHT[task][question]["ab".index(image)]


def says_no(task, question, image):
    return "No."


EXPECTED = {
    looks: {
        # Shuffled, the answers to 4 of 6 questions change; the third question has one gold on both images.
        "vrs_vqa_rad": {"acc": 1, "acc_blank": 0, "acc_shuffled": 2 / 6, "vrs": 4 / 6, "image_sensitivity": 4 / 6,
                        "parse_failure_rate": 6 / 18, "acc_closed": 1, "vrs_closed": 1, "acc_open": 1, "vrs_open": 0},
        # Healthy lungs and two kidneys on both images; planes and techniques differ.
        "vrs_slake": {"acc": 1, "acc_blank": 0, "acc_shuffled": 4 / 8, "vrs": 4 / 8, "image_sensitivity": 4 / 8,
                      "parse_failure_rate": 8 / 24, "vrs_closed": 2 / 4, "vrs_open": 2 / 4},
        # All 9 answers change; 2 stay right, as "a" is both normal and not: closed 2 of 5 right, open 0 of 4.
        "vrs_pathvqa": {"acc": 1, "acc_blank": 0, "acc_shuffled": 2 / 9, "vrs": 7 / 9, "image_sensitivity": 1,
                        "parse_failure_rate": 9 / 27, "vrs_closed": 3 / 5, "vrs_open": 1},
        # The stain is N/A on both images.
        "vrs_pmc_vqa": {"acc": 1, "acc_blank": 0, "acc_shuffled": 2 / 6, "vrs": 4 / 6, "image_sensitivity": 4 / 6,
                        "parse_failure_rate": 6 / 18, "acc_closed": 1, "acc_open": math.nan},
        # By hand: vrs (4/6 + 4/8 + 7/9 + 4/6) / 4 = 47/72; weighted by size it would be 19/29.
        "vrs_medvqa": {"acc": 1, "acc_blank": 0, "acc_shuffled": 25 / 72, "vrs": 47 / 72,
                       "image_sensitivity": (4 / 6 + 4 / 8 + 1 + 4 / 6) / 4, "parse_failure_rate": 1 / 3},
    },
    says_no: {
        "vrs_vqa_rad": {"acc": 1 / 6, "vrs": 0, "image_sensitivity": 0, "parse_failure_rate": 0},
        "vrs_slake": {"acc": 0, "vrs": 0, "image_sensitivity": 0, "parse_failure_rate": 0},
        # Right on "b" (not necrotic, not normal), and on "a" in both rows that ask whether it is normal.
        "vrs_pathvqa": {"acc": 4 / 9, "vrs": 0, "image_sensitivity": 0, "parse_failure_rate": 0},
        # No option is named, ever; so nothing is known of its sensitivity, and of the group's neither.
        "vrs_pmc_vqa": {"acc": 0, "vrs": 0, "image_sensitivity": math.nan, "parse_failure_rate": 1},
        "vrs_medvqa": {"acc": (1 / 6 + 4 / 9) / 4, "acc_blank": (1 / 6 + 4 / 9) / 4, "vrs": 0,
                       "image_sensitivity": math.nan, "parse_failure_rate": 1 / 4},
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mirror")
    write_medvqa(folder)
    write_labelled_slake(folder)
    return folder


@pytest.fixture(autouse=True)
def _mirror(data_dir, monkeypatch):
    monkeypatch.setenv("VRS_DATA_DIR", str(data_dir))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def evaluate(oracle, **options):
    manager = find_tasks()
    model = MedVqaOracle(oracle)
    results = lm_eval.simple_evaluate(
        model=model, tasks=["vrs_medvqa"], task_manager=manager, bootstrap_iters=10, **options
    )
    return results, model.requests


@pytest.mark.parametrize("oracle", EXPECTED, ids=lambda oracle: oracle.__name__)
def test_metrics_and_group_row_are_those_worked_out_by_hand(oracle):
    results, requests = evaluate(oracle)
    assert len(requests) == 3 * (6 + 8 + 9 + 6)
    assert "vrs_medvqa" in results["groups"]
    for task, metrics in EXPECTED[oracle].items():
        for name, value in metrics.items():
            assert results["results"][task][f"{name},none"] == pytest.approx(value, nan_ok=True), (task, name)


def test_a_model_that_is_right_about_the_image_shown_reaches_the_ceiling_of_each_task():
    results = evaluate(looks)[0]["results"]
    for task in ("vrs_vqa_rad", "vrs_slake", "vrs_pmc_vqa"):
        assert results[task]["vrs_ceiling,none"] == pytest.approx(results[task]["vrs,none"]), task
    # "is this normal?" is both on "a": the ceiling draws the answer that is right on "b" too, the model gives another.
    assert results["vrs_pathvqa"]["vrs_ceiling,none"] == pytest.approx(results["vrs_pathvqa"]["vrs,none"] - 1 / 9)


def test_group_row_is_the_unweighted_mean_with_its_error():
    results = evaluate(looks)[0]["results"]
    row = results["vrs_medvqa"]
    assert {key.removesuffix(",none") for key in row if key.endswith(",none") and "_stderr" not in key} == {
        *GROUP_METRICS
    }
    for name in GROUP_METRICS:
        assert row[f"{name},none"] == pytest.approx(sum(results[task][f"{name},none"] for task in RIGHT) / 4)
        # Of independent tasks: the root of the summed squares, over their number.
        errors = [results[task][f"{name}_stderr,none"] for task in RIGHT]
        assert row[f"{name}_stderr,none"] == pytest.approx(math.hypot(*errors) / 4, nan_ok=True)


def test_labelled_slake_asks_the_same_questions_and_breaks_them_down():
    manager = find_tasks()
    names = ["vrs_slake", "vrs_slake_labelled"]
    plain, labelled = (manager.load([name])["tasks"][name] for name in names)
    assert [d["sample_id"] for d in plain.eval_docs] == [d["sample_id"] for d in labelled.eval_docs]
    assert [d["answer_type"] for d in plain.eval_docs] == [d["answer_type"] for d in labelled.eval_docs]

    def answer(task, question, image):
        return looks("vrs_slake", question, image)

    results = lm_eval.simple_evaluate(
        model=MedVqaOracle(answer), tasks=names, task_manager=manager, bootstrap_iters=10
    )["results"]
    by_form, by_label = ({key.removesuffix(",none"): v for key, v in results[name].items()} for name in names)
    # Planes and techniques differ between the images, healthy lungs and two kidneys are on both.
    assert (by_label["vrs_question_type_plane"], by_label["vrs_question_type_quantity"]) == (1, 0)
    assert by_label["vrs_question_type_abnormality"] == 0.5
    assert (by_label["vrs_modality_ct"], by_label["vrs_modality_x_ray"]) == (0.5, 0.5)
    assert by_label["acc_majority_question_type_quantity"] == 1
    forms = {"yes_no": 0, "alternatives": 1, "which": 1, "how": 0}
    assert {form: by_form[f"vrs_question_form_{form}"] for form in forms} == forms


def test_prompts_are_short_answer_or_lettered_options():
    prompts = [request.args[0] for request in evaluate(looks)[1]]
    assert "<image>\nIs the lung healthy?\nAnswer the question using a single word or phrase." in prompts
    assert (
        "<image>\nWhat technique is used?\nA. X-ray\nB. MRI\nC. CT\nD. Ultrasound\n"
        "Answer with the option's letter from the given choices directly."
    ) in prompts


def test_results_say_how_many_rows_were_affected():
    evidence = {task: evaluate(looks)[0]["configs"][task]["vrs"]["dataset"] for task in ("vrs_pathvqa", "vrs_slake")}
    pathvqa, slake = evidence.values()
    assert (pathvqa["questions"], pathvqa["images"], pathvqa["data_files"]) == (9, 2, "data/test-*")
    assert pathvqa["repeated_questions"] == 3  # twice "what is present?", once "is this normal?"
    assert pathvqa["questions_with_golds_of_duplicates"] == 5  # all rows of those two questions on image a
    assert (slake["repeated_questions"], "questions_with_golds_of_duplicates" in slake) == (0, False)


def test_the_cmyk_image_is_shown_in_its_colours():
    colours = []

    class Watching(MedVqaOracle):
        def _answer_one(self, request):
            (image,) = request.args[2]["visual"]
            if image.size == (40, 30) and request.idx == 0:
                colours.append((image.getpixel((5, 15)), image.getpixel((35, 15))))
            return "yes"

    assert Image.open(io.BytesIO(BENCHMARKS["vrs_pathvqa"].files["b"])).mode == "CMYK"
    manager = find_tasks()
    lm_eval.simple_evaluate(model=Watching(looks), tasks=["vrs_pathvqa"], task_manager=manager, log_samples=True)
    assert len(colours) == 3
    for left, right in colours:
        assert left == pytest.approx((255, 0, 0), abs=8)  # inverted, as some programs read it, it would be cyan
        assert right == pytest.approx((255, 255, 255), abs=8)


def test_the_command_line_runs_the_group_on_a_real_model(tmp_path):
    model = save_tiny_llava(tmp_path / "tiny")
    output = tmp_path / "results"
    command = [sys.executable, "-m", "lm_eval", "run", "--model", "vrs-hf", "--model_args", f"pretrained={model}"]
    command += ["--tasks", "vrs_medvqa", "--batch_size", "8", "--log_samples", "--output_path", str(output)]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=600, env=dict(os.environ))
    assert finished.returncode == 0, finished.stderr[-3000:]
    (file,) = output.rglob("results_*.json")
    results = json.loads(file.read_text())["results"]
    table, _, groups = finished.stdout.partition("Groups")
    assert all(task in table for task in BENCHMARKS)
    mean = sum(results[task]["vrs,none"] for task in BENCHMARKS) / 4
    (row,) = [line for line in groups.splitlines() if "|vrs " in line]
    assert f"|{mean:.4f}|" in row.replace(" ", "")
    for task, benchmark in BENCHMARKS.items():
        (log,) = output.rglob(f"samples_{task}_*.jsonl")
        logged = [json.loads(line)["doc"] for line in log.read_text().splitlines()]
        assert len(logged) == len(benchmark.rows)
        assert all(set(document["variants"]) == {"real", "blank", "shuffled"} for document in logged)
