"""Choices: takes a closed question's options, or its "A or B", and a text; gives the one choice that the text names.

Model answers (`answers.py`) and gold answers (`scoring.py`) are read by the same rules, so that "on the left
side", "left" and the gold "left side" are one answer. Nothing here sees a gold answer while it reads a model's text.

"A or B" questions (VQA-RAD, SLAKE): where a noun phrase begins cannot be told without a grammar, so a choice is
known by its *key*: the last word before "or" (in "t1 weighted, t2 weighted, or flair": the whole list item) and
the first word after it. A text names a choice only if the words directly beside the key add nothing, that is, they are
neutral ("an", "side") or stand in the question: "small bowel" is the choice of "the small bowel or colon",
"large bowel" is not. Where keys are unsound (the same word on both sides, "or not", two "or") there are no choices,
and the whole normalised text is the answer.
"""

from __future__ import annotations

import re

from vrs_lmeval.normalisation import normalise, split_words, word_set
from vrs_lmeval.records import Answer, Sample

YES_WORDS = frozenset({"yes", "yeah", "yep", "true"})
NO_WORDS = frozenset({"no", "nope", "false"})
"""The synonyms that lmms-eval takes (`lmms_eval/tasks/slake/utils.py`, EN_YES and EN_NO)."""

CONTRADICTORY = "contradictory"
NO_CHOICE = "no option named"
NEGATED = "negated option"

_NEGATORS = word_set("not no non without never neither nor cannot cant isnt arent wasnt werent doesnt dont didnt other")
_FILLERS = word_set("just only")
_NEUTRAL = word_set(
    "it its this that these those there here i is are was were be been being seems seem appears appear looks look "
    "like shows show shown seen think believe would say answer most likely probably in on at of to from for by as and "
    "with patient patients image images scan scans view plane side sides sided film picture section study"
)
"""Words that say nothing about which choice is meant: function words, and the nouns every such question shares."""

_SENTENCE_END = re.compile(r"[.!?]+(?=\s|$)|\n+")
_SEGMENT_END = re.compile(r"[,;:?.]\s*")
_OR = re.compile(r"(,?)\s+or\s+")
_LETTER_ALONE = re.compile(r"\W*([A-Za-z])\W*")
_LETTERS_LINKED = re.compile(r"\W*([A-Z])\W*(?:\b(?:or|and)\b|/)\W*([A-Z])\b")
_LETTER_LEADS = re.compile(r"\W*([A-Z])\s*[).:,\-]+(?:\s|$)")
_LETTER_NAMED = re.compile(r"\b(?:[Oo]ption|[Cc]hoice|OPTION|CHOICE)\s+\(?([A-Z])\b")
_LETTER_IN_BRACKETS = re.compile(r"\(([A-Z])\)")


def split_sentences(text: str) -> list[str]:
    """The non-empty sentences of `text`; a decimal point ends none."""
    return [sentence for sentence in _SENTENCE_END.split(text) if sentence.strip()]


def find_choices(sample: Sample) -> tuple[str, ...]:
    """The normalised choices of a closed question: its options if it has any, else the keys of its "A or B".

    Empty for open questions, yes/no questions, and questions whose keys are unsound.
    """
    if sample.answer_type != "closed":
        return ()
    if sample.options:
        return tuple(normalise(option) for option in sample.options)
    return find_alternatives(sample.question)


def find_alternatives(question: str) -> tuple[str, ...]:
    """The keys of the alternatives in an "A or B" question, or () where they cannot be told soundly."""
    parts = _OR.split(question.strip().lower())
    if len(parts) != 3:
        return ()
    left, comma, right = parts
    segments = [split_words(segment) for segment in _SEGMENT_END.split(left) if segment.strip()]
    last = [word for word in split_words(_SEGMENT_END.split(right)[0]) if word not in _FILLERS][:1]
    if not segments or not last or not segments[-1]:
        return ()
    if comma and len(segments) >= 2:  # "a, b, or c": the items between commas are whole, the first is as long
        items = [segments[0][-len(segments[1]) :], *segments[1:], last]
    else:
        items = [segments[-1][-1:], last]
    keys = tuple(" ".join(item) for item in items)
    return keys if _are_sound(keys, normalise(question)) else ()


def _are_sound(keys: tuple[str, ...], question: str) -> bool:
    """Each key stands once in the question and is no negation ("or not")."""
    once = all(len(re.findall(rf"\b{re.escape(key)}\b", question)) == 1 for key in keys if key)
    return once and all(key and key not in _NEGATORS for key in keys) and len(set(keys)) == len(keys)


def read_option(text: str, options: tuple[str, ...]) -> Answer:
    """The option that `text` names, by letter ("(B)", "B.", "option B") or by its words; the value is its text.

    `options` are as the sample gives them, the first is A. Where letter and words disagree, or the first sentence that
    names an option names two, the answer is unparsable.
    """
    normalised = tuple(normalise(option) for option in options)
    if (whole := normalise(text)) in normalised:
        return Answer(whole)
    lettered = read_letter(text, options)
    named, negated = _find_named(text, normalised)
    if lettered is not None:
        disagree = named and lettered.value not in {normalised[index] for index in named}
        return Answer(None, CONTRADICTORY) if disagree else lettered
    if negated:
        return Answer(None, NEGATED)
    if len(named) == 1:
        return Answer(normalised[named.pop()])
    return Answer(None, CONTRADICTORY if named else NO_CHOICE)


def read_letter(text: str, options: tuple[str, ...]) -> Answer | None:
    """The option whose letter `text` gives; None without a letter, unparsable with two ("A" in "A nodule" is none)."""
    letters = _find_letters(text, len(options))
    if not letters:
        return None
    return Answer(normalise(options[letters.pop()])) if len(letters) == 1 else Answer(None, CONTRADICTORY)


def _find_letters(text: str, count: int) -> set[int]:
    if alone := _LETTER_ALONE.fullmatch(text):
        letters = [alone.group(1).upper()]
    elif linked := _LETTERS_LINKED.match(text):
        letters = list(linked.groups())
    elif leads := _LETTER_LEADS.match(text):
        letters = [leads.group(1)]
    else:
        letters = _LETTER_NAMED.findall(text) or _LETTER_IN_BRACKETS.findall(text)
    return {index for letter in letters if (index := ord(letter) - ord("A")) < count}


def _find_named(text: str, options: tuple[str, ...]) -> tuple[set[int], bool]:
    """Indices of the options in the first sentence that names any, and whether a negation stands before one."""
    for sentence in split_sentences(text):
        words = split_words(sentence)
        spans = [(start, start + len(option.split()), index)
                 for index, option in enumerate(options) for start in _find_runs(words, option.split())]  # fmt: skip
        outermost = [span for span in spans if not any(_holds(other, span) for other in spans)]
        if outermost:
            negated = any(_NEGATORS & set(words[max(0, start - 3) : start]) for start, _, _ in outermost)
            return {index for _, _, index in outermost}, negated
    return set(), False


def _holds(outer: tuple[int, int, int], inner: tuple[int, int, int]) -> bool:
    """True where `outer` covers `inner` and more: "ct with contrast" hides "ct"."""
    return outer[0] <= inner[0] and inner[1] <= outer[1] and outer[1] - outer[0] > inner[1] - inner[0]


def _find_runs(words: list[str], run: list[str]) -> list[int]:
    """Where `run` starts in `words`, as whole words."""
    return [at for at in range(len(words) - len(run) + 1) if run and words[at : at + len(run)] == run]


def read_alternative(text: str, question: str, keys: tuple[str, ...]) -> Answer:
    """The alternative of an "A or B" question that `text` names, else the whole normalised text.

    "left or right", an echo of the question, is unparsable. `text` holds at least one word.
    """
    asked = set(split_words(question))
    sentence = next((part for part in split_sentences(text) if _find_keys(part, keys)), None)
    if sentence is None:
        return Answer(normalise(text))
    words = split_words(sentence)
    if len(_find_keys(sentence, keys)) > 1:
        return Answer(None, CONTRADICTORY) if "or" in words else Answer(normalise(text))
    key = _find_keys(sentence, keys).pop()
    run = key.split()
    clause = next(part for part in (*map(split_words, _SEGMENT_END.split(sentence)), words) if _find_runs(part, run))
    at = _find_runs(clause, run)[0]
    beside = clause[max(0, at - 1) : at] + clause[at + len(run) : at + len(run) + 1]
    is_plain = all(word in _NEUTRAL or word in asked for word in beside)
    is_negated = bool((_NEGATORS - asked) & set(words[: _find_runs(words, run)[0]]))
    return Answer(key if is_plain and not is_negated else normalise(text))


def _find_keys(sentence: str, keys: tuple[str, ...]) -> set[str]:
    words = split_words(sentence)
    return {key for key in keys if _find_runs(words, key.split())}


def read_gold(gold: str, sample: Sample) -> str:
    """A gold answer in the words in which `answers.parse_answer` gives the same answer."""
    whole = normalise(gold)
    choices = find_choices(sample)
    if whole in choices or not choices:
        return whole
    answer = read_option(gold, sample.options) if sample.options else read_alternative(gold, sample.question, choices)
    return answer.value if answer.value is not None else whole
