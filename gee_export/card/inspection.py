"""One look at a whole dataset: survey, checks, and the card's files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from gee_export.card import checks
from gee_export.card.card import CARD, Card, card
from gee_export.card.survey import survey
from gee_export.dataset import Dataset
from gee_export.storage import is_remote, write_whole


def inspect_place(place: str, *, out: str | Path | None = None, project: str | None = None, stac: bool = True) -> Card:
    """The card of a folder or gs:// prefix, written to `out` (by default beside the data), with its STAC collection."""
    with _session(place, project) as session:
        return inspect(Dataset.open(place, session), out=out or folder_of(place), stac=stac)


def inspect(data: Dataset, *, out: str | Path | None = None, stac: bool = False) -> Card:
    """The card of a dataset: written into the folder `out` if there is one; `stac` adds stac/ beside the data."""
    found = survey(data)
    made = card(data, found, checks.run(data, found))
    written: list[str] = []
    if out is not None:
        write_whole(Path(out) / CARD, (json.dumps(made.to_json(), indent=1, ensure_ascii=False) + "\n").encode())
        written.append(f"{out}/{CARD}")
    return replace(made, written=tuple(written))


def folder_of(place: str) -> Path:
    """Where the card of a dataset lies if nobody says: beside the data, or in this folder for gs:// addresses."""
    return Path(f"card-{place.rstrip('/').rpartition('/')[2]}") if is_remote(place) else Path(place) / "card"


@contextmanager
def _session(place: str, project: str | None) -> Iterator[Any]:
    """A session where a bucket has to be read; None for folders."""
    if not is_remote(place):
        yield None
        return
    from gee_export.session import connect

    with connect(project) as session:
        yield session
