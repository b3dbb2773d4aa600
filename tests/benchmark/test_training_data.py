"""Synthetic against authentic training pairs: which runs are contrasted, and what the leaderboard concludes."""

import json

import pytest
from support.results import draw_rows, make_board, write_run

from vrs_lmeval.leaderboard.board_report import make_board_notes
from vrs_lmeval.leaderboard.model_cards import ModelCard
from vrs_lmeval.page.page import make_page

GROUPS = {"a": ("synthetic", "x"), "b": ("synthetic", "y"), "c": ("synthetic", None)}
GROUPS |= {"d": ("authentic", "x"), "e": ("authentic", "y"), "f": ("authentic", "z")}


def write_groups(tmp_path, synthetic=0.5, authentic=0.9, tasks=("vrs_test",), data=("0", "1", "2")):
    """`data`: the content hash of each task's questions; tasks on the same data differ in what was answered alone."""
    for number, (task, content) in enumerate(zip(tasks, data, strict=False)):
        for seed, (model, (training, _)) in enumerate(GROUPS.items()):
            real = synthetic if training == "synthetic" else authentic
            rows = draw_rows(real, 0.4, seed=seed + 100 * number, data=content)
            write_run(tmp_path / task, model, rows, task=task, dataset={"content_sha256": content})
    cards = {model: ModelCard(training=training, base=base) for model, (training, base) in GROUPS.items()}
    return make_board(tmp_path, cards)


def test_training_data_are_compared_with_models_as_the_unit(tmp_path):
    (contrast,) = write_groups(tmp_path).contrasts
    assert (contrast.first, contrast.second) == (("a", "b", "c"), ("d", "e", "f"))
    assert contrast.difference.high < 0
    assert "models tuned on synthetic pairs rely less on the image" in contrast.conclusion
    assert [(pair.base, pair.first, pair.second) for pair in contrast.pairs] == [("x", "a", "d"), ("y", "b", "e")]
    by_hand = [pair.difference.estimate for pair in contrast.pairs]
    assert all(-1 < difference < 0 for difference in by_hand)


def test_benchmarks_count_equally_in_the_overall_contrast(tmp_path):
    first, second, overall = write_groups(tmp_path, tasks=("vrs_one", "vrs_two")).contrasts
    assert overall.task == "all benchmarks"
    expected = (first.difference.estimate + second.difference.estimate) / 2
    assert overall.difference.estimate == pytest.approx(expected)


def test_of_tasks_on_the_same_data_the_one_that_most_models_ran_counts(tmp_path):
    tasks = ("vrs_one", "vrs_one_cot", "vrs_two")
    one, one_cot, two, overall = write_groups(tmp_path, tasks=tasks, data=("0", "0", "1")).contrasts
    assert overall.difference.estimate == pytest.approx((one.difference.estimate + two.difference.estimate) / 2)
    for path in (tmp_path / "vrs_one" / "a").iterdir():  # now the other has more models
        path.unlink()
    cards = {model: ModelCard(training=training, base=base) for model, (training, base) in GROUPS.items()}
    *_, overall = make_board(tmp_path, cards).contrasts
    assert overall.first == ("a", "b", "c")
    assert overall.difference.estimate == pytest.approx((one_cot.difference.estimate + two.difference.estimate) / 2)


def test_one_benchmark_has_no_overall_contrast(tmp_path):
    contrasts = write_groups(tmp_path, tasks=("vrs_one", "vrs_one_cot"), data=("0", "0")).contrasts
    assert [contrast.task for contrast in contrasts] == ["vrs_one", "vrs_one_cot"]


def test_equal_groups_show_no_difference(tmp_path):
    (contrast,) = write_groups(tmp_path, authentic=0.5).contrasts
    assert "no difference in reliance on the image is shown" in contrast.conclusion


def test_two_models_are_not_enough(tmp_path):
    for seed, model in enumerate(("looks", "peeks")):
        write_run(tmp_path, model, draw_rows(0.9, 0.4, seed=seed))
    cards = {"looks": ModelCard(training="synthetic"), "peeks": ModelCard(training="authentic")}
    (contrast,) = make_board(tmp_path, cards).contrasts
    assert "not enough models to compare training data (1 synthetic and 1 authentic" in contrast.conclusion


def test_bases_with_models_of_both_kinds_are_compared_together(tmp_path):
    (contrast,) = write_groups(tmp_path).contrasts
    assert contrast.bases == ("x", "y")
    assert contrast.matched.estimate == pytest.approx(sum(pair.difference.estimate for pair in contrast.pairs) / 2)
    assert "not enough base models (2 base models; 3 are needed)" in contrast.matched_conclusion
    assert contrast.bootstrap.estimate == contrast.difference.estimate
    assert contrast.bootstrap.high < 0


def test_three_bases_are_enough(tmp_path):
    cards = {}
    for seed in range(6):
        kind, base = ("synthetic", "authentic")[seed % 2], f"base{seed // 2}"
        write_run(tmp_path, f"m{seed}", draw_rows(0.4 + 0.4 * (seed % 2), 0.3, images=150, seed=seed))
        cards[f"m{seed}"] = ModelCard(training=kind, base=base)
    board = make_board(tmp_path, cards)
    (contrast,) = board.contrasts
    assert "those tuned on synthetic pairs rely less on the image" in contrast.matched_conclusion
    assert contrast.matched_conclusion in make_page(board)
    assert contrast.matched_conclusion in " ".join(make_board_notes(board))


def test_tasks_without_a_common_model_have_no_overall_contrast_but_a_reason(tmp_path):
    for task, models in {"vrs_one": "ab", "vrs_two": "cd"}.items():
        for seed, model in enumerate(models):
            rows = draw_rows(0.8, 0.4, seed=seed, data=task)
            write_run(tmp_path / task, model, rows, task=task, dataset={"content_sha256": task})
    cards = {
        model: ModelCard(training=kind) for model, kind in zip("abcd", ["synthetic", "authentic"] * 2, strict=True)
    }
    *_, overall = make_board(tmp_path, cards).contrasts
    assert overall.difference.reason == "a group without models"
    assert "not enough models to compare training data (0 synthetic and 0 authentic" in overall.conclusion


@pytest.mark.parametrize(("first", "second"), [(range(20), range(5, 12)), (range(20), range(20))])
def test_two_models_of_one_base_have_the_interval_of_their_test(tmp_path, first, second):
    """With partners that go together, and without any difference: the page shows no two intervals of one thing."""
    rows = [(f"q{k}", f"image{i}", "yes") for i in range(40) for k in range(2)]
    for model, images in (("a", first), ("b", second)):
        right = [(*row, int(int(row[1][5:]) in images), 0) for row in rows]
        (samples,) = write_run(tmp_path, model, right).glob("samples_*")
        lines = [json.loads(line) for line in samples.read_text().splitlines()]
        for line in lines:
            line["doc"]["variants"]["shuffled"]["image_id"] = f"image{(int(line['doc']['image_id'][5:]) + 1) % 40}"
        samples.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    cards = {"a": ModelCard(training="synthetic", base="x"), "b": ModelCard(training="authentic", base="x")}
    board = make_board(tmp_path, cards)
    (pair,), (of_base,) = board.boards[0].pairs, board.contrasts[0].pairs
    sign = 1 if board.boards[0].standings[pair.first].label == "a" else -1
    expected = sorted([sign * pair.difference.low, sign * pair.difference.high])
    assert [of_base.difference.low, of_base.difference.high] == pytest.approx(expected)
