"""One look at a whole dataset: survey, checks, and the card's files."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from isamap.gee_export.base.storage import is_remote, write_whole
from isamap.gee_export.card import charts, checks, contact, croissant, drawing, maps
from isamap.gee_export.card import stac as catalogue
from isamap.gee_export.card.card import CARD, Card, card
from isamap.gee_export.card.page import page
from isamap.gee_export.card.survey import CardSurvey, survey
from isamap.gee_export.datasets.dataset import Dataset

PAGE = "card.html"


def inspect_place(
    address: str, *, out: str | Path | None = None, project: str | None = None, stac: bool = True
) -> Card:
    """The card of a folder or gs:// prefix, written to `out` (by default beside the data), with what catalogues read: a
    STAC collection and a Croissant file beside the data, unless `stac` is false.
    """
    with _session(address, project) as session:
        return inspect(Dataset.open(address, session), out=out or folder_of(address), stac=stac)


def inspect(data: Dataset, *, out: str | Path | None = None, stac: bool = False) -> Card:
    """The card of a dataset: written into the folder `out` if there is one.

    stac: adds stac/ and croissant.json beside the data.
    """
    data_survey = survey(data)
    made = card(data, data_survey, checks.run(data, data_survey))
    written = []
    if out is not None:
        for name, content in _documents(made, data, data_survey):
            write_whole(Path(out) / name, content)
        written.append(str(Path(out) / PAGE))
    if stac:
        written += [catalogue.write(data), croissant.write(data)]
    return replace(made, written=tuple(written))


def _documents(made: Card, data: Dataset, data_survey: CardSurvey) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of the card's files: the pictures, the page that holds them, the numbers."""
    with drawing.style():
        pictures = {
            title: (name, draw(made, data, data_survey)) for title, (name, draw) in _pictures(data_survey).items()
        }
    yield from pictures.values()
    yield PAGE, page(made, {title: picture for title, (_, picture) in pictures.items()})
    yield CARD, (json.dumps(made.to_json(), indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _pictures(data_survey: CardSurvey) -> dict[str, tuple[str, Callable[[Card, Dataset, CardSurvey], bytes]]]:
    """File and drawing function by title, of every picture for which there are data."""
    drawings = {
        "Contact sheet": ("contact-sheet.png", contact.sheet, data_survey.sheet_rasters),
        "Footprints": ("footprints.png", maps.footprints, data_survey.mosaics),
        "Missing data": ("missing.png", maps.missing, data_survey.mosaics),
        "Labels": ("labels.png", charts.balance, data_survey.classes),
        "Bands": ("bands.png", charts.histograms, data_survey.histograms),
    }
    return {title: (name, draw) for title, (name, draw, content) in drawings.items() if content}


def folder_of(address: str) -> Path:
    """The default folder of a dataset's card: beside the data, or in the working folder for gs:// addresses."""
    return Path(f"card-{address.rstrip('/').rpartition('/')[2]}") if is_remote(address) else Path(address) / "card"


@contextmanager
def _session(address: str, project: str | None) -> Iterator[Any]:
    """A session where a bucket has to be read; None for folders."""
    if not is_remote(address):
        yield None
        return
    from isamap.gee_export.earth_engine.session import connect

    with connect(project) as session:
        yield session
