"""What `import vrs_lmeval` gives to programs and notebooks."""

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.images import synthetic_image
from support.results import draw_rows, write_run

import vrs_lmeval
from vrs_lmeval.commands.preview import load_task
from vrs_lmeval.variants.severities import find_graded

EXAMPLE = Path(__file__).parents[1] / "examples" / "look_at_runs.ipynb"


def test_dir_shows_what_there_is():
    assert {"load_runs", "perturb", "register", "register_image_processors", "reliance"} <= set(dir(vrs_lmeval))
    assert all(callable(getattr(vrs_lmeval, name)) for name in vrs_lmeval.__all__)
    with pytest.raises(AttributeError, match="no attribute 'relaince'"):
        _ = vrs_lmeval.relaince


def test_a_score_by_hand():
    # By image the differences sum to 2 and 0 of 2 questions each; VRS .5.
    found = vrs_lmeval.reliance([1, 1, 0, 1], [0, 0, 0, 1], ["a", "a", "b", "b"])
    assert (found.estimate, found.n, found.clusters) == (0.5, 4, 2)
    assert found.low < 0.5 < found.high


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (([1], [0, 1], ["a", "b"]), "there are \\[1, 2\\] of them"),
        (([], [], []), "no questions"),
        (([2], [0], ["a"]), "correct_real: scores lie between 0 and 1"),
        (([1], [math.nan], ["a"]), "correct_shuffled: scores lie between 0 and 1"),
    ],
)
def test_what_is_no_score_is_told(arguments, told):
    with pytest.raises(ValueError, match=told):
        vrs_lmeval.reliance(*arguments)


@pytest.mark.models
def test_the_interval_of_a_runs_own_table_comes_out_again(control_runs):
    tables = vrs_lmeval.load_runs(control_runs / "sighted")
    rows = [row for row in tables.answers if row["task"] == "vrs_sample"]
    by_variant = {
        name: {row["sample_id"]: row for row in rows if row["variant"] == name} for name in ("real", "shuffled")
    }
    order = list(by_variant["real"])
    real, shuffled = ([by_variant[name][key] for key in order] for name in ("real", "shuffled"))
    found = vrs_lmeval.reliance(
        [row["correct"] for row in real],
        [row["correct"] for row in shuffled],
        [row["image_id"] for row in real],
        [row["shown_id"] for row in shuffled],
    )
    (logged,) = [row for row in tables.metrics if (row["task"], row["metric"]) == ("vrs_sample", "vrs")]
    assert (found.estimate, found.low, found.high) == pytest.approx(
        (logged["estimate"], logged["low"], logged["high"]), abs=1e-12
    )
    (results,) = (control_runs / "sighted").rglob("results_*.json")
    own = json.loads(results.read_text())["results"]["vrs_sample"]
    assert (found.low, found.high) == pytest.approx((own["vrs_ci95_low,none"], own["vrs_ci95_high,none"]))


def test_tables_have_a_row_an_answer_and_a_row_a_metric(tmp_path):
    write_run(tmp_path, "one", draw_rows(0.9, 0.4, images=30))
    write_run(tmp_path, "two", draw_rows(0.5, 0.5, images=30))
    tables = vrs_lmeval.load_runs(tmp_path / "one", str(tmp_path / "two"), tmp_path)  # below two of them, once each
    assert len(tables.answers) == 2 * 60 * 2
    assert {row["model"] for row in tables.metrics} == {"some/one", "some/two"}
    one = [row for row in tables.answers if row["model"] == "some/one" and row["variant"] == "real"]
    accuracy = next(row for row in tables.metrics if (row["model"], row["metric"]) == ("some/one", "acc"))
    assert accuracy["estimate"] == pytest.approx(sum(row["correct"] for row in one) / 60)
    assert (accuracy["questions"], accuracy["images"]) == (60, 30)


def test_an_image_is_perturbed_as_a_run_shows_it():
    task = load_task("vrs_sample_robust")
    sample, shown = task.show_variants(0)
    graded = [name for name in shown if find_graded(name)]
    assert {"gaussian_noise_3", "jpeg_3"} <= set(graded)  # one that is drawn, one that the fused op cannot make
    for name in graded:
        mine = vrs_lmeval.perturb(shown["real"].convert("RGB"), name, image_id=sample.image_id)
        assert np.array_equal(np.asarray(mine), np.asarray(shown[name].convert("RGB"))), name


def test_a_file_may_be_named_and_other_names_are_told(tmp_path):
    picture = Image.fromarray(synthetic_image(40, 30, seed=1))
    picture.save(tmp_path / "a.png")
    from_file = vrs_lmeval.perturb(tmp_path / "a.png", "pixelate_2")
    assert from_file.size == picture.size
    assert np.array_equal(np.asarray(from_file), np.asarray(vrs_lmeval.perturb(picture, "pixelate_2")))
    with pytest.raises(ValueError, match=r"no perturbation 'gausian_blur_3'; there are .*gaussian_blur_1\.\.5"):
        vrs_lmeval.perturb(picture, "gausian_blur_3")


@pytest.mark.models
def test_the_notebook_runs(control_runs, tmp_path, monkeypatch):
    shutil.copytree(control_runs, tmp_path / "vrs-demo")
    monkeypatch.chdir(tmp_path)
    cells = json.loads(EXAMPLE.read_text())["cells"]
    names = {}
    for cell in cells:
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), str(EXAMPLE), "exec"), names)
    assert names["found"].low <= names["found"].estimate <= names["found"].high
    assert names["blurred"].size == names["picture"].size
