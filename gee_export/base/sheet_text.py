"""Tables as spreadsheets of any language save them: cells between commas, semicolons or tabs, decimal points or commas.

Where the decimal mark is a comma, programs separate cells by semicolons (gbif/portal-feedback#3482), and "Unicode text"
is UTF-16 with tabs.
"""

from __future__ import annotations

import codecs
import csv
import io
from pathlib import Path

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
ENDINGS = (".csv", ".tsv", ".txt")
HINT = "sep="  # a first line by which some programs name the separator
LARGEST_BYTES = 64 << 20
COMMA_REMEDY = "give decimals a point, or separate cells by semicolons"


def columns(path: Path, noun: str) -> dict[str, list[str]]:
    """The cells of each column by the header's name; noun: what the file is to its user.

    ValueError: larger than LARGEST_BYTES, no text, no rows, a row of another width than the header, two columns of one
    name. Columns without a name may be several: the last is kept.
    """
    if path.stat().st_size > LARGEST_BYTES:
        raise ValueError(f"{noun} {path} have over {LARGEST_BYTES:,} bytes: give the {noun} only")
    try:
        rows = rows_of(_decoded(path.read_bytes()))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{noun} {path} are no CSV in UTF-8 ({error}): save them as CSV UTF-8") from error
    except ValueError as error:
        raise ValueError(f"{noun} {path}, {error}") from error
    if len(rows) < 2:
        raise ValueError(f"{noun} {path} hold no rows under a header: fill the sheet in first")
    twice = next((name for name in rows[0] if name and rows[0].count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"{noun} {path} have two columns {twice}: rename the one that is not meant")
    return dict(zip(rows[0], map(list, zip(*rows[1:], strict=True)), strict=True))


def rows_of(text: str, *, strict: bool = False) -> list[list[str]]:
    """The cells of every row that is not blank, the header's without blanks around; csv.Error for what is no table.

    ValueError, without a file's name: a row of another width than the header, with the separator that was found.
    strict: quotes that end nowhere are errors.
    """
    separator, text = _separator(text.removeprefix("\ufeff"))
    cells = csv.reader(io.StringIO(text), delimiter=separator, strict=strict)
    rows = [row for row in cells if any(cell.strip() for cell in row)]
    for line, row in enumerate(rows[1:], 2):
        if len(row) != len(rows[0]):
            remedy = COMMA_REMEDY if separator == "," else "correct that row"
            raise ValueError(
                f"row {line}: {len(row)} cells under a header of {len(rows[0])}, separated by "
                f"{SEPARATORS.get(separator, repr(separator))}: {remedy}"
            )
    return [[name.strip() for name in rows[0]], *rows[1:]] if rows else []


def number(text: object) -> float:
    """A cell's number, its decimal mark a point or one comma; ValueError for others."""
    words = str(text).strip()
    return float(words.replace(",", ".") if words.count(",") == 1 and "." not in words else words)


def _decoded(content: bytes) -> str:
    is_wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return content.decode("utf-16" if is_wide else "utf-8-sig")


def _separator(text: str) -> tuple[str, str]:
    """The separator, that of most cells in the header, commas first; and the text without a line that names it."""
    first, _, rest = text.partition("\n")
    named = first.strip(" \r")
    if named.lower().startswith(HINT) and len(named) == len(HINT) + 1:
        return named[-1], rest
    header = next((line for line in text.splitlines() if line.strip()), "")
    return max(SEPARATORS, key=lambda each: len(next(csv.reader([header], delimiter=each), []))), text
