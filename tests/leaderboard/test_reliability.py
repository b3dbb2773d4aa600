"""The reliability diagram of a logged run: its bins by hand, and what a run without likelihoods has."""

import json
from dataclasses import asdict

import pytest
from support.results import log_question, write_run

from vrs_lmeval.leaderboard.reliability import find_reliability
from vrs_lmeval.leaderboard.runs import read_runs
from vrs_lmeval.metrics.selection import metrics_of_variants
from vrs_lmeval.page.curves import draw_reliability

ROWS = [(f"q{k}", f"image{k // 2}", "yes", 1, 0) for k in range(20)]
REAL = [(0.6, float(k < 4)) for k in range(10)] + [(0.9, 1.0)] * 10
SHUFFLED = [(1.0, float(k % 2)) for k in range(19)] + [None]


def write_likelihoods(folder):
    """Twenty questions on ten images with what a `_mc` task logs of their confidences."""
    known = metrics_of_variants(("real", "shuffled"), ("likelihoods",))
    records = {name: asdict(metric.describe()) for name, metric in known.items()}
    run = write_run(folder, "model", ROWS, metrics=records, record_version=2)
    (samples,) = run.glob("samples_*.jsonl")
    lines = [log_question(*row) for row in ROWS]
    for line, real, shuffled in zip(lines, REAL, SHUFFLED, strict=True):
        line |= {"ece": real, "ece_shuffled": shuffled}
        line["metrics"] += ["ece", "ece_shuffled"]
    samples.write_text("".join(json.dumps(line) + "\n" for line in lines))
    (read,) = read_runs(run)
    return read


def test_bins_worked_by_hand(tmp_path):
    reliability = find_reliability(write_likelihoods(tmp_path))
    assert list(reliability) == ["real", "shuffled"]
    low, high = reliability["real"]
    assert (low.confidence, low.accuracy.estimate, low.accuracy.n, low.accuracy.clusters) == (
        pytest.approx(0.6),
        0.4,
        10,
        5,
    )
    assert (high.confidence, high.accuracy.estimate) == (pytest.approx(0.9), 1.0)
    assert 0 < low.accuracy.low < 0.4 < low.accuracy.high < 1
    assert high.accuracy.low == pytest.approx(0.05 ** (1 / 5))  # right on all of five images
    (all_sure,) = reliability["shuffled"]
    assert (all_sure.confidence, all_sure.accuracy.n) == (1.0, 19)
    assert all_sure.accuracy.estimate == pytest.approx(9 / 19)


def test_each_model_has_a_panel_with_the_diagonal_and_a_line_per_variant(tmp_path):
    reliability = find_reliability(write_likelihoods(tmp_path))
    drawn = [("first", reliability), ("second <b>", {"real": reliability["real"]}), ("none", {})]
    chart = draw_reliability(drawn, {"first": 0, "second <b>": 1, "none": 2})
    assert [(panel.title, panel.models) for panel in chart.panels] == [("first", (0,)), ("second <b>", (1,))]
    assert [key.text for key in chart.keys] == ["real", "shuffled"]
    diagonal, real, shuffled = chart.panels[0].lines
    assert diagonal.points == ((0, 0), (1, 1))
    assert [x for x, _ in real.points] == pytest.approx([0.6, 0.9])
    assert [y for _, y in real.points] == [0.4, 1.0]
    assert len(shuffled.points) == 1
    low = reliability["real"][0].accuracy
    mark = chart.panels[0].marks[0]
    assert mark.y_ends == (low.low, low.high)
    assert mark.says.startswith("first, real: confidence 0.600, accuracy 0.400 [")
    assert mark.says.endswith("10 questions on 5 images")
    sizes = [mark.size for mark in chart.panels[0].marks]
    assert sizes == [1.0, 1.0, 1.0]  # bins of equal size, and one bin of all
    assert len(chart.panels[1].lines) == 2


def test_a_run_by_text_has_no_diagram(tmp_path):
    (run,) = read_runs(write_run(tmp_path, "model", ROWS))
    assert find_reliability(run) == {}
    assert draw_reliability([("model", {})], {"model": 0}) is None
