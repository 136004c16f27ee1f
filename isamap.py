"""isamap as one namespace (`isamap.export_patches`, `isamap.train`, ...) and as the `isamap` command.

Every name loads its package when it is used, so that `import isamap` costs nothing. docs/api.md describes each name.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import Any

# name -> where it is defined
PUBLIC: dict[str, str] = {
    "connect": "gee_export.earth_engine.session:connect",
    "check": "gee_export.earth_engine.check:check",
    "regions": "gee_export.base.regions:described",
    "outline": "gee_export.earth_engine.administrative:write_outline",
    "labels": "gee_export.labelling.label_table:overview",
    "export_patches": "gee_export.export.export:export_patches",
    "Sampling": "gee_export.patches.sampling:Sampling",
    "inspect": "gee_export.card.inspection:inspect_place",
    "coregister_region": "gee_export.export.coregister_region:coregister_region",
    "coregister_files": "gee_export.export.coregister_region:coregister_files",
    "Dataset": "gee_export.datasets.dataset:Dataset",
    "models": "training.model_table:table",
    "train": "training.runs.run:train",
    "evaluate": "training.accuracy.evaluation:evaluate",
    "agreement": "training.imperfect.agreement:agreement",
    "prune": "training.pruning.run:prune",
    "ensemble": "training.checkpoints.ensemble:ensemble",
    "quantize": "training.accuracy.quantization:quantize",
    "export_onnx": "training.runtimes.publish:export_onnx",
    "write_passport": "training.checkpoints.passport:write_passport",
    "calibrate": "training.accuracy.thresholds:calibrate_checkpoint",
    "calibrate_probabilities": "training.accuracy.probability_calibration:calibrate_probabilities",
    "calibrate_sets": "training.accuracy.set_calibration:calibrate_sets",
    "calibrate_step": "inference.calibration:calibrate_step",
    "ask": "inference.questions.ask:ask",
    "map_region": "inference.map:map_region",
    "to_earth_engine": "inference.student.export:to_earth_engine",
    "plan_map": "inference.plan.plan:plan_map",
    "run_jobs": "inference.tiles.run:run_jobs",
    "map_years": "inference.years.run:map_years",
    "publish": "inference.asset:publish",
    "publish_external": "inference.external_asset:publish_external",
    "publish_run": "inference.catalog.publication:publish_run",
    "Target": "inference.asset:Target",
    "write_stac": "inference.catalog.stac:write_stac",
    "write_app": "inference.catalog.app:write_app",
    "capsule": "inference.capsule.capsule:capsule",
    "replay": "inference.capsule.replay:replay",
    "view": "inference.picture:view",
    "view_html": "inference.web_map.view:view_html",
    "show": "inference.web_map.notebook:show",
    "figure_panels": "inference.picture:figure_panels",
    "plan_sample": "inference.assessment.draw:plan_sample",
    "draw_sample": "inference.assessment.draw:draw_sample",
    "estimate_accuracy": "inference.assessment.estimate:estimate_accuracy",
    "area": "inference.assessment.areas:area",
    "change": "inference.assessment.areas:change",
    "write_change_map": "inference.assessment.change_map:write_change_map",
    "reproduce": "reproduction.reproduce:reproduce",
    "Fault": "gee_export.base.errors:Fault",
}
__all__ = ["COMMANDS", "PUBLIC", "main", "version", *PUBLIC]

# word(s) on the command line -> where its typed function lives, and what it does
COMMANDS: dict[str, tuple[str, str]] = {
    "export": ("gee_export.cli:export", "cut co-registered Sentinel-1/Sentinel-2/label patches of a region and month"),
    "inspect": ("gee_export.cli:inspect", "check a patch dataset and draw its card: counts, pictures, STAC"),
    "coregister": ("gee_export.cli:coregister", "measure and correct the shift of Sentinel-1 against Sentinel-2"),
    "train": ("training.cli:train", "train a network on a patch dataset"),
    "agreement": ("training.cli:agreement", "count on which training patches a model and the labels agree"),
    "prune": ("training.cli:prune", "make a trained network smaller and faster by removing filters"),
    "evaluate": ("training.cli:evaluate", "measure a checkpoint on a split of a dataset"),
    "compare": ("training.cli:compare", "say which of several checkpoints is better on the same patches"),
    "calibrate": ("inference.cli:calibrate", "choose a threshold, or calibrate probabilities, on a dataset"),
    "ensemble": ("training.cli:ensemble", "join several checkpoints into one that maps by their mean"),
    "quantize": ("training.cli:quantize", "make a trained network faster by computing in 8 bits"),
    "reproduce": ("reproduction.cli:reproduce", "run a table or figure of the papers again, beside its numbers"),
    "ask": (
        "inference.assessment.cli:ask",
        "choose the points most worth a look, and write their answer sheet",
    ),
    "map": ("inference.cli:map", "map a region and month, or a GeoTIFF, with a checkpoint"),
    "to-ee": ("inference.cli:to_ee", "distil a checkpoint into an Earth Engine graph and a Code Editor script"),
    "plan": ("inference.cli:plan", "say what maps of an area would take: tiles, requests, hours, computing"),
    "run": ("inference.cli:run", "map large areas as tiles, by processes, a Dask cluster or job arrays"),
    "serve": ("inference.cli:serve", "serve jobs, maps and a page by HTTP"),
    "years": ("inference.cli:years", "make maps of several years agree: growth, first year, areas, page"),
    "publish": ("inference.cli:publish", "upload a map as an Earth Engine image asset"),
    "app": ("inference.cli:app", "write a Code Editor App of an image collection of maps"),
    "stac": ("inference.cli:stac", "write the STAC catalogue of a run's tiles, or of a map"),
    "capsule": ("inference.cli:capsule", "keep all that made a map, to make it again"),
    "replay": ("inference.cli:replay", "make a capsule's map again, or say what changed"),
    "view": ("inference.cli:view", "draw a map as a PNG, or maps as a page that opens without a server"),
    "assess plan": ("inference.assessment.cli:plan", "say how many reference points a map needs"),
    "assess sample": ("inference.assessment.cli:sample", "draw reference points of a map and their answer sheet"),
    "assess estimate": ("inference.assessment.cli:estimate", "estimate a map's accuracy and areas with intervals"),
    "area": ("inference.assessment.cli:area", "count km2 of each class, by polygon"),
    "change": ("inference.assessment.cli:change", "count km2 of each change between two maps, by polygon"),
    "check": ("gee_export.cli:check", "test login, API, bucket and write rights before using Google's servers"),
    "regions": ("gee_export.tables_cli:regions", "list the named regions"),
    "outline": ("gee_export.cli:outline", "write the outline of a country or province that Earth Engine has"),
    "labels": ("gee_export.tables_cli:labels", "list the label products"),
    "onnx": ("training.cli:onnx", "write a checkpoint as an ONNX file for other programs"),
    "passport": ("training.cli:passport", "write the STAC item of a checkpoint, for catalogues of models"),
    "models": ("training.cli:models", "list the networks with their sizes"),
    "engine serve": ("gee_export.cli:engine_serve", "run the local Earth Engine for other clients"),
}

# commands that keep what they have done and go on there when they are given again
CONTINUED = ("export", "train", "prune", "reproduce", "map", "run")

# [command and] option -> the table that holds its values, which help, completion and error messages read
CHOICES: dict[str, str] = {
    "--region": "gee_export.base.regions:names",
    "--boundaries": "gee_export.earth_engine.administrative:BOUNDARIES",
    "--hold-out": "gee_export.base.regions:names",
    "--label": "gee_export.labelling.label_products:LABELS",
    "--fine-label": "gee_export.labelling.label_products:LABELS",
    "--fusion": "gee_export.labelling.fusion:FUSIONS",
    "export --scheme": "gee_export.base.scheme:SCHEMES",
    "prune --scheme": "training.models.slim:SCHEMES",
    "--speckle": "gee_export.sentinel.speckle:SPECKLE",
    "--clouds": "gee_export.sentinel.clouds:CLOUDS",
    "--reducer": "gee_export.sentinel.sentinel2:REDUCERS",
    "--sample": "gee_export.patches.sampling:SAMPLINGS",
    "export --split": "gee_export.patches.split:SPLITTERS",
    "--split": "gee_export.datasets.index:SPLITS",
    "--sensors": "inference.plan.request:SENSORS",
    "--mode": "gee_export.export.modes:MODES",
    "--recipe": "training.recipes:RECIPES",
    "--device": "training.recipes.recipe:DEVICES",
    "--precision": "training.runtimes.precisions:PRECISIONS",
    "--runtime": "training.runtimes:RUNTIMES",
    "--tta": "training.runtimes.symmetries:SYMMETRIES",
    "ask --by": "inference.questions.scores:SCORES",
    "--measure": "training.accuracy.thresholds:MEASURES",
    "--preset": "reproduction.study:PRESETS",
    "reproduce NAME": "reproduction:STUDIES",
    "labels NAME": "gee_export.labelling.label_products:LABELS",
}

# command -> the record whose fields are the names of its --set
SETTINGS: dict[str, str] = {
    "export": "gee_export.export.settings:names",
    "train": "training.recipes.recipe:Recipe",
    "prune": "training.recipes.recipe:Recipe",
}

_PACKAGES = ("local_ee", "gee_export", "training", "inference", "reproduction")
_HOME = Path(__file__).resolve().parent


def main(argv: Sequence[str] | None = None) -> int:
    """The exit code of one command: 0 done, 2 the user's mistake, 1 a fault."""
    from gee_export.command_line.choice_tables import ChoiceTables
    from gee_export.command_line.command_table import CommandTable

    table = CommandTable(COMMANDS, CONTINUED, ChoiceTables(CHOICES, SETTINGS))
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
    _refuse_foreign()
    module, _, attribute = PUBLIC[name].partition(":")
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})


class _OwnPackages:
    """Finds our packages beside this file, also where a folder of the user has the name of one of them."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        return PathFinder.find_spec(name, [str(_HOME)]) if path is None and name in _PACKAGES else None


def _shadow(name: str) -> Path | None:
    """The user's package that `import NAME` would load instead of ours; None where it loads ours."""
    spec = PathFinder.find_spec(name)
    if spec is None or spec.origin is None:  # nothing, or a folder without __init__.py, which never comes first
        return None
    folder = Path(spec.origin).resolve()
    return None if folder.is_relative_to(_HOME / name) else folder


def _refuse_foreign() -> None:
    """ImportError where a package of the user was imported under the name of one of ours."""
    for name in _PACKAGES:
        file = getattr(sys.modules.get(name), "__file__", None)
        if file is not None and not Path(file).resolve().is_relative_to(_HOME / name):
            raise ImportError(
                f"isamap needs its own package {name!r}, but {file} was imported under that name: "
                "rename that file or folder, or start Python in another folder"
            )


def _guard() -> None:
    """Lets our packages be found first where the user's folder hides one of them, and says so."""
    shadows = {name: shadow for name in _PACKAGES if name not in sys.modules and (shadow := _shadow(name))}
    if not shadows:
        return
    sys.meta_path.insert(0, _OwnPackages)
    for name, shadow in shadows.items():
        warnings.warn(f"`import {name}` now loads the package of isamap, not {shadow}: rename yours", stacklevel=3)


_guard()

if __name__ == "__main__":
    sys.exit(main())
