"""Takes markup off a model's text: LaTeX, JSON, tags, Markdown and full-width forms -> plain words.

Only this module knows how models wrap an answer; the rules that read it (`answers.py`, `choices.py`) see plain text.
FORMS lists what is taken off, each form with an example, which is also its test.
"""

from __future__ import annotations

import ast
import json
import re
import unicodedata
from typing import Any, NamedTuple

from vrs_lmeval.reading.normalisation import has_sign_or_letter


class Form(NamedTuple):
    """One way to wrap an answer: an example, and what is left of it."""

    name: str
    wrapped: str
    plain: str


FORMS = (
    Form("LaTeX box, the last one", r"So it is \boxed{A}, no, \boxed{B}", "B"),
    Form("LaTeX text in a box", r"\boxed{\text{left lung}}", "left lung"),
    Form("LaTeX maths", r"\( \text{B} \)", "B"),
    Form("dollars", "$B$", "B"),
    Form("JSON", '{"reason": "a line", "answer": "B"}', "B"),
    Form("JSON with Python's quotes", "{'answer': 'B'}", "B"),
    Form("JSON's truth", '{"answer": true}', "yes"),
    Form("JSON in a code block", '```json\n{"answer": "B"}\n```', "B"),
    Form("answer tag", "<answer>B</answer>", "B"),
    Form("final answer tag", "I looked. <final_answer>B</final_answer>", "B"),
    Form("the last of several tags", "<answer>A</answer> No, <answer>B</answer>", "B"),
    Form("full-width letters and marks", "Ａｎｓｗｅｒ：Ｂ。", "Answer:B."),  # noqa: RUF001 - as Chinese models write
    Form("Markdown", "**B**", "B"),
    Form("code", "`B`", "B"),
)

BLOCKS = (
    Form("answer tag", "Air is dark. <answer>B</answer>", "B"),
    Form("final answer tag", "Air is dark. <final_answer>B</final_answer>", "B"),
    Form("final answer tag with a space", "Air is dark. <final answer>B</final answer>", "B"),
    Form("LaTeX box", r"Air is dark. \boxed{B}", "B"),
    Form("LaTeX box, braces in it", r"Air is dark: $\boxed{\text{left lung}}$", r"\text{left lung}"),
    Form("the last one, of any kind", r"\boxed{A}, no, <answer>B</answer>", "B"),
    Form("the outer one", r"<answer>So \boxed{B}</answer>", r"So \boxed{B}"),
    Form("after a mere mention", "I write <answer> before it. <answer>B</answer>", "B"),
)
"""The marks around an answer in prompts that ask for reasoning, and what is read from each example."""

MOST_OPENINGS = 100
"""Opening marks that are read, from the end: a model may repeat itself without end, and reading must stay cheap."""

ANSWER_KEYS = ("final_answer", "answer", "final answer", "choice", "option", "label", "prediction", "response")
"""Keys of a JSON object that hold its answer, the first of these that it has."""

_CODE_BLOCK = re.compile(r"^```[a-zA-Z]*\n(.*?)\n?```$", re.DOTALL)
_BOX = re.compile(r"\\(?:boxed|fbox)\s*\{")
_LATEX_TEXT = re.compile(r"\\(?:text|textbf|textit|mathrm|mathbf|mathit|operatorname|rm|bf)\s*\{([^{}]*)\}")
_LATEX_MATHS = re.compile(r"\\[()\[\]]|\$+|\\[,;:! ]|\\displaystyle")
_EMPHASIS = re.compile(r"[*#`]+|(?<!\w)_{1,2}(?=\w)|(?<=\w)_{1,2}(?!\w)")
_ANSWER_TAG = re.compile(
    r"<(?P<tag>(?:final[_ -]?)?(?:answer|ans|choice|option))>((?:(?!<(?P=tag)>).)*?)(?:</(?P=tag)>|$)",
    re.DOTALL | re.IGNORECASE,
)
_BLOCK_OPENS = re.compile(r"<(?P<tag>(?:final[_ ])?answer)>|\\(?:boxed|fbox)\s*\{", re.IGNORECASE)
_FULL_WIDTH = re.compile("[\uff01-\uff5e]")
_FULL_STOPS = str.maketrans({"。": ". ", "、": ", ", "「": '"', "」": '"'})


def take_off_markup(text: str) -> str:
    """The plain text; where the answer alone is wrapped (a box, a tag, a key of JSON), that answer.

    A wrapping without a letter, digit or sign is no answer: then the text before it is read.
    """
    text = _widen(text).strip()
    if fenced := _CODE_BLOCK.match(text):
        text = fenced.group(1).strip()
    text = _read_json(text)
    if tags := list(_ANSWER_TAG.finditer(text)):
        filled = [tag.group(2) for tag in tags if has_sign_or_letter(tag.group(2))]
        text = filled[-1] if filled else text[: tags[0].start()]
    boxes = [content for content in _find_boxes(text) if has_sign_or_letter(content)]
    return take_off_latex(boxes[-1] if boxes else text).strip()


def take_off_latex(text: str) -> str:
    """The text without LaTeX commands, dollars and Markdown's emphasis; their contents stay."""
    before = None
    while before != text:
        before, text = text, _LATEX_TEXT.sub(r"\1", text)
    return _EMPHASIS.sub("", _LATEX_MATHS.sub("", text))


def _widen(text: str) -> str:
    """The text with full-width forms as plain ones. Other characters stay: NFKC would also turn "²" into "2"."""
    return _FULL_WIDTH.sub(lambda found: unicodedata.normalize("NFKC", found.group()), text).translate(_FULL_STOPS)


def _read_json(text: str) -> str:
    """The answer in a text that is one JSON object; the text itself if it is no such object or holds no answer."""
    if not (text.startswith("{") and text.endswith("}")):
        return text
    try:
        content: Any = _load_object(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return text
    if not isinstance(content, dict):
        return text
    by_name = {str(name).lower(): value for name, value in content.items()}
    found = next((by_name[name] for name in ANSWER_KEYS if name in by_name), None)
    if isinstance(found, bool):
        return "yes" if found else "no"
    return str(found) if isinstance(found, str | int | float) else text


def _load_object(text: str) -> Any:
    """The object of a JSON text, or of a text like JSON with Python's quotes."""
    try:
        return json.loads(text)
    except ValueError:
        return ast.literal_eval(text)


class Block(NamedTuple):
    """What stands in an answer block, and whether the text closes it."""

    content: str
    is_closed: bool


def find_last_block(text: str) -> Block | None:
    """The block (see BLOCKS) that ends last; one that opens behind it and does not close; None without any."""
    openings = list(_BLOCK_OPENS.finditer(text))[-MOST_OPENINGS:]
    ends = [_find_block_end(text, opening) for opening in openings]
    closed = [(end, opening.end()) for opening, end in zip(openings, ends, strict=True) if end is not None]
    end, start = max(closed, default=(-1, -1))  # of two that end together the later one: the first was a mere mention
    if openings and openings[-1].start() > end:
        return Block(text[openings[-1].end() :], is_closed=False)
    return Block(text[start:end], is_closed=True) if closed else None


def _find_block_end(text: str, opening: re.Match[str]) -> int | None:
    """Where the contents of the block end; None where it does not close."""
    if opening["tag"] is None:
        end, is_closed = _find_box_end(text, opening.end())
        return end if is_closed else None
    found = re.compile(f"</{opening['tag']}>", re.IGNORECASE).search(text, opening.end())
    return found.start() if found else None


def _find_boxes(text: str) -> list[str]:
    """The contents of every LaTeX box, with balanced braces; for a box that does not close, the rest of the text."""
    return [text[opening.end() : _find_box_end(text, opening.end())[0]] for opening in _BOX.finditer(text)]


def _find_box_end(text: str, start: int) -> tuple[int, bool]:
    """Where the contents of a box that `start` in `text` end, and whether it closes there."""
    depth = 1
    for end in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[end], 0)
        if depth == 0:
            return end, True
    return len(text), False
