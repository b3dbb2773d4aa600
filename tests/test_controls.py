"""The positive and the negative control: `vrs demo`, end to end through lm_eval, must tell them apart."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from vrs_lmeval.cli import CONTROLS, app
from vrs_lmeval.reading.answers import PARSER_VERSION

pytestmark = pytest.mark.models

FOLDER = Path(__file__).parent.parent / "controls"


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    output = tmp_path_factory.mktemp("demo")
    shown = CliRunner().invoke(app, ["demo", "--output", str(output)])
    assert shown.exit_code == 0, shown.output
    return shown.output, json.loads((output / "vrs_sample.json").read_text()), output


def metrics_of(comparison, model):
    (row,) = [row for row in comparison["rows"] if row["model"] == model]
    return row["metrics"]


def test_the_sighted_control_looks_at_the_image(demo):
    _, comparison, _ = demo
    sighted = metrics_of(comparison, "sighted")
    assert sighted["vrs"]["low"] > 0
    assert sighted["acc"]["low"] > comparison["blind_floor"]


def test_the_blind_control_does_not(demo):
    _, comparison, _ = demo
    blind = metrics_of(comparison, "blind")
    assert blind["vrs"]["low"] <= 0 <= blind["vrs"]["high"]
    assert blind["acc"]["estimate"] <= comparison["blind_floor"]


def test_the_demo_says_so_in_words(demo):
    output, *_ = demo
    assert "sighted looks at the image: it is right more often with its own image" in output
    assert "blind hardly looks at the image: its answers hardly change" in output
    assert "$ lm_eval run --model vrs-hf --model_args pretrained=" in output


def test_a_finished_run_read_again_is_the_same_run(demo, tmp_path):
    """What `vrs rescore` writes equals what the task wrote, but for who wrote it."""
    for before in sorted(demo[2].rglob("samples_*.jsonl")):
        shown = CliRunner().invoke(app, ["rescore", str(before.parent), "--output", str(tmp_path / before.parent.name)])
        assert shown.exit_code == 0, shown.output
        after = tmp_path / before.parent.name / before.name
        for old, new in zip(before.read_text().splitlines(), after.read_text().splitlines(), strict=True):
            assert json.loads(new) == json.loads(old)
        (results,) = before.parent.glob("results_*.json")
        old, new = (json.loads(path.read_text()) for path in (results, after.with_name(results.name)))
        for name, value in new["results"]["vrs_sample"].items():
            assert old["results"]["vrs_sample"][name] == pytest.approx(value, nan_ok=True), name
        assert new["configs"]["vrs_sample"]["vrs"].pop("rescored_from") == {"parser_version": PARSER_VERSION}
        assert old["configs"]["vrs_sample"]["vrs"].pop("rescored_from") is None
        assert new["configs"] == old["configs"]


@pytest.mark.parametrize("control", CONTROLS)
def test_weights_are_small_enough_to_ship(control):
    (weights,) = (FOLDER / control).glob("*.safetensors")
    assert weights.stat().st_size < 8_000_000
