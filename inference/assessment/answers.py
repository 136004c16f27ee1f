"""Answers of interpreters: read from CSV or GeoPackage, joined to the sample's points, several made one.

Column names are those of the answer sheet; what Collect Earth (`id`) and Collect Earth Online (`plotid`) write is
understood, too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from isamap.gee_export.base import sheet_text
from isamap.gee_export.base.answer_class import UNCERTAIN, answered_class
from isamap.gee_export.base.feature_table import read_table
from isamap.inference.assessment.tables import listed

ID_COLUMNS = ("plotid", "plot_id", "id")
CLASS_COLUMN = "class"


@dataclass(frozen=True)
class Interpretation:
    """One interpreter's answers: class (or UNCERTAIN) by plotid; points without an answer are not in it."""

    name: str
    classes: Mapping[int, str]


@dataclass(frozen=True)
class Consensus:
    """What several interpreters together say: class or UNCERTAIN by plotid.

    agreement: share of the points with several answers on which all agree (None: one interpreter).
    """

    classes: Mapping[int, str]
    interpreters: tuple[str, ...]
    agreement: float | None


def read_answers(path: str | Path, classes: Sequence[str], column: str = CLASS_COLUMN) -> tuple[Interpretation, ...]:
    """The interpretations in a file, one for each name in its column `interpreter` (the file's name where none is).

    ValueError: a missing file or column, unknown classes, ids that are no whole numbers or come twice.
    """
    path = Path(path)
    columns = columns_of(path)
    lower = {name.lower(): name for name in columns}
    ids = columns[id_column(lower, columns, path)]
    if column.lower() not in lower:
        raise ValueError(f"answers {path} have no column {column!r} ({', '.join(columns)}): name it with --column")
    interpreters = columns.get(lower.get("interpreter", ""), [])
    by_name: dict[str, dict[int, str]] = {}
    for at, (text, answer) in enumerate(zip(ids, columns[lower[column.lower()]], strict=True)):
        name = (str(interpreters[at]).strip() if len(interpreters) else "") or path.stem
        plot, own = plotid(text, path), by_name.setdefault(name, {})
        if plot in own:
            raise ValueError(f"answers {path} hold plotid {plot} twice by {name}: keep one of them")
        own[plot] = answered_class(str(answer), classes, f"answers {path}, plotid {plot}")
    answered = {name: {plot: answer for plot, answer in own.items() if answer} for name, own in by_name.items()}
    return tuple(Interpretation(name, answers) for name, answers in answered.items())


def consensus(interpretations: Sequence[Interpretation], plotids: Sequence[int]) -> Consensus:
    """One answer a point: the class of most interpreters who are certain, UNCERTAIN where two classes tie or none is.

    ValueError: points that nobody answered, answers for points that the sample does not have.
    """
    for each in interpretations:
        if strange := sorted(set(each.classes) - set(plotids)):
            raise ValueError(f"{each.name} answered plotids {listed(strange)}, which the sample does not have")
    answers = {plotid: [e.classes[plotid] for e in interpretations if plotid in e.classes] for plotid in plotids}
    if unanswered := [plotid for plotid, votes in answers.items() if not votes]:
        raise ValueError(
            f"{len(unanswered)} of {len(plotids)} points have no answer (plotids {listed(unanswered)}): answer them, "
            f"or write {UNCERTAIN!r} there"
        )
    names = tuple(each.name for each in interpretations)
    return Consensus({plotid: _most(votes) for plotid, votes in answers.items()}, names, _agreement(answers.values()))


def _agreement(answers: Iterable[Sequence[str]]) -> float | None:
    """Share of the points with several answers that have one class; None where no point has several."""
    several = [votes for votes in answers if len(votes) > 1]
    return float(np.mean([len(set(votes)) == 1 for votes in several])) if several else None


def _most(votes: Sequence[str]) -> str:
    first = Counter(answer for answer in votes if answer != UNCERTAIN).most_common(2)
    if not first or (len(first) == 2 and first[0][1] == first[1][1]):
        return UNCERTAIN
    return first[0][0]


def id_column(lower: Mapping[str, str], columns: Mapping[str, list], path: Path) -> str:
    """The column of ids, by its name in small letters; ValueError where there is none."""
    name = next((lower[each] for each in ID_COLUMNS if each in lower), None)
    if name is None:
        raise ValueError(f"answers {path} have no column of ids: expected PLOTID among {', '.join(columns) or 'none'}")
    return name


def columns_of(path: Path) -> dict[str, list]:
    """A CSV's or vector file's columns, by name; ValueError where it cannot be read or has no rows."""
    if not path.is_file():
        raise ValueError(f"answers {path} were not found: check the path")
    if path.suffix.lower() not in sheet_text.ENDINGS:
        return {name: list(values) for name, values in read_table(path, "answers").columns.items()}
    return dict(sheet_text.columns(path, "answers"))


def plotid(value: object, path: Path) -> int:
    """An id as a whole number; ValueError for others."""
    try:
        digits = sheet_text.number(value)
        if digits != int(digits):
            raise ValueError
    except (ValueError, OverflowError) as error:
        raise ValueError(f"answers {path}: plotid {value!r} is no whole number") from error
    return int(digits)
