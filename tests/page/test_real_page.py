"""A page of real runs: both controls were asked some tasks through lm_eval; Chromium opens the page."""

import csv
import json
import math
import re

import pytest
from support.chromium import needs_chromium
from support.control_runs import LIMIT, TASKS
from typer.testing import CliRunner

from vrs_lmeval.cli import app
from vrs_lmeval.leaderboard.board import make_leaderboard
from vrs_lmeval.leaderboard.runs import read_folders
from vrs_lmeval.uncertainty.limits import EXACT_METHOD

pytestmark = pytest.mark.models

CARDS = {"sighted": {"training": "authentic", "base": "control"}, "blind": {"training": "synthetic", "base": "control"}}


@pytest.fixture(scope="module")
def made(control_runs, tmp_path_factory):
    """The folder of the board's page and its numbers."""
    folder = tmp_path_factory.mktemp("board")
    (folder / "models.yaml").write_text(json.dumps({"models": CARDS}))  # JSON is YAML
    command = ["leaderboard", str(control_runs), "--models", str(folder / "models.yaml")]
    command += ["--html", str(folder / "leaderboard.html"), "--csv", str(folder / "leaderboard.csv")]
    shown = CliRunner().invoke(app, command)
    assert shown.exit_code == 0, shown.output
    return folder


@pytest.fixture(scope="module")
def board(control_runs):
    runs, problems = read_folders([control_runs])
    assert problems == []
    assert len(runs) == 2 * len(TASKS)
    return make_leaderboard(runs, {})


@pytest.fixture
def page(made, browser):
    """The page at a desktop's width; fails where it logs anything or asks for anything but itself."""
    path = made / "leaderboard.html"
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    complaints = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    address = path.as_uri()
    page.on("request", lambda request: None if request.url.startswith(address) else complaints.append(request.url[:60]))
    page.goto(path.as_uri())
    yield page
    page.close()
    assert [complaint for complaint in complaints if not complaint.startswith("data:")] == []


def test_both_models_stand_on_every_task_and_the_sighted_one_looks(board):
    assert sorted(task.task for task in board.boards) == sorted(TASKS)
    assert all(len(task.standings) == 2 for task in board.boards)
    assert board.left_out == ()
    (sample,) = [task for task in board.boards if task.task == "vrs_sample"]
    assert sample.standings[0].label == "sighted"
    assert "only 18 images were asked about" in sample.standings[0].verdict


def test_every_interval_is_that_of_the_harness_own_table(board):
    checked = 0
    for standing in [standing for task in board.boards for standing in task.standings]:
        table = json.loads(standing.run.source.read_text())["results"][standing.run.task]
        assert {name for name in table if name.endswith("_stderr,none") and "stderr_stderr" not in name} >= {
            f"{name}_stderr,none" for name in standing.metrics
        }
        for name, interval in standing.metrics.items():
            assert interval.estimate == pytest.approx(table[f"{name},none"], nan_ok=True)
            has_spread = interval.reason is None and interval.method != EXACT_METHOD
            assert has_spread == (not math.isnan(table[f"{name}_stderr,none"])), name
            if has_spread:
                assert interval.low < interval.estimate < interval.high
                checked += 1
        vrs = standing.metrics["vrs"]
        assert (vrs.low, vrs.high) == pytest.approx((table["vrs_ci95_low,none"], table["vrs_ci95_high,none"]))
    assert checked > 60


def test_the_csv_holds_every_run(made):
    rows = list(csv.DictReader((made / "leaderboard.csv").read_text().splitlines()))
    assert {(row["task"], row["model"]) for row in rows} == {(t, m) for t in TASKS for m in ("sighted", "blind")}


@needs_chromium
def test_the_page_sorts_filters_and_says_what_it_is_of(page):
    table = page.locator("section[aria-labelledby=vrs_sample] table.sortable").first
    assert [name.split()[0] for name in table.locator("tbody th").all_inner_texts()] == ["sighted", "blind"]
    table.locator("th button", has_text="unparsable").focus()
    page.keyboard.press("Enter")
    headings = [text.split()[0] for text in table.locator("thead th").all_inner_texts()]
    place = headings.index("unparsable") + 1
    cells = [float(text.split()[0]) for text in table.locator(f"tbody td:nth-child({place})").all_inner_texts()]
    assert cells == sorted(cells, reverse=True)
    browser_part = page.locator("section[aria-labelledby=vrs_sample] details.browser")
    browser_part.locator("summary").focus()
    page.keyboard.press("Enter")
    browser_part.locator(".count", has_text=re.compile(f"^{LIMIT} questions$")).wait_for()  # drawn once it is open
    browser_part.locator(".which").select_option(label="blind")
    browser_part.locator(".show").select_option("both")
    headings = browser_part.locator(".list thead th").all_inner_texts()
    rows = browser_part.locator(".list tbody tr")
    assert rows.count() > 0
    for row in rows.all():
        for variant in ("real", "shuffled"):
            mark = row.locator("th, td").nth(headings.index(variant)).locator(".mark")
            assert mark.get_attribute("aria-label") == "right"
    rows.first.locator("summary").click()
    assert rows.first.locator("pre").inner_text().startswith("<image>")
    assert page.locator("img").count() == 0  # none without --images
    text = page.locator("main").inner_text()
    assert f"only a part of the questions was asked (--limit {LIMIT})" in text
    assert "not enough models to compare training data (1 synthetic and 1 authentic; 3 each are needed)" in text
    assert "image path fused" in text


@needs_chromium
def test_severity_curves_are_drawn_for_the_robust_task_alone(page):
    curves = page.locator("h3", has_text="Accuracy under graded perturbations")
    assert curves.count() == 1
    part = page.locator("section[aria-labelledby=vrs_sample_robust]")
    assert "gaussian blur" in part.locator("[aria-label^='Accuracy by severity']").inner_text()


@needs_chromium
def test_reliability_is_drawn_for_tasks_by_likelihood_alone(page, board):
    headings = page.locator("section:has(h3:has-text('Is an answer right as often as it is probable?'))")
    shown = headings.evaluate_all("all => all.map(each => each.getAttribute('aria-labelledby'))")
    assert shown == ["vrs_sample_mc", "vrs_sample_rotated"]
    part = page.locator("section[aria-labelledby=vrs_sample_mc]")
    chart = part.locator("[aria-label^='Accuracy against confidence']").inner_text()
    assert all(word in chart for word in ("sighted", "blind", "real", "blank", "shuffled", "confidence"))
    part.locator("summary", has_text="Accuracy by confidence, in numbers").click()
    rows = part.locator("[aria-label='Accuracy by confidence on vrs_sample_mc'] tbody tr").all_inner_texts()
    counted = sum(int(row.split("\t")[4]) for row in rows)
    assert counted == 2 * 3 * LIMIT  # every question of both models under three variants stands in a bin
