"""Chinese: what the corpus says, what a question asks for, how texts are compared, and what stays as it was."""

from pathlib import Path

import pytest

from tests.support.answers_corpus import CORPUS, read_corpus
from tools.report_parser import judge
from vrs_lmeval.benchmark.samples import decide_answer_type
from vrs_lmeval.reading.answers import REFUSAL, UNDECIDED, parse_answer, parse_tagged_answer
from vrs_lmeval.reading.chinese import asks_yes_no, find_alternatives, says
from vrs_lmeval.reading.choices import CONTRADICTORY, read_gold
from vrs_lmeval.reading.normalisation import normalise, split_words
from vrs_lmeval.reading.option_likelihoods import offer_options
from vrs_lmeval.reading.scoring import compare_tokens, score_answer
from vrs_lmeval.records import Sample

CHINESE_CORPUS = CORPUS.parent / "chinese_answers_corpus.txt"


def ask(question, gold="是", kind="closed", options=()):
    return Sample("s", "i", question, (gold,), kind, options=options)


def test_the_chinese_corpus_is_read_as_the_reader_did():
    items = read_corpus(Path(CHINESE_CORPUS))
    assert len({(item.sample.sample_id, item.text) for item in items}) >= 180
    assert 0.15 < sum(item.is_held_out for item in items) / len(items) < 0.25
    assert [item.text for item in items if judge(item) != "right"] == []


def test_a_text_without_an_answer_says_why():
    question = ask("图中有肝脏吗？")
    assert parse_answer("抱歉，我看不到图像。", question).reason == REFUSAL
    assert parse_answer("图中有脾脏。", question).reason == UNDECIDED
    assert parse_answer("是的，图中没有肝脏。", question).reason == CONTRADICTORY
    assert parse_tagged_answer("图中没有肺，<answer>有</answer>", question).value == "yes"


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("图中有肝脏吗？", True),
        ("肺部是否异常?", True),
        ("图中有没有肿块", True),
        ("这是什么？", False),
        ("图中有几个肾脏？", False),
        ("病变在左侧还是右侧？", False),
    ],
)
def test_which_questions_ask_for_yes_or_no(question, expected):
    assert asks_yes_no(question) is expected


@pytest.mark.parametrize(
    ("question", "keys"),
    [
        ("病变在左侧还是右侧？", ("左", "右")),
        ("这是CT还是MRI？", ("ct", "mri")),
        ("这是CT还是PET？", ("ct", "pet")),
        ("左肺还是右肺更大？", ("左", "右")),
        ("这是横断面还是冠状面？", ("横断", "冠状")),
        ("图中有肝脏吗？", ()),
        ("是肝脏还是脾脏还是肾脏？", ()),  # three: what stands between them is not told apart
    ],
)
def test_what_tells_alternatives_apart(question, keys):
    assert find_alternatives(question) == keys


@pytest.mark.parametrize(
    ("question", "golds", "rule", "expected"),
    [
        ("图中有肝脏吗？", ("没有",), "yes_no", "closed"),
        ("肺部是否正常？", ("不正常",), "yes_no", "closed"),
        ("哪里有病变？", ("左肺",), "yes_no", "open"),
        ("肺部怎么样？", ("正常",), "yes_no", "open"),  # no yes/no question
        ("这是CT还是MRI？", ("CT",), "yes_no", "open"),
        ("这是CT还是MRI？", ("CT",), "yes_no_or_choice", "closed"),
    ],
)
def test_closed_questions_are_told_where_no_label_says_so(question, golds, rule, expected):
    assert decide_answer_type(question, golds, rule) == expected


def test_chinese_is_compared_without_spaces_and_counted_by_characters():
    assert normalise(" 左 肺，右肺。") == normalise("左肺、右肺") == "左肺右肺"
    assert normalise("Ｔ２ 加权") == "t2加权"
    assert split_words("T2加权像") == ["t2", "加", "权", "像"]
    assert split_words("left lung, T2") == ["left", "lung", "t2"]
    assert (normalise("两个"), normalise("3 个"), normalise("十二指肠")) == ("2", "3", "十二指肠")
    # 左肺 against 左上肺: two of three and two characters in common.
    assert compare_tokens("左上肺", "左肺") == pytest.approx((2 * 2 / 5, 1.0))
    assert compare_tokens("right lung", "left lung") == (0.5, 0.5)


@pytest.mark.parametrize(
    ("text", "phrase", "expected"),
    [
        ("图像显示左肺有结节。", "左肺", True),
        ("病变不在左肺，在右肺。", "左肺", False),
        ("病变不在左肺，在右肺。", "右肺", True),
        ("图中没有积液。", "积液", False),
        ("积液未见。", "积液", False),
        ("这是一张CT图像", "CT", True),
        ("这是一张PCT图像", "CT", False),
        ("左上肺", "左肺", False),
    ],
)
def test_what_a_text_says_of_a_phrase(text, phrase, expected):
    assert says(text, phrase) is expected


def test_an_open_answer_names_its_gold():
    sample = ask("病变在哪里？", "左肺", "open")
    text = "病变位于左肺。"
    score = score_answer(parse_answer(text, sample), sample, text)
    # 病变位于左肺: six characters, two of them the gold's.
    assert (score.correct, score.named, score.token_recall) == (0, 1, 1)
    assert score.token_f1 == pytest.approx(2 * 2 / 8)


@pytest.mark.parametrize(
    ("question", "gold", "expected"),
    [
        ("图中包含肝脏吗？", "不包含", "no"),
        ("肺部正常吗？", "异常", "no"),
        ("肺部异常吗？", "异常", "yes"),
        ("病变在左侧还是右侧？", "右侧", "右"),
        ("哪种成像？", "CT", "ct"),
    ],
)
def test_golds_are_read_by_the_rules_of_answers(question, gold, expected):
    assert read_gold(gold, ask(question, gold)) == expected
    assert parse_answer(gold, ask(question, gold)).value == expected


def test_yes_and_no_are_offered_in_chinese_and_the_gold_is_one_of_them():
    offered = offer_options(ask("图中包含肝脏吗？", "不包含"))
    assert offered.options == ("是", "否")
    assert read_gold("不包含", offered) == "否"
    assert parse_answer("没有，图中没有肝脏。", offered).value == "否"
    assert parse_answer("A", offered).value == "是"
    assert offer_options(ask("is there a mass?", "no")).options == ("yes", "no")
    assert offer_options(ask("这是CT还是MRI？", "CT")) is None


def test_a_chinese_answer_to_an_english_question_is_read_as_before():
    assert parse_answer("是", ask("is there a mass?", "yes")).value == "yes"
    assert parse_answer("答案：B", ask("which?", "CT", options=("MRI", "CT"))).value == "ct"
