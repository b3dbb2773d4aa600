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
from vrs_lmeval.leaderboard.summary import summarise
from vrs_lmeval.page.filters import find_filters
from vrs_lmeval.page.page import make_page
from vrs_lmeval.page.sample_browser import RIGHT, SHOWN_CHARACTERS, fill_browser

HOSTILE = '"><img src=x onerror=alert(3)>'
SHARES = {"looks": (0.9, 0.4), "peeks": (0.7, 0.5), "guesses": (0.5, 0.5), "stares": (0.8, 0.3)}
SHARES |= {"naps": (0.4, 0.4), "<script>alert(1)</script>": (0.6, 0.5)}
TRAINING = dict(zip(SHARES, ["synthetic", "authentic"] * 3, strict=True))
SIZES = dict(zip(SHARES, ["13B", "7B", "7B", None, None, "13B"], strict=True))


def make_board(folder, tasks=("vrs_one", "vrs_two")):
    for task in tasks:
        for seed, shares in enumerate(SHARES.values()):
            write_run(folder / task, f"model{seed}", draw_rows(*shares, seed=seed), task=task)
    runs, problems = read_folders([folder])
    cards = {
        f"model{i}": ModelCard(label=name, training=TRAINING[name], size=SIZES[name], base=HOSTILE if i else None)
        for i, name in enumerate(SHARES)
    }
    return make_leaderboard(runs, cards, problems)


@pytest.fixture(scope="module")
def board(tmp_path_factory):
    return make_board(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def path(board, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "board.html"
    path.write_text(make_page(board), encoding="utf-8")
    return path


@pytest.fixture
def opened(browser, path):
    """The page, opened at a phone's width; fails where it logs an error or asks for anything but itself."""
    page = browser.new_page(viewport={"width": 390, "height": 844})
    complaints = []
    page.on(
        "console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None
    )
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: (complaints.append(dialog.message), dialog.dismiss()))
    address = path.as_uri()
    page.on("request", lambda request: None if request.url.startswith(address) else complaints.append(request.url[:60]))
    page.goto(path.as_uri())
    yield page
    page.close()
    outside = [complaint for complaint in complaints if not complaint.startswith("data:")]
    assert outside == []


def models_shown(page):
    names = (
        page.locator("section:not([aria-labelledby='page:answer']) table.sortable")
        .first.locator("tbody th")
        .all_inner_texts()
    )
    return [name.removesuffix(" !") for name in names]  # the mark of a warning


def vrs_shown(page):
    cells = (
        page.locator("section:not([aria-labelledby='page:answer']) table.sortable")
        .first.locator("tbody td:nth-child(3)")
        .all_inner_texts()
    )
    return [float(cell.split()[0]) for cell in cells]


@needs_chromium
def test_a_heading_sorts_by_mouse_and_by_keyboard(opened):
    assert sorted(models_shown(opened)) == sorted(SHARES)
    assert vrs_shown(opened) == sorted(vrs_shown(opened), reverse=True)
    heading = opened.locator("section:not([aria-labelledby='page:answer']) table.sortable").first.locator(
        "th button", has_text="model"
    )
    heading.click()
    assert models_shown(opened) == sorted(SHARES, key=str.casefold)  # names from A, numbers from the largest
    heading.focus()
    opened.keyboard.press("Enter")
    assert models_shown(opened) == sorted(SHARES, key=str.casefold, reverse=True)
    assert heading.locator("..").get_attribute("aria-sort") == "descending"
    vrs = opened.locator("section:not([aria-labelledby='page:answer']) table.sortable").first.locator(
        "th button", has_text="VRS"
    )
    vrs.focus()
    opened.keyboard.press("Space")
    assert vrs_shown(opened) == sorted(vrs_shown(opened), reverse=True)
    opened.locator("section[aria-labelledby=vrs_one] th button", has_text="rank").click()
    ranks = opened.locator("section[aria-labelledby=vrs_one] table").first.locator("tbody td:nth-child(2)")
    first = [int(rank.split("-")[0]) for rank in ranks.all_inner_texts()]
    assert first == sorted(first)  # the best rank is the lowest number


@needs_chromium
def test_the_sample_browser_has_a_row_a_question_and_a_cell_a_variant(opened):
    opened.locator("details.browser summary").first.click()
    browser = opened.locator("details.browser").first
    browser.locator(".count", has_text=re.compile("^120 questions$")).wait_for()
    headings = browser.locator(".list thead th").all_inner_texts()
    assert headings == ["question", "real", "shuffled"]
    browser.locator(".show").select_option("looks")
    browser.locator(".which").select_option(label="looks")
    rows = browser.locator(".list tbody tr")
    assert rows.count() > 0
    for row in rows.all():
        real, shuffled = (row.locator("td").nth(place).locator(".given") for place in range(2))
        assert (real.count(), shuffled.count()) == (1, 1)
        assert real.locator(".mark").get_attribute("aria-label") == "right"
        assert real.inner_text().startswith("\u2713")
        assert shuffled.inner_text().startswith(("\u2717", "?"))
    browser.locator(".words").fill("no such question")
    browser.locator(".count", has_text=re.compile("^0 questions$")).wait_for()


@needs_chromium
def test_a_link_opens_one_question_and_the_choice_of_models_stays_in_it(opened, path):
    opened.locator("details.filters summary").click()
    box = opened.locator("fieldset[data-field=training] input").first
    box.focus()
    opened.keyboard.press("Space")
    opened.locator("details.browser summary").nth(1).click()
    browser = opened.locator("details.browser").nth(1)
    row = browser.locator(".list tbody tr").nth(3)
    question = row.locator("th p").first.inner_text()
    row.locator("a").click()
    browser.locator(".count", has_text="1 question").wait_for()
    address = opened.url
    assert address.startswith(f"{path.as_uri()}#training=authentic&question=vrs_two")
    opened.goto("about:blank")
    opened.goto(address)
    browser.locator(".count", has_text="1 question").wait_for()
    assert browser.locator(".list tbody th p").first.inner_text() == question
    assert opened.locator(".found").inner_text() == "3 of 6"
    assert set(browser.locator(".list b").all_inner_texts()) == {"peeks", "stares", "<script>alert(1)</script>"}
    browser.locator(".count button").click()
    browser.locator(".count", has_text="120 questions").wait_for()
    assert opened.url == f"{path.as_uri()}#training=authentic"


@needs_chromium
def test_filters_act_on_all_tables_and_charts(opened):
    opened.locator("details.filters summary").click()
    sizes = opened.locator("fieldset[data-field=size] label").all_inner_texts()
    assert [" ".join(size.split()) for size in sizes] == ["7B (2)", "13B (2)", "not given (2)"]
    opened.get_by_label("7B (2)").check()
    opened.get_by_label("not given (2)").check()
    opened.get_by_label("authentic (3)").check()
    kept = {"peeks", "stares"}
    for selector in ("table.matrix tbody th", "table.sortable tbody th", ".row[data-models] .who", "text.narrow"):
        shown = opened.locator(f"{selector}:visible").all_text_contents()
        assert {name.strip().removesuffix("!").strip() for name in shown} <= kept, selector
        assert shown, selector
    assert opened.locator("section[aria-labelledby='page:answer'] li[data-models]:visible").count() == 2
    opened.locator(".find").fill("sta")
    assert opened.locator(".found").inner_text() == "1 of 6"
    assert opened.locator(".keys:visible").first.locator("li:visible").count() == 1
    opened.locator("nav a", has_text="vrs_two").click()  # a place on the page is no end of the choice
    opened.wait_for_url(lambda url: "at=vrs_two" in url)  # a function would need eval, which the page forbids
    assert opened.locator(".found").inner_text() == "1 of 6"
    opened.locator("button[type=reset]").click()
    opened.locator(".found", has_text="all 6").wait_for()
    assert opened.locator("section[aria-labelledby='page:answer'] li[data-models]:visible").count() == 6


def let_scroll(page):
    """Until the events of a scroll are over: they come with the next frame."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


@needs_chromium
def test_a_mark_says_its_numbers_to_the_pointer_and_to_the_keyboard(opened, board):
    vrs = board.boards[0].standings[1].metrics["vrs"]
    said = f"VRS {vrs.estimate:+.3f} [{vrs.low:+.3f}, {vrs.high:+.3f}], 120 questions on 60 images"
    chart = opened.locator(".chart").first
    point = chart.locator(".point").nth(1)
    assert point.get_attribute("aria-label").endswith(said)
    point.scroll_into_view_if_needed()
    let_scroll(opened)  # scrolling hides what the pointer left
    point.locator("use").hover()
    assert opened.locator(".hint:visible").inner_text(timeout=2000).endswith(said)
    opened.keyboard.press("Escape")
    assert not opened.locator(".hint").is_visible()
    chart.locator(".point[tabindex='0']").focus()
    opened.keyboard.press("ArrowDown")
    assert opened.locator(".hint:visible").inner_text(timeout=2000).endswith(said)
    assert chart.locator(".point[tabindex='0']").count() == 1
    below = opened.locator(".chart").last.locator(".point[tabindex='0']")  # to where the page scrolls
    below.focus()
    let_scroll(opened)
    assert opened.locator(".hint:visible").inner_text(timeout=2000) == below.get_attribute("aria-label")


@needs_chromium
def test_the_page_fits_a_phone_and_its_charts_take_any_width(opened):
    assert opened.evaluate("document.documentElement.scrollWidth") <= 390
    assert opened.locator(".chart").count() == 5
    assert opened.locator("[role=img]:not([aria-label]), [role=group]:not([aria-label])").count() == 0
    field = opened.locator(".field").first
    assert 250 < field.bounding_box()["width"] < 360
    opened.set_viewport_size({"width": 1280, "height": 900})
    assert 900 < field.bounding_box()["width"] < 1200


@needs_chromium
def test_axe_finds_nothing_in_light_or_dark(opened):
    from axe_playwright_python.sync_playwright import Axe

    def list_violations(**options):
        part = {"exclude": ["section[aria-labelledby=vrs_two]"]}  # made as vrs_one is
        response = Axe().run(opened, part, {"resultTypes": ["violations"], **options}).response
        return [(each["id"], each["nodes"][0]["html"][:200]) for each in response["violations"]]

    opened.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    opened.locator(".list table").first.wait_for()
    opened.locator(".which").first.select_option(label="looks")
    assert list_violations() == []
    opened.emulate_media(color_scheme="dark")
    assert list_violations(runOnly=["color-contrast"]) == []


@needs_chromium
def test_every_metric_can_be_looked_up_with_both_intervals(opened, board):
    standings = {s.label: s for s in board.boards[0].standings}
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
    assert box.locator("tbody th").all_inner_texts() == sorted(SHARES, key=str.casefold)


@needs_chromium
def test_every_pair_of_models_is_tested_on_the_page(opened):
    opened.locator("summary", has_text="Tests between models").first.click()
    rows = opened.locator("[aria-label='Tests between models on vrs_one'] tbody tr")
    assert rows.count() == 15
    assert all(len(row.split("\t")) == 5 for row in rows.all_inner_texts())


@needs_chromium
def test_paper_gets_what_is_folded_away(opened):
    opened.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert opened.locator("details.metrics[open]").count() == 2
    assert opened.locator("details.browser[open], details.filters[open]").count() == 0
    opened.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert opened.locator("details[open]").count() == 0


@needs_chromium
def test_the_first_thing_is_the_answer_of_every_model_on_every_task(opened):
    table = opened.locator("section[aria-labelledby='page:answer'] table.matrix")
    assert table.locator("tbody tr").count() == len(SHARES)
    headings = [text.split()[0] for text in table.locator("thead th").all_inner_texts()]
    assert headings == ["VRS", "vrs_one", "vrs_two", "training"]  # of the same data, so without a mean
    marks = table.locator(".mark").evaluate_all("all => all.map(each => each.getAttribute('aria-label'))")
    assert len(marks) == 2 * len(SHARES)
    assert "is right more often with its own image" in marks
    sentences = opened.locator("section[aria-labelledby='page:answer'] li").all_inner_texts()
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
    part = opened.locator("section[aria-labelledby='page:answer']")
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
    opened.locator("details.filters summary").click()
    opened.get_by_label(HOSTILE).check()  # a base model's name, which the address then holds, too
    opened.reload()
    assert opened.locator(".found").inner_text() == "5 of 6"
    assert opened.locator("img").count() == 0


@needs_chromium
@pytest.mark.parametrize("part", ["%", "%E0%A4%A", "size=%&at=%", "question=/", "question=vrs_one/none", "size=99B"])
def test_an_address_that_somebody_spoiled_shows_the_page(opened, path, part):
    opened.goto(f"{path.as_uri()}#{part}")
    opened.reload()
    assert opened.locator(".found").inner_text() == "all 6"
    assert len(models_shown(opened)) == 6


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


@pytest.mark.whole
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
    page.locator("details.filters summary").click()
    page.locator("input.find").fill("MODEL19")
    shown = page.locator("section:not([aria-labelledby='page:answer']) table.sortable").first.locator(
        "tbody tr:visible th"
    )
    assert {name.split()[0] for name in shown.all_inner_texts()} == {"model19", *(f"model19{i}" for i in range(10))}
    assert page.locator(".found").inner_text() == "11 of 200"
    page.locator("input.find").fill("")
    page.locator("details.browser summary").click()
    assert page.locator(".which").input_value() != ""  # one of them, not all
    page.close()


def test_the_browser_holds_as_many_questions_as_fit(board):
    task, numbers = board.boards[0], find_filters(summarise(board.boards)).numbers
    whole = fill_browser(task, 120, None, numbers)
    assert len(whole["samples"]) == 120
    part = fill_browser(task, 120, None, numbers, largest=len(json.dumps(whole)) // 2)
    assert part["samples"] == whole["samples"][: len(part["samples"])]
    assert part["texts"] == whole["texts"][: len(part["texts"])]
    assert 40 < len(part["samples"]) < 70
    assert fill_browser(task, 120, None, numbers, largest=1)["samples"] == whole["samples"][:1]


def test_every_answer_in_the_browser_is_that_of_the_log(board):
    task, numbers = board.boards[0], find_filters(summarise(board.boards)).numbers
    kept = fill_browser(task, 120, None, numbers)
    assert kept["models"] == [numbers[standing.label] for standing in task.standings]
    for sample in kept["samples"]:
        for standing, codes in zip(task.standings, sample["answers"], strict=True):
            (logged,) = [each for each in standing.run.samples if each.sample_id == sample["id"]]
            for variant, code in zip(kept["variants"], codes, strict=True):
                answer = logged.answers[variant]
                assert kept["texts"][code // 3] == answer.text
                assert (code % 3 == RIGHT) == (answer.correct == 1)


def test_a_page_is_light_if_nobody_asks_for_more(board, monkeypatch):
    monkeypatch.setattr("vrs_lmeval.page.page.LIGHT_CHARACTERS", 20_000)
    light = make_page(board)
    assert re.search(r"Questions and answers \(\d\d of 120, chosen by a hash\)", light)
    assert "Questions and answers (all 120)" in make_page(board, samples=200)


def test_the_browser_can_be_left_out(board):
    assert '<details class="browser"' in make_page(board)
    assert '<details class="browser"' not in make_page(board, samples=0)
