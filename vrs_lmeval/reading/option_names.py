"""Option names: takes the options of a question, gives each a name by which answers, golds and likelihoods know it."""

from __future__ import annotations

from functools import lru_cache

from vrs_lmeval.reading.normalisation import fold, normalise


@lru_cache(maxsize=1024)  # asked for at each comparison with an answer
def name_options(options: tuple[str, ...]) -> tuple[str, ...]:
    """A name for each option: its normalised words. Equal texts share a name; different texts never do.

    Some texts differ only in what normalisation leaves out (ER+/PR- and ER-/PR+, "tr > tb" and "tr < tb"). Then the
    second gets a star, the third two stars, and so on. A text without a word of its own ("+", "A") is its own name.
    """
    texts: dict[str, list[str]] = {}
    names = []
    for option in options:
        words, text = normalise(option) or fold_text(option), fold_text(option)
        same_words = texts.setdefault(words, [])
        if text not in same_words:
            same_words.append(text)
        names.append(" ".join([words, *["*"] * same_words.index(text)]))
    return tuple(names)


def count_collisions(options: tuple[str, ...]) -> int:
    """How many of these options have the normalised words of another text."""
    return sum("*" in name.split() for name in name_options(options))


def find_same_option(text: str, options: tuple[str, ...]) -> str | None:
    """The name of the option that `text` repeats: letter by letter, or in words that no other option has; else None."""
    names = name_options(options)
    texts = [fold_text(option) for option in options]
    if (same := fold_text(text)) in texts or (same := same.rstrip(". ")) in texts:
        return names[texts.index(same)]
    words = normalise(text)
    found = {name for name, option in zip(names, options, strict=True) if words and normalise(option) == words}
    return found.pop() if len(found) == 1 else None


def rename_option(name: str, asked: tuple[str, ...], options: tuple[str, ...]) -> str:
    """The name among `options` of the option that is called `name` among `asked`, the same options in another order.

    Other names do not change. Stars depend on the place, so without this a rotation would give another option's name.
    """
    names = name_options(asked)
    if asked == options or name not in names:
        return name
    return name_options(options)[options.index(asked[names.index(name)])]


def fold_text(text: str) -> str:
    """`text` in lower case with single spaces; signs stay."""
    return " ".join(fold(text).split())
