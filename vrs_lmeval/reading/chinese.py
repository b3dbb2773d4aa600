"""Chinese: takes a Chinese question and a text, gives what the text answers, or the reason why it has no answer.

These are the rules of `answers.py`, `choices.py` and `mentions.py` for a language without spaces. A clause is decisive
if it is an answer word as a whole ("是的", "没有"), or if it states or denies what is asked ("图中没有肝脏"). So "有"
in "所有", "不" in "不仅" and "是" in "但是" decide nothing. The first decisive clause counts; if its sentence also says
the opposite, the text is contradictory. Answer words: those of lmms-eval (`lmms_eval/tasks/slake/utils.py`, ZH_YES,
ZH_NO) and their like.
"""

from __future__ import annotations

import re
import unicodedata

from vrs_lmeval.reading.chinese_characters import HAN, has_han
from vrs_lmeval.reading.normalisation import name_text, normalise, word_set
from vrs_lmeval.reading.option_names import find_same_option
from vrs_lmeval.reading.reasons import CONTRADICTORY, EMPTY, NEGATED, NO_CHOICE, REFUSAL, UNDECIDED
from vrs_lmeval.records import Answer, Sample

_ASSENT = word_set("是 是的 对 对的 正确 没错 嗯 肯定 yes")
_DISSENT = word_set("否 不 不是 不是的 不对 错 错误 并不是 并非 并非如此 否定 no")
_AFFIRMING = word_set("有 有的 存在 包含 包括 含有 可见 看得到 看得见 能看到 能看见 可以 可以看到 能 会 属于")
_DENYING = word_set(
    "没有 没有的 没 无 不存在 不包含 不包括 不含 不含有 未见 未见到 看不到 不可见 不能 不可以 不会 不属于 没看到 "
    "没有看到 "
    "没有发现 未发现 未显示 没有显示"
)
"""Verbs alone. If the question itself holds a denial ("没有异常吗"), they can mean yes or no."""

_ASKS_BOTH_WAYS = {
    "是否": "", "是不是": "是", "有没有": "有", "有无": "有", "能否": "能", "能不能": "能", "会不会": "会",
    "存不存在": "存在",
    "包不包含": "包含", "正不正常": "正常", "可不可以": "可以", "对不对": "", "在不在": "在", "属不属于": "属于",
}  # fmt: skip
"""Forms that name a thing and its opposite, and the thing that they ask about."""

_BOTH_WAYS = re.compile("|".join(sorted(_ASKS_BOTH_WAYS, key=len, reverse=True)))
_ENDS_ASKING = re.compile("(?:吗|(?<![什怎那这])么)$")
_OBJECT = re.compile(
    "(?:存在|包含|包括|含有|出现|显示|看到|看见|发现|可见|见到|属于|患有|伴有|有|是|为|位于|在)(?!的$)(.+)$"
)
_DENIED_QUESTION = re.compile("没有|未见|不存在|不包含|不包括|看不到")
_ASSERTS = re.compile("有|存在|可见|包含|包括|含|显示|看到|看见|见|是|为|属于|出现|提示|位于|在")
_NEGATION = re.compile("并非|并?(?:不是|没有|没|未|无|不)|排除|缺乏")
_NO_NEGATION = re.compile("不仅|不但|不过|不论|不断|无论|无名|不同|不规则|不均匀|不能排除|不除外")
_LEFT_OPEN = re.compile("不能排除|不除外|可能")
_PLACES = "左右"
"""Sides: "左肺没有积液" does not answer whether there is any."""

_OPPOSITES = (("正常", "异常"), ("健康", "不健康"), ("清晰", "模糊"), ("阴性", "阳性"))
"""Pairs of opposites: the first holds only for the whole; the second is true if one place has it."""


_DOUBT = re.compile(
    "(?:无法|不能|难以|不好|不足以)(?:准确|明确|直接)?"
    "(?:确定|判断|判定|回答|确认|得知|辨认|辨别|识别|看清|知道|给出)|不确定|不知道|信息不足|不好说|"
    "抱歉|对不起|很遗憾|(?:^|[,.\n])我?不太?清楚(?=$|[,.\n])"
)
_ASSISTANT_TALK = re.compile(
    "(?:看不到|看不见|(?:无法|不能)(?:直接)?(?:查看|看到|访问|打开|处理|分析|解读|读取)|"
    "(?:没有|未|未能|没)(?:看到|收到|提供|上传|附上))"
    "(?:您|你|任何|这张|这幅|该|此|所|的|提供|上传|医学|实际|具体)*(?:图像|图片|影像|照片|图|文件|附件)(?![中里上内显有的])|"
    "请(?:您|你)?(?:先|重新)?(?:上传|提供|发送|附上)|作为(?:一个|一名)?(?:ai|人工智能|语言模型|大模型)"
)

_ALTERNATIVES = re.compile("(.+?)(?:,)?(?:还是|抑或)(.+)")
_LEADS_TO_CHOICE = re.compile(".*(?:[是在为属于]|位于|使用|采用|哪个更?[大小]|,)(?=.)")
_FOLLOWS_CHOICE = re.compile("更|比较|最|有|出现|扫描|成像|图像|影像|检查|加权|的|呢|吗")
_COMPARES = re.compile("比(.+?)(?:更|要|还|明显|稍|略)?([大小高低亮暗长短厚薄宽窄多少重])")
_BOTH = re.compile("(?:都|均|两者)(?![不没未无])")


def is_chinese(sample: Sample) -> bool:
    """Whether the question or an option is written in Chinese; then answers are read as Chinese."""
    return has_han(sample.question) or any(map(has_han, sample.options))


def asks_yes_no(question: str) -> bool:
    """Whether a Chinese question asks for yes or no: "...吗?", "是否 ...", "有没有 ..."."""
    text = _plain(question).rstrip("?.!")
    return _ENDS_ASKING.search(text) is not None or _BOTH_WAYS.search(text) is not None


def refuses(text: str) -> bool:
    """Whether an open answer declines: it says that there is no image, or its first clause is a doubt."""
    plain = _plain(text)
    doubt = _DOUBT.search(plain)
    return _ASSISTANT_TALK.search(plain) is not None or (
        doubt is not None and not re.search("[,.!?;\n]", plain[: doubt.start()].lstrip())
    )


def read_open(text: str) -> Answer:
    """The whole normalised text, unless it is empty or a refusal."""
    if refuses(text):
        return Answer(None, REFUSAL)
    words = name_text(text)
    return Answer(words) if words else Answer(None, EMPTY)


def read_closed(text: str, question: str) -> Answer:
    """The answer to a closed question without options: "yes", "no", an alternative ("左侧还是右侧"), else all words."""
    if not normalise(text):
        return Answer(None, EMPTY)
    if keys := find_alternatives(question):
        return read_alternative(text, keys)
    answer = read_yes_no(text, question)
    if answer.is_parsed or answer.reason != UNDECIDED or asks_yes_no(question):
        return answer
    return Answer(normalise(text))


def read_yes_no(text: str, question: str) -> Answer:
    """ "yes" or "no" by the first clause of `text` that decides."""
    plain = _plain(text)
    if _ASSISTANT_TALK.search(plain):
        return Answer(None, REFUSAL)
    plain = re.sub(r"^\W*是\s*(?:/|或)\s*否\W+", "", plain)  # the prompt's own words
    doubt = _DOUBT.search(plain)
    seen = 0
    for sentence in re.split(r"[.!?;\n]", plain):
        clauses = re.split("[,:]", sentence)
        said = [value for clause in clauses if (value := _read_clause(clause.strip(" ()\"'"), question)) is not None]
        if said and (doubt is None or doubt.start() >= seen + len(clauses[0])):
            return Answer(said[0]) if set(said) == {said[0]} else Answer(None, CONTRADICTORY)
        seen += len(sentence) + 1
    return Answer(None, UNDECIDED if doubt is None else REFUSAL)


def _read_clause(clause: str, question: str) -> str | None:
    """What a clause says of `question`: "yes", "no" or None."""
    if _BOTH_WAYS.search(clause) or _ENDS_ASKING.search(clause):  # the question once more
        return None
    word = re.sub("^(?:嗯|啊|那|哦)(?=.)|(?<=.)[啊哦呀呢吧]$", "", clause)
    for words, value in ((_ASSENT, "yes"), (_DISSENT, "no")):
        if word in words:
            return value
    asked = _take_question_off(question)
    if _DENIED_QUESTION.search(asked):
        return None
    for words, value in ((_AFFIRMING, "yes"), (_DENYING, "no")):
        if word in words:
            return value
    if opening := re.match("(?:(是的|对的|没错)|(不是的|不对))(?=.)", clause):
        return "yes" if opening[1] else "no"
    return _read_statement(clause, asked)


def _read_statement(clause: str, asked: str) -> str | None:
    """ "yes" where the clause states what is asked, "no" where it denies it; None where it is about something else."""
    is_local = any(place in clause and place not in asked for place in _PLACES)
    for whole, marred in _OPPOSITES:
        if asked.endswith((whole, marred, f"{whole}的", f"{marred}的")):
            is_whole = _reads_whole(clause, whole, marred)
            if is_whole is None or (is_whole and is_local):  # one side may be well and the other not
                return None
            return "yes" if is_whole == asked.removesuffix("的").endswith(whole) else "no"
    found = _OBJECT.search(_shortest_object(asked))
    target = (found[1] if found else asked).removesuffix("的").removesuffix("了")
    stated = _count_denials(clause, target)
    if stated is None:
        return None if found else _read_predicate(clause, asked, is_local)
    rest = clause.replace(target, "", 1)
    if not stated:
        return None if is_local else "no"
    return "yes" if _ASSERTS.search(rest) or not found else None


def _read_predicate(clause: str, asked: str, is_local: bool) -> str | None:
    """As `_read_statement`, for a question without an object ("心脏增大了吗"): the clause says the question's last
    words, perhaps with a denial among them."""
    said = _NEGATION.sub("", clause).removesuffix("的").removesuffix("了")
    if len(said) < 2 or not asked.removesuffix("的").removesuffix("了").endswith(said):  # one character is in any word
        return None
    is_denied = len(_NEGATION.findall(clause)) % 2 == 1
    return ("no" if is_denied else "yes") if not (is_denied and is_local) else None


def _shortest_object(asked: str) -> str:
    """`asked` from its last verb on: the thing that is asked for follows that verb."""
    starts = [found.start() for found in re.finditer("(?=" + _OBJECT.pattern + ")", asked)]
    return asked[starts[-1] :] if starts else asked


def _count_denials(clause: str, target: str) -> bool | None:
    """Whether the clause states `target` (True) or denies it (False: an odd number of denials); None without it."""
    if target not in clause or _LEFT_OPEN.search(clause):
        return None
    rest = _NO_NEGATION.sub("", clause.replace(target, "", 1))
    return len(_NEGATION.findall(rest)) % 2 == 0


def _reads_whole(clause: str, whole: str, marred: str) -> bool | None:
    """True if the clause says `whole` or denies `marred`, False for the opposite, None if it says neither."""
    if (stated := _count_denials(clause, whole)) is not None and marred not in clause:
        return stated
    opposite = _count_denials(clause, marred)
    return None if opposite is None else not opposite


def _take_question_off(question: str) -> str:
    """The statement that a question asks after: "图中是否有肝脏?" -> "图中有肝脏"."""
    text = _ENDS_ASKING.sub("", re.split(r"[.!?\n]", _plain(question).rstrip("?.! "))[-1])
    return _BOTH_WAYS.sub(lambda form: _ASKS_BOTH_WAYS[form.group()], text)


def read_gold(gold: str, sample: Sample) -> str:
    """The gold of a closed question, in the words that the parser gives for the same answer."""
    if not sample.options:
        return read_closed(gold, sample.question).value or name_text(gold)
    if (same := find_same_option(gold, sample.options)) is not None:
        return same
    values = [read_yes_no(option, sample.question).value for option in sample.options]
    polar = read_yes_no(gold, sample.question).value
    alike = [
        option for option, value in zip(sample.options, values, strict=True) if value is not None and value == polar
    ]
    named = find_same_option(alike[0], sample.options) if len(alike) == 1 else None
    return named or name_text(gold)


def find_alternatives(question: str) -> tuple[str, ...]:
    """The parts in which the alternatives of "A还是B" differ: ("左", "右") for "在左侧还是右侧"; () if they are not
    clear."""
    found = _ALTERNATIVES.fullmatch(_plain(question).rstrip("?.! "))
    if not found or "还是" in found[2]:
        return ()
    left = _LEADS_TO_CHOICE.sub("", found[1])
    right = re.sub("^[是在为]", "", found[2])
    if left and has_han(left[-1]) and left[-1] in right:
        right = right[: right.index(left[-1]) + 1]
    right = _FOLLOWS_CHOICE.split(right, maxsplit=1)[0]
    left = _FOLLOWS_CHOICE.split(left, maxsplit=1)[0]
    while len(left) > 1 and len(right) > 1 and left[-1] == right[-1] and has_han(left[-1]):
        left, right = left[:-1], right[:-1]
    keys = (normalise(left), normalise(right))
    return keys if all(keys) and keys[0] not in keys[1] and keys[1] not in keys[0] else ()


def read_alternative(text: str, keys: tuple[str, ...]) -> Answer:
    """The one of `keys` that the text names and does not deny, by its first sentence that names any; "both" if it says
    so."""
    plain = _plain(text)
    if _ASSISTANT_TALK.search(plain):
        return Answer(None, REFUSAL)
    denied: set[str] = set()
    for sentence in re.split(r"[.!?;\n]", plain):
        subject = _COMPARES.split(sentence, maxsplit=1)[0]
        named, refused = find_named(subject, keys)
        denied |= refused
        if _BOTH.search(sentence) and named in (set(), set(keys)):
            return Answer("both")
        if named and (doubt := _DOUBT.search(sentence)) and doubt.start() < len(subject):
            return Answer(None, REFUSAL)
        if named:
            return Answer(*named) if len(named) == 1 else Answer(None, CONTRADICTORY)
    if _DOUBT.search(plain):
        return Answer(None, REFUSAL)
    return Answer(None, NEGATED if denied else NO_CHOICE)


def find_named(sentence: str, keys: tuple[str, ...]) -> tuple[set[str], set[str]]:
    """Those of `keys` (normalised) that the sentence says, and those that it denies; a longer one hides a shorter."""
    named: set[str] = set()
    denied: set[str] = set()
    for text in filter(None, map(normalise, re.split("[,;:]", sentence))):
        for key in keys:
            hidden = [other for other in keys if key in other and key != other and other in text]
            for start in _find_starts(text, key):
                if any(other_start <= start for other in hidden for other_start in _find_starts(text, other)):
                    continue
                before = _NO_NEGATION.sub("", text[:start])
                (denied if len(_NEGATION.findall(before)) % 2 or _denies_behind(text[start:], key) else named).add(key)
    return named, denied


def _denies_behind(text: str, key: str) -> bool:
    return re.match("(?:是)?(?:不存在|不可见|未见|未显示|不是|被排除|已排除|看不到)", text[len(key) :]) is not None


def _find_starts(text: str, key: str) -> list[int]:
    """Where the normalised `key` stands in normalised `text`, Latin letters and digits as whole words."""
    first = r"(?<![a-z0-9])" if not has_han(key[0]) else ""
    last = r"(?![a-z0-9])" if not has_han(key[-1]) else ""
    return [found.start() for found in re.finditer(first + re.escape(key) + last, text)]


def says(text: str, phrase: str) -> bool:
    """Whether a clause of the Chinese `text` says `phrase` and does not deny it."""
    key = normalise(phrase)
    return bool(key) and any(key in find_named(sentence, (key,))[0] for sentence in re.split(r"[.!?\n]", _plain(text)))


def _plain(text: str) -> str:
    """Lower case, Unicode form NFKC, the Chinese full stop as a dot; no spaces beside Chinese characters."""
    folded = unicodedata.normalize("NFKC", text).lower().replace("。", ".").strip()
    return re.sub(rf"(?<=[{HAN},.]) +| +(?=[{HAN}])", "", folded)
