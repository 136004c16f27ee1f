"""The text of a page: markup, style, script, head and pixels in one file, with a policy that forbids every request."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from isamap.gee_export.base.scheme import UNKNOWN
from isamap.inference.inputs.checks import step_m
from isamap.inference.map_files.legend import PROB_STEPS, Legend
from isamap.inference.map_files.map_file import MapFile, holds_shares
from isamap.inference.map_files.one_class import one_class_note
from isamap.inference.web_map.facts import MapFacts
from isamap.inference.web_map.grid import PageGrid, on_grid, shared_grid
from isamap.inference.web_map.picture import COARSE_STEPS, class_png, preview_png, probability_png
from isamap.inference.web_map.script import asset, joined

# The largest side of a canvas that phones draw.
SIDE_PX = 4096
# Below it a city is some pixels, and a page says nothing.
LEAST_SIDE_PX = 256
BIASED = (
    "Areas are counts of pixels. A classifier's errors do not cancel, so counts are biased: an area with an interval "
    "needs reference points (isamap assess)."
)
IN_SHARES = {  # what the page calls probabilities, where they are shares
    "probability of impervious": "impervious share",
    ">Probability<": ">Share<",
    'probability: "Probability"': 'probability: "Share"',
    "class and probability.": "class and share.",
}
_FIELD = re.compile(r"{{(\w+)}}")


@dataclass(frozen=True)
class Detail:
    """How fine a page is: the longest side in pixels, and steps of probability from 0 to 1."""

    longest_px: int
    steps: int


@dataclass(frozen=True)
class Document:
    """A page's bytes and what they hold; side_px: the longest side of its maps."""

    content: bytes
    detail: Detail
    side_px: int
    maps: int
    simulated: bool
    notes: tuple[str, ...]


def finest() -> Detail:
    """The finest detail of a page."""
    return Detail(SIDE_PX, PROB_STEPS)


def smaller(page: Document, limit_bytes: int) -> Detail:
    """A detail with which the page probably has fewer bytes; ValueError where pixels would be too few for a map."""
    if page.detail.steps == PROB_STEPS:
        return Detail(page.detail.longest_px, COARSE_STEPS)
    if page.side_px <= LEAST_SIDE_PX:
        raise ValueError(f"so many maps do not fit into one page of {limit_bytes / 1e6:g} MB: give fewer maps")
    share = math.sqrt(limit_bytes / len(page.content))  # bytes grow about as the number of pixels
    # A little below the estimate, and smaller by a tenth at least: each try draws all maps again.
    return Detail(max(LEAST_SIDE_PX, int(page.side_px * min(0.9, 0.97 * share))), COARSE_STEPS)


def document(map_files: Sequence[MapFile], facts: Sequence[MapFacts], detail: Detail) -> Document:
    """The page of maps of the same classes, sorted by time, and of their facts; the same bytes for the same maps."""
    grid, legend = shared_grid(map_files, detail.longest_px), map_files[0].legend
    bands, preview = [], b""
    for index, map_file in enumerate(map_files):
        values_2HW = on_grid(map_file, grid, UNKNOWN)
        preview = preview_png(values_2HW[0], legend.colours)
        bands.append(_band(f"map-{index}-class", class_png(values_2HW[0], legend.colours)))
        bands.append(_band(f"map-{index}-probability", probability_png(values_2HW[1], detail.steps)))
    one_class = _of_one_class(map_files, facts)
    notes = _notes(map_files, grid, detail)
    head = _head(facts, legend, grid, detail)
    if all(holds_shares(each.tags) for each in map_files):
        head |= {"shares": True}
    content = _text(facts, head, (one_class, notes), (bands, preview))
    simulated = any(each.simulated for each in facts)
    return Document(content.encode(), detail, max(grid.geobox.shape), len(facts), simulated, (*one_class, *notes))


def _head(facts: Sequence[MapFacts], legend: Legend, grid: PageGrid, detail: Detail) -> dict[str, Any]:
    classes = [
        {"value": value, "name": name, "colour": colour}
        for value, (name, colour) in enumerate(zip(legend.names, legend.colours, strict=True))
    ]
    maps = [each.described() for each in facts]
    return {"classes": classes, "probability_steps": detail.steps, "grid": grid.described(), "maps": maps}


def _notes(map_files: Sequence[MapFile], grid: PageGrid, detail: Detail) -> tuple[str, ...]:
    notes = []
    if grid.shrink > 1:
        step, own = step_m(grid.geobox), step_m(map_files[0].geobox)
        notes.append(
            f"the page draws pixels of {step:.3g} m, the maps have {own:.3g} m; areas of the map "
            "are those of all its pixels"
        )
    if len({holds_shares(each.tags) for each in map_files}) > 1:
        notes.append("some of the maps hold percents of impervious ground where others hold probabilities")
    if detail.steps != PROB_STEPS:
        notes.append(f"probabilities are in steps of {100 / detail.steps:g} %")
    if any(each.geobox.crs != map_files[0].geobox.crs for each in map_files):
        notes.append(
            f"maps in other coordinate systems are drawn, by nearest pixel, on the grid of {map_files[0].path.name}"
        )
    return tuple(notes)


def _of_one_class(map_files: Sequence[MapFile], facts: Sequence[MapFacts]) -> tuple[str, ...]:
    """What to do about each map of classes that has one class only."""
    counted = [each for map_file, each in zip(map_files, facts, strict=True) if not holds_shares(map_file.tags)]
    notes = [(each.label, note) for each in counted if (note := one_class_note(each.area_km2))]
    return tuple(note if len(facts) == 1 else f"{label}: {note}" for label, note in notes)


def _text(
    facts: Sequence[MapFacts],
    head: Mapping[str, Any],
    notes: tuple[Sequence[str], Sequence[str]],
    pixels: tuple[Sequence[str], bytes],
) -> str:
    """notes: those of the areas, and those of how the page is drawn."""
    of_shares = head.get("shares", False)
    style, script = asset("style.css"), _worded(joined("one_file.js"), of_shares=of_shares)
    bands, preview = pixels
    fields = {
        # By digests of the page's own style and script: what somebody writes into a map's name cannot run.
        "policy": f"default-src 'none'; img-src data: blob:; style-src {_digest(style)}; script-src {_digest(script)}",
        "title": escape(_title(facts, head)),
        "subtitle": escape(_subtitle(facts)),
        "simulated": _simulated(facts),
        "one_class": "".join(f"<p role='note'>{_said(text)}</p>" for text in notes[0]),
        "area_note": escape(BIASED),
        "notes": "".join(f"<p class='quiet'>Note: {escape(text)}.</p>" for text in notes[1]),
        "preview": _address(preview),
        # A `<` in a name could end the script element.
        "head": json.dumps(head, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c"),
        "bands": "\n".join(bands),
        "style": style,
        "script": script,
    }
    template = _worded(asset("one_file.html"), of_shares=of_shares)
    return _FIELD.sub(lambda match: fields[match[1]], template)


def _worded(text: str, *, of_shares: bool) -> str:
    """The page's words, of maps whose numbers are shares of a pixel and no probabilities."""
    for chance, share in IN_SHARES.items() if of_shares else ():
        text = text.replace(chance, share)
    return text


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _title(facts: Sequence[MapFacts], head: Mapping[str, Any]) -> str:
    subject = "Impervious surface" if len(head["classes"]) == 2 else "Land cover"
    return f"{subject}: {', '.join(dict.fromkeys(each.name for each in facts))}"


def _subtitle(facts: Sequence[MapFacts]) -> str:
    return facts[0].label if len(facts) == 1 else f"{len(facts)} maps, {facts[0].label} to {facts[-1].label}"


def _simulated(facts: Sequence[MapFacts]) -> str:
    """The banner over the page; none where no map is simulated."""
    simulated = [each for each in facts if each.simulated]
    if not simulated:
        return ""
    sentence = simulated[0].simulated
    if len(simulated) < len(facts):
        sentence = f"{', '.join(each.label for each in simulated)}: {sentence}"
    return f"<p class='simulated' role='note'>{_said(sentence)}</p>"


def _said(sentence: str) -> str:
    """As markup, with a capital and a full stop."""
    return escape(f"{sentence[0].upper()}{sentence[1:]}.")


def _band(name: str, png: bytes) -> str:
    return f'<script type="text/plain" id="{name}">{base64.b64encode(png).decode()}</script>'


def _address(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
