"""Option likelihoods: by hand, against scipy, and through the harness with a model whose probabilities are known."""

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from support.field_rows import write_mmmu
from support.oracles import QUESTIONS, OracleModel, evaluate, find_tasks, gold, recognise, write_benchmark
from support.stores import encode, gradient

from vrs_lmeval.reading.option_likelihoods import (
    NO_LIKELIHOOD,
    find_divergence,
    find_gold_log_probability,
    offer_options,
    read_most_probable,
    share_out,
)
from vrs_lmeval.records import Sample

OPTIONS = Sample("s", "i", "which modality?", ("MRI",), "closed", options=("CT", "MRI", "X-ray"))
distributions = st.lists(st.floats(-800, 0), min_size=2, max_size=6)


def test_yes_and_no_are_options_where_they_are_the_answers():
    polar = Sample("s", "i", "is it?", ("Yes",), "closed")
    assert offer_options(polar).options == ("yes", "no")
    assert offer_options(OPTIONS) == OPTIONS
    assert offer_options(Sample("s", "i", "which organ?", ("liver",), "open")) is None
    assert offer_options(Sample("s", "i", "a or b?", ("yes", "b"), "closed")) is None


def test_probabilities_answers_and_gold_by_hand():
    shared = share_out([math.log(0.02), math.log(0.06), math.log(0.02)])  # 0.1 of all mass is on the options
    assert [math.exp(value) for value in shared] == pytest.approx([0.2, 0.6, 0.2])
    assert read_most_probable(shared, OPTIONS).value == "mri"
    assert find_gold_log_probability(shared, OPTIONS) == pytest.approx(math.log(0.6))
    two = Sample("s", "i", "q", ("CT", "x-ray"), "closed", options=("CT", "MRI", "X-ray"))
    assert find_gold_log_probability(shared, two) == pytest.approx(math.log(0.4))
    assert (
        find_gold_log_probability(shared, Sample("s", "i", "q", ("PET",), "closed", options=("CT", "MRI", "X"))) is None
    )
    assert read_most_probable(share_out([-1.0, -1.0, -3.0]), OPTIONS).value == "ct"  # the first of equals


@pytest.mark.parametrize("values", [[-1.0, float("nan"), -2.0], [-1.0, float("-inf"), -2.0]])
def test_what_is_no_number_is_no_answer(values):
    shared = share_out(values)
    assert shared is None
    assert read_most_probable(shared, OPTIONS).reason == NO_LIKELIHOOD
    assert find_gold_log_probability(shared, OPTIONS) is None
    assert find_divergence(shared, (0.0, -1.0, -1.0)) is None


@given(distributions, st.floats(-50, 50))
@settings(derandomize=True, deadline=None)
def test_shares_sum_to_one_and_do_not_depend_on_the_mass_beside_the_options(values, shift):
    shared = share_out(values)
    assert math.fsum(map(math.exp, shared)) == pytest.approx(1)
    assert share_out([value + shift for value in values]) == pytest.approx(shared, abs=1e-9)


@given(st.integers(2, 6).flatmap(lambda n: st.tuples(*[st.lists(st.floats(-30, 0), min_size=n, max_size=n)] * 2)))
@settings(derandomize=True, deadline=None)
def test_divergence_is_scipys(pair):
    first, second = (share_out(values) for values in pair)
    expected = jensenshannon(*([math.exp(value) for value in shared] for shared in (first, second)), base=2) ** 2
    assert find_divergence(first, second) == pytest.approx(expected, abs=1e-9)
    assert find_divergence(first, second) == pytest.approx(find_divergence(second, first), abs=1e-12)
    assert find_divergence(first, first) == 0


class LikelihoodModel(OracleModel):
    """Finds the right letter about the image shown probable by 0.8, both by 0.5 on a blank one."""

    def __init__(self):
        super().__init__(None)

    def loglikelihood(self, requests, disable_tqdm=False):
        self.requests = list(requests)
        return [(self._find(request), False) for request in requests]

    def _find(self, request):
        prompt, continuation, visual = request.args
        _, question, *options, _ = prompt.split("\n")
        assert options == ["A. yes", "B. no"]
        (image,) = visual["visual"]
        shown = recognise(image)
        probability = 0.5
        if shown != "blank":
            right = "AB"[["yes", "no"].index(gold(question, shown))]
            probability = 0.8 if continuation.strip() == right else 0.2
        return math.log(0.01 * probability)  # whatever else the model may say


@pytest.fixture
def _benchmark(tmp_path, monkeypatch):
    write_benchmark(tmp_path)
    monkeypatch.setenv("VRS_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.mark.usefixtures("_benchmark")
def test_the_task_asks_every_option_under_every_variant_and_measures_by_hand():
    model = LikelihoodModel()
    results = evaluate(model, task="vrs_vqa_rad_mc", log_samples=True)
    measured = {name.removesuffix(",none"): value for name, value in results["results"]["vrs_vqa_rad_mc"].items()}
    # Two of four questions are yes/no, on two images: 4 questions x 3 variants x 2 options.
    assert len(model.requests) == 24
    assert {request.args[1] for request in model.requests} == {" A", " B"}
    evidence = results["configs"]["vrs_vqa_rad_mc"]["vrs"]
    assert evidence["dataset"]["questions_without_options"] == 4
    # "Is this a human?" is yes on both images: shuffled it stays right; the heart's answer turns.
    assert (measured["acc"], measured["acc_shuffled"], measured["vrs"]) == (1, 0.5, 0.5)
    assert measured["image_sensitivity"] == 0.5
    assert measured["logprob_gold"] == pytest.approx(math.log(0.8))
    assert measured["vrs_logprob"] == pytest.approx((2 * math.log(0.8 / 0.2) + 2 * 0) / 4)
    from_blank = jensenshannon([0.8, 0.2], [0.5, 0.5], base=2) ** 2
    assert measured["divergence_from_blank"] == pytest.approx(from_blank)
    assert measured["divergence_from_shuffled"] == pytest.approx(jensenshannon([0.8, 0.2], [0.2, 0.8], base=2) ** 2 / 2)
    # Real: sure by .8, always right. Blank: "yes" by .5, right in three of four. Shuffled: sure by .8, right in two.
    calibration = {"": (0.8, 1), "_blank": (0.5, 0.75), "_shuffled": (0.8, 0.5)}
    for end, (confidence, right) in calibration.items():
        assert measured[f"overconfidence{end}"] == pytest.approx(confidence - right)
        assert measured[f"ece{end}"] == pytest.approx(abs(confidence - right))
        brier = right * (1 - confidence) ** 2 + (1 - right) * confidence**2
        assert measured[f"brier{end}"] == pytest.approx(brier)
    assert "ece_absent" not in measured
    logged = [sample["ece_shuffled"] for sample in results["samples"]["vrs_vqa_rad_mc"]]
    assert sorted(right for _, right in logged) == [0, 0, 1, 1]
    assert [confidence for confidence, _ in logged] == pytest.approx([0.8] * 4)
    assert measured["parse_failure_rate"] == 0
    assert "claim_rate" not in measured
    json.dumps(results["samples"], default=str)
    assert len(QUESTIONS) == 4


def test_questions_without_options_are_left_out(tmp_path, monkeypatch):
    write_mmmu(tmp_path)
    monkeypatch.setenv("VRS_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    manager = find_tasks()
    (whole, chosen) = (manager.load([task])["tasks"][task] for task in ("vrs_mmmu_med", "vrs_mmmu_med_mc"))
    left = chosen.dump_config()["vrs"]["dataset"]["questions_without_options"]
    assert left > 0
    assert len(chosen.eval_docs) == len(whole.eval_docs) - left
    assert all(document["options"] for document in chosen.eval_docs)


def test_partners_are_drawn_among_all_images_so_that_both_styles_show_the_same(tmp_path, monkeypatch):
    rows = [(str(index), "yes" if index % 3 else "liver") for index in range(30)]
    folder = tmp_path / "flaviagiammarino" / "vqa-rad" / "data"
    folder.mkdir(parents=True)
    for name, _ in rows:
        (folder.parent / f"{name}.png").write_bytes(encode(gradient(10 + int(name), 9), "PNG"))
    lines = [{"image": f"{name}.png", "question": "is it?", "answer": answer} for name, answer in rows]
    (folder / "test-0.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    monkeypatch.setenv("VRS_DATA_DIR", str(tmp_path))
    manager = find_tasks()
    plain, chosen = (manager.load([task])["tasks"][task] for task in ("vrs_vqa_rad", "vrs_vqa_rad_mc"))
    assert len(chosen.eval_docs) == 20
    for document in chosen.eval_docs:
        shown = [task.show_question(document["sample_id"])["shuffled"][0].source_id for task in (plain, chosen)]
        assert shown[0] == shown[1]


def test_a_benchmark_of_open_questions_alone_is_refused(tmp_path, monkeypatch):
    write_benchmark(tmp_path)
    monkeypatch.setenv("VRS_DATA_DIR", str(tmp_path))
    rows = tmp_path / "flaviagiammarino/vqa-rad/data/test-00000-of-00001.jsonl"
    rows.write_text("".join(line for line in rows.read_text().splitlines(True) if "which" in line))
    with pytest.raises(ValueError, match="no question has options, nor yes or no for an answer"):
        find_tasks().load(["vrs_vqa_rad_mc"])


def test_an_option_that_is_all_but_impossible_has_a_finite_logarithm():
    """Servers give -9999 for a token that they do not report."""
    sample = Sample("s", "i", "q", ("right",), "closed", ("left", "right"))
    assert find_gold_log_probability(share_out([-1.0, -9999.0]), sample) == pytest.approx(-9998.0)
