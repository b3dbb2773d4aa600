"""The leaderboard: ranks, what is left out, training data, and what hostile results do to it."""

import csv
import io
import json
import math

import pytest
from support.results import draw_rows, make_board, write_run
from typer.testing import CliRunner

from vrs_lmeval.cli import app
from vrs_lmeval.leaderboard.board_report import (
    make_board_csv,
    make_board_json,
    make_board_markdown,
    make_board_notes,
    make_task_notes,
)
from vrs_lmeval.leaderboard.model_cards import (
    ModelCard,
    Source,
    UnreadableCardsError,
    find_card,
    find_unused,
    read_model_cards,
)
from vrs_lmeval.leaderboard.runs import read_folders, read_readable_runs
from vrs_lmeval.page.page import make_page

PARTS = {"vrs_from_changed", "vrs_from_unread"}
SHARES = {"looks": (0.9, 0.4), "peeks": (0.7, 0.5), "guesses": (0.5, 0.5)}


def write_board(tmp_path, shares=SHARES, **changes):
    for seed, (model, (real, shuffled)) in enumerate(shares.items()):
        write_run(tmp_path, model, draw_rows(real, shuffled, seed=seed), **changes)
    return tmp_path


def test_models_are_ranked_by_vrs_and_told_apart_where_they_differ(tmp_path):
    (task,) = make_board(write_board(tmp_path)).boards
    assert [standing.label for standing in task.standings] == ["looks", "peeks", "guesses"]
    estimates = [standing.metrics["vrs"].estimate for standing in task.standings]
    assert estimates == sorted(estimates, reverse=True)
    assert (task.questions, task.images) == (120, 60)
    assert (task.standings[0].best_rank, task.standings[0].worst_rank) == (1, 1)  # 0.5 against 0.2 and 0.0
    assert task.p_values[0][2] < 0.001
    assert math.isnan(task.p_values[1][1])
    # What may be any order has overlapping ranks exactly where the test does not tell apart.
    assert (task.p_values[1][2] < 0.05) == (task.standings[1].worst_rank < task.standings[2].best_rank)


def test_one_model_has_the_only_rank_and_nothing_to_detect(tmp_path):
    (task,) = make_board(write_board(tmp_path, {"looks": (0.9, 0.4)})).boards
    assert (task.standings[0].best_rank, task.standings[0].worst_rank) == (1, 1)
    assert math.isnan(task.detectable)


def test_what_must_not_be_compared_is_left_out_by_name_and_reason(tmp_path):
    write_board(tmp_path)
    write_run(tmp_path, "other-prompt", draw_rows(0.9, 0.4), parser_version="0")
    write_run(tmp_path, "limited", draw_rows(0.9, 0.4, images=5))
    board = make_board(tmp_path)
    assert len(board.boards[0].standings) == 3
    reasons = {left.name: left.reason for left in board.left_out}
    assert "different parser version of vrs_test" in reasons["some/other-prompt on vrs_test"]
    assert "not the same questions of vrs_test" in reasons["some/limited on vrs_test"]
    assert "left out: some/limited on vrs_test" in " ".join(make_board_notes(board))


def test_a_run_without_shuffled_images_is_left_out(tmp_path):
    folder = write_run(write_board(tmp_path), "real-only", draw_rows(0.9, 0.4))
    (path,) = folder.glob("samples_*")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        line["metrics"].remove("vrs")
    path.write_text("\n".join(map(json.dumps, lines)))
    assert "it has no VRS" in make_board(tmp_path).left_out[0].reason


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda text: text[: len(text) // 2], "not a logged VRS sample"),
        (lambda text: text.replace('"acc": 1', '"acc": NaN'), "acc: nan is no number"),
        (lambda text: "[]\n" + text, "line 1: not a logged VRS sample"),
    ],
)
def test_spoiled_samples_cost_one_model_only(tmp_path, spoil, reason):
    (path,) = (write_board(tmp_path) / "peeks").glob("samples_*")
    path.write_text(spoil(path.read_text()))
    board = make_board(tmp_path)
    assert [standing.label for standing in board.boards[0].standings] == ["looks", "guesses"]
    (left,) = board.left_out
    assert str(path) in left.reason
    assert reason in left.reason


def test_truncated_results_and_missing_samples_cost_one_model_only(tmp_path):
    write_board(tmp_path)
    (results,) = (tmp_path / "peeks").glob("results_*")
    results.write_text(results.read_text()[:40])
    (samples,) = (tmp_path / "guesses").glob("samples_*")
    samples.unlink()
    board = make_board(tmp_path)
    assert [standing.label for standing in board.boards[0].standings] == ["looks"]
    assert {"not valid JSON" in left.reason or "--log_samples" in left.reason for left in board.left_out} == {True}
    assert len(board.left_out) == 2


def test_a_folder_given_twice_counts_once(tmp_path):
    write_board(tmp_path)
    runs, _ = read_folders([tmp_path, tmp_path / "looks"])
    assert len(runs) == 3


def test_the_newer_of_two_runs_of_one_model_is_shown(tmp_path):
    for name in ("first", "second"):
        write_run(tmp_path / name, "looks", draw_rows(0.9, 0.4))
    board = make_board(tmp_path)
    assert len(board.boards[0].standings) == 1
    assert "another run of this model is shown" in board.left_out[0].reason


def test_warnings_name_what_a_reader_would_miss(tmp_path):
    prompts = {
        "vrs_missing_weights": ["a.weight", "b.weight"],
        "vrs_chat_template": "not applied",
        "vrs_thoughts": "the prompt ends in <think>, and the thought is read as the answer",
        "vrs_bos": "as hf-multimodal writes it, where a template has one, two (double_bos)",
        "vrs_cold_warm": {"asked_again": 60, "warm": 50, "changed": 3, "share": 0.06},
    }
    write_run(tmp_path, "weak", draw_rows(0.3, 0.3), setup={"limit": 60, **prompts})
    board = make_board(tmp_path, {"weak": ModelCard(trained_on=("vrs_test",))})
    warnings = " ".join(board.boards[0].standings[0].warnings)
    for part in (
        "no more accurate than the most frequent answers",
        "--limit 60",
        "trained on data of this benchmark",
        "lacks 2 weights",
        "--apply_chat_template was not given",
        "its thoughts were read as answers",
        "two BOS tokens",
        "3 of 50 texts changed when vLLM was asked the same again from what it had kept, so a share of 0.060",
    ):
        assert part in warnings


def test_model_cards_are_found_by_name_or_its_last_part(tmp_path):
    path = tmp_path / "models.yaml"
    path.write_text("models:\n  org/a: {training: synthetic, size: 7B}\n  b: {label: B, trained_on: [vrs_slake]}\n")
    cards = read_model_cards(path)
    assert find_card(cards, "org/a") == ModelCard(training="synthetic", size="7B")
    assert find_card(cards, "some/where/b") == ModelCard(label="B", trained_on=("vrs_slake",))
    assert find_card(cards, "c") == ModelCard()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("models: [a]", "should hold `models:`"),
        ("models: {a: {training: fake}}", "a: training 'fake' is none of synthetic, authentic"),
        ("models: {a: {colour: red}}", "a: there is no 'colour'; there are label, training"),
        ("models: {a: {trainig: synthetic}}", "models.yaml, a: there is no 'trainig'; did you mean training[?]"),
        ("models: {a: synthetic}", "a: should hold some of label, training"),
        ("models: {a: {trained_on: vrs_slake}}", "a: trained_on should be a list"),
        ("models: {a: {trained_on_test: vrs_slake}}", "a: trained_on_test should be a list"),
        ("models: {a: {labl: A}}", "a: there is no 'labl'; did you mean label[?]"),
        ("models: {a: {billions: 7B}}", "a: billions should be a number"),
        ("models: {a: {sources: https://b}}", "a: sources should be a list"),
        ("models: {a: {sources: [{says: x}]}}", "a, source 1: needs `where`"),
        (
            "models: {a: {sources: [{where: x}]}}",
            "a, source 1: needs either `says`, word by word, or `source_read: no`",
        ),
        ("models: {a: {sources: [{where: x, says: y, source_read: no}]}}", "a, source 1: needs either `says`"),
        ("models: {a: {sources: [{where: x, quote: y}]}}", "a, source 1: there is no 'quote'; there are where, says"),
        ("models: {a: [", "cannot be read as YAML"),
    ],
)
def test_faulty_model_cards_are_named(tmp_path, text, message):
    path = tmp_path / "models.yaml"
    path.write_text(text)
    with pytest.raises(UnreadableCardsError, match=message):
        read_model_cards(path)


def test_cards_that_fit_no_run_are_named_with_what_may_be_meant():
    cards = {name: ModelCard() for name in ("org/llava-1.5-7b", "last-part", "llava-1.5-7", "quite-another")}
    models = ["org/llava-1.5-7b", "some/where/last-part"]
    assert find_unused(cards, models) == ["llava-1.5-7 (did you mean llava-1.5-7b?)", "quite-another"]


def test_sources_are_read_word_by_word_or_not_at_all(tmp_path):
    path = tmp_path / "models.yaml"
    sources = "[{where: page, says: made by GPT, read_in: copy}, {where: paper, source_read: no}]"
    path.write_text(f"models: {{a: {{tuned_on: pairs, billions: 8, sources: {sources}}}}}")
    card = read_model_cards(path)["a"]
    assert (card.tuned_on, card.billions) == ("pairs", 8)
    assert card.sources == (Source("page", "made by GPT", "copy"), Source("paper"))


@pytest.mark.parametrize(
    ("task", "split"),
    [
        ("vrs_slake", "training"),
        ("vrs_slake_mc", "training"),  # the same questions, asked by letters
        ("vrs_slake_zh_cot", "training"),  # the same images
        ("vrs_slakelike", None),
        ("vrs_pmc_vqa_mirage", "test"),
        ("vrs_vqa_rad", None),
    ],
)
def test_all_tasks_of_a_benchmark_are_its_data(task, split):
    card = ModelCard(trained_on=("vrs_slake", "vrs_pmc_vqa"), trained_on_test=("vrs_pmc_vqa",))
    assert card.find_seen_split(task) == split


def test_models_that_have_seen_a_benchmark_are_marked_in_every_table(tmp_path):
    cards = {
        "looks": ModelCard(training="authentic", trained_on=("vrs_test",)),
        "guesses": ModelCard(training="synthetic", trained_on_test=("vrs_test",)),
        "weak": ModelCard(training="synthetic", trained_on=("vrs_slake",)),
    }
    for number, name in enumerate(cards):
        write_run(tmp_path, name, draw_rows(0.9, 0.4, seed=number))
    board = make_board(tmp_path, cards)
    text = make_board_markdown(board)
    assert "| looks † |" in text
    assert "| guesses ‡ |" in text
    assert "| weak |" in text
    assert "- † trained on this benchmark's training split, by its model card." in text
    assert "- ‡ trained on its test questions, by its model card." in text
    assert (
        "So marked are 1 of 2 synthetic and 1 of 1 authentic models: a difference between the two may be that." in text
    )
    (task,) = json.loads(make_board_json(board))["tasks"]
    splits = {model["label"]: model["trained_on_split"] for model in task["models"]}
    assert splits == {"looks": "training", "guesses": "test", "weak": None}
    rows = csv.DictReader(io.StringIO(make_board_csv(board)))
    assert {row["model"]: row["trained_on_split"] for row in rows} == {
        "looks": "training",
        "guesses": "test",
        "weak": "",
    }
    page = make_page(board)
    assert '<th scope="row">looks † ' in page
    assert "<li>‡ trained on its test questions, by its model card.</li>" in page
    assert "So marked are 1 of 2 synthetic and 1 of 1 authentic models" in page
    assert "†" not in make_page(make_board(tmp_path)).split("<script")[0]
    unmarked = make_board_markdown(make_board(tmp_path))
    assert "†" not in unmarked
    assert "by its model card" not in unmarked


def test_a_label_that_is_another_models_name_is_given_to_neither(tmp_path):
    for number, name in enumerate(("a", "b")):
        write_run(tmp_path, name, draw_rows(0.9, 0.4, seed=number))
    (task,) = make_board(tmp_path, {"a": ModelCard(label="b")}).boards
    assert {standing.run.model: standing.label for standing in task.standings} == {"some/a": "a", "some/b": "b"}


def test_all_formats_show_the_same_numbers(tmp_path):
    board = make_board(write_board(tmp_path))
    vrs = board.boards[0].standings[0].metrics["vrs"]
    (row,) = (
        row
        for row in csv.DictReader(io.StringIO(make_board_csv(board)))
        if row["model"] == "looks" and row["metric"] == "vrs"
    )
    assert (float(row["estimate"]), float(row["low"])) == (vrs.estimate, vrs.low)
    shown = json.loads(make_board_json(board))["tasks"][0]["models"][0]
    assert (shown["label"], shown["metrics"]["vrs"]["estimate"]) == ("looks", vrs.estimate)
    assert f"{vrs.estimate:+.3f} [{vrs.low:+.3f}, {vrs.high:+.3f}]" in make_board_markdown(board)


def test_the_published_example_is_no_proof(tmp_path):
    # arXiv 2603.03437: PathVQA 56 % with the image and 65 % with another, n = 100; 31 discordant pairs.
    outcomes = [(1, 0)] * 11 + [(0, 1)] * 20 + [(1, 1)] * 45 + [(0, 0)] * 24
    rows = [(f"q{i}", f"image{i}", "yes", *outcome) for i, outcome in enumerate(outcomes)]
    board = make_board(write_run(tmp_path, "published", rows))
    metrics = board.boards[0].standings[0].metrics
    assert (metrics["acc"].estimate, metrics["acc_shuffled"].estimate) == (0.56, 0.65)
    assert metrics["vrs"].low < 0 < metrics["vrs"].high
    verdict = board.boards[0].standings[0].verdict
    assert "its VRS may be 0 (-0.090 [" in verdict
    assert "11 questions right with its image only, 20 with another only, McNemar p = 0.150" in verdict
    assert "more images would tell" in verdict
    assert verdict in make_page(board)


def test_every_metric_that_was_logged_has_both_intervals_in_every_format(tmp_path):
    board = make_board(write_board(tmp_path))
    standing = board.boards[0].standings[0]
    assert set(standing.metrics) == set(standing.bootstraps) == {"acc", "acc_shuffled", "vrs", "acc_open"} | PARTS
    analytic, bootstrap = standing.metrics["acc"], standing.bootstraps["acc"]
    assert analytic.estimate == bootstrap.estimate
    assert bootstrap.high - bootstrap.low == pytest.approx(analytic.high - analytic.low, rel=0.2)
    assert standing.bootstraps["acc_open"].reason == "no values"
    rows = list(csv.DictReader(io.StringIO(make_board_csv(board))))
    assert [float(row["bootstrap_low"]) for row in rows if (row["model"], row["metric"]) == ("looks", "acc")] == [
        bootstrap.low
    ]
    shown = json.loads(make_board_json(board))["tasks"][0]["models"][0]["metrics"]
    assert shown["acc"]["bootstrap"]["high"] == bootstrap.high
    assert shown["acc_open"]["bootstrap"]["low"] is None


def test_what_can_be_found_and_what_it_takes_is_said(tmp_path):
    board = make_board(write_board(tmp_path))
    (task,) = board.boards
    pair = task.pairs[0]
    assert pair.needed_images == pytest.approx(60 * (pair.detectable / pair.difference.estimate) ** 2)
    assert pair.planned_images == pytest.approx(60 * (pair.detectable / 0.05) ** 2)
    assert task.detectable == sorted(pair.detectable for pair in task.pairs)[1]  # the median of three
    assert task.needed_images == sorted(pair.planned_images for pair in task.pairs)[1]
    sentence = f"truly differ by {task.detectable:.3f} are told apart with 80 % power"
    for text in (" ".join(make_task_notes(task)), make_board_markdown(board), make_page(board)):
        assert sentence in text
        assert f"{task.needed_images:,.0f} images like these with {2 * task.needed_images:,.0f} questions" in text
    shown = json.loads(make_board_json(board))["tasks"][0]
    assert shown["detectable_difference"] == task.detectable
    assert [(pair["first"], pair["second"]) for pair in shown["pairs"]] == [
        ("looks", "peeks"),
        ("looks", "guesses"),
        ("peeks", "guesses"),
    ]


def test_a_sample_asked_in_another_order_is_paired_by_its_id(tmp_path):
    rows = draw_rows(0.8, 0.4)
    write_run(tmp_path, "forward", rows)
    write_run(tmp_path, "backward", rows[::-1])
    (pair,) = make_board(tmp_path).boards[0].pairs
    assert pair.difference.estimate == 0
    assert pair.difference.method == "exact bound over images: none differs"
    assert math.isnan(pair.p_value)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda lines: lines[:-3], "holds 117 of the 120 questions asked; was it cut?"),
        (lambda lines: [*lines, lines[0]], "holds 1 questions more than once, e.g. q0-image0"),
    ],
)
def test_a_log_that_is_cut_or_doubled_is_left_out(tmp_path, change, reason):
    folder = write_run(tmp_path, "spoiled", draw_rows(0.8, 0.4))
    (results,), (samples,) = folder.glob("results_*"), folder.glob("samples_*")
    lines = change(samples.read_text().splitlines())
    samples.write_text("\n".join(lines) + "\n")
    asked = 120 if len(lines) < 120 else len(lines)
    results.write_text(json.dumps(json.loads(results.read_text()) | {"n-samples": {"vrs_test": {"effective": asked}}}))
    board = make_board(tmp_path)
    assert board.boards == ()
    assert reason in board.left_out[0].reason


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("configs", "vrs_test", "vrs"), None),
        (("configs", "vrs_test", "vrs", "variants"), [1]),
        (("configs", "vrs_test", "vrs", "dataset"), "x"),
        (("configs", "vrs_test", "metadata"), 1.0),
        (("config",), [1]),
        (("config", "limit"), {"a": 1}),
        (("n-samples",), 7),
    ],
)
def test_results_of_another_shape_are_left_out(tmp_path, path, value):
    (results,) = write_run(write_board(tmp_path), "odd", draw_rows(0.8, 0.4)).glob("results_*")
    content = json.loads(results.read_text())
    part = content
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    results.write_text(json.dumps(content))
    board = make_board(tmp_path)
    assert len(board.boards[0].standings) == 3
    assert f"{results}: the evidence of vrs_test is not as a VRS task writes it" in board.left_out[0].reason


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("acc", "right"),
        ("acc", [1]),
        ("blank_retention", [1]),
        ("hvrr_if_independent", 1),
        ("set_accuracy", [1] * 5),
    ],
)
def test_a_metric_of_another_shape_is_left_out(tmp_path, name, value):
    (samples,) = write_run(write_board(tmp_path), "odd", draw_rows(0.8, 0.4)).glob("samples_*")
    first, *rest = samples.read_text().splitlines()
    line = json.loads(first) | {name: value}
    line["metrics"] = sorted({*line["metrics"], name})
    samples.write_text("\n".join([json.dumps(line), *rest]))
    (left,) = make_board(tmp_path).left_out
    assert f'{samples}, line 1: not a logged VRS sample (ValueError("{name}: ' in left.reason.replace("('", '("')


@pytest.mark.slow
def test_the_command_writes_every_format_and_says_what_it_left_out(tmp_path):
    write_board(tmp_path / "runs")
    (tmp_path / "runs" / "broken").mkdir()
    (tmp_path / "runs" / "broken" / "results_x.json").write_text("{")
    out = tmp_path / "out"
    options = [part for name in ("html", "json", "csv", "md") for part in (f"--{name}", str(out / f"board.{name}"))]
    shown = CliRunner().invoke(app, ["leaderboard", str(tmp_path / "runs"), *options])
    assert shown.exit_code == 0, shown.output
    assert "not valid JSON" in shown.output
    assert sorted(path.name for path in out.iterdir()) == ["board.csv", "board.html", "board.json", "board.md"]


def test_the_command_fails_where_nothing_can_be_shown(tmp_path):
    shown = CliRunner().invoke(app, ["leaderboard", str(tmp_path)])
    assert shown.exit_code == 2
    assert "no results_*.json below it" in " ".join(shown.output.split())
    assert read_readable_runs(tmp_path)[0] == []


def write_refuser(folder, images=60):
    """Right with its own image, and refuses any other: a VRS that comes from refusals alone."""
    run = write_run(folder, "refuses", [(f"q{k}", f"image{i}", "yes", 1, 0) for i in range(images) for k in range(2)])
    (samples,) = run.glob("samples_*")
    lines = [json.loads(line) for line in samples.read_text().splitlines()]
    for line in lines:
        line["doc"]["variants"]["shuffled"] |= {"value": None, "reason": "refusal"}
    samples.write_text("\n".join(map(json.dumps, lines)) + "\n")


def test_a_model_that_refuses_other_images_is_not_ranked_above_one_that_sees(tmp_path):
    rows = [(f"q{k}", f"image{i}", "yes", 1, i % 3 == 0) for i in range(60) for k in range(2)]
    write_run(tmp_path, "sees", [(*row[:4], int(row[4])) for row in rows])
    write_refuser(tmp_path)
    (task,) = make_board(tmp_path).boards
    sees, refuses = task.standings
    assert (sees.label, sees.best_rank, sees.worst_rank) == ("sees", 1, 1)
    assert (refuses.label, refuses.best_rank, refuses.worst_rank) == ("refuses", 2, 2)
    assert refuses.metrics["vrs"].estimate == 1 > sees.metrics["vrs"].estimate
    assert refuses.metrics["vrs_from_unread"].estimate == 1
    assert refuses.metrics["vrs_from_changed"].estimate == 0
    assert "+1.000 of that comes from answers that could be read under one image alone" in refuses.verdict
    assert "0 % of its answers with its own image and 100 % with another's" in refuses.warnings[0]
    assert "could not be read" not in " ".join(sees.warnings)


def test_unread_answers_that_could_change_nothing_are_no_warning(tmp_path):
    run = write_run(tmp_path, "sees", [(f"q{i}", f"image{i}", "yes", 1, int(i % 3 == 0)) for i in range(60)])
    (samples,) = run.glob("samples_*")
    lines = [json.loads(line) for line in samples.read_text().splitlines()]
    lines[1]["doc"]["variants"]["shuffled"] |= {"value": None, "reason": "refusal"}
    samples.write_text("\n".join(map(json.dumps, lines)) + "\n")
    (standing,) = make_board(tmp_path).boards[0].standings
    assert standing.metrics["vrs_from_unread"].estimate == pytest.approx(1 / 60)
    assert "could not be read" not in " ".join(standing.warnings)


DEEP = "[" * 200_000


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("results", lambda text: DEEP),
        ("samples", lambda text: DEEP),
        ("results", lambda text: text.replace('"config": {}', '"config": {"limit": 1' + "0" * 5000 + "}")),
        ("results", lambda text: text.replace('"config": {}', '"config": {"vrs_missing_weights": 5}')),
        (
            "results",
            lambda text: text.replace('"config": {}', '"config": {"vrs_cold_warm": {"warm": 0, "changed": 1}}'),
        ),
        ("results", lambda text: text.replace('"vrs_test"', '"a/b"')),
        ("samples", lambda text: text.replace('"vrs": 1', '"vrs": 1' + "0" * 400, 1)),
        ("samples", lambda text: text.replace('"acc": 1', '"acc": 5', 1)),
        ("samples", lambda text: text.replace('"metrics": ["acc", ', '"metrics": [', 1)),
    ],
)
def test_a_damaged_run_costs_itself_alone(tmp_path, name, damage):
    run = write_run(write_board(tmp_path), "odd", draw_rows(0.8, 0.4))
    (file,) = run.glob(f"{name}_*")
    before = file.read_text()
    file.write_text(damage(before))
    assert file.read_text() != before
    board = make_board(tmp_path)
    assert [standing.label for standing in board.boards[0].standings] == ["looks", "peeks", "guesses"]
    assert len(board.left_out) == 1


def test_a_folder_named_like_results_is_left_out(tmp_path):
    (write_board(tmp_path) / "results_x.json").mkdir()
    assert len(make_board(tmp_path).boards[0].standings) == 3


def test_a_rank_says_no_more_than_the_sentence(tmp_path):
    """Of many images with small gains and one large one without, the test is sure and the interval is not."""
    sizes = [6] * 38 + [76]
    rows = [(f"q{k}", f"image{i}", "yes") for i, size in enumerate(sizes) for k in range(size)]
    write_run(tmp_path, "a", [(*row, int(row[0] == "q0" and int(row[1][5:]) < 8), 0) for row in rows])
    write_run(tmp_path, "b", [(*row, 0, 0) for row in rows])
    (task,) = make_board(tmp_path).boards
    (pair,) = task.pairs
    assert pair.p_value < 0.05
    assert pair.word is None
    assert {(standing.best_rank, standing.worst_rank) for standing in task.standings} == {(1, 2)}


def test_runs_with_other_metrics_show_what_both_have(tmp_path):
    write_board(tmp_path)
    run = write_run(tmp_path, "more", draw_rows(0.8, 0.4))
    (samples,) = run.glob("samples_*")
    lines = [json.loads(line) for line in samples.read_text().splitlines()]
    for line in lines:
        line |= {"parse_failure_rate": 0.0, "metrics": [*line["metrics"], "parse_failure_rate"]}
    samples.write_text("\n".join(map(json.dumps, lines)) + "\n")
    board = make_board(tmp_path)
    assert len(board.boards[0].standings) == 4
    assert "unparsable" not in make_board_markdown(board)
    assert make_page(board)
