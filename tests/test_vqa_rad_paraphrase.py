"""VQA-RAD's own paraphrases, from rows made by us in the schema of the release, through the harness's evaluator."""

import pytest
from support.oracles import OracleModel, evaluate
from support.vqa_rad_release import ROWS, SAID, write_release

from vrs_lmeval.benchmark.sources import MalformedDataError, MissingDataError

TASK = "vrs_vqa_rad_paraphrase"
TEST_ROWS = [row for row in ROWS if row[0].startswith("test_")]


@pytest.fixture
def data_dir(tmp_path, monkeypatch):
    monkeypatch.setenv("VRS_DATA_DIR", str(tmp_path))
    return tmp_path


def run(answer, task=TASK):
    asked = []

    def note(question, shown, gold):
        asked.append((question, shown))
        return answer(question, shown)

    results = evaluate(OracleModel(note), task, log_samples=True)
    return {name.removesuffix(",none"): value for name, value in results["results"][TASK].items()}, asked, results


def look(question, shown):
    return SAID[question][shown]


def read_text_alone(question, shown):
    return SAID[question]["a"]


def misread_paraphrases(answer):
    reworded = {row[3] for row in ROWS if row[0] == "test_para"}
    other = {"Yes": "No", "No": "Yes"}
    return lambda question, shown: (
        other.get(answer(question, shown), "many") if question in reworded else answer(question, shown)
    )


def test_each_test_question_is_asked_as_published_and_in_the_words_that_are_linked_to_it(data_dir):
    write_release(data_dir)
    _, asked, results = run(look)
    paraphrases = {
        ("a", "Is the heart enlarged?"): "Is cardiomegaly present ?",
        ("b", "Is the heart enlarged?"): "Is cardiomegaly present ?",
        ("a", "Is cardiomegaly present ?"): "Is the heart enlarged?",
        ("b", "Is cardiomegaly present ?"): "Is the heart enlarged?",
        ("a", "How many masses are seen?"): "What is the number of masses?",
        ("a", "What is the number of masses?"): "How many masses are seen?",
    }
    expected = []
    for _, _, picture, question, *_ in TEST_ROWS:
        expected += [(question, picture), (question, "ab".replace(picture, ""))]
        expected += [(paraphrases[picture, question], picture)] if (picture, question) in paraphrases else []
    assert asked == expected
    partners = results["configs"][TASK]["vrs"]["partners"]["paraphrase"]
    assert partners == {"asked": 6, "with_other_answer": 2, "without_paraphrase": 2}
    documents = [logged["doc"] for logged in results["samples"][TASK]]
    assert [document["golds"] for document in documents][6:] == [["2"], ["2"], ["Mass"], ["Large mass"]]
    assert [document["answer_type"] for document in documents] == ["closed"] * 6 + ["open"] * 4
    assert documents[0]["paraphrase_group"] == documents[1]["paraphrase_group"] == "l1"


@pytest.mark.parametrize(
    ("answer", "consistency", "quadrants"),
    [
        # Six questions have a paraphrase: four of the heart, two of the masses; the pictures differ in both.
        (look, 1, {"consistent_sighted": 1}),
        (read_text_alone, 1, {"consistent_blind": 1}),
        # "many" is its answer to the masses in other words, whatever is shown: that question alone is blind.
        (misread_paraphrases(look), 0, {"inconsistent_sighted": 5 / 6, "inconsistent_blind": 1 / 6}),
        (misread_paraphrases(read_text_alone), 0, {"inconsistent_blind": 1}),
    ],
    ids=["looks", "consistent and blind", "inconsistent and sighted", "neither"],
)
def test_each_question_stands_in_the_quadrant_worked_by_hand(data_dir, answer, consistency, quadrants):
    write_release(data_dir)
    values, _, _ = run(answer)
    assert values["consistency"] == consistency
    names = ("consistent_sighted", "consistent_blind", "inconsistent_sighted", "inconsistent_blind")
    assert {name: values[name] for name in names} == pytest.approx(dict.fromkeys(names, 0) | quadrants)


def test_the_group_shows_the_task(data_dir):
    write_release(data_dir)
    _, _, results = run(look, "vrs_medvqa_paraphrase")
    shown = results["groups"]["vrs_medvqa_paraphrase"]
    assert (shown["acc,none"], shown["consistency,none"], shown["consistent_sighted,none"]) == (1, 1, 1)


def test_an_unknown_phrase_type_is_an_error_with_its_row(data_dir):
    write_release(data_dir, phrase_type="Test_para")
    with pytest.raises(
        MalformedDataError, match=r"row 0: .*phrase_type should be one of freeform, para, .*'Test_para'"
    ):
        run(look)


def test_it_is_on_no_hub_and_says_where_it_is(data_dir):
    with pytest.raises(MissingDataError, match=r"on no hub, and VRS_DATA_DIR=.* Get it from osf\.io/89kps"):
        run(look)
