"""The reliability diagram of a logged run: its bins by hand, and what a run without likelihoods has."""

import json
from dataclasses import asdict

import pytest
from support.results import log_question, write_run

from vrs_lmeval.leaderboard.reliability import find_reliability
from vrs_lmeval.leaderboard.runs import read_runs
from vrs_lmeval.metrics.selection import metrics_of_variants
from vrs_lmeval.page.charts import draw_reliability

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
    figure = draw_reliability([("first", reliability), ("second <b>", {"real": reliability["real"]}), ("none", {})])
    assert [annotation.text for annotation in figure.layout.annotations] == ["first", "second &lt;b&gt;"]
    assert [(trace.name, trace.showlegend) for trace in figure.data] == [
        *((None, False), ("real", True), ("shuffled", True)),
        *((None, False), ("real", False)),
    ]
    diagonal, real, shuffled = figure.data[:3]
    assert (diagonal.x, diagonal.y) == ((0, 1), (0, 1))
    assert (real.x, real.y) == (pytest.approx((0.6, 0.9)), (0.4, 1.0))
    low = reliability["real"][0].accuracy
    assert (real.error_y.array[0], real.error_y.arrayminus[0]) == (low.high - 0.4, 0.4 - low.low)
    assert real.text == ("10 questions on 5 images",) * 2
    assert len(shuffled.x) == 1


def test_a_run_by_text_has_no_diagram(tmp_path):
    (run,) = read_runs(write_run(tmp_path, "model", ROWS))
    assert find_reliability(run) == {}
    assert draw_reliability([("model", {})]) is None
