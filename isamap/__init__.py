"""isamap as one namespace (`isamap.export_patches`, `isamap.train`, ...) and as the `isamap` command.

Every name loads its package when it is used, so that `import isamap` costs nothing. docs/api.md describes each name.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

# In a clone the folders lie beside this package, which holds links to them. Where git could make no links (on Windows),
# they are text files: then the folders are found by the path of the clone.
if not Path(__file__).with_name("gee_export").is_dir():
    __path__.append(str(Path(__file__).resolve().parents[1]))

# name -> where it is defined
PUBLIC: dict[str, str] = {
    "connect": "isamap.gee_export.earth_engine.session:connect",
    "check": "isamap.gee_export.earth_engine.check:check",
    "doctor": "isamap.inference.machine.doctor:doctor",
    "check_archives": "isamap.gee_export.earth_engine.archive_check:check_archives",
    "regions": "isamap.gee_export.base.regions:described",
    "outline": "isamap.gee_export.earth_engine.administrative:write_outline",
    "labels": "isamap.gee_export.labelling.label_table:overview",
    "export_patches": "isamap.gee_export.export.export:export_patches",
    "compose": "isamap.gee_export.export.compose:compose",
    "Sampling": "isamap.gee_export.patches.sampling:Sampling",
    "inspect": "isamap.gee_export.card.inspection:inspect_place",
    "convert": "isamap.gee_export.datasets.conversion:convert",
    "ChipOptions": "isamap.gee_export.datasets.chip_options:ChipOptions",
    "import_chips": "isamap.gee_export.datasets.chips:import_chips",
    "coregister_region": "isamap.gee_export.export.coregister_region:coregister_region",
    "coregister_files": "isamap.gee_export.export.coregister_region:coregister_files",
    "Dataset": "isamap.training.samples.torch_dataset:Dataset",
    "models": "isamap.training.model_table:table",
    "train": "isamap.training.runs.run:train",
    "cross_validate": "isamap.training.runs.cross_validation:cross_validate",
    "evaluate": "isamap.training.accuracy.evaluation:evaluate",
    "agreement": "isamap.training.imperfect.agreement:agreement",
    "prune": "isamap.training.pruning.run:prune",
    "ensemble": "isamap.training.checkpoints.ensemble:ensemble",
    "quantize": "isamap.training.accuracy.quantization:quantize",
    "export_onnx": "isamap.training.runtimes.publish:export_onnx",
    "write_passport": "isamap.training.checkpoints.passport:write_passport",
    "publish_model": "isamap.training.checkpoints.publication:publish_model",
    "calibrate": "isamap.training.accuracy.thresholds:calibrate_checkpoint",
    "calibrate_points": "isamap.inference.assessment.point_calibration:calibrate_points",
    "calibrate_probabilities": "isamap.training.accuracy.probability_calibration:calibrate_probabilities",
    "calibrate_sets": "isamap.training.accuracy.set_calibration:calibrate_sets",
    "calibrate_step": "isamap.inference.mapping.calibration:calibrate_step",
    "ask": "isamap.inference.questions.ask:ask",
    "map_region": "isamap.inference.mapping.map:map_region",
    "map_with": "isamap.inference.mapping.map_with:map_with",
    "to_earth_engine": "isamap.inference.student.export:to_earth_engine",
    "plan_map": "isamap.inference.plan.plan:plan_map",
    "run_jobs": "isamap.inference.runs.run:run_jobs",
    "map_years": "isamap.inference.years.run:map_years",
    "publish": "isamap.inference.publishing.asset:publish",
    "publish_external": "isamap.inference.publishing.external_asset:publish_external",
    "publish_run": "isamap.inference.catalog.publication:publish_run",
    "Target": "isamap.inference.publishing.asset:Target",
    "prove": "isamap.inference.prove.run:prove",
    "write_stac": "isamap.inference.catalog.stac:write_stac",
    "write_app": "isamap.inference.catalog.app:write_app",
    "view": "isamap.inference.web_map.static_picture:view",
    "view_html": "isamap.inference.web_map.view:view_html",
    "show": "isamap.inference.web_map.notebook:show",
    "figure_panels": "isamap.inference.web_map.static_picture:figure_panels",
    "plan_sample": "isamap.inference.assessment.planning:plan_sample",
    "draw_sample": "isamap.inference.assessment.draw:draw_sample",
    "estimate_accuracy": "isamap.inference.assessment.estimate:estimate_accuracy",
    "area": "isamap.inference.assessment.areas:area",
    "change": "isamap.inference.assessment.areas:change",
    "class_fractions": "isamap.inference.polygons.fractions:class_fractions",
    "map_polygons": "isamap.inference.polygons.polygons:map_polygons",
    "write_change_map": "isamap.inference.assessment.change_map:write_change_map",
    "reproduce": "isamap.reproduction.reproduce:reproduce",
    "Fault": "isamap.gee_export.base.errors:Fault",
}
__all__ = ["COMMANDS", "PUBLIC", "main", "version", *PUBLIC]

# word(s) on the command line -> where its typed function lives, and what it does
COMMANDS: dict[str, tuple[str, str]] = {
    "export": (
        "isamap.gee_export.cli:export",
        "cut co-registered Sentinel-1/Sentinel-2/label patches of a region and month",
    ),
    "composite": ("isamap.gee_export.cli:composite", "make composites assets of Earth Engine, read ever after"),
    "inspect": ("isamap.gee_export.cli:inspect", "check a patch dataset and draw its card: counts, pictures, STAC"),
    "convert": (
        "isamap.gee_export.cli:convert",
        "write the files by which another program reads a dataset in its place",
    ),
    "chips": ("isamap.gee_export.cli:chips", "make a patch dataset of images and labels without a place on the ground"),
    "coregister": (
        "isamap.gee_export.cli:coregister",
        "measure and correct the shift of Sentinel-1 against Sentinel-2",
    ),
    "train": ("isamap.training.cli:train", "train a network on a patch dataset"),
    "cross-validate": (
        "isamap.training.folds_cli:cross_validate",
        "train a recipe for every fold of the ground, and print one table",
    ),
    "prune": ("isamap.training.cli:prune", "make a trained network smaller and faster by removing filters"),
    "evaluate": ("isamap.training.cli:evaluate", "measure a checkpoint on a split of a dataset"),
    "compare": ("isamap.training.cli:compare", "say which of several checkpoints is better on the same patches"),
    "calibrate": (
        "isamap.inference.assessment.calibration_cli:calibrate",
        "choose a threshold, or calibrate probabilities, on data or points",
    ),
    "agreement": ("isamap.training.cli:agreement", "count on which training patches a model and the labels agree"),
    "ensemble": ("isamap.training.cli:ensemble", "join several checkpoints into one that maps by their mean"),
    "quantize": ("isamap.training.cli:quantize", "make a trained network faster by computing in 8 bits"),
    "reproduce": ("isamap.reproduction.cli:reproduce", "run a table or figure of the papers again, beside its numbers"),
    "ask": (
        "isamap.inference.questions.cli:ask",
        "choose the points most worth a look, and write their answer sheet",
    ),
    "onnx": ("isamap.training.cli:onnx", "write a checkpoint as an ONNX file for other programs"),
    "passport": ("isamap.training.cli:passport", "write the STAC item of a checkpoint, for catalogues of models"),
    "publish-model": (
        "isamap.training.cli:publish_model",
        "put a checkpoint with its card in a folder, bucket or model hub",
    ),
    "models": ("isamap.training.cli:models", "list the networks with their sizes"),
    "map": ("isamap.inference.cli:map", "map a region and month, or a GeoTIFF, with a checkpoint"),
    "plan": ("isamap.inference.cli:plan", "say what maps of an area would take: tiles, requests, hours, computing"),
    "run": ("isamap.inference.cli:run", "map large areas as tiles, by processes, a Dask cluster or job arrays"),
    "years": ("isamap.inference.cli:years", "make maps of several years agree: growth, first year, areas, page"),
    "to-ee": ("isamap.inference.cli:to_ee", "distil a checkpoint into an Earth Engine graph and a Code Editor script"),
    "publish": ("isamap.inference.cli:publish", "upload a map as an Earth Engine image asset"),
    "app": ("isamap.inference.cli:app", "write a Code Editor App of an image collection of maps"),
    "stac": ("isamap.inference.cli:stac", "write the STAC catalogue of a run's tiles, or of a map"),
    "view": ("isamap.inference.cli:view", "draw a map as a PNG, or maps as a page that opens without a server"),
    "serve": ("isamap.inference.cli:serve", "serve jobs, maps and a page by HTTP"),
    "assess plan": ("isamap.inference.assessment.cli:plan", "say how many reference points a map needs"),
    "assess sample": (
        "isamap.inference.assessment.cli:sample",
        "draw reference points of a map and their answer sheet",
    ),
    "assess estimate": (
        "isamap.inference.assessment.cli:estimate",
        "estimate a map's accuracy and areas with intervals",
    ),
    "area": ("isamap.inference.polygons.cli:area", "count km2 of each class, by polygon"),
    "change": ("isamap.inference.assessment.cli:change", "count km2 of each change between two maps, by polygon"),
    "polygons": (
        "isamap.inference.cli:polygons",
        "write a map's areas as polygons: GeoPackage, GeoParquet, FlatGeobuf",
    ),
    "regions": ("isamap.gee_export.tables_cli:regions", "list the named regions"),
    "outline": ("isamap.gee_export.cli:outline", "write the outline of a country or province that Earth Engine has"),
    "labels": ("isamap.gee_export.tables_cli:labels", "list the label products"),
    "check": ("isamap.gee_export.cli:check", "test login, API, bucket and write rights before using Google's servers"),
    "prove": ("isamap.inference.cli:prove", "ask a server whatever isamap assumes of it, and report what holds"),
    "doctor": (
        "isamap.inference.cli:doctor",
        "describe this machine for an issue: versions, disk, GPU, login, servers",
    ),
    "engine serve": ("isamap.gee_export.cli:engine_serve", "run the local Earth Engine for other clients"),
}

# the first command of each group in the overview -> its heading
HEADINGS = {
    "export": "Data",
    "train": "Networks",
    "map": "Maps",
    "publish": "Publish and show",
    "assess plan": "Accuracy and areas",
    "regions": "Tables",
    "check": "Servers and this machine",
}

# commands that keep what they have done and go on there when they are given again
CONTINUED = ("export", "composite", "train", "cross-validate", "prune", "reproduce", "map", "run")

# [command and] option -> the table that holds its values, which help, completion and error messages read
CHOICES: dict[str, str] = {
    "--region": "isamap.gee_export.base.regions:names",
    "--boundaries": "isamap.gee_export.earth_engine.administrative:BOUNDARIES",
    "--hold-out": "isamap.gee_export.base.regions:names",
    "--label": "isamap.gee_export.labelling.label_products:LABELS",
    "--fine-label": "isamap.gee_export.labelling.label_products:LABELS",
    "--fusion": "isamap.gee_export.labelling.fusion:FUSIONS",
    "export --scheme": "isamap.gee_export.base.scheme:SCHEMES",
    "prune --scheme": "isamap.training.models.slim:SCHEMES",
    "--speckle": "isamap.gee_export.sentinel.speckle:SPECKLE",
    "--clouds": "isamap.gee_export.sentinel.clouds:CLOUDS",
    "--reducer": "isamap.gee_export.sentinel.sentinel2:REDUCERS",
    "--sample": "isamap.gee_export.patches.sampling:SAMPLINGS",
    "export --split": "isamap.gee_export.patches.split:SPLITTERS",
    "--split": "isamap.gee_export.datasets.index:SPLITS",
    "--sensors": "isamap.inference.plan.request:SENSORS",
    "--mode": "isamap.gee_export.export.modes:MODES",
    "--to": "isamap.gee_export.datasets.conversion:FORMATS",
    "--recipe": "isamap.training.recipes:RECIPES",
    "--device": "isamap.training.recipes.recipe:DEVICES",
    "--precision": "isamap.training.runtimes.precisions:PRECISIONS",
    "--runtime": "isamap.training.runtimes:RUNTIMES",
    "--tta": "isamap.training.runtimes.symmetries:SYMMETRIES",
    "ask --by": "isamap.inference.questions.scores:SCORES",
    "--measure": "isamap.training.accuracy.thresholds:MEASURES",
    "calibrate --post": "isamap.inference.postprocessing.postprocess:POSTPROCESSING",
    "--curve": "isamap.training.accuracy.curve_fits:METHODS",
    "assess sample --design": "isamap.inference.assessment.request:DESIGNS",
    "assess estimate --design": "isamap.inference.assessment.reference_points:CLAIMS",
    "--allocation": "isamap.inference.assessment.allocation:ALLOCATIONS",
    "--interval": "isamap.inference.assessment.intervals:INTERVALS",
    "--method": "isamap.inference.assessment.zones:METHODS",
    "--steps": "isamap.inference.prove.steps:STEPS",
    "reproduce --preset": "isamap.reproduction.study:PRESETS",
    "assess sample --preset": "isamap.inference.assessment.presets:SAMPLES",
    "reproduce NAME": "isamap.reproduction:STUDIES",
    "labels NAME": "isamap.gee_export.labelling.label_products:LABELS",
}

# command -> the record whose fields are the names of its --set
SETTINGS: dict[str, str] = {
    "export": "isamap.gee_export.export.settings:names",
    "composite": "isamap.gee_export.export.settings:names",
    "train": "isamap.training.recipes.recipe:Recipe",
    "cross-validate": "isamap.training.recipes.recipe:Recipe",
    "prune": "isamap.training.recipes.recipe:Recipe",
}


def main(argv: Sequence[str] | None = None) -> int:
    """The exit code of one command: 0 done, 2 the user's mistake, 1 a fault."""
    from isamap.gee_export.command_line.choice_tables import ChoiceTables
    from isamap.gee_export.command_line.command_table import CommandTable

    table = CommandTable(COMMANDS, HEADINGS, CONTINUED, ChoiceTables(CHOICES, SETTINGS))
    return table.run(list(sys.argv[1:] if argv is None else argv), version=version)


def version() -> str:
    """The installed version, or 'unreleased' from a clone that is not installed."""
    from importlib import metadata

    try:
        return metadata.version("isamap")
    except metadata.PackageNotFoundError:
        return "unreleased"


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return version()
    if name not in PUBLIC:
        raise AttributeError(f"module 'isamap' has no attribute {name!r}")
    module, _, attribute = PUBLIC[name].partition(":")
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted({*PUBLIC, "__version__", "main", "version"})
