"""One Code Editor script: the composite, the student, a live layer with its legend, and the lines that export it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from isamap.gee_export.base.grid import grid_of
from isamap.gee_export.base.regions import Period, Region, slug
from isamap.inference.map_files.legend import PROB_STEPS, PROBABILITY, Legend
from isamap.inference.publishing.manifest import class_properties
from isamap.inference.student.graph import difference
from isamap.inference.student.javascript import literal, printed
from isamap.inference.student.parameters import DenseLayer, Parameters

LEAST_ZOOM = 12  # below it the composite is computed at 10 m for millions of pixels of a tile, and Google gives up
ZOOM = 13  # from which a screen holds so few 10-m pixels that they come quickly


@dataclass(frozen=True)
class Subject:
    """Of what the script is: the region and period composed, what is said of them, and the teacher's fingerprint."""

    region: Region
    period: Period
    teacher: str
    simulated: bool


def code_editor_script(
    packed: Mapping[str, Any], signatures: Mapping[str, Any], parameters: Parameters, subject: Subject
) -> str:
    """The script's text. packed: the composite's graph in stored numbers (JSON of ee.Image.serialize).

    signatures: ee.ApiFunction.allSignatures(). ValueError: a graph that JavaScript cannot state.
    """
    parts = [
        _head(parameters, subject),
        _section("The composite, in stored numbers: reflectance x 10,000, decibels x 100."),
        printed(packed, signatures, "packed"),
        _section("The student: its numbers, and how they are applied."),
        _numbers(parameters),
        FUNCTIONS.strip(),
        _probability(parameters),
        _classes(parameters),
        _section("The map, its legend, and its export."),
        _shown(parameters, subject),
    ]
    return "\n\n".join(parts) + "\n"


def _head(parameters: Parameters, subject: Subject) -> str:
    lines = [
        f"Impervious surface of {subject.region.name}, {subject.period}, by a student of {parameters.count:,} numbers.",
        f"Made by isamap to-ee from checkpoint {subject.teacher[:16]}.",
        "Paste it into https://code.earthengine.google.com and press Run.",
        "Windows are counted in 10-m pixels, so the layer is computed at 10 m at every zoom: look at small areas,",
        "export large ones.",
    ]
    if subject.simulated:
        lines.append("The teacher learned from simulated images alone: only reference points say how good this map is.")
    return "\n".join(f"// {line}" for line in lines)


def _section(title: str) -> str:
    return f"// ---- {title}"


def _numbers(parameters: Parameters) -> str:
    legend = Legend(parameters.classes, parameters.threshold)
    layers = [*parameters.layers[:-1], _last(parameters, legend)]
    members = {
        "bands": list(parameters.names),
        "low": [band.low for band in parameters.bands],
        "high": [band.high for band in parameters.bands],
        "means": list(parameters.means),
        "deviations": list(parameters.deviations),
        "centre": list(parameters.centre),
        "spread": list(parameters.spread),
    }
    lines = [f"  {name}: {literal(value)}" for name, value in members.items()]
    rows = ",\n".join(_layer(layer) for layer in layers)
    return "var student = {\n" + ",\n".join([*lines, f"  layers: [\n{rows}\n  ]"]) + "\n};"


def _last(parameters: Parameters, legend: Legend) -> DenseLayer:
    last = parameters.layers[-1]
    return difference(last, legend.impervious) if legend.binary else last


def _layer(layer: DenseLayer) -> str:
    rows = ",\n".join(f"      {json.dumps(row)}" for row in layer.weights)
    return f"    {{weights: [\n{rows}\n    ], biases: {json.dumps(layer.biases)}}}"


FUNCTIONS = """
// Whole numbers as isamap stores them: halves go to the even neighbour.
function storedNumbers(image) {
  var exact = image.select(student.bands).toFloat().toDouble();
  var floor = exact.floor();
  var share = exact.subtract(floor);
  var up = share.gt(0.5).or(share.eq(0.5).and(floor.mod(2).neq(0)));
  return floor.add(up).max(ee.Image.constant(student.low)).min(ee.Image.constant(student.high)).toDouble();
}

// Each band, its means of windows, its deviations in windows.
function features(stored) {
  var means = student.means.map(function(side) {
    return stored.reduceNeighborhood(ee.Reducer.mean(), ee.Kernel.square((side - 1) / 2, "pixels"));
  });
  var deviations = student.deviations.map(function(side) {
    return stored.reduceNeighborhood(ee.Reducer.stdDev(), ee.Kernel.square((side - 1) / 2, "pixels"));
  });
  return ee.Image([stored].concat(means, deviations));
}

// A layer of neurons: weighted sums of all bands, and a bias each.
function dense(values, layer) {
  var sums = layer.weights.map(function(row) {
    return values.multiply(ee.Image.constant(row)).reduce(ee.Reducer.sum());
  });
  return ee.Image(sums).add(ee.Image.constant(layer.biases));
}

var stored = storedNumbers(packed);
var hidden = student.layers.slice(0, -1).reduce(function(values, layer) {
  return dense(values, layer).max(0);
}, features(stored).subtract(ee.Image.constant(student.centre)).divide(ee.Image.constant(student.spread)));
var scores = dense(hidden, student.layers[student.layers.length - 1]);
"""


def _probability(parameters: Parameters) -> str:
    if Legend(parameters.classes, parameters.threshold).binary:
        return "var chances = scores.multiply(-1).exp().add(1).pow(-1);"
    return (
        "var powers = scores.subtract(scores.reduce(ee.Reducer.max())).exp();\n"
        "var chances = powers.divide(powers.reduce(ee.Reducer.sum()));"
    )


def _classes(parameters: Parameters) -> str:
    legend = Legend(parameters.classes, parameters.threshold)
    if legend.binary:
        least = literal(float(np.float32(legend.threshold)))
        inverse = "" if legend.impervious else ".not()"
        lines = [f"var classes = chances.toFloat().gte({least}){inverse}.toByte();", "var impervious = chances;"]
    else:
        lines = ["var best = chances.select(0);", "var number = chances.select(0).multiply(0);"]
        for value in range(1, len(legend.names)):
            lines.append(f"number = number.where(chances.select({value}).gt(best), {value});")
            lines.append(f"best = best.max(chances.select({value}));")
        lines += ["var classes = number.toByte();", f"var impervious = chances.select({legend.impervious});"]
    lines.append(
        f"var result = classes.rename({literal(legend.band)}).addBands(impervious.rename({literal(PROBABILITY)}))\n"
        "    .updateMask(stored.mask().reduce(ee.Reducer.min()));"
    )
    return "\n".join(lines)


def _shown(parameters: Parameters, subject: Subject) -> str:
    legend = Legend(parameters.classes, parameters.threshold)
    grid = {"crs": f"EPSG:{subject.region.epsg}", "crsTransform": list(grid_of(subject.region).affine)[:6]}
    box, zone = literal(list(subject.region.bounds_m)), literal(grid["crs"])
    look = {"min": 0, "max": len(legend.names) - 1, "palette": list(legend.colours)}
    shades = {"min": 0, "max": 1, "palette": ["ffffff", legend.colours[legend.impervious]]}
    asset = "projects/YOUR-PROJECT/assets/isamap"
    values = {"description": f"isamap_{slug(subject.region.name)}", "assetId": asset, **grid}
    return "\n".join(
        [
            f"var area = ee.Geometry.Rectangle({box}, {zone}, false);",
            f"var shown = result.clip(area).reproject({literal(grid)});",
            f"Map.centerObject(area, {ZOOM});",
            f"Map.addLayer(shown.select({literal(PROBABILITY)}), {literal(shades)}, 'probability', false);",
            f"var layer = Map.addLayer(shown.select({literal(legend.band)}), {literal(look)}, {literal(legend.band)});",
            f"Map.onChangeZoom(function(zoom) {{ layer.setShown(zoom >= {LEAST_ZOOM}); }});",
            *_legend(legend),
            f"var steps = result.select({literal(PROBABILITY)}).multiply({PROB_STEPS}).round().toByte();",
            f"var exported = {literal(values)};",
            f"exported.image = result.select({literal(legend.band)}).addBands(steps){_properties(legend, subject)};",
            "exported.region = area;",
            f"exported.pyramidingPolicy = {literal({legend.band: 'mode', PROBABILITY: 'mean'})};",
            "exported.maxPixels = 1e10;",
            "Export.image.toAsset(exported);  // then press Run in the Tasks tab",
        ]
    )


def _properties(legend: Legend, subject: Subject) -> str:
    """What every published map says of itself (manifest.properties): App, palette and `simulated` need it."""
    values = {
        "system:time_start": subject.period.start_ms,
        "system:time_end": subject.period.end_ms,
        "region": subject.region.name,
        "simulated": "true" if subject.simulated else "false",
        "teacher": subject.teacher,
        "prob_scale": 1 / PROB_STEPS,
        **class_properties(legend),
    }
    return "".join(f"\n    .set({literal(name)}, {literal(value)})" for name, value in values.items())


def _legend(legend: Legend) -> list[str]:
    rows = literal([list(pair) for pair in zip(legend.names, legend.colours, strict=True)])
    return [
        "var panel = ui.Panel({style: {position: 'bottom-left'}});",
        f"panel.add(ui.Label({literal(f'Drawn from zoom {LEAST_ZOOM} on, quickly from {ZOOM} on.')}));",
        f"{rows}.forEach(function(row) {{",
        "  var colour = ui.Label('', {backgroundColor: '#' + row[1], padding: '8px', margin: '2px'});",
        "  panel.add(ui.Panel([colour, ui.Label(row[0])], ui.Panel.Layout.flow('horizontal')));",
        "});",
        "Map.add(panel);",
    ]
