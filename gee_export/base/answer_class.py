"""What an interpreter's answer says: a class by name or number, that it is uncertain, or nothing yet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

UNCERTAIN = "uncertain"
DOUBTS = (UNCERTAIN, "unsure", "unknown", "?", "not sure")
_BLANKS = ("", "none", "nan")
_SHOWN = 20  # values in a message


def answered_class(answer: str, classes: Sequence[str], where: str, impervious: Sequence[str] = ()) -> str:
    """The name among `classes`, UNCERTAIN, or an empty text where nothing was answered.

    impervious: answers that mean impervious ground; every other one means pervious then. ValueError, beginning with
    `where`: a class that is none of them.
    """
    text = answer.strip().lower()
    if text in _BLANKS:
        return ""
    if text in DOUBTS:
        return UNCERTAIN
    if impervious:
        return "impervious" if text in (each.strip().lower() for each in impervious) else "pervious"
    by_name = {name.lower(): name for name in classes}
    if text in by_name:
        return by_name[text]
    if text.isdigit() and int(text) < len(classes):
        return classes[int(text)]
    raise ValueError(f"{where}: class {answer!r} is unknown, expected {', '.join(classes)} or {UNCERTAIN}")


def check_named(impervious: Sequence[str], answers: Iterable[str], where: str) -> None:
    """ValueError, beginning with `where`, for values of impervious ground that no answer has: all would be pervious."""
    given = {answer.strip() for answer in answers} - {""}
    lower = {answer.lower() for answer in given}
    if strange := sorted(each for each in impervious if each.strip().lower() not in lower):
        raise ValueError(f"{where}: no answer is {', '.join(strange)}; there are {', '.join(sorted(given)[:_SHOWN])}")
