"""Through the harness's evaluator: models that look at the asked region, at any covered box, or at nothing."""

import pytest
from support.oracles import evaluate
from support.region_rows import QUESTIONS, SIZES, RegionOracle, write_slake_with_regions

TASK = "vrs_slake_regions"
ASKED = {question: box for _, question, _, _, box in QUESTIONS if box is not None}
PICTURE = {question: picture for picture, question, *_ in QUESTIONS}


@pytest.fixture(autouse=True)
def _benchmark(tmp_path, monkeypatch):
    write_slake_with_regions(tmp_path)
    monkeypatch.setenv("VRS_DATA_DIR", str(tmp_path))


def run(answer, **options):
    model = RegionOracle(answer)
    results = evaluate(model, TASK, **options)
    return {name.removesuffix(",none"): value for name, value in results["results"][TASK].items()}, model, results


def other(gold):
    return {"Yes": "No", "No": "Yes"}.get(gold, "Kidney")


def look_at_the_region(question, gold, covered):
    return other(gold) if covered is not None and covered == ASKED.get(question) else gold


def fear_any_box(question, gold, covered):
    return gold if covered is None else other(gold)


def never_look(question, gold, covered):
    return gold


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        # Four questions name one box; of these the heart's leaves no room for another.
        (look_at_the_region, {"flip_region": 1, "flip_control": 0, "region_effect": 1, "acc_region_covered": 0,
                              "acc_region_control": 1}),
        (fear_any_box, {"flip_region": 1, "flip_control": 1, "region_effect": 0, "acc_region_covered": 0,
                        "acc_region_control": 0}),
        (never_look, {"flip_region": 0, "flip_control": 0, "region_effect": 0, "acc_region_covered": 1,
                      "acc_region_control": 1}),
    ],
    ids=["region", "any box", "nothing"],
)  # fmt: skip
def test_what_a_model_looks_at_is_told(answer, expected):
    values, _, _ = run(answer)
    assert {name: values[name] for name in expected} == expected
    assert (values["acc"], values["vrs"]) == (1, 0)


def test_a_refusal_under_the_control_is_left_out_of_the_pair_alone():
    def look_or_decline(question, gold, covered):
        is_other_box = covered not in (None, ASKED.get(question))
        return (
            "I cannot tell."
            if is_other_box and "liver" not in question
            else look_at_the_region(question, gold, covered)
        )

    values, _, _ = run(look_or_decline)
    assert values["flip_region"] == 1
    assert (values["flip_control"], values["region_effect"]) == (0, 1), "of the one question answered under all three"


def test_the_boxes_shown_are_the_asked_one_and_an_equal_one_beside_it():
    _, model, results = run(never_look)
    assert set(model.covered) == {question for _, question, *_ in QUESTIONS}
    for question, shown in model.covered.items():
        assert shown[:2] == [None, None], "real and shuffled"
        if question not in ASKED:
            assert len(shown) == 2
            continue
        asked = ASKED[question]
        assert shown[2] == asked
        if question == "Is the heart enlarged?":
            assert len(shown) == 3, "no box of its size lies beside it"
            continue
        (control,) = shown[3:]
        assert control[2:] == asked[2:]
        (x, y, width, height), (across, down) = control, SIZES[PICTURE[question]]
        assert min(x, y, across - x - width, down - y - height) >= 0, "inside the picture"
        assert abs(x - asked[0]) >= width or abs(y - asked[1]) >= height, "no pixel is in both"
    assert model.covered["Does the picture contain liver?"] == model.covered["Which organ is abnormal?"], (
        "questions on one region are shown the same pictures, so they share their prefixes"
    )
    partners = results["configs"][TASK]["vrs"]["partners"]
    reasons = {"names_none": 1, "names_several": 2, "outside_image": 1}
    assert partners["region_covered"] == {"asked": 4, **reasons}
    assert partners["region_control"] == {"asked": 3, **reasons, "no_other_place": 1}


def test_what_is_covered_stands_in_the_log_and_regions_do_not():
    _, _, results = run(never_look, log_samples=True)
    dataset = results["configs"][TASK]["vrs"]["dataset"]
    assert (dataset["images_with_regions"], dataset["regions"], len(dataset["regions_sha256"])) == (2, 6, 64)
    first = results["samples"][TASK][0]
    assert "regions" not in first["doc"]
    assert first["arguments"][2][2]["visual"][0].endswith("occlusion(0.166667, 0.1, 0.433333, 0.35, 128, 128, 128)")


def test_a_limit_changes_no_box():
    whole, limited = run(never_look)[1], run(never_look, limit=2)[1]
    assert all(limited.covered[question] == whole.covered[question] for question in limited.covered)
    assert len(limited.covered) == 2
