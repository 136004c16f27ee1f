"""What an interpreter's answer says: a class by name or number, that it is uncertain, or nothing yet."""

from __future__ import annotations

from collections.abc import Sequence

UNCERTAIN = "uncertain"
DOUBTS = (UNCERTAIN, "unsure", "unknown", "?", "not sure")
_BLANKS = ("", "none", "nan")


def answered_class(answer: str, classes: Sequence[str], where: str) -> str:
    """The name among `classes`, UNCERTAIN, or an empty text where nothing was answered.

    ValueError, beginning with `where`: a class that is none of them.
    """
    text = answer.strip().lower()
    if text in _BLANKS:
        return ""
    if text in DOUBTS:
        return UNCERTAIN
    by_name = {name.lower(): name for name in classes}
    if text in by_name:
        return by_name[text]
    if text.isdigit() and int(text) < len(classes):
        return classes[int(text)]
    raise ValueError(f"{where}: class {answer!r} is unknown, expected {', '.join(classes)} or {UNCERTAIN}")
