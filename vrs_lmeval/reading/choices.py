"""Choices: takes a closed question's options, or its "A or B", and a text; gives the one choice that the text names.

Model answers (`answers.py`) and gold answers (`scoring.py`) are read by the same rules, so that "on the left
side", "left" and the gold "left side" are one answer. Nothing here sees a gold answer while it reads a model's text.

A choice is named by its words where no negation stands before them: "an MRI, not a CT" names the MRI. The first
sentence that names a choice must name one only.

"A or B" questions (VQA-RAD, SLAKE): only a grammar could tell where a noun phrase begins. So a choice is known by its
*key*: the last word before "or" (the whole item, if commas mark the items), or the first word after it. In "a ct or an
mri" nothing but the keys matters, and any words may stand beside them ("a chest CT"). In "the small bowel or colon" the
word before the first key may belong to the choice. Then the word before a key in the answer must add nothing: it must
be neutral ("an", "side", "mostly") or stand in the question, so that "large bowel" is not the "small bowel". The same
holds after the last key ("gray or white matter"). If keys are unsound (the same word on both sides, "or not", two "or")
there are no choices, and the whole normalised text is the answer.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from vrs_lmeval.reading import chinese
from vrs_lmeval.reading.normalisation import fold, name_text, normalise, split_words, word_set
from vrs_lmeval.reading.option_names import find_same_option, fold_text, name_options
from vrs_lmeval.reading.reasons import CONTRADICTORY, NEGATED, NO_CHOICE
from vrs_lmeval.records import Answer, Sample

YES_WORDS = frozenset({"yes", "yeah", "yep", "true", "是"})
NO_WORDS = frozenset({"no", "nope", "false", "否"})
"""The synonyms that lmms-eval takes (`lmms_eval/tasks/slake/utils.py`, EN_YES and EN_NO), and the Chinese words."""

_NEGATORS = word_set(
    "not no without never neither nor cannot cant isnt arent wasnt werent doesnt dont didnt other unlikely hardly"
)
_FILLERS = word_set("just only")
NEUTRAL = word_set(
    "it its this that these those there here i is are was were be been being seems seem appears appear looks look "
    "like shows show shown see seen think believe would say answer most likely probably in on at of to from for by as "
    "and with have has used taken patient patients image images scan scans scanner view plane side sides sided film "
    "picture section study modality multiple several"
)
"""Words that do not say which choice is meant: function words, and nouns that all such questions share."""

_SIDES = word_set("left right upper lower anterior posterior superior inferior")
"""Keys that mean the same before any noun: "the right frontal lobe" is in "the right or left hemisphere"."""

_SPLITS_PHRASE = word_set("than least non")
"""Words that change what directly follows: "more than one" is not "one", "non-contrast" is not "contrast"."""

_QUESTION_WORDS = word_set("what which where who how")
VERBS = word_set("is are was were do does did can has have shows show appears appear seems seem looks look its this")
"""Words that begin a new clause ("not a CT, this is an MRI"): an earlier negation does not reach into it."""

_SENTENCE_END = re.compile(r"[.!?]+(?=\s|$)|\n+")
_SEGMENT_END = re.compile(r"[,;:?.]\s*")
PAUSE = re.compile(r"([,;:])(?!\d)")
NOT_ONLY = re.compile(r"\bnot (?:just|only)\b", re.IGNORECASE)
_COMPARED = re.compile(r"\b(?:than|compared (?:to|with)|relative to|in contrast to|instead of|among)\b", re.IGNORECASE)
"""Words before a thing that is not meant: the text compares it with the thing that is meant, or rejects it."""

_COMPARED_FIRST = re.compile(
    r"^\W*(?:when )?(?:compared (?:to|with)|relative to|in contrast to|unlike|among)[^,]*,", re.IGNORECASE
)
_NOT_MORE = re.compile(r"\b(?:not|isnt|arent|never) (?:\w+ )?(?!rather|other)(?:\w+er|more|less) (?:\w+ )?than\b")
"""A denied comparison: it says of neither thing that it is more."""

_DEGREES = (
    (word_set("large larger largest big bigger biggest great greater greatest"), word_set("small smaller smallest")),
    (word_set("dark darker darkest"), word_set("bright brighter brightest light lighter lightest")),
    (word_set("high higher highest"), word_set("low lower lowest")),
    (word_set("more most"), word_set("less least fewer fewest")),
    (word_set("thick thicker thickest"), word_set("thin thinner thinnest")),
    (word_set("long longer longest"), word_set("short shorter shortest")),
    (word_set("wide wider widest"), word_set("narrow narrower narrowest")),
)
"""Opposite degrees: an answer in the words of the other one is about the other choice."""

_OR = re.compile(r"(,?)\s+or\s+")
_LETTER_ALONE = re.compile(r"\W*([A-Za-z])\W*")
_LETTERS_LINKED = re.compile(r"\W*([A-Z])\W*(?:\b(?:or|and)\b|/)\W*([A-Z])\b")
_LETTER_LEADS = re.compile(r"\W*([A-Z])(?:\s*[).:,\-]+(?:\s|$)|\s*\n)")
_LETTER_NAMED = re.compile(r"\b(?:[Oo]ption|[Cc]hoice|OPTION|CHOICE)\s+\(?([A-Z])\b")
_LETTER_STATED = re.compile(  # "the answer is D."; not "the answer is A nodule"
    r"\b(?i:answer|option|choice|it)(?:'s|\s+(?:is|(?:would|should|must) be)\b|\s*:)\s*\(?([A-Z])\)?"
    r"(?=\s*(?:[^\w\s]|\n|$))"
)
_LETTER_CHOSEN = re.compile(
    r"\b(?i:choose|chose|select|pick|go with|opt for)\s+(?i:(?:option|answer|choice|letter)\s+)?\(?([A-Z])\b"
    r"(?!\s+[a-z])"
)
_LETTER_REASONED = re.compile(
    r"\W*([A-Z])\s+(?:because|since|as|due to|based on|given|is (?:the )?(?:correct|right|best))\b"
)
_LETTERS_LISTED = re.compile(r"\W*[A-Za-z](?:\s*(?:,|;|/|&|\band\b|\bor\b)\s*(?:and\s+|or\s+)?[A-Za-z]\b)+\W*")
_LABELLED_LINE = re.compile(r"^[^\w\n]*([A-Z])(?:[.):][^\S\n]*(.*)|[^\w\n]*)$", re.MULTILINE)
_LABEL_INLINE = re.compile(r"\b([A-Z])[.):]\s+")
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
        return name_options(sample.options)
    find = chinese.find_alternatives if chinese.is_chinese(sample) else find_alternatives
    return find(sample.question)


def find_alternatives(question: str) -> tuple[str, ...]:
    """The keys of the alternatives in an "A or B" question, or () if no sound keys can be found."""
    parts = _OR.split(question.strip().lower())
    if len(parts) != 3:
        return ()
    left, comma, right = parts
    segments = [words for segment in _SEGMENT_END.split(left) if (words := split_words(segment))]
    last = [word for word in split_words(_SEGMENT_END.split(right)[0]) if word not in _FILLERS][:1]
    items = [*_find_items(segments, ends_in_comma=bool(comma)), last]
    keys = tuple(" ".join(item) for item in items)
    return keys if len(keys) > 1 and _are_sound(keys, split_words(question)) else ()


def _find_items(segments: list[list[str]], ends_in_comma: bool) -> list[list[str]]:
    """The words of each alternative before "or", from the segments between the commas."""
    if len(segments) < 2:
        return [segment[-1:] for segment in segments]
    if segments[0][0] in _QUESTION_WORDS:  # "which is larger, a, b or c": the question is whole before its items
        return segments[1:]
    if ends_in_comma:  # "is it a, b, or c": the items between commas are whole, the first is as long
        return [segments[0][-len(segments[1]) :], *segments[1:]]
    # "in this image, is it a or b" has two alternatives; "is it a, b or c" does not tell where a begins.
    return [segments[-1][-1:]] if VERBS & set(segments[-1]) else []


def _are_sound(keys: tuple[str, ...], question: list[str]) -> bool:
    """Whether each key stands once in the question and is no negation ("or not")."""
    return all(len(find_runs(question, key.split())) == 1 and key not in _NEGATORS | {"non"} for key in keys)


def read_option(text: str, options: tuple[str, ...], question: str = "") -> Answer:
    """The option that `text` names, by letter ("(B)", "B.", "option B") or by its words; the value is its name.

    `options` are as the sample gives them; the first is A. A letter that stands alone is a label, whatever the options
    say. A letter that opens the text is a label too, unless the sentence after it is another option. Several labels, a
    list of all options, or a first sentence that names two options make the text contradictory.
    """
    if (label := read_label_alone(text, options)) is not None:
        return label
    if (same := find_same_option(text, options)) is not None:
        return Answer(same)
    if lists_labels(text, options):
        return Answer(None, CONTRADICTORY)
    lettered, named, denied = read_letter(text, options), *_find_named_options(text, options, question)
    if lettered is None:
        return _choose(named, denied)
    if not lettered.is_parsed or not named or lettered.value in named:
        return lettered
    return lettered if _explains_its_letter(text, options) else Answer(None, CONTRADICTORY)


def _find_named_options(text: str, options: tuple[str, ...], question: str) -> tuple[set[str], set[str]]:
    """Names of the options whose words the text says, and of those that it denies; words that several options share
    name all of them."""
    names: dict[str, set[str]] = {}
    for name, option in zip(name_options(options), options, strict=True):
        names.setdefault(normalise(option), set()).add(name)
    words = tuple(word for word in names if word)
    mentions, denied = _find_named(text, words, _NEGATORS, split_words(question))
    said = {mention.name for mention in mentions} or _find_alone(text, words)
    spelled = {
        name
        for name, option in zip(name_options(options), options, strict=True)
        if re.search(rf"(?<!\w){re.escape(fold_text(option))}(?!\w)", fold_text(text))
    }
    return {name for word in said for name in (names[word] & spelled or names[word])}, {
        name for word in denied for name in names[word]
    }


def _explains_its_letter(text: str, options: tuple[str, ...]) -> bool:
    """Whether a text that opens with a label goes on with anything but another option ("B. Unlike C, ...")."""
    leads = _LETTER_LEADS.match(text) or _LETTER_REASONED.match(text)
    if leads is None:
        return False
    behind = split_sentences(text[leads.end() :])[:1]
    return not behind or (
        find_same_option(behind[0], options) is None
        and bool(set(split_words(behind[0])) - NEUTRAL - {word for option in options for word in split_words(option)})
    )


def lists_labels(text: str, options: tuple[str, ...]) -> bool:
    """Whether the text gives several labels: "A, C", or a list that repeats options behind their letters."""
    count = len(options)
    if (several := _LETTERS_LISTED.fullmatch(text)) is not None:
        letters = {ord(letter) - ord("A") for letter in re.findall("[A-Z]", several.group().upper())}
        return len(letters) > 1 and max(letters) < count
    repeated = {
        letter
        for letter, rest in _LABELLED_LINE.findall(text)
        if not rest.strip() or find_same_option(rest, options) is not None
    }
    if len(repeated) > 1:
        return True
    marks = [mark for mark in _LABEL_INLINE.finditer(text) if ord(mark[1]) - ord("A") < count]
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    behind = ((mark[1], text[mark.end() : end].strip(" ,;\n")) for mark, end in zip(marks, ends, strict=False))
    return len({letter for letter, rest in behind if find_same_option(rest, options) is not None}) > 1


def read_label_alone(text: str, options: tuple[str, ...]) -> Answer | None:
    """The option of a text that is only a letter ("B", "(b)."); None for any other text."""
    alone = _LETTER_ALONE.fullmatch(text)
    index = ord(alone.group(1).upper()) - ord("A") if alone else len(options)
    return Answer(name_options(options)[index]) if index < len(options) else None


def _choose(named: set[str], denied: set[str]) -> Answer:
    if len(named) == 1:
        return Answer(*named)
    return Answer(None, CONTRADICTORY if named else NEGATED if denied else NO_CHOICE)


def read_letter(text: str, options: tuple[str, ...]) -> Answer | None:
    """The option whose letter `text` gives; None without a letter, unparsable with two ("A" in "A nodule" is none)."""
    letters = _find_letters(text, len(options))
    if not letters:
        return None
    return Answer(name_options(options)[letters.pop()]) if len(letters) == 1 else Answer(None, CONTRADICTORY)


def _find_letters(text: str, count: int) -> set[int]:
    if alone := _LETTER_ALONE.fullmatch(text):
        letters = [alone.group(1).upper()]
    elif linked := _LETTERS_LINKED.match(text):
        letters = list(linked.groups())
    elif leads := _LETTER_LEADS.match(text):
        letters = [leads.group(1)]
    else:
        patterns = (_LETTER_NAMED, _LETTER_STATED, _LETTER_CHOSEN, _LETTER_REASONED, _LETTER_IN_BRACKETS)
        letters = next((found for pattern in patterns if (found := pattern.findall(text))), [])
    return {index for letter in letters if (index := ord(letter) - ord("A")) < count}


class _Word(NamedTuple):
    """A word of a sentence, the number of its clause, and whether a negation before it reaches it."""

    text: str
    clause: int
    is_denied: bool


class _Mention(NamedTuple):
    """A choice in a sentence, with the words directly beside it in its clause ("" where there is none)."""

    name: str
    before: str
    after: str
    is_denied: bool


def _find_named(
    text: str, names: tuple[str, ...], negators: frozenset[str], asked: list[str]
) -> tuple[list[_Mention], set[str]]:
    """The mentions in the first sentence that names a choice, and the choices denied up to there."""
    denied: set[str] = set()
    for sentence in split_sentences(NOT_ONLY.sub("", text)):
        if _NOT_MORE.search(fold(sentence)):
            continue
        mentions = _find_mentions(_find_subject(sentence, asked), names, negators)
        if not any(not mention.is_denied for mention in mentions):
            mentions = _find_mentions(sentence, names, negators)
        denied |= {mention.name for mention in mentions if mention.is_denied}
        if named := [mention for mention in mentions if not mention.is_denied]:
            return named, denied
    return [], denied


def _find_subject(sentence: str, asked: list[str]) -> str:
    """What a comparison is about: "the lung" of "the lung is larger than the heart".

    It is the whole sentence if the comparison is the opposite of the one asked ("smaller", asked which is larger).
    """
    said, question = set(split_words(sentence)), set(asked)
    if any(said & one and question & other for pair in _DEGREES for one, other in (pair, pair[::-1])):
        return sentence
    return _COMPARED.split(_COMPARED_FIRST.sub("", sentence), maxsplit=1)[0]


def _find_mentions(sentence: str, names: tuple[str, ...], negators: frozenset[str]) -> list[_Mention]:
    """The choices in `sentence`; a longer one hides a shorter one inside it ("ct with contrast" hides "ct")."""
    words = _read_words(sentence, negators)
    texts = [word.text for word in words]
    spans = [
        (start, start + len(name.split()), name) for name in names for start in find_runs(texts, name.split())
    ]  # fmt: skip

    def beside(at: int, inside: int) -> str:
        return texts[at] if 0 <= at < len(words) and words[at].clause == words[inside].clause else ""

    return [
        _Mention(name, beside(start - 1, start), beside(end, end - 1), words[start].is_denied)
        for start, end, name in spans
        if not any(left <= start and end <= right and right - left > end - start for left, right, _ in spans)
    ]


def _read_words(sentence: str, negators: frozenset[str]) -> list[_Word]:
    """The words of a sentence. A negation reaches to the end of its clause or to a "but", and over commas until a
    clause has its own verb."""
    words: list[_Word] = []
    is_denied = False
    pieces = PAUSE.split(sentence)
    for number, (pause, clause) in enumerate(zip(["", *pieces[1::2]], pieces[::2], strict=True)):
        texts = split_words(clause)
        is_denied = is_denied and pause == "," and not VERBS & set(texts)
        for text in texts:
            is_denied = is_denied and text != "but"
            words.append(_Word(text, number, is_denied))
            is_denied = is_denied or text in negators
    return words


def _find_alone(text: str, names: tuple[str, ...]) -> set[str]:
    """The only choice that holds all words of `text`: "white" means "white matter", of white and grey matter."""
    said = set(split_words(text)) - NEUTRAL
    holders = {name for name in names if said and said <= set(name.split())}
    return holders if len(holders) == 1 else set()


def find_runs(words: list[str], run: list[str]) -> list[int]:
    """Where `run` starts in `words`, as whole words."""
    return [at for at in range(len(words) - len(run) + 1) if run and words[at : at + len(run)] == run]


def read_alternative(text: str, question: str, keys: tuple[str, ...]) -> Answer:
    """The alternative of an "A or B" question that `text` names; "both"; or "no" if it says "no" to all of them.

    `keys` are those of `find_alternatives`, at least two.
    """
    asked = split_words(question)
    mentions, denied = _find_named(text, keys, _NEGATORS - set(asked), asked)
    named = {mention.name for mention in mentions}
    words = set(split_words(text))
    is_bare = words <= NEUTRAL | set(asked) | {"both"}
    if "both" in words and (named | {"both"} == {*keys, "both"} or (is_bare and named <= {"both"})):
        return Answer("both")
    if not mentions and "no" in words and denied == set(keys):
        return Answer("no")
    if len(named) == 1:
        counts = _find_counting_sides(asked, keys)
        named = {mention.name for mention in mentions if _adds_nothing(mention, set(asked), counts)}
    return _choose(named or _find_alone(text, keys), denied)


def _find_counting_sides(asked: list[str], keys: tuple[str, ...]) -> tuple[bool, bool]:
    """Whether the words of the question before the first key and after the last may belong to the alternatives."""
    first, last = keys[0].split(), keys[-1].split()
    before = asked[: find_runs(asked, first)[0]][-1:]
    after = asked[find_runs(asked, last)[0] + len(last) :][:1]
    return not NEUTRAL.issuperset(before), not NEUTRAL.issuperset(after)


def _adds_nothing(mention: _Mention, asked: set[str], counts: tuple[bool, bool]) -> bool:
    """True if the words beside a key add nothing, so that the key means its alternative in the question."""
    if mention.before in _SPLITS_PHRASE - asked:
        return False
    if mention.name in _SIDES:
        return True
    beside = [word for word, does_count in zip((mention.before, mention.after), counts, strict=True) if does_count]
    return all(not word or word in NEUTRAL or word in asked or word.endswith("ly") for word in beside)


def read_gold(gold: str, sample: Sample) -> str:
    """A gold answer in the words in which `answers.parse_answer` gives the same answer."""
    whole = name_text(gold)
    if sample.answer_type == "closed" and chinese.is_chinese(sample):
        return chinese.read_gold(gold, sample)
    choices = find_choices(sample)
    if sample.answer_type == "closed" and sample.options:
        if (same := find_same_option(gold, sample.options)) is not None:
            return same
    elif whole in choices or not choices:
        return whole
    answer = read_option(gold, sample.options) if sample.options else read_alternative(gold, sample.question, choices)
    return answer.value if answer.value is not None else whole
