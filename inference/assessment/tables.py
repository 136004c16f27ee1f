"""Tables of figures as plain text, Markdown, HTML and CSV, and short lists."""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """A title, the names of columns, and rows of as many cells; the first column is text, the others figures."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def __post_init__(self) -> None:
        if any(len(row) != len(self.header) for row in self.rows):
            raise ValueError(f"table {self.title!r} has rows that are not {len(self.header)} cells long")

    def text(self) -> str:
        """Columns aligned by blanks."""
        widths = [max(len(row[at]) for row in (self.header, *self.rows)) for at in range(len(self.header))]
        lines = [
            "  ".join(
                [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
            ).rstrip()
            for row in (self.header, *self.rows)
        ]
        return "\n".join([self.title, *lines])

    def markdown(self) -> str:
        """A table of GitHub's Markdown under its title."""
        rule = "|".join(["", "---", *["---:"] * (len(self.header) - 1), ""])
        rows = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in (self.header, *self.rows)]
        return "\n".join([f"**{self.title}**", "", rows[0], rule, *rows[1:]])

    def html(self) -> str:
        """A table element with its title as caption."""
        head = "".join(f"<th>{html.escape(cell)}</th>" for cell in self.header)
        rows = "".join(f"<tr>{_cells(row)}</tr>" for row in self.rows)
        caption = html.escape(self.title)
        return f"<table><caption>{caption}</caption><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def csv_text(rows: Sequence[Mapping[str, object]]) -> str:
    """Rows of the same names as CSV, with a header."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def listed(names: Sequence[object], most: int = 5) -> str:
    """The first few, with commas between; dots stand for the rest."""
    return ", ".join(map(str, names[:most])) + (", ..." if len(names) > most else "")


STYLE = (
    "body{font-family:sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}table{border-collapse:collapse;"
    "margin:1.5rem 0}caption{text-align:left;font-weight:bold;padding:.3rem 0}th,td{border:1px solid #ccc;"
    "padding:.25rem .6rem;text-align:right}th:first-child,td:first-child{text-align:left}"
)


def page(title: str, lines: Sequence[str], tables: Sequence[Table], picture: str = "") -> str:
    """One HTML page that needs no other file but the picture beside it."""
    paragraphs = "".join(f"<p>{html.escape(line)}</p>" for line in lines)
    image = f'<img src="{html.escape(picture)}" alt="{html.escape(title)}" style="max-width:100%">' if picture else ""
    body = "".join(table.html() for table in tables)
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>{STYLE}</style></head><body><h1>{html.escape(title)}</h1>{paragraphs}{body}{image}</body></html>\n"
    )


def _cells(row: Sequence[str]) -> str:
    return "".join(f"<td>{html.escape(cell)}</td>" for cell in row)
