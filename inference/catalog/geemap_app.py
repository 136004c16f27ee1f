"""The App of published maps for notebooks: one Python file with geemap, the twin of the Code Editor's script.

API: https://geemap.org/geemap (Map.add_legend, on_interaction, ee_tile_layer) and ipyleaflet's SplitMapControl.
"""

from __future__ import annotations

from collections.abc import Mapping
from pprint import pformat
from typing import Any

_FILE = '''\
"""Maps of {asset}, drawn by isamap. In a notebook, after ee.Initialize(project=...):

    from {module} import app
    app()
"""

import io

import ee
import geemap
import ipyleaflet
import ipywidgets
from matplotlib.figure import Figure

SETTINGS = {settings}
PALETTE = [entry["colour"] for entry in SETTINGS["classes"]]
LOOK = {{"min": 0, "max": len(PALETTE) - 1, "palette": PALETTE}}


def maps():
    """All images of the collection."""
    return ee.ImageCollection(SETTINGS["asset"])


def of_year(year):
    """The maps of a year as one image."""
    return maps().filter(ee.Filter.calendarRange(year, year, "year")).mosaic()


def areas():
    """Expected impervious km2 by year: the mean probability times the area; biased, `isamap assess` gives intervals."""

    def expected(year):
        share = of_year(year).select(SETTINGS["probability"]).divide(SETTINGS["steps"])
        km2 = share.multiply(ee.Image.pixelArea()).divide(1e6)
        where = {{"geometry": maps().geometry(), "scale": SETTINGS["chartScale"], "maxPixels": 1e13, "tileScale": 4}}
        return km2.rename("km2").reduceRegion(ee.Reducer.sum(), **where).get("km2")

    return dict(zip(SETTINGS["years"], ee.List([expected(year) for year in SETTINGS["years"]]).getInfo()))


def probability(lon, lat, year):
    """The probability (of maps of percents the share) of impervious at a point; None where it is not known."""
    share = of_year(year).select(SETTINGS["probability"]).divide(SETTINGS["steps"])
    values = share.reduceRegion(reducer=ee.Reducer.first(), geometry=ee.Geometry.Point([lon, lat]), scale=10)
    return values.get(SETTINGS["probability"]).getInfo()


def layer(year):
    """The tiles of a year."""
    return geemap.ee_tile_layer(of_year(year).select(SETTINGS["band"]), LOOK, str(year))


def side(view, year):
    """A layer and the slider that chooses its year."""
    tiles = layer(year)
    ends = {{"min": SETTINGS["firstYear"], "max": SETTINGS["lastYear"]}}
    slider = ipywidgets.IntSlider(value=year, description="Year", disabled=ends["min"] == ends["max"], **ends)
    slider.observe(lambda change: setattr(tiles, "url", layer(change["new"]).url), "value")
    return tiles, slider


def chart():
    """The chart of the areas, as a picture."""
    by_year = areas()
    figure = Figure(figsize=(4, 2.5), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(list(by_year), list(by_year.values()), "o-", color="#e31a1c")
    axes.set(title="Expected impervious km2 (biased)", xlabel="year", ylim=(0, None))
    axes.set_xticks(list(by_year))
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=100)
    return ipywidgets.Image(value=picture.getvalue(), format="png")


def app():
    """The map with two years side by side, their sliders, the legend, the chart, and the probability at a click."""
    view = geemap.Map(ee_initialize=False)
    view.centerObject(maps().geometry(), 11)
    left, left_year = side(view, SETTINGS["firstYear"])
    right, right_year = side(view, SETTINGS["lastYear"])
    view.add(ipyleaflet.SplitMapControl(left_layer=left, right_layer=right))
    view.add_legend(SETTINGS["title"], legend_dict={{e["name"]: e["colour"] for e in SETTINGS["classes"]}})
    answer = ipywidgets.Label("Click for the " + SETTINGS["words"] + ".")

    def clicked(**event):
        if event.get("type") == "click":
            lat, lon = event["coordinates"]
            value = probability(lon, lat, right_year.value)
            answer.value = "unknown" if value is None else f"{{right_year.value}}: {{value:.2f}}"

    view.on_interaction(clicked)
    title = ipywidgets.HTML("<b>" + SETTINGS["title"] + "</b>")
    panel = ipywidgets.VBox([title, left_year, right_year, answer, chart()])
    view.add(ipyleaflet.WidgetControl(widget=panel, position="bottomleft"))
    return view
'''


def script(settings: Mapping[str, Any], module: str) -> str:
    """The Python file of an App's settings (app.settings_of); module: its name without .py."""
    return _FILE.format(asset=settings["asset"], module=module, settings=pformat(dict(settings), sort_dicts=False))
