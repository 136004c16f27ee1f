"""How a command prints what it did: as text, as its first line (--quiet), or as one JSON document (--json)."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Set
from contextlib import contextmanager, redirect_stdout
from datetime import date
from enum import Enum
from os import PathLike, fspath
from typing import Any


@dataclasses.dataclass
class _Style:
    """documents: the reports so far where they are printed as JSON at the end, None where they are printed as text."""

    brief: bool = False
    documents: list[Any] | None = None


_style = _Style()


def show(report: Any) -> None:
    """Prints a report: its text (the first line under --quiet), or its fields as JSON."""
    if _style.documents is not None:
        _style.documents.append(plain(report))
    else:
        text = str(report)
        _write(text.partition("\n")[0] if _style.brief else text)


def show_list(rows: Callable[[], Any], text: Callable[[], str]) -> None:
    """Prints a list that the user asked for: the whole text, or the rows as JSON; only one of the two is made."""
    if _style.documents is not None:
        _style.documents.append(plain(rows()))
    else:
        _write(text())


@contextmanager
def style(*, json: bool, brief: bool) -> Iterator[None]:
    """Reports inside the block are printed in this style. With json, everything else that prints goes to stderr."""
    global _style
    before, _style = _style, _Style(brief, [] if json else None)
    documents = _style.documents
    try:
        if documents is None:
            yield
        else:
            with redirect_stdout(sys.stderr):
                yield
    finally:
        _style = before
        if documents:
            _write(_dumped(documents[0] if len(documents) == 1 else documents))


def plain(value: Any) -> Any:
    """A report, or anything in it, as JSON holds it: numbers that are not finite are null, other objects their text."""
    if value is None or isinstance(value, (str, bool, int)):
        return value.value if isinstance(value, Enum) else value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if callable(getattr(value, "to_json", None)) and not isinstance(value, type):
        return plain(value.to_json())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, Set)):
        return [plain(item) for item in (sorted(value, key=str) if isinstance(value, Set) else value)]
    return _leaf(value)


def _leaf(value: Any) -> Any:
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, PathLike):
        return fspath(value)
    if isinstance(value, date):
        return value.isoformat()
    if hasattr(value, "tolist"):  # numpy's numbers and arrays
        return plain(value.tolist())
    return str(value)


def _write(text: str) -> None:
    try:
        print(text, flush=True)
    except BrokenPipeError:  # the program that reads, such as `head`, has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _dumped(document: Any) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
