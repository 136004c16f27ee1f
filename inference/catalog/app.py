"""A Code Editor App of published maps: one JavaScript file with a year slider, a swipe, a legend, a chart and a click.

API: https://developers.google.com/earth-engine/guides/ui_widgets, ui_panels ("SplitPanel") and charts_feature.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isamap.gee_export.base.storage import write_whole
from isamap.gee_export.earth_engine.assets import check_asset_name
from isamap.inference.catalog import geemap_app
from isamap.inference.cutting.arguments import checked_argument
from isamap.inference.map_files.legend import PROB_STEPS, PROBABILITY, Legend
from isamap.inference.map_files.map_file import numbers_words
from isamap.inference.publishing.asset import info_of, is_public

CHART_SCALE_M = 100  # of the area chart: the mean probability of a pyramid level, which a browser waits for
_SCRIPT = """\
// Maps of {asset}, drawn by isamap. Paste into https://code.earthengine.google.com and run, or publish as an App.
var settings = {settings};
var maps = ee.ImageCollection(settings.asset);
var palette = settings.classes.map(function(entry) {{ return entry.colour; }});
var look = {{min: 0, max: palette.length - 1, palette: palette}};

function ofYear(year) {{
  return maps.filter(ee.Filter.calendarRange(year, year, 'year')).mosaic();
}}

function side(start) {{
  var view = ui.Map();
  var chosen = start;
  var draw = function(year) {{
    chosen = year;
    view.layers().reset([ui.Map.Layer(ofYear(year).select(settings.band), look, String(year))]);
  }};
  draw(start);
  var single = settings.firstYear === settings.lastYear;  // a slider needs two ends
  var chooser = single ? ui.Label(String(start)) : ui.Slider({{
    min: settings.firstYear, max: settings.lastYear, value: start, step: 1, onChange: draw
  }});
  view.add(ui.Panel([ui.Label('Year'), chooser], null, {{position: 'bottom-center'}}));
  return {{map: view, year: function() {{ return chosen; }}}};
}}

var left = side(settings.firstYear);
var right = side(settings.lastYear);
ui.Map.Linker([left.map, right.map]);

var legend = ui.Panel(settings.classes.map(function(entry) {{
  var box = ui.Label('', {{backgroundColor: '#' + entry.colour, padding: '8px', margin: '0 6px 4px 0'}});
  return ui.Panel([box, ui.Label(entry.name, {{margin: '0'}})], ui.Panel.Layout.flow('horizontal'));
}}));

var area = ee.FeatureCollection(settings.years.map(function(year) {{
  var share = ofYear(year).select(settings.probability).divide(settings.steps);
  var km2 = share.multiply(ee.Image.pixelArea()).divide(1e6).rename('km2').reduceRegion({{
    reducer: ee.Reducer.sum(), geometry: maps.geometry(), scale: settings.chartScale, maxPixels: 1e13, tileScale: 4
  }});
  return ee.Feature(null, km2).set('year', year);
}}));
var chart = ui.Chart.feature.byFeature({{features: area, xProperty: 'year', yProperties: ['km2']}}).setOptions({{
  title: 'Expected impervious km2 (biased; isamap assess gives intervals)', legend: {{position: 'none'}},
  hAxis: {{format: '####'}}, pointSize: 4
}});

var answer = ui.Label('Click for the ' + settings.words + '.');
function say(point, year) {{
  answer.setValue('...');
  var share = ofYear(year).select(settings.probability).divide(settings.steps);
  share.reduceRegion({{reducer: ee.Reducer.first(), geometry: point, scale: 10}}).get(settings.probability)
    .evaluate(function(value, error) {{
      answer.setValue(error || (value === null ? 'unknown' : year + ': ' + value.toFixed(2)));
    }});
}}
[left, right].forEach(function(half) {{
  half.map.style().set('cursor', 'crosshair');
  half.map.onClick(function(place) {{
    say(ee.Geometry.Point([place.lon, place.lat]), half.year());
  }});
}});

var title = ui.Label(settings.title, {{fontWeight: 'bold'}});
var panel = ui.Panel([title, legend, answer, chart], null, {{width: '320px'}});
ui.root.clear();
ui.root.add(panel);
ui.root.add(ui.SplitPanel({{firstPanel: left.map, secondPanel: right.map, wipe: true}}));
left.map.centerObject(maps.geometry());
"""


@dataclass(frozen=True)
class AppReport:
    """Where the script lies, which years it shows, and whether everybody may read the maps."""

    path: Path
    asset: str
    years: tuple[int, int]
    geemap: Path | None = None
    public: bool = False

    def __str__(self) -> str:
        years = f"{self.years[0]} to {self.years[1]}"
        line = f"{self.path}: Code Editor App of {self.asset}, {years}"
        if not self.public:
            line += (
                "\nan App's readers must be able to read its images: share them by `isamap publish --public`, or by "
                f"`earthengine acl set public {self.asset}`"
            )
        return line if self.geemap is None else f"{line}\n{self.geemap}: the same for notebooks, with geemap"


def write_app(
    asset: str,
    out: str | os.PathLike[str],
    *,
    geemap: str | os.PathLike[str] | None = None,
    project: str | None = None,
    overwrite: bool = False,
) -> AppReport:
    """Write a Code Editor App of an image collection that `isamap publish --collection` made as `out`, a .js file.

    geemap: a .py file of the same App for notebooks. Classes, colours and years are those of the collection's images.
    ValueError: another name, a file that is there, no such collection or one without maps. Fault: the server's.
    """
    check_asset_name(checked_argument("asset", asset, str))
    path = _free("--out", checked_argument("out", out, str), ".js", overwrite=overwrite)
    notebook = None if geemap is None else checked_argument("geemap", geemap, str)
    twin = None if notebook is None else _free("--geemap", notebook, ".py", overwrite=overwrite)
    if twin is not None and not twin.stem.isidentifier():
        raise ValueError(f"--geemap {twin}: notebooks import it, give a name of letters, digits and _, such as app.py")
    images = info_of(asset, project)
    years = sorted(int(image["startTime"][:4]) for image in images if "startTime" in image)
    if not years:
        raise ValueError(f"asset {asset} holds no image with a time: publish maps of months or periods there first")
    settings = settings_of(asset, images[0]["properties"], tuple(dict.fromkeys(years)))
    write_whole(path, script(settings).encode())
    if twin is not None:
        write_whole(twin, geemap_app.script(settings, twin.stem).encode())
    return AppReport(path, asset, (years[0], years[-1]), twin, public=_is_public(asset))


def _is_public(asset: str) -> bool:
    """Whether everybody may read the collection; False where its policy may not be read."""
    import ee

    try:
        return is_public(asset)
    except ee.EEException:
        return False


def _free(option: str, name: str, suffix: str, *, overwrite: bool) -> Path:
    """The file that may be written; ValueError for another ending, or where one is there."""
    path = Path(name)
    if path.suffix != suffix:
        raise ValueError(f"{option} {path}: give a name that ends in {suffix}")
    if path.exists() and not overwrite:
        raise ValueError(f"{path} exists: choose another {option}, or replace it with --overwrite")
    return path


def script(settings: Mapping[str, Any]) -> str:
    """The App's JavaScript."""
    return _SCRIPT.format(asset=settings["asset"], settings=json.dumps(settings, indent=2))


def settings_of(asset: str, properties: Mapping[str, Any], years: tuple[int, ...]) -> dict[str, Any]:
    """What both Apps know of the maps; properties: of an image of the collection; years: that have maps, in order."""
    band = "isa" if "isa_class_names" in properties else "class"
    names = tuple(str(properties[f"{band}_class_names"]).split(","))
    legend = Legend(names)
    simulated = "SIMULATED: " if properties.get("simulated") == "true" else ""
    return {
        "asset": asset,
        "title": f"{simulated}{asset.rpartition('/')[2]}",
        "band": band,
        "probability": PROBABILITY,
        "steps": PROB_STEPS,
        "words": numbers_words(properties),
        "classes": [{"name": n, "colour": c} for n, c in zip(names, legend.colours, strict=True)],
        "impervious": legend.impervious,
        "firstYear": years[0],
        "lastYear": years[-1],
        "years": list(years),
        "chartScale": CHART_SCALE_M,
    }
