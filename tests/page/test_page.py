"""The leaderboard's page in headless Chromium: sorting, filtering, keyboard, and nothing from outside."""

import csv
import json
import re

import pytest
from support.chromium import needs_chromium
from support.results import draw_rows, log_question, write_run

from vrs_lmeval.leaderboard.board import make_leaderboard
from vrs_lmeval.leaderboard.model_cards import ModelCard
from vrs_lmeval.leaderboard.runs import read_folders
from vrs_lmeval.page.page import make_page
from vrs_lmeval.page.sample_browser import SHOWN_CHARACTERS, fill_browser

SHARES = {"looks": (0.9, 0.4), "peeks": (0.7, 0.5), "guesses": (0.5, 0.5), "stares": (0.8, 0.3)}
SHARES |= {"naps": (0.4, 0.4), "<script>alert(1)</script>": (0.6, 0.5)}
TRAINING = dict(zip(SHARES, ["synthetic", "authentic"] * 3, strict=True))


def make_board(tmp_path):
    for task in ("vrs_one", "vrs_two"):
        for seed, shares in enumerate(SHARES.values()):
            write_run(tmp_path / task, f"model{seed}", draw_rows(*shares, seed=seed), task=task)
    runs, problems = read_folders([tmp_path])
    cards = {f"model{i}": ModelCard(label=name, training=TRAINING[name]) for i, name in enumerate(SHARES)}
    return make_leaderboard(runs, cards, problems)


@pytest.fixture
def opened(browser, tmp_path):
    """The page, opened at a phone's width; fails where it logs an error or asks for anything but itself."""
    path = tmp_path / "board.html"
    path.write_text(make_page(make_board(tmp_path / "runs")), encoding="utf-8")
    page = browser.new_page(viewport={"width": 390, "height": 844})
    complaints = []
    page.on(
        "console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None
    )
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: (complaints.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda request: None if request.url == path.as_uri() else complaints.append(request.url[:60]))
    page.goto(path.as_uri())
    yield page
    page.close()
    outside = [complaint for complaint in complaints if not complaint.startswith("data:")]
    assert outside == []


def models_shown(page):
    names = (
        page.locator("section:not([aria-labelledby=answer]) table.sortable").first.locator("tbody th").all_inner_texts()
    )
    return [name.removesuffix(" !") for name in names]  # the mark of a warning


def vrs_shown(page):
    cells = (
        page.locator("section:not([aria-labelledby=answer]) table.sortable")
        .first.locator("tbody td:nth-child(3)")
        .all_inner_texts()
    )
    return [float(cell.split()[0]) for cell in cells]


@needs_chromium
def test_a_heading_sorts_by_mouse_and_by_keyboard(opened):
    assert sorted(models_shown(opened)) == sorted(SHARES)
    assert vrs_shown(opened) == sorted(vrs_shown(opened), reverse=True)
    heading = opened.locator("section:not([aria-labelledby=answer]) table.sortable").first.locator(
        "th button", has_text="model"
    )
    heading.click()
    assert models_shown(opened) == sorted(SHARES, key=str.casefold, reverse=True)
    heading.focus()
    opened.keyboard.press("Enter")
    assert models_shown(opened) == sorted(SHARES, key=str.casefold)
    assert heading.locator("..").get_attribute("aria-sort") == "ascending"
    vrs = opened.locator("section:not([aria-labelledby=answer]) table.sortable").first.locator(
        "th button", has_text="VRS"
    )
    vrs.focus()
    opened.keyboard.press("Space")
    assert vrs_shown(opened) == sorted(vrs_shown(opened), reverse=True)


@needs_chromium
def test_the_sample_browser_filters(opened):
    opened.locator("details.browser summary").first.click()
    browser = opened.locator("details.browser").first
    browser.locator(".count", has_text=re.compile("^120 questions$")).wait_for()
    browser.locator(".show").select_option("both")
    browser.locator(".which").select_option("looks")
    rows = browser.locator(".sample tr")
    assert rows.count() > 0
    texts = rows.all_inner_texts()
    assert all(text.startswith("looks") and "right" in text for text in texts)
    browser.locator(".words").fill("no such question")
    browser.locator(".count", has_text=re.compile("^0 questions$")).wait_for()


@needs_chromium
def test_the_page_fits_a_phone_and_draws_its_charts(opened):
    assert opened.evaluate("document.documentElement.scrollWidth") <= 390
    opened.wait_for_selector(".js-plotly-plot .main-svg")
    assert opened.locator(".chart").count() == opened.locator(".chart .js-plotly-plot").count() >= 5
    assert opened.locator("[role=img]:not([aria-label])").count() == 0


@needs_chromium
def test_every_metric_can_be_looked_up_with_both_intervals(opened, tmp_path):
    standings = {s.label: s for s in make_board(tmp_path / "again").boards[0].standings}
    opened.locator("details.metrics summary").first.click()
    box = opened.locator("details.metrics").first
    box.locator("select").select_option("acc")
    for row in box.locator("tbody tr").all():
        name, estimate, by_formula, by_bootstrap, questions, images, _ = row.locator("th, td").all_inner_texts()
        analytic, bootstrap = standings[name].metrics["acc"], standings[name].bootstraps["acc"]
        assert float(estimate) == pytest.approx(analytic.estimate, abs=5.1e-4)
        for shown, interval in ((by_formula, analytic), (by_bootstrap, bootstrap)):
            assert json.loads(shown) == pytest.approx([interval.low, interval.high], abs=5.1e-4)
        assert (questions, images) == ("120", "60")
    box.locator("select").select_option("acc_open")
    assert box.locator("tbody tr").first.locator("td.reason").inner_text() == "no values"
    box.locator("th button", has_text="model").focus()
    opened.keyboard.press("Enter")
    assert box.locator("tbody th").all_inner_texts() == sorted(SHARES, key=str.casefold, reverse=True)


@needs_chromium
def test_every_pair_of_models_is_tested_on_the_page(opened):
    opened.locator("summary", has_text="Tests between models").first.click()
    rows = opened.locator("[aria-label='Tests between models on vrs_one'] tbody tr")
    assert rows.count() == 15
    assert all(len(row.split("\t")) == 5 for row in rows.all_inner_texts())


def wait_for_chart(page, condition):
    """Until the condition on its width holds: Plotly draws when it gets to it, late on a busy machine."""
    width = "document.querySelector('.main-svg').getBoundingClientRect().width"
    page.wait_for_function(f"() => {{ const width = {width}; return {condition}; }}")


@needs_chromium
def test_paper_gets_narrow_charts_and_what_is_folded_away(opened):
    opened.wait_for_selector(".js-plotly-plot .main-svg")
    before = opened.locator(".main-svg").first.bounding_box()["width"]
    opened.set_viewport_size({"width": 1280, "height": 900})
    opened.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    wait_for_chart(opened, "width === 690")
    assert opened.locator("details.metrics[open]").count() == 2
    assert opened.locator("details.browser[open]").count() == 0
    opened.evaluate("window.dispatchEvent(new Event('afterprint'))")
    opened.set_viewport_size({"width": 390, "height": 844})
    wait_for_chart(opened, f"Math.abs(width - {before}) <= 20")
    assert opened.locator("details[open]").count() == 0


@needs_chromium
def test_the_first_thing_is_the_answer_of_every_model_on_every_task(opened):
    table = opened.locator("section[aria-labelledby=answer] table.matrix")
    assert table.locator("tbody tr").count() == len(SHARES)
    headings = [text.split()[0] for text in table.locator("thead th").all_inner_texts()]
    assert headings == ["VRS", "vrs_one", "vrs_two", "training"]  # of the same data, so without a mean
    marks = table.locator(".mark").evaluate_all("all => all.map(each => each.getAttribute('aria-label'))")
    assert len(marks) == 2 * len(SHARES)
    assert "is right more often with its own image" in marks
    sentences = opened.locator("section[aria-labelledby=answer] li").all_inner_texts()
    assert sentences[0].endswith("on both tasks.")


@needs_chromium
def test_a_script_that_slipped_in_would_not_run(opened, browser):
    page = browser.new_page()  # one whose complaints are wanted
    page.goto(opened.url)
    page.evaluate("""() => {
        const script = document.createElement("script");
        script.textContent = "window.slipped = true";
        document.body.append(script);
        const picture = document.createElement("img");
        picture.setAttribute("onerror", "window.slipped = true");
        picture.src = "data:nothing";
        document.body.append(picture);
    }""")
    page.wait_for_timeout(300)
    assert page.evaluate("window.slipped") is None
    page.close()


@needs_chromium
def test_a_table_is_copied_as_it_stands(opened):
    opened.evaluate("navigator.clipboard.writeText = async (text) => { window.copied = text; }")
    part = opened.locator("section[aria-labelledby=answer]")
    shown = {}
    for name in ("CSV", "Markdown", "LaTeX"):
        part.locator("button", has_text=name).click()
        part.locator("[role=status]", has_text=f"{name} copied").wait_for()
        shown[name] = opened.evaluate("window.copied").splitlines()
    rows = list(csv.reader(shown["CSV"]))
    assert [len(row) for row in rows] == [4] * (1 + len(SHARES))
    assert rows[0][:3] == ["VRS", "vrs_one", "vrs_two"]
    assert re.fullmatch(r"[●◐○▼?] [+-]0\.\d{3} \[[+-]\d\.\d{3}, [+-]\d\.\d{3}\]", rows[1][1])
    assert {row[0] for row in rows[1:]} == set(SHARES)
    assert shown["Markdown"][1] == "|---|---|---|---|"
    assert len(shown["Markdown"]) == 2 + len(SHARES)
    assert shown["LaTeX"][0] == r"\begin{tabular}{lrrr}"
    assert shown["LaTeX"][2].startswith(r"VRS & vrs\_one & vrs\_two")


@needs_chromium
def test_a_dark_screen_gets_a_dark_page(opened):
    opened.emulate_media(color_scheme="dark")
    colours = "getComputedStyle(document.body)"
    assert opened.evaluate(f"{colours}.backgroundColor") == "rgb(23, 23, 23)"
    assert opened.evaluate(f"{colours}.color") == "rgb(232, 232, 228)"
    opened.emulate_media(media="print")  # paper stays white
    assert opened.evaluate(f"{colours}.backgroundColor") == "rgb(255, 255, 255)"


@needs_chromium
def test_names_of_models_are_text_and_not_html(opened):
    assert opened.locator("td, th", has_text="<script>alert(1)</script>").count() > 0
    assert opened.evaluate("[...document.scripts].filter(s => s.textContent.startsWith('alert(1)')).length") == 0


def test_hostile_answers_are_escaped_and_cut(tmp_path):
    hostile = "</script><script>alert(2)</script>" + "x" * 1_000_000
    folder = write_run(tmp_path, "hostile", [])
    (path,) = folder.glob("samples_*")
    lines = [log_question(f"q{i}", f"image{i}", "yes", i % 2, 0, text=hostile) for i in range(4)]
    path.write_text("\n".join(map(json.dumps, lines)))
    runs, problems = read_folders([tmp_path])
    assert problems == []
    page = make_page(make_leaderboard(runs, {}))
    assert "<script>alert(2)" not in page
    assert "x" * (SHOWN_CHARACTERS + 1) not in page
    assert "1000034 characters" in page


@needs_chromium
def test_two_hundred_models_make_a_page_that_can_be_used(tmp_path, browser):
    for number in range(200):
        write_run(tmp_path, f"model{number}", draw_rows(0.3 + number / 300, 0.3, images=100, seed=number))
    runs, _ = read_folders([tmp_path])
    board = make_leaderboard(runs, {})
    (task,) = board.boards
    assert len(task.standings) == 200
    assert task.standings[0].worst_rank < 199  # 19,900 pairs, and some are still told apart
    path = tmp_path / "board.html"
    path.write_text(make_page(board), encoding="utf-8")
    assert path.stat().st_size < 20_000_000
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.goto(path.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.locator("input.find").fill("MODEL19")
    shown = page.locator("section:not([aria-labelledby=answer]) table.sortable").first.locator("tbody tr:visible th")
    assert {name.split()[0] for name in shown.all_inner_texts()} == {"model19", *(f"model19{i}" for i in range(10))}
    assert page.locator(".found").inner_text() == "11 models"
    page.locator("details.browser summary").click()
    assert page.locator(".which").input_value() != "every model"
    page.close()


def test_the_browser_holds_as_many_questions_as_fit(tmp_path, monkeypatch):
    (board,) = make_board(tmp_path).boards[:1]
    whole = fill_browser(board, 120, None)["samples"]
    assert len(whole) == 120
    monkeypatch.setattr("vrs_lmeval.page.sample_browser.LARGEST_CHARACTERS", len(json.dumps(whole)) // 2)
    part = fill_browser(board, 120, None)["samples"]
    assert part == whole[: len(part)]
    assert 40 < len(part) < 70
    monkeypatch.setattr("vrs_lmeval.page.sample_browser.LARGEST_CHARACTERS", 1)
    assert fill_browser(board, 120, None)["samples"] == whole[:1]


def test_the_browser_can_be_left_out(tmp_path):
    board = make_board(tmp_path)
    assert '<details class="browser">' in make_page(board)
    assert '<details class="browser">' not in make_page(board, samples=0)
