"""The task in the harness: oracles whose metrics are worked out by hand, lazy images, and honest refusals."""

import math

import pytest
from support.oracles import QUESTIONS, OracleModel, evaluate, gold, write_benchmark

from vrs_lmeval.task import VrsTask
from vrs_lmeval.variants.variant_image import VariantImage

NAN = math.nan


@pytest.fixture(autouse=True)
def _benchmark(tmp_path, monkeypatch):
    write_benchmark(tmp_path)
    monkeypatch.setenv("VRS_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def looks(question, image, truth):
    return "I cannot tell." if image == "blank" else gold(question, image)


def knows_the_gold(question, image, truth):
    return truth


def says_yes(question, image, truth):
    return "Yes."


def says_liver(question, image, truth):
    return "Liver"


def refuses(question, image, truth):
    return "I'm sorry, but I cannot answer medical questions."


def tosses_a_coin(question, image, truth):
    """Heads on image a and on blank, tails on image b: 'random', but drawn in advance to be worked by hand."""
    return "no" if image == "b" else "yes"


# Per image: one closed question with different golds, one with equal golds, and the same among the open ones.
# 8 questions; the only derangement of two images swaps them.
EXPECTED = {
    looks: {
        "acc": 1,
        "acc_blank": 0,
        "acc_shuffled": 4 / 8,  # the questions whose gold is the same on both images
        "vrs": 4 / 8,
        "vrs_closed": 2 / 4,
        "vrs_open": 2 / 4,
        "image_sensitivity": 4 / 8,
        "blank_retention": 0,
        "parse_failure_rate": 8 / 24,  # every blank
        "acc_closed": 1,
        "acc_open": 1,
        "f1_open": 1,
    },
    knows_the_gold: {
        "acc": 1,
        "acc_blank": 1,
        "acc_shuffled": 1,
        "vrs": 0,
        "image_sensitivity": 0,
        "blank_retention": 1,
        "parse_failure_rate": 0,
        "acc_closed": 1,
        "acc_open": 1,
    },
    says_yes: {  # the majority answer of the closed questions: right on 3 of 4
        "acc": 3 / 8,
        "acc_blank": 3 / 8,
        "acc_shuffled": 3 / 8,
        "vrs": 0,
        "image_sensitivity": 0,
        "blank_retention": 1,
        "parse_failure_rate": 0,
        "acc_closed": 3 / 4,
        "acc_open": 0,
        "f1_open": 0,
    },
    says_liver: {  # right once, on an open question; no yes or no in it for the four closed ones
        "acc": 1 / 8,
        "acc_shuffled": 1 / 8,
        "vrs": 0,
        "image_sensitivity": 0,
        "blank_retention": 1,
        "parse_failure_rate": 4 / 8,
        "acc_closed": 0,
        "acc_open": 1 / 4,
    },
    refuses: {
        "acc": 0,
        "vrs": 0,
        "image_sensitivity": NAN,
        "blank_retention": NAN,
        "parse_failure_rate": 1,
        "acc_closed": 0,
        "acc_open": 0,
    },
    tosses_a_coin: {
        "acc": 3 / 8,  # a: yes, yes right; b: "no" right for the heart, wrong for the human
        "acc_blank": 3 / 8,  # always yes
        "acc_shuffled": 1 / 8,  # a shown as b says no: 0 of 2; b shown as a says yes: right for the human
        "vrs": 2 / 8,
        "image_sensitivity": 1,
        "blank_retention": 1,
        "parse_failure_rate": 0,
        "acc_closed": 3 / 4,
        "vrs_closed": 2 / 4,
        "vrs_open": 0,
    },
}


@pytest.mark.parametrize("oracle", EXPECTED, ids=lambda oracle: oracle.__name__)
def test_metrics_are_those_worked_out_by_hand(oracle):
    measured = evaluate(OracleModel(oracle))["results"]["vrs_vqa_rad"]
    for name, value in EXPECTED[oracle].items():
        assert measured[f"{name},none"] == pytest.approx(value, nan_ok=True), name


def test_standard_error_in_the_table_is_clustered_by_image():
    def right_on_a(question, image, truth):
        return truth if image == "a" else "wrong"

    measured = evaluate(OracleModel(right_on_a))["results"]["vrs_vqa_rad"]
    # acc is 1 on image a and 0 on b. Between two clusters of 4: sqrt(2/1 * (2^2 + 2^2)) / 8 = 0.5;
    # the harness's own formula, which takes the 8 rows as independent, would say 0.189.
    assert measured["acc,none"] == 0.5
    assert measured["acc_stderr,none"] == pytest.approx(0.5)


def test_every_question_is_asked_once_per_variant():
    model = OracleModel(looks)
    results = evaluate(model)
    assert len(model.requests) == 3 * len(QUESTIONS) * 2
    assert results["n-samples"]["vrs_vqa_rad"] == {"original": 8, "effective": 8}


def test_limit_counts_questions_and_keeps_their_partners():
    whole, part = OracleModel(looks), OracleModel(looks)
    evaluate(whole)
    evaluate(part, limit=3)
    assert [request.args[2] for request in part.requests] == [request.args[2] for request in whole.requests[:9]]


def test_samples_say_what_each_variant_showed_and_how_it_was_read():
    samples = evaluate(OracleModel(looks), log_samples=True)["samples"]["vrs_vqa_rad"]
    first = samples[0]["doc"]
    own = first["image_id"]
    (partner,) = {sample["doc"]["image_id"] for sample in samples} - {own}
    assert first["question"] == "is the heart enlarged?"
    assert {name: (shown["image_id"], shown["value"]) for name, shown in first["variants"].items()} == {
        "real": (own, "yes"),
        "blank": (own, None),
        "shuffled": (partner, "no"),
    }
    visuals = [arguments[2]["visual"] for arguments in samples[0]["arguments"]]
    assert visuals == [
        [f"image {own}, identity"],
        [f"image {own}, blank(128, 128, 128)"],
        [f"image {partner}, identity"],
    ]


def test_requests_hold_no_decoded_pixels_during_inference():
    def check(question, image, truth):
        return "yes"

    class Inspecting(OracleModel):
        def generate_until(self, requests, disable_tqdm=False):
            images = [image for request in requests for image in request.args[2]["visual"]]
            assert all(isinstance(image, VariantImage) for image in images)
            answers = super().generate_until(requests, disable_tqdm)
            assert all(image._im is None for image in images), "a request kept its decoded image"
            return answers

    evaluate(Inspecting(check))


def test_results_carry_the_evidence():
    evidence = evaluate(OracleModel(looks))["configs"]["vrs_vqa_rad"]["vrs"]
    assert evidence["dataset"]["questions"] == 8
    assert len(evidence["dataset"]["content_sha256"]) == 64
    assert evidence["variants"][1] == {"name": "blank", "kind": "blank", "parameters": {"colour": (128, 128, 128)}}
    assert evidence["variants"][2] == {"name": "shuffled", "kind": "shuffled", "parameters": {"seed": 0}}
    assert evidence["packages"]["lm_eval"]


def make_task(**overrides):
    config = {
        "task": "vrs_test",
        "dataset_path": "flaviagiammarino/vqa-rad",
        "test_split": "test",
        "output_type": "generate_until",
        "doc_to_text": "<image>\n{{question}}",
        "doc_to_target": "{{answer}}",
        "generation_kwargs": {"until": ["\n"], "do_sample": False},
        "variants": ["real"],
    }
    return VrsTask(config | overrides)


def test_fewer_variants_give_fewer_requests_and_metrics():
    task = make_task()
    task.build_all_requests()
    assert len(task.instances) == 8
    assert "acc" in task.aggregation()
    assert "vrs" not in task.aggregation()


def test_a_pinned_revision_reaches_the_results_and_the_training_text(monkeypatch):
    monkeypatch.setenv("VRS_REVISIONS", f"flaviagiammarino/vqa-rad={'0' * 40}")
    task = make_task()
    assert task._source.revision == "0" * 40
    evidence = task.dump_config()["vrs"]["dataset"]
    assert (evidence["revision"], evidence["revision_asked_for"]) == (None, "0" * 40)  # the local copy does not tell


def test_few_shot_is_refused():
    with pytest.raises(ValueError, match="few-shot examples have no images here"):
        evaluate(OracleModel(looks), num_fewshot=2)


def test_the_request_cache_is_not_used(caplog):
    task = make_task()
    task.build_all_requests(cache_requests=True)
    assert len(task.instances) == 8
    assert "--cache_requests is ignored" in caplog.text
