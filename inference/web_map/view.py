"""`isamap view --html`: maps of one place as one HTML file that opens without server or network, today and later."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from isamap.gee_export.base.storage import write_whole
from isamap.inference.map_files.map_file import MapFile, open_map
from isamap.inference.web_map.document import Document, document, finest, smaller
from isamap.inference.web_map.facts import facts_of, labels_of

# So much still goes through mail, and a browser opens it at once.
LIMIT_BYTES = 15_000_000
# A slider of more periods has stops too narrow for a finger.
MOST_MAPS = 40


@dataclass(frozen=True)
class HtmlView:
    """A written page. simulated: whether a map in it is; notes: what is coarser in it than in the maps."""

    path: Path
    size_bytes: int
    maps: int
    simulated: bool
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [f"{self.path}: {self.maps} map{'s' * (self.maps > 1)} in one file, {self.size_bytes / 1e6:.1f} MB"]
        if self.simulated:
            lines.append("simulated: the page says what that means for its maps")
        return "\n".join([*lines, *(f"note: {text}" for text in self.notes)])


def view_html(
    paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]], *, html: str | os.PathLike[str]
) -> HtmlView:
    """One HTML file of one or several maps: slider of periods, swipe, legend, areas, opacity, class on click.

    The maps are sorted by time and drawn on the first one's grid, at most 4,096 pixels a side and 15 MB together:
    larger ones are drawn coarser, which the page says. ValueError for what is no map, or maps of different classes or
    places.
    """
    target = Path(html)
    if target.suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"--html {target}: the page is HTML, give a name that ends in .html")
    page = page_of(paths)
    write_whole(target, page.content)
    return HtmlView(target, len(page.content), page.maps, page.simulated, page.notes)


def page_of(paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> Document:
    """The page in memory; errors as `view_html`."""
    listed = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    if not 1 <= len(listed) <= MOST_MAPS:
        raise ValueError(f"{len(listed)} maps: a page holds 1 to {MOST_MAPS}; give fewer")
    map_files = sorted((open_map(path) for path in listed), key=lambda each: each.tags.get("period_start", ""))
    _check_classes(map_files)
    facts = [facts_of(each, label) for each, label in zip(map_files, labels_of(map_files), strict=True)]
    page = document(map_files, facts, finest())
    # Tried, not computed: what PNG makes of a map is known only afterwards.
    while len(page.content) > LIMIT_BYTES:
        page = document(map_files, facts, smaller(page, LIMIT_BYTES))
    return page


def _check_classes(map_files: Sequence[MapFile]) -> None:
    first = map_files[0]
    for map_file in map_files[1:]:
        if map_file.legend.names != first.legend.names:
            raise ValueError(
                f"{first.path} has the classes {', '.join(first.legend.names)}, {map_file.path} has "
                f"{', '.join(map_file.legend.names)}: give maps of the same classes"
            )
