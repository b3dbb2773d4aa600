"""Scores: takes an `Answer` and the sample's gold answers, gives a `Score` of shares in 0..1.

`correct` is exact match after the VQA evaluation's normalisation (`normalisation.py`), for closed and open questions
alike; `token_f1` and `token_recall` compare bags of words as SQuAD's evaluation does (Rajpurkar et al. 2016,
arXiv 1606.05250, section 6.1). Several golds are alternatives: each field is its best over them.

Most tables quote the "open / closed" numbers of LLaVA-Med (`llava/eval/run_eval.py`,
`eval_metrics/evaluate_metrics.py`). They differ from ours:

- its OPEN headline is token *recall*, which long answers inflate; here that is `token_recall`. `correct` is stricter,
  and `named` lies between: all words of a gold stand in one run that the text does not deny (`mentions.py`);
- it counts a predicted word as often as the model repeats it; here a word counts as often as the gold holds it;
- its CLOSED is a *substring* test that requires "yes" or "no" in the text, so that a right "mri" scores 0 and
  "abnormal" passes by its "no"; in the version read (commit ad758b6) a wrong "yes"/"no" is also left out of the
  denominator. Here words are whole, every closed question counts, and an unparsable answer scores 0.
"""

from __future__ import annotations

from collections import Counter

from vrs_lmeval.reading.answers import find_answer_text
from vrs_lmeval.reading.choices import read_gold
from vrs_lmeval.reading.mentions import says
from vrs_lmeval.reading.normalisation import name_text, split_words
from vrs_lmeval.records import Answer, Sample, Score

WRONG = Score(correct=0.0, token_f1=0.0, token_recall=0.0, named=0.0)


def score_answer(answer: Answer, sample: Sample, text: str | None = None) -> Score:
    """The best score of `answer` over the golds of `sample`; unparsable is 0 in every field.

    Golds of closed questions are read by the rules that read the model's text (`choices.read_gold`). `text` is what the
    model wrote: `named` needs its sentences to know how far a denial reaches, see `find_gold_named`.
    Raises ValueError if `sample` has no gold.
    """
    if not sample.golds:
        raise ValueError(f"sample {sample.sample_id} has no gold answer to score against")
    if answer.value is None:
        return WRONG
    golds = [read_gold(gold, sample) for gold in sample.golds]
    overlaps = [compare_tokens(answer.value, gold) for gold in golds]
    correct = answer.value in golds
    named = find_gold_named(answer, sample, text)
    return Score(
        correct=float(correct),
        token_f1=max(f1 for f1, _ in overlaps),
        token_recall=max(recall for _, recall in overlaps),
        named=float(correct if named is None else named),
    )


def find_gold_named(answer: Answer, sample: Sample, text: str | None = None) -> bool | None:
    """Whether the answer to an open question says one of its golds; None for closed questions and those with options.

    It looks at the words of `text` without thoughts and markup, from which `answer` was read. Without `text`, or if
    `answer` was read from another part of it, it looks at `answer.value`; there all is one sentence, so a denial
    reaches further. An exact match is named; an unparsable answer names nothing.
    """
    if sample.answer_type == "closed" or sample.options:
        return None
    if answer.value is None:
        return False
    said = find_answer_text(text, sample.question) if text is not None else None
    if said is None or name_text(said) != answer.value:
        said = answer.value
    return any(answer.value == read_gold(gold, sample) or says(said, gold) for gold in sample.golds)


def compare_tokens(answer: str, gold: str) -> tuple[float, float]:
    """Token F1 and recall (shares) of `answer` against `gold`: 2 * common / (answer + gold) and common / gold.

    Words are normalised and counted as bags. A text without a word agrees (1) only with a text of the same signs or
    articles.
    """
    answer_words, gold_words = Counter(split_words(answer)), Counter(split_words(gold))
    if not answer_words or not gold_words:
        agree = float(name_text(answer) == name_text(gold))
        return agree, agree
    common = (answer_words & gold_words).total()
    return 2 * common / (answer_words.total() + gold_words.total()), common / gold_words.total()
