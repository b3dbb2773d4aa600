"""Through the harness's evaluator: models without an image, with other words, and models without eyes."""

import json
import math

import pytest
from support.oracles import QUESTIONS, TASKS, evaluate, gold, recognise, write_benchmark
from support.text_oracles import REWORDED, TextModel, TextOracle, ignore_the_question, look, read_text_alone

from vrs_lmeval.records import NOT_ASKED

PAIRS = 2 * len(QUESTIONS)


@pytest.fixture
def benchmark(tmp_path, monkeypatch):
    write_benchmark(tmp_path)
    monkeypatch.setenv("VRS_DATA_DIR", str(tmp_path))
    return tmp_path


def values_of(results, task):
    return {name.removesuffix(",none"): value for name, value in results["results"][task].items()}


def run(answer, task, kind=TextOracle, **options):
    model = kind(answer)
    results = evaluate(model, task, **options)
    return values_of(results, task), model, results


# Image a: yes, yes, liver, chest; image b: no, yes, lung, chest. Two images, so each is the other's partner.


def test_a_model_that_looks_and_flags_every_missing_image(benchmark):
    values, model, _ = run(look, "vrs_vqa_rad_mirage")
    assert len(model.prompts) == 5 * PAIRS
    assert (values["acc"], values["acc_absent"], values["acc_shuffled"]) == (1, 0, 0.5)
    assert values["acc_guess"] == 3 / 8, "it guesses yes, which three questions have for a gold"
    assert (values["vrs_absent"], values["mirage_score"]) == (1, 0)
    assert (values["mirage_rate"], values["flag_rate_absent"], values["silent_rate_absent"]) == (0, 1, 0)
    assert (values["flag_rate_blank"], values["silent_rate_blank"]) == (1, 0)
    assert (values["flag_rate_real"], values["silent_rate_real"], values["refusal_rate_real"]) == (0, 1, 0)
    assert values["refusal_rate_absent"] == 1, "it also declines"
    assert (values["flag_rate_guess"], values["silent_rate_guess"]) == (0, 1)


def test_a_model_that_reads_the_text_alone(benchmark):
    values, _, _ = run(read_text_alone, "vrs_vqa_rad_mirage")
    accuracy = 6 / 8  # all of image a, and of image b what both have: human, chest
    for name in ("acc", "acc_absent", "acc_guess", "acc_shuffled", "acc_blank"):
        assert values[name] == accuracy, name
    assert (values["vrs_absent"], values["mirage_score"], values["mirage_rate"]) == (0, 1, 1)
    assert (values["flag_rate_absent"], values["silent_rate_absent"], values["hvrr_absent"]) == (0, 1, 0)


def test_a_model_that_claims_to_see_without_an_image(benchmark):
    values, _, _ = run(lambda *what: f"The image shows: {read_text_alone(*what)}", "vrs_vqa_rad_mirage")
    assert (values["claim_rate"], values["claim_rate_absent"], values["hvrr_absent"]) == (1, 1, 1)


def test_the_prompt_without_an_image_is_the_prompt_without_its_mark(benchmark):
    _, model, results = run(look, "vrs_vqa_rad_mirage", limit=1)
    real, _, _, absent, guess = model.prompts
    assert real == f"<image>\n{absent}"
    assert guess == f"There is no image for this question. Guess the answer.\n{absent}"
    (logged,) = results["samples"]["vrs_vqa_rad_mirage"]
    assert logged["doc"]["variants"]["absent"]["image_id"] is None
    assert logged["arguments"][3][2] == {"visual": []}


def test_chats_are_rendered_for_every_variant_with_the_system_instruction(benchmark):
    class Chat(TextOracle):
        def apply_chat_template(self, chat, add_generation_prompt=True):
            return "".join(f"[{turn['role']}]\n{turn['content']}\n" for turn in chat)

        @property
        def tokenizer_name(self):
            return "chat"

        def chat_template(self, chat_template=False):
            return "a template"

    _, model, _ = run(
        look, "vrs_vqa_rad_mirage", Chat, limit=1, apply_chat_template=True, system_instruction="Be brief."
    )
    assert [prompt.startswith("[system]\nBe brief.\n[user]\n") for prompt in model.prompts] == [True] * 5
    real, absent, guess = model.prompts[0], model.prompts[3], model.prompts[4]
    assert real.replace("<image>\n", "") == absent
    assert guess == absent.replace("[user]\n", "[user]\nThere is no image for this question. Guess the answer.\n")


def test_a_model_without_eyes_is_asked_without_images(benchmark):
    values, model, results = run(read_text_alone, "vrs_vqa_rad_text", TextModel)
    assert len(model.prompts) == 2 * PAIRS + 4
    assert (values["acc_absent"], values["acc_guess"]) == (6 / 8, 6 / 8)
    assert values["text_reliance_absent"] == 0, "it says yes to both yes/no questions"
    assert not {"acc", "vrs"} & set(values)
    assert values["acc_majority"] == 5 / 8  # yes three of four closed ones, chest two of four open ones
    assert all(len(request.args) == 2 for request in model.requests)
    assert [variant["name"] for variant in results["configs"]["vrs_vqa_rad_text"]["vrs"]["variants"]] == [
        "absent",
        "guess",
        "question_shuffled_absent",
    ]


def test_a_model_without_eyes_cannot_be_shown_images(benchmark):
    with pytest.raises(ValueError, match="multimodal"):
        evaluate(TextModel(look), "vrs_vqa_rad_mirage")


def test_text_reliance_of_models_that_read_look_or_do_neither(benchmark):
    values, model, _ = run(look, "vrs_vqa_rad_modalities")
    # Yes/no questions: heart (yes of a, no of b) and human (yes, yes). Each is asked in the other image's other words:
    # "heart" of a in the words of "human" about a: yes, right. "heart" of b as "human" about b: yes, wrong.
    # "human" of a as "heart" about a: yes, right; "human" of b as "heart" about b: no, wrong.
    assert values["acc_question_shuffled"] == 2 / 4
    assert (values["text_reliance"], values["text_sensitivity"]) == (2 / 4, 2 / 4)
    assert len(model.prompts) == 2 * PAIRS + 4
    values, _, _ = run(read_text_alone, "vrs_vqa_rad_modalities")
    assert (values["vrs"], values["text_reliance"]) == (0, 0), "it says yes to both questions"
    values, _, _ = run(ignore_the_question, "vrs_vqa_rad_modalities")
    assert (values["text_reliance"], values["text_sensitivity"]) == (0, 0)


PARAPHRASE = """
include: {tasks}/vqa_rad/vrs_vqa_rad.yaml
task: vrs_vqa_rad_linked
columns: {{paraphrase_group: link}}
variants: [real, shuffled, paraphrase]
"""


@pytest.fixture
def linked(benchmark):
    """The two yes/no questions of each image once more in other words."""
    (file,) = benchmark.rglob("test-*.jsonl")
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    for row in list(rows):
        for words, asks in REWORDED.items():
            if row["question"] == asks:
                row["link"] = f"{row['image']} {asks}"
                rows.append({**row, "question": words})
    file.write_text("".join(json.dumps({"link": None} | row) + "\n" for row in rows))
    task = benchmark / "linked.yaml"
    task.write_text(PARAPHRASE.format(tasks=TASKS))
    return task


def misread_other_words(answer):
    return lambda question, *rest: {"yes": "no", "no": "yes"}[answer(question, *rest)] if question in REWORDED else (
        answer(question, *rest)
    )  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "consistency", "quadrants"),
    [
        # sighted: heart differs between the images, human does not
        (look, 1, {"consistent_sighted": 0.5, "consistent_blind": 0.5}),
        (read_text_alone, 1, {"consistent_blind": 1}),
        (misread_other_words(look), 0, {"inconsistent_sighted": 0.5, "inconsistent_blind": 0.5}),
        (misread_other_words(read_text_alone), 0, {"inconsistent_blind": 1}),
    ],
    ids=["looks", "consistent and blind", "inconsistent and sighted", "neither"],
)
def test_each_question_stands_in_the_quadrant_worked_by_hand(linked, answer, consistency, quadrants):
    model = TextOracle(answer)
    values = values_of(evaluate(model, linked), "vrs_vqa_rad_linked")
    assert values["consistency"] == consistency
    names = ("consistent_sighted", "consistent_blind", "inconsistent_sighted", "inconsistent_blind")
    assert {name: values[name] for name in names} == dict.fromkeys(names, 0) | quadrants
    assert sum(prompt.split("\n")[1] in REWORDED for prompt in model.prompts) == 4 * 2 + 4


class Scorer(TextOracle):
    """Finds one option most probable: by its text, or by its letter alone."""

    def __init__(self, choose):
        super().__init__(look)
        self._choose = choose

    def loglikelihood(self, requests):
        return [(0.0 if self._is_chosen(request) else -3.0, False) for request in requests]

    def _is_chosen(self, request):
        prompt, letter, beside = request.args
        lines = prompt.split("\n")
        (question,) = (line for line in lines if line in QUESTIONS)
        options = dict(line.split(". ") for line in lines if line[1:3] == ". ")
        return self._choose(question, recognise(beside["visual"][0]), options) == letter.strip()


def choose_by_text(question, shown, options):
    return next(letter for letter, text in options.items() if text == gold(question, shown))


def choose_the_first(question, shown, options):
    return "A"


@pytest.mark.parametrize(
    ("choose", "expected"),
    [
        # Yes/no questions alone have options: heart (yes, no) and human (yes, yes).
        (choose_by_text, {"acc": 1, "consistency_rotated": 1, "acc_circular": 1, "consistent_sighted_rotated": 0.5,
                          "consistent_blind_rotated": 0.5, "acc_rotated": 1}),
        # "A" is yes in the data's order and no in the other: right in 3 of 4, then in the 1 other.
        (choose_the_first, {"acc": 0.75, "consistency_rotated": 0, "acc_circular": 0, "inconsistent_blind_rotated": 1,
                            "acc_rotated": 0.25}),
    ],
    ids=["by text", "by letter"],
)  # fmt: skip
def test_options_in_another_order_are_read_by_their_text(benchmark, choose, expected):
    values = values_of(evaluate(Scorer(choose), "vrs_vqa_rad_rotated"), "vrs_vqa_rad_rotated")
    assert {name: values[name] for name in expected} == expected
    assert values["logprob_gold"] == pytest.approx(sum(math.log(p) for p in _gold_probabilities(choose)) / 4), (
        "probabilities stay those of the options, whatever their order"
    )


def _gold_probabilities(choose):
    chosen = 1 / (1 + math.exp(-3))
    rights = 4 if choose is choose_by_text else 3
    return [chosen] * rights + [1 - chosen] * (4 - rights)


class Unaskable(TextOracle):
    """As our model classes answer for a model that takes no prompt without an image."""

    def _answer_one(self, request):
        return super()._answer_one(request) if request.args[2]["visual"] else NOT_ASKED


def test_a_model_that_takes_no_prompt_without_an_image_is_asked_the_rest(benchmark):
    values, _, results = run(look, "vrs_vqa_rad_mirage", Unaskable)
    assert (values["acc"], values["vrs"], values["flag_rate_blank"]) == (1, 0.5, 1)
    assert values["parse_failure_rate"] == pytest.approx(1 / 6), "closed questions on blank, of three variants"
    for name in ("acc_absent", "acc_guess", "vrs_absent", "mirage_score", "mirage_rate", "silent_rate_absent"):
        assert math.isnan(values[name]), name
    assert set(results["samples"]["vrs_vqa_rad_mirage"][0]["doc"]["variants"]) == {"real", "blank", "shuffled"}
