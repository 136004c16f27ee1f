"""The card as one HTML file: facts, checks, tables, pictures inside; no network."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from isamap.gee_export.card.card import Card
from isamap.gee_export.card.finding import VERDICTS
from isamap.gee_export.datasets.index import SPLITS

_STYLE = """
:root { color-scheme: light dark; --ink: #1d2126; --quiet: #5d6670; --paper: #ffffff; --line: #dfe3e8; --band: #f5f7f9;
  --pass: #2f7d4a; --warn: #a86a00; --fail: #b5383c; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8eb; --quiet: #9aa4af; --paper: #15181c; --line: #2d333a;
  --band: #1c2127; --pass: #6cc08b; --warn: #e3a018; --fail: #ef7b7e; } }
body { font: 15px/1.5 system-ui, "DejaVu Sans", sans-serif; color: var(--ink); background: var(--paper);
  max-width: 66rem; margin: 2rem auto; padding: 0 1.25rem; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.1rem; margin: 2.2rem 0 .6rem; }
p.quiet, caption, td.quiet { color: var(--quiet); } p.quiet { margin: .2rem 0 1rem; overflow-wrap: anywhere; }
.simulated { background: var(--fail); color: var(--paper); padding: .45rem .8rem; border-radius: 6px; margin: 0 0 1rem;
  font-weight: 600; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 600; } th, td { padding: .3rem .7rem .3rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; } td.number, th.number { text-align: right; }
.pass { color: var(--pass); } .unclear { opacity: .6; }
.warn { color: var(--warn); } .fail { color: var(--fail); }
td.verdict { font-weight: 700; text-transform: uppercase; font-size: .8rem; padding-top: .42rem; }
figure { margin: 1rem 0; padding: .6rem; background: #ffffff; border: 1px solid var(--line); border-radius: 6px; }
figure img { display: block; max-width: 100%; height: auto; margin: 0 auto; }
"""


def page(card: Card, pictures: Mapping[str, bytes]) -> bytes:
    """The page's bytes; `pictures`: PNGs by title, in order."""
    parts = [
        f"<!doctype html><html lang='en'><head><meta charset='utf-8'><title>{escape(card.name)}</title>"
        f"<meta name='viewport' content='width=device-width'><style>{_STYLE}</style></head><body>",
        "<p class='simulated'>SIMULATED: these pixels come from the local engine's world, not from satellites.</p>"
        if card.simulated
        else "",
        f"<h1>{escape(card.name)}</h1><p class='quiet'>patch dataset, fingerprint {card.fingerprint}</p>",
        f"<h2>Checks: {_tally(card)}</h2>",
        _checks(card),
        "<h2>What it holds</h2>",
        _table((), [(key, value) for key, value in card.facts.items()]),
        "<h2>Patches</h2>",
        _table(("region", "period", *SPLITS), _counts(card), numbers=range(2, 5)),
        "<h2>Label pixels</h2>" + _classes(card) if any(card.classes.values()) else "",
        "<h2>Bands</h2>",
        _bands(card),
        "<h2>Scenes</h2>" + _scenes(card) if card.sensors else "",
        *(_picture(title, picture) for title, picture in pictures.items()),
        "</body></html>\n",
    ]
    return "\n".join(section for section in parts if section).encode()


def _tally(card: Card) -> str:
    verdicts = [finding.verdict for finding in card.findings]
    return ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in VERDICTS if verdict in verdicts)


def _checks(card: Card) -> str:
    rows = "".join(
        f"<tr><td class='verdict {finding.verdict}'>{finding.verdict}</td><td>{escape(finding.name)}</td>"
        f"<td>{escape(finding.detail)}</td></tr>"
        for finding in card.findings
    )
    return f"<div class='scroll'><table>{rows}</table></div>"


def _counts(card: Card) -> Iterable[Sequence[str]]:
    rows: dict[tuple[str, str], dict[str, int]] = {}
    for row in card.counts:
        rows.setdefault((row["region"], row["period"]), {})[row["split"]] = row["patches"]
    for (region, period), counts in rows.items():
        yield region, period, *(f"{counts.get(split, 0):,}" for split in SPLITS)


def _classes(card: Card) -> str:
    names = list(dict.fromkeys(name for classes in card.classes.values() for name in classes))
    totals = {split: sum(classes.values()) or 1 for split, classes in card.classes.items()}
    rows = [
        (name, *(f"{card.classes[s].get(name, 0):,} ({card.classes[s].get(name, 0) / totals[s]:.1%})" for s in SPLITS))
        for name in names
    ]
    return _table(("class", *SPLITS), rows, numbers=range(1, 4))


def _bands(card: Card) -> str:
    percents = ("1", "25", "50", "75", "99")
    rows = [
        (
            band.name if band.layer == "image" else f"{band.layer} {band.name}",
            band.unit,
            f"{band.valid_share:.2%}",
            *(_number(value) for value in (band.mean, band.std, *(band.quantiles.get(p) for p in percents))),
        )
        for band in card.bands
    ]
    head = ("band", "unit", "valid", "mean", "std", *(f"{percent} %" for percent in percents))
    return _table(head, rows, numbers=range(2, 10))


def _scenes(card: Card) -> str:
    rows = []
    for row in card.sensors:
        days = ", ".join(f"{day[:4]}-{day[4:6]}-{day[6:]}" for day in row["days"])
        sensor = f"{row['sensor']} {row.get('level', '')}".strip()
        rows.append((row["region"], row["period"], sensor, str(row["scenes"]), _observations(row), days))
    head = ("region", "period", "sensor", "scenes", "clear observations a pixel", "days (UTC)")
    return _table(head, rows, numbers=(3, 4))


def _observations(row: Mapping[str, Any]) -> str:
    seen = row.get("observations_per_pixel")
    return f"{seen['mean']:.1f} ({seen['min']} to {seen['max']})" if seen else ""


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], numbers: Iterable[int] = ()) -> str:
    right = set(numbers)

    def line(cells: Sequence[str], tag: str) -> str:
        made = (f"<{tag}{' class=number' if n in right else ''}>{escape(cell)}</{tag}>" for n, cell in enumerate(cells))
        return f"<tr>{''.join(made)}</tr>"

    body = "".join(line(row, "td") for row in rows)
    return f"<div class='scroll'><table>{line(head, 'th') if head else ''}{body}</table></div>"


def _picture(title: str, picture: bytes) -> str:
    inline = base64.b64encode(picture).decode()
    return f"<h2>{escape(title)}</h2><figure><img alt='{escape(title)}' src='data:image/png;base64,{inline}'></figure>"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
