"""The pictures of the leaderboard's page: what the models were shown, only if asked for, and of the right data."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.chromium import needs_chromium
from support.results import draw_rows, write_run
from typer.testing import CliRunner

from vrs_lmeval.cli import app
from vrs_lmeval.commands.preview import load_task
from vrs_lmeval.leaderboard.board import make_leaderboard
from vrs_lmeval.leaderboard.runs import read_folders
from vrs_lmeval.page.sample_browser import choose_samples
from vrs_lmeval.page.thumbnails import collect_pictures, make_key

pytestmark = pytest.mark.models

CONTROL = Path(__file__).parents[2] / "controls" / "sighted"


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    """Four questions of the embedded sample, asked of the sighted control."""
    output = tmp_path_factory.mktemp("run")
    command = [sys.executable, "-m", "lm_eval", "run", "--model", "vrs-hf", "--model_args", f"pretrained={CONTROL}"]
    command += ["--tasks", "vrs_sample", "--limit", "4", "--log_samples", "--output_path", str(output)]
    finished = subprocess.run(
        command, capture_output=True, text=True, timeout=300, env={**os.environ, "HF_HUB_OFFLINE": "1"}
    )
    assert finished.returncode == 0, finished.stderr[-3000:]
    return output


def make_page(folder, path, *options):
    result = CliRunner().invoke(app, ["leaderboard", str(folder), "--html", str(path), *options])
    assert result.exit_code == 0, result.output
    return result.output, path.read_text(encoding="utf-8")


@needs_chromium
def test_the_browser_shows_what_each_variant_was(run_folder, tmp_path, browser):
    _, text = make_page(run_folder, tmp_path / "page.html", "--images")
    page = browser.new_page(viewport={"width": 390, "height": 844})
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto((tmp_path / "page.html").as_uri())
    page.locator("details.browser summary").click()
    assert page.locator(".list thead th").all_inner_texts() == ["question", "real", "blank", "shuffled"]
    first = page.locator(".list tbody tr").first
    assert first.locator("td:has(img)").count() == 3
    assert first.locator("img").evaluate_all("all => all.map(i => i.naturalWidth > 0)") == [True] * 3
    assert first.locator("img").first.get_attribute("alt") == "what the model was shown as real"
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    page.close()
    # A picture shown twice, as real of one question and as shuffled of another, is stored once.
    keys = re.findall(r'"([0-9a-f]{12})": ?"data:image/webp', text)
    assert len(keys) == len(set(keys)) > 4


def test_a_page_stays_light_with_pictures_unless_more_questions_are_asked_for(run_folder, tmp_path, monkeypatch):
    monkeypatch.setattr("vrs_lmeval.cli.LIGHT_BYTES", 10_000)
    output, text = make_page(run_folder, tmp_path / "page.html", "--images")
    left_out = int(re.search(r"pictures of (\d) questions left out, so that the page stays light", output)[1])
    assert 1 <= left_out <= 3
    assert 0 < sum(map(len, re.findall(r"data:image/webp;base64,[^\"]*", text))) <= 10_000
    output, whole = make_page(run_folder, tmp_path / "page.html", "--images", "--samples", "4")
    assert "left out" not in output
    assert whole.count("data:image/webp") > text.count("data:image/webp")


def test_without_being_asked_the_page_holds_no_image(run_folder, tmp_path):
    _, text = make_page(run_folder, tmp_path / "page.html")
    assert "data:image/webp" not in text


def test_other_data_than_the_models_were_asked_is_refused_and_the_page_made(run_folder, tmp_path):
    shutil.copytree(run_folder, tmp_path / "run")
    (results,) = (tmp_path / "run").rglob("results_*.json")
    content = json.loads(results.read_text())
    content["configs"]["vrs_sample"]["vrs"]["dataset"]["content_sha256"] = "0" * 64
    results.write_text(json.dumps(content))
    output, text = make_page(tmp_path / "run", tmp_path / "page.html", "--images")
    assert "vrs_sample: no pictures: the data found here" in output
    assert "point VRS_DATA_DIR at that" in output
    assert "data:image/webp" not in text
    assert '<details class="browser"' in text


def test_data_that_is_not_here_is_told_and_the_page_made(tmp_path, monkeypatch):
    monkeypatch.setenv("VRS_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    write_run(tmp_path / "runs", "model", draw_rows(0.9, 0.4), task="vrs_slake")
    output, text = make_page(tmp_path / "runs", tmp_path / "page.html", "--images")
    assert "vrs_slake: no pictures: " in output
    assert "holds no folder mdwiratathya/SLAKE-vqa-english" in " ".join(output.split())
    assert "data:image/webp" not in text


def test_pictures_end_where_a_browser_would(run_folder):
    runs, _ = read_folders([run_folder])
    (board,) = make_leaderboard(runs, {}).boards
    ids = [sample.sample_id for sample in choose_samples(board)]
    everything = collect_pictures(board, ids)
    assert (set(everything.shown), everything.left_out) == (set(ids), 0)
    one = collect_pictures(board, ids[:1])
    size = sum(map(len, one.files.values()))
    part = collect_pictures(board, ids, largest=size)
    assert part.shown == one.shown
    assert part.left_out == len(ids) - 1


def test_a_key_stands_for_the_image_and_its_change():
    task = load_task("vrs_sample")
    sample, other = task.eval_docs[0]["sample_id"], task.eval_docs[1]["sample_id"]
    shown, shown_other = task.show_question(sample), task.show_question(other)
    keys = {name: make_key(image) for name, (image,) in shown.items()}
    assert len(set(keys.values())) == 3
    assert keys == {name: make_key(image) for name, (image,) in task.show_question(sample).items()}
    assert make_key(shown_other["blank"][0]) != keys["blank"]  # another image's size
