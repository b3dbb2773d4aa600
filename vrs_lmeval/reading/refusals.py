"""Refusals: the phrases by which a text declines to answer, or doubts; for folded text (`normalisation.fold`).

`answers.py` uses them together with a question, `image_remarks.py` without one. A change here changes the parser.
"""

from __future__ import annotations

import re

REFUSES = re.compile(
    r"\b(?:not (?:sure|certain|possible to|able to|enough information)|no (?:idea|way to (?:tell|know|say))|"
    r"(?:cannot|cant|can not|could not|couldnt|unable to|impossible to|hard to|difficult to) (?:be )?"
    r"(?:determined?|tell|told|say|said|answer(?:ed)?|assess(?:ed)?|judged?|conclude|confirm(?:ed)?|provide|"
    r"identify|diagnose|interpret|know|help|assist)|"
    r"(?:cannot|cant|can not|unable to) (?:see|view|access|analy[sz]e) (?:the|this|any|your) (?:image|picture|scan)|"
    r"(?:dont|do not) know|insufficient information|as an ai|im sorry|i am sorry|i apologi[sz]e)\b"
)
ASSISTANT_TALK = re.compile(
    r"\b(?:please (?:upload|provide|share|attach|send)|"
    r"(?:cannot|cant|can not|unable to|not able to|dont have the ability to) "
    r"(?:(?:directly |currently )?(?:see|view|access|process|open|look at|interpret|analy[sz]e) )"
    r"(?:any |the |this |your |medical )*(?:image|picture|photo|scan|x-?ray|file|attachment)s?)\b"
)
"""An assistant that says it has no image: no answer, whatever word it begins with ("No, I cannot view images")."""

DOUBTS = re.compile(r"\b(?:unclear|unknown|uncertain|indeterminate|not clear)\b")
DOUBT_ONLY = re.compile(
    r"(?:it |this |that |the answer )?(?:is |remains )?(?:unclear|not clear|unknown|uncertain|n ?/ ?a)"
)
