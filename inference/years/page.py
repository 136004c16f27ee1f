"""The change report as one HTML file: areas, growth, zones and how sure they are, pictures inside; no network."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape

from isamap.inference.map_files.simulation import SIMULATED
from isamap.inference.years import charts
from isamap.inference.years.layers import YearFiles
from isamap.inference.years.report import BIASED, YearsReport

_STYLE = """
:root { color-scheme: light dark; --ink: #1d2126; --quiet: #5d6670; --paper: #ffffff; --line: #dfe3e8;
  --alert: #b5383c; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8eb; --quiet: #9aa4af; --paper: #15181c; --line: #2d333a;
  --alert: #ef7b7e; } }
body { font: 15px/1.5 system-ui, "DejaVu Sans", sans-serif; color: var(--ink); background: var(--paper);
  max-width: 62rem; margin: 2rem auto; padding: 0 1.25rem; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.1rem; margin: 2.2rem 0 .6rem; }
p.quiet { color: var(--quiet); margin: .2rem 0 1rem; }
.simulated { background: var(--alert); color: var(--paper); padding: .45rem .8rem; border-radius: 6px;
  font-weight: 600; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .7rem .3rem 0; border-bottom: 1px solid var(--line); text-align: right; }
th:first-child, td:first-child { text-align: left; }
figure { margin: 1rem 0; padding: .6rem; background: #ffffff; border: 1px solid var(--line); border-radius: 6px; }
figure img { display: block; max-width: 100%; height: auto; margin: 0 auto; }
"""


def page(report: YearsReport, files: YearFiles) -> bytes:
    """The page's bytes; the same for the same report and files."""
    title = f"Impervious surface, {report.years[0]} to {report.years[-1]}"
    parts = [
        f"<!doctype html><html lang='en'><head><meta charset='utf-8'><title>{title}</title>"
        f"<meta name='viewport' content='width=device-width'><style>{_STYLE}</style></head><body>",
        f"<p class='simulated'>{escape(SIMULATED[report.simulated_parts])}</p>" if report.simulated else "",
        f"<h1>{title}</h1><p class='quiet'>{_grid(report)}</p>",
        *(f"<p class='quiet'>Note: {escape(text)}.</p>" for text in report.notes),
        _picture("The filtered maps", charts.years_side_by_side(files)),
        "<h2>Area by year</h2>",
        _years_table(report),
        f"<p class='quiet'>Mind that {escape(BIASED)}.</p>",
        _picture("Impervious area by year", charts.areas_by_year(report)),
        "<h2>Growth</h2>",
        _growth_table(report),
        _picture("Growth between the maps", charts.growth_by_period(report)),
        _picture("Where and when", charts.growth_and_first_year(files)),
        *_zones(report),
        "<h2>How the years were made to agree</h2>",
        _method(report),
        "</body></html>\n",
    ]
    return "\n".join(section for section in parts if section).encode()


def _grid(report: YearsReport) -> str:
    height, width = report.shape
    return (
        f"{len(report.years)} maps on one grid of {height:,} x {width:,} pixels of {report.step_m:.4g} m; "
        f"{report.zones[0].mapped_km2:,.2f} km² are mapped in at least one year."
    )


def _years_table(report: YearsReport) -> str:
    columns = (
        report.years,
        report.expected_km2,
        report.impervious_km2,
        report.own_km2,
        report.unknown_share,
        report.year_error,
    )
    rows = (
        (str(year), f"{expected:,.2f}", f"{km2:,.2f}", f"{own:,.2f}", f"{unknown:.1%}", f"{error:.1%}")
        for year, expected, km2, own, unknown, error in zip(*columns, strict=True)
    )
    heads = (
        "year",
        "expected, km²",
        "counted as classes, km²",
        "map as it was, km²",
        "not known",
        "errors, estimated",
    )
    return _table(heads, rows)


def _growth_table(report: YearsReport) -> str:
    region = report.zones[0]
    rows = (
        (name, f"{km2:,.2f}", f"{km2 / max(region.mapped_km2, 1e-9):.2%}")
        for name, km2 in zip(report.growth_classes, region.growth_km2, strict=True)
    )
    return _table(("history of the ground", "km²", "of the mapped ground"), rows)


def _zones(report: YearsReport) -> Iterable[str]:
    """Areas by zone, where zones were given."""
    zones = report.zones[1:]
    if not zones:
        return
    yield "<h2>By zone</h2>"
    heads = ("zone", "mapped, km²", *(f"{year}, km²" for year in report.years), "growth", "growth a year")
    span = report.years[-1] - report.years[0]
    rows = []
    for zone in zones:
        grown = zone.expected_km2[-1] - zone.expected_km2[0]
        rate = f"{grown / zone.expected_km2[0] / span:+.1%}" if zone.expected_km2[0] else "-"
        areas = (f"{km2:,.2f}" for km2 in zone.expected_km2)
        rows.append((zone.name, f"{zone.mapped_km2:,.2f}", *areas, f"{grown:+,.2f}", rate))
    yield _table(heads, rows)
    yield _picture("Share of impervious ground by zone", charts.zones_by_year(report))


def _method(report: YearsReport) -> str:
    before, after = report.back_share
    return (
        "<p>Each pixel's years are one hidden Markov chain: the ground is pervious or impervious, seldom changes, and "
        "each year's map shows it with errors. How often each map errs and how fast ground changes was estimated from "
        f"the maps themselves: {report.gain:.2%} of the pervious ground is built over in a year, and "
        f"{report.loss:.2%} of the impervious ground is opened. A map that errs more counts less, and a year in which "
        "a pixel is not known is filled from the other years.</p>"
        f"<p>In the maps as they were, {before:.2%} of the pixels go back from impervious to pervious; after the "
        f"filter {after:.2%} do. Uncertain are pixels of which no history is more probable than all others together. "
        "The earliest and the latest first year hold 90 % of the probability between them, as far as the chain is "
        "right: it takes the errors of two years for independent, and errors that return every year stay.</p>"
    )


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(text)}</th>" for text in heads)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<div class='scroll'><table><tr>{head}</tr>{body}</table></div>"


def _picture(title: str, png: bytes) -> str:
    text, data = escape(title), base64.b64encode(png).decode()
    return f"<h2>{text}</h2><figure><img alt='{text}' src='data:image/png;base64,{data}'></figure>"
