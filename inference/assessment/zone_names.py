"""What polygons are called: a label names a feature, and two features of one label are two, unless a user says not.

A name is no identity (there are dozens of Springfields): of features of one name each bears its number in the file,
and so does one without a name. Where the user names the column, equal values are one zone, as islands of one district
are. What was done with which names is said in a sentence.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from isamap.gee_export.base.feature_table import FeatureTable
from isamap.inference.assessment.tables import listed

NAME_COLUMNS = ("name", "NAME", "Name", "district", "DISTRICT", "NAME_3", "NAME_2", "NAME_1", "id", "ID")
NAMELESS = "without a name"
_SHOWN = 3


@dataclass(frozen=True)
class ZoneNames:
    """The zone of each feature (features of one name are one zone), and sentences on names that were not clear."""

    names: tuple[str, ...]
    notes: tuple[str, ...] = ()


def names_of(table: FeatureTable, column: str | None, noun: str) -> ZoneNames:
    """Names by an attribute, by default the first of NAME_COLUMNS that there is, else the features' numbers.

    column: what the user names, whose equal values are one zone. ValueError: there is no such column.
    """
    if column is not None and column not in table.columns:
        column_names = ", ".join(table.columns) or "none"
        raise ValueError(f"{noun} has no column {column!r}: it has {column_names}")
    by = column or next((name for name in NAME_COLUMNS if name in table.columns), None)
    if by is None:
        return ZoneNames(tuple(str(number) for number in range(1, len(table.shapes) + 1)))
    labels = [_label(value) for value in table.columns[by]]
    times = Counter(label for label in labels if label)
    shared = [label for label, count in times.items() if count > 1]
    numbered = _numbered(labels, () if column else set(shared))
    return ZoneNames(tuple(numbered), tuple(_notes(by, shared, labels.count(""), are_joined=column is not None)))


def _label(value: Any) -> str:
    """A name as text, empty where it is missing; whole numbers without the .0 that a gap in their column gives them."""
    if value is None or value != value:
        return ""
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return str(value).strip()


def _numbered(labels: Sequence[str], apart: Collection[str]) -> Iterator[str]:
    """The labels; empty ones, and those that are kept apart, with the feature's number."""
    taken = set(labels)
    for number, label in enumerate(labels, 1):
        if label and label not in apart:
            yield label
            continue
        name = f"{label or NAMELESS} ({number})"
        # A feature may really be called so.
        while name in taken:
            name = f"{name} ({number})"
        yield name


def _notes(column: str, shared: Sequence[str], nameless: int, *, are_joined: bool) -> Iterator[str]:
    if shared:
        names, again = listed([repr(name) for name in shared], _SHOWN), "" if len(shared) == 1 else " each"
        yield f"several features share the name {names} in the column {column!r}: " + (
            f"counted as one zone{again}, as --by-column asks"
            if are_joined
            else f"kept apart by their number in the file, as in '{shared[0]} (N)'; where they are one zone, make them "
            f"one feature{again}, or name the column (--by-column {column})"
        )
    if nameless:
        subject = "1 feature has" if nameless == 1 else f"{nameless} features have"
        yield f"{subject} no name in the column {column!r}: called '{NAMELESS} (N)' by the number in the file"
