"""The page of pictures of an answer sheet: opens in a browser without a server, prints as a contact sheet."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from isamap.gee_export.base.storage import write_whole
from isamap.inference.assessment.sample import DrawnSample

PAGE = "index.html"
_HEAD = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Points to interpret</title>
<style>body{font-family:sans-serif;margin:1em}main{display:flex;flex-wrap:wrap;gap:1em}figure{margin:0;width:200px}
img{width:200px;height:200px;image-rendering:pixelated;background:#eee}figcaption{font-size:small}</style></head><body>
"""


def write_page(sample: DrawnSample, folder: Path, pictures: Sequence[str]) -> None:
    """Writes a figure for each point: picture, number, place in degrees and a link to OpenStreetMap."""
    figures = [
        f'<figure id="p{point.plotid}"><img src="{escape(name)}" alt="point {point.plotid}"><figcaption>'
        f'<b>{point.plotid}</b> <a href="https://www.openstreetmap.org/?mlat={point.lat:.6f}&amp;mlon={point.lon:.6f}'
        f'#map=17/{point.lat:.6f}/{point.lon:.6f}">{point.lat:.5f}, {point.lon:.5f}</a></figcaption></figure>'
        for point, name in zip(sample.points, pictures, strict=True)
    ]
    simulated = " The pictures are simulated." if sample.simulated else ""
    words = (
        f"<h1>{len(sample.points)} points to interpret</h1><p>Write the class of the framed pixel into the column "
        f"<code>class</code> of points.gpkg: {escape(', '.join(sample.classes))}; or uncertain.{simulated}</p>"
        "<p>The points were chosen where the network is least sure. They are no sample of the area.</p><main>"
    )
    write_whole(folder / PAGE, "\n".join([_HEAD + words, *figures, "</main></body></html>\n"]).encode())
