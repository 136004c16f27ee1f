"""`isamap regions` and `isamap labels`: apart from the other commands, because they need none of the machinery."""

from __future__ import annotations

from typing import Annotated

from isamap.gee_export.base.options import Option
from isamap.gee_export.command import command
from isamap.gee_export.command_line.report_output import show_list


def regions() -> None:
    """List the named regions: name, UTM zone, box in degrees, what they are."""
    from isamap.gee_export.base.regions import described

    show_list(described, lambda: "\n".join(map(_region_line, described())))


def _region_line(row: dict) -> str:
    west, south, east, north = row["bounds_wsen"]
    zone = f"EPSG:{row['epsg']}" if "epsg" in row else "several zones"
    box = f"{west:8.3f} {south:7.3f} {east:8.3f} {north:7.3f}"
    return f"{row['name']:<14} {zone:<13} {box}  {row.get('title', '')}".rstrip()


@command
def labels(name: Annotated[str | None, Option("A product, to see all about it.", positional=True)] = None) -> None:
    """List the label products: name, years of imagery, schemes, licence; or everything about one."""
    from isamap.gee_export.labelling import label_table

    text = label_table.overview if name is None else lambda: label_table.described(name)
    show_list(lambda: label_table.rows(name), text)
