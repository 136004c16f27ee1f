"""One look at a whole dataset: survey, checks, and the card's files."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from gee_export.base.storage import is_remote, write_whole
from gee_export.card import charts, checks, contact, drawing, maps
from gee_export.card import stac as catalogue
from gee_export.card.card import CARD, Card, card
from gee_export.card.page import page
from gee_export.card.survey import Survey, survey
from gee_export.datasets.dataset import Dataset

PAGE = "card.html"


def inspect_place(place: str, *, out: str | Path | None = None, project: str | None = None, stac: bool = True) -> Card:
    """The card of a folder or gs:// prefix, written to `out` (by default beside the data), with its STAC collection."""
    with _session(place, project) as session:
        return inspect(Dataset.open(place, session), out=out or folder_of(place), stac=stac)


def inspect(data: Dataset, *, out: str | Path | None = None, stac: bool = False) -> Card:
    """The card of a dataset: written into the folder `out` if there is one; `stac` adds stac/ beside the data."""
    found = survey(data)
    made = card(data, found, checks.run(data, found))
    written = []
    if out is not None:
        for name, content in _documents(made, data, found):
            write_whole(Path(out) / name, content)
        written.append(str(Path(out) / PAGE))
    if stac:
        written.append(catalogue.write(data))
    return replace(made, written=tuple(written))


def _documents(made: Card, data: Dataset, found: Survey) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of the card's files: the pictures, the page that holds them, the numbers."""
    with drawing.style():
        pictures = {title: (name, draw(made, data, found)) for title, (name, draw) in _pictures(found).items()}
    yield from pictures.values()
    yield PAGE, page(made, {title: picture for title, (_, picture) in pictures.items()})
    yield CARD, (json.dumps(made.to_json(), indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _pictures(found: Survey) -> dict[str, tuple[str, Callable[[Card, Dataset, Survey], bytes]]]:
    """By title, file and function of every picture that there is something to draw for."""
    wanted = {
        "Contact sheet": ("contact-sheet.png", contact.sheet, found.chosen),
        "Footprints": ("footprints.png", maps.footprints, found.mosaics),
        "Missing data": ("missing.png", maps.missing, found.mosaics),
        "Labels": ("labels.png", charts.balance, found.classes),
        "Bands": ("bands.png", charts.histograms, found.histograms),
    }
    return {title: (name, draw) for title, (name, draw, there) in wanted.items() if there}


def folder_of(place: str) -> Path:
    """Where the card of a dataset lies if nobody says: beside the data, or in this folder for gs:// addresses."""
    return Path(f"card-{place.rstrip('/').rpartition('/')[2]}") if is_remote(place) else Path(place) / "card"


@contextmanager
def _session(place: str, project: str | None) -> Iterator[Any]:
    """A session where a bucket has to be read; None for folders."""
    if not is_remote(place):
        yield None
        return
    from gee_export.earth_engine.session import connect

    with connect(project) as session:
        yield session
