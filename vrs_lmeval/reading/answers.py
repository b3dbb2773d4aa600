"""Answers: takes a model's text and the sample it answers, gives an `Answer`, or the reason why it has none.

It never guesses. It matches whole words, since "no" stands in "normal", "nodule" and "know": substring tests mark right
answers wrong (facts: LLaVA-Med, MedEvalKit). Other programs draw a random option if nothing parses (lm-eval's mmmu,
VLMEvalKit), which hides the failure and adds noise. Here an unparsable answer is wrong, and counted.
"""

from __future__ import annotations

import re
from itertools import dropwhile, takewhile
from typing import NamedTuple

from vrs_lmeval.reading import chinese
from vrs_lmeval.reading.chinese_characters import has_han
from vrs_lmeval.reading.chinese_options import read_given_options
from vrs_lmeval.reading.choices import (
    NEUTRAL,
    NO_WORDS,
    YES_WORDS,
    find_choices,
    lists_labels,
    read_alternative,
    read_gold,
    read_label_alone,
    read_letter,
    read_option,
    split_sentences,
)
from vrs_lmeval.reading.markup import find_last_block, take_off_markup
from vrs_lmeval.reading.normalisation import (
    ARTICLES,
    fold,
    has_sign_or_letter,
    name_text,
    normalise,
    split_words,
    word_set,
)
from vrs_lmeval.reading.option_names import find_same_option
from vrs_lmeval.reading.reasons import (
    CONTRADICTORY,
    EMPTY,
    NO_BLOCK,
    REFUSAL,
    UNCLOSED_BLOCK,
    UNDECIDED,
    UNFINISHED,
)
from vrs_lmeval.reading.refusals import ASSISTANT_TALK, DOUBT_ONLY, DOUBTS, REFUSES
from vrs_lmeval.reading.said_text import THOUGHT_CLOSES, THOUGHT_OPENS, cut_next_turn, find_said_text
from vrs_lmeval.reading.statements import (
    AFTER_NO,
    INVERTS,
    PHRASE_ENDS,
    PLACES,
    is_asked,
    read_echo,
    read_statement,
)
from vrs_lmeval.records import Answer, Sample

PARSER_VERSION = "4"
"""Goes into every report. Raise it whenever any text would be read differently: it decides whether runs are
comparable."""

_LABEL_STARTS = r"(?:^|[\n.!?:]\s*)"
_LABEL_LEADS = (
    _LABEL_STARTS + r"(?:(?:so|thus|therefore|hence|actually|wait|finally|no|on second thoughts?),?\s+)*"
    r"(?:(?:因此|所以|综上(?:所述)?|故),?\s*)?(?:the\s+|my\s+)?(?:(?:final|correct|best)\s+)*"
)
_ANSWER_LABEL = re.compile(
    rf"{_LABEL_LEADS}(?:正确|最终)?(?:答案\s*(?:应该)?\s*(?::|是|为)|选项\s*:?|回?答\s*:)|{_LABEL_STARTS}(?:final\s+)?answer[^\S\n]*\n|"
    rf"{_LABEL_LEADS}answer\s*(?::|(?:to the question )?is\b"
    r"(?!\s+(?:based|because|derived|inferred|obtained|determined|supported|due|not)\b)\s*:?)",
    re.IGNORECASE,
)

_CAPITAL_ALONE = re.compile(r"\W*[A-Z]\W*")
_TOKEN = re.compile(r"[^\W_]+|[.,;:!?\n]")
_PAUSES = frozenset(".,;:!?\n")
_PREAMBLE = word_set("well so ok okay hmm") | _PAUSES
_NO_NOUN = YES_WORDS | word_set(
    "a an the it its there this that these those i we you he she they is are was were but because since as not or and"
)
"""Words that begin no noun phrase: "no" before them stands alone ("no there is none")."""

_ECHO = re.compile(r"^\W*(?:yes\s*(?:/|or)\s*no|no\s*(?:/|or)\s*yes)\W+", re.IGNORECASE)
"""The prompt's own words, which a text may repeat: "(Yes/No) Yes"."""

_BOTH_LISTED = re.compile(
    r"^\W*(?:1|a|i)\W+(?:yes|no)\b.*[\n.;]\W*(?:2|b|ii)\W+(?:yes|no)\b", re.IGNORECASE | re.DOTALL
)


class _Polarity(NamedTuple):
    """A decisive word: its start in the folded text, its value, whether it is a "no" before a noun, and first."""

    start: int
    value: str
    is_denial: bool
    opens: bool


def parse_answer(text: str, sample: Sample) -> Answer:
    """What `text` answers to `sample`: a value in normalised words, or None with a reason.

    - closed, options given: the option's normalised text, named by letter or by its words;
    - closed, "A or B" question: "yes"/"no" where the text opens with it (so a yes/no question that holds an "or" is
      read too), else the one alternative named, "both", or "no" to all of them; the whole normalised text where the
      question's alternatives cannot be told (see `choices.py`);
    - closed otherwise: "yes" or "no" by the first decisive word; the opposite in the same sentence, or a refusal before
      it, makes the answer unparsable;
    - open: the whole normalised text, unless it is empty or a refusal; a sign or "a" where it is nothing else.

    An empty text or a refusal is an answer if it has the very words of a gold ("the", "unknown"). Otherwise the golds
    are not looked at.

    Before that, reasoning between thought marks (`thoughts.MARKS`) is dropped and markup is taken off (`markup.FORMS`).
    The text after the last "Answer:" label is read, or the text before it if nothing follows. The first end-of-turn
    token and an invented next turn ("Question: ...") end the text.

    Reasons: "empty", "unfinished reasoning", "refusal", "no decisive token", "contradictory", "no option named",
    "negated option".
    """
    final = find_answer_text(text, sample.question)
    if final is None:
        return Answer(None, UNFINISHED)
    answer = _read_final_text(final, sample)
    if answer.reason in {EMPTY, REFUSAL} and not sample.options and _repeats_gold(final, sample):
        return Answer(name_text(final))
    return answer


def _read_final_text(final: str, sample: Sample) -> Answer:
    if not any(character.isalnum() for character in final):
        return _read_signs(final, sample)
    if ASSISTANT_TALK.search(fold(final)):
        return Answer(None, REFUSAL)
    if chinese.is_chinese(sample):
        return _read_chinese(final, sample)
    if sample.answer_type == "open":
        return _read_open(final)
    if sample.options:
        return _read_given_options(final, sample)
    if " or " in sample.question.lower():
        return _read_alternatives(final, sample)
    return read_yes_no(final, sample.question)


def _read_chinese(final: str, sample: Sample) -> Answer:
    """An answer to a Chinese question; "No" and "yes, ..." in English are read by the other rules."""
    if sample.options:
        return read_given_options(final, sample)
    if sample.answer_type == "open":
        return chinese.read_open(final) if has_han(final) else _read_open(final)
    is_english = not has_han(final) and chinese.asks_yes_no(sample.question)
    return (read_yes_no if is_english else chinese.read_closed)(final, sample.question)


def parse_tagged_answer(text: str, sample: Sample) -> Answer:
    """What the last answer block of `text` (`markup.BLOCKS`) answers to `sample`, read as by `parse_answer`.

    This is for prompts that ask for reasoning first: words outside the block are reasoning, even if they sound like an
    answer, so without a block there is no answer. It has two more reasons than `parse_answer`: "no answer block", and
    "unclosed answer block" if the text ends inside one. A block inside `<think>` is a thought.
    """
    said = THOUGHT_CLOSES.split(text)[-1]
    if THOUGHT_OPENS.search(said):
        return Answer(None, UNFINISHED)
    block = find_last_block(said)
    if block is None:
        return Answer(None, NO_BLOCK)
    return parse_answer(block.content, sample) if block.is_closed else Answer(None, UNCLOSED_BLOCK)


def find_answer_text(text: str, question: str) -> str | None:
    """The part of a model's text that is its answer to `question`; None if the text ends inside its reasoning."""
    final = _find_final_text(text)
    return None if final is None else _drop_question(final, question)


def _find_final_text(text: str) -> str | None:
    """As `find_answer_text`, but with the question, if the text repeats it first."""
    said = find_said_text(text)
    if said is None:
        return None
    after = cut_next_turn(take_off_markup(said))
    for label in reversed(list(_ANSWER_LABEL.finditer(after))):
        if _says_something(after[label.end() :]):
            return after[label.end() :].strip()
        after = after[: label.start()]
    return after


def _drop_question(text: str, question: str) -> str:
    """The text without the question, if it begins with the question and goes on."""
    behind = text[len(question) :] if text.lower().startswith(question.lower()) else ""
    return behind.strip() if _says_something(behind) else text


def _repeats_gold(text: str, sample: Sample) -> bool:
    words = name_text(text)
    return bool(words) and words in {read_gold(gold, sample) for gold in sample.golds}


def _read_signs(text: str, sample: Sample) -> Answer:
    """An answer without letters or digits: the option that is written so ("+"), or the sign; otherwise no answer."""
    said = find_same_option(text, sample.options) if sample.answer_type == "closed" else name_text(text)
    return Answer(said) if said else Answer(None, EMPTY)


def _says_something(text: str) -> bool:
    """Whether the text holds a word besides articles, or a sign; a single capital is an option's letter, even "A"."""
    is_sign = not any(character.isalnum() for character in text) and has_sign_or_letter(text)
    return bool(normalise(text) or is_sign or _CAPITAL_ALONE.fullmatch(text))


def _read_open(text: str) -> Answer:
    words = name_text(text)
    if not words or words in ARTICLES - {"a"}:  # "A" may be a panel's letter
        return Answer(None, EMPTY)
    refusal = REFUSES.search(fold(text))
    # Three words may precede it: "I am really not sure".
    opens_with_refusal = refusal is not None and len(fold(text)[: refusal.start()].split()) <= 3
    if opens_with_refusal or DOUBT_ONLY.fullmatch(fold(text).strip(" .!")):
        return Answer(None, REFUSAL)
    return Answer(words)


def _read_given_options(text: str, sample: Sample) -> Answer:
    if set(find_choices(sample)) == {"yes", "no"}:
        if lists_labels(text, sample.options):
            return Answer(None, CONTRADICTORY)
        lettered, polar = read_letter(text, sample.options), read_yes_no(text, sample.question)
        if lettered is not None and polar.is_parsed and polar != lettered:
            return Answer(None, CONTRADICTORY)
        return lettered or polar
    if read_label_alone(text, sample.options) is None and (same := find_same_option(text, sample.options)):
        return Answer(same)  # before any doubt: "cannot be determined" may be an option itself
    head = fold(text)[: _doubt_starts(text)]  # what stands before the doubt; upper case, since letters are capitals
    if head != fold(text) and not read_option(head.upper(), sample.options, sample.question).is_parsed:
        return Answer(None, REFUSAL)
    return read_option(text, sample.options, sample.question)


def _read_alternatives(text: str, sample: Sample) -> Answer:
    keys = find_choices(sample)
    if any(word.opens and not word.is_denial for word in _find_polarities(text, sample.question)):
        return read_yes_no(text, sample.question)
    if not normalise(text):
        return Answer(None, EMPTY)
    head = fold(text)[: _doubt_starts(text)]
    if head != fold(text) and not (keys and read_alternative(head, sample.question, keys).is_parsed):
        return Answer(None, REFUSAL)
    return read_alternative(text, sample.question, keys) if keys else Answer(normalise(text))


def _doubt_starts(text: str) -> int | None:
    """Offset in the folded text where the model first declines to answer."""
    starts = [match.start() for pattern in (REFUSES, DOUBTS) if (match := pattern.search(fold(text)))]
    return min(starts, default=None)


def read_yes_no(text: str, question: str) -> Answer:
    """ "yes" or "no" by the first decisive word of `text`, or the reason why there is none.

    These words are decisive: "yes", "yeah", "yep" and "nope"; "true" and "false" if they open the text and stand alone
    (not in "true lumen"); "no" if it stands alone or denies what `question` asks about ("no evidence of a fracture").
    A "no" that only belongs to a noun is not: "no infiltrates" does not answer "are the lungs clear?".
    """
    if _BOTH_LISTED.match(text):
        return Answer(None, CONTRADICTORY)
    text = _ECHO.sub("", text)
    decided = _find_polarities(text, question)
    if not decided and (echoed := read_echo(text, question)) is not None:
        return Answer(echoed)
    doubt = _doubt_starts(text)
    if doubt is not None and (not decided or doubt <= decided[0].start):
        return Answer(None, REFUSAL)
    if not decided:
        stated = read_statement(text, question)
        return Answer(None, UNDECIDED) if stated is None else Answer(stated)
    first = decided[0]
    sentence = split_sentences(fold(text)[first.start :])[0]
    for later in decided[1:]:
        between = sentence[: later.start - first.start]
        if len(between) < len(sentence) and later.value != first.value and _revokes(later, between):
            return Answer(None, CONTRADICTORY)
    return Answer(first.value)


def _revokes(later: _Polarity, between: str) -> bool:
    """Whether a later word revokes an earlier one. A "no" before a noun does not, if more words stand between: "yes, a
    small one on the right, no effusion on the left"."""
    return not later.is_denial or set(split_words(between)) <= NEUTRAL | YES_WORDS


def _find_polarities(text: str, question: str) -> list[_Polarity]:
    """Every decisive word of `text`, in order."""
    tokens = [(match.start(), match.group()) for match in _TOKEN.finditer(fold(text))]
    words = [token for _, token in tokens]
    opening = next((at for at, word in enumerate(words) if word not in _PREAMBLE), len(words))
    return [
        _Polarity(start, "yes" if word in YES_WORDS else "no", _is_determiner(words, at), at == opening)
        for at, (start, word) in enumerate(tokens)
        if word in YES_WORDS | NO_WORDS and _is_decisive(words, at, at == opening, question)
    ]


def _is_determiner(words: list[str], at: int) -> bool:
    return words[at] == "no" and at + 1 < len(words) and words[at + 1] not in _PAUSES | _NO_NOUN


def _is_decisive(words: list[str], at: int, opens: bool, question: str) -> bool:
    if words[at] in {"true", "false"}:
        return opens and (at + 1 == len(words) or words[at + 1] in _PAUSES)
    if words[max(0, at - 1) : at] == ["not"]:
        return False
    return not _is_determiner(words, at) or _denies_whatis_asked(words[at + 1 :], question)


def _denies_whatis_asked(following: list[str], question: str) -> bool:
    """True if the words after "no" are only "evidence" and the like, or deny a whole phrase of `question`."""
    asked = split_words(question)
    clause = list(takewhile(lambda word: word not in _PAUSES | {"no"}, following))
    if INVERTS.search(" ".join(asked)) or PLACES & set(clause) - set(asked):
        return False
    clause = list(dropwhile(AFTER_NO.__contains__, clause))
    denied = " ".join(takewhile(lambda word: word not in PHRASE_ENDS, clause))
    if not denied:
        return set(clause) <= NEUTRAL | set(asked)
    return any(is_asked(split_words(item), asked) for item in re.split(r"\b(?:or|nor)\b", denied))
