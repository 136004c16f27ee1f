"""An engine that breaks one rule of reducers, pictures or tables: its probe finds it, and confirms a sound engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import rasterio.features
from local_ee.algorithms import image_grid, statistical_reducers
from local_ee.assets import files, table_exports, table_ingest
from local_ee.evaluation import registry
from local_ee.raster import correlating
from local_ee.rest import pixel_routes, table_routes

from isamap.gee_export.earth_engine.session import connect
from isamap.inference.prove import pictures, reducers, tables
from isamap.inference.prove.place import NAME, ProofPlace
from isamap.inference.prove.probe import CONFIRMED, REFUTED, judged
from isamap.inference.prove.run import LOCAL_BUCKET
from isamap.inference.prove.steps import STEPS
from local_ee import animation, encode, table_formats

PROBES = {probe.name: probe for step in STEPS.values() for probe in step}
Break = Callable[[pytest.MonkeyPatch], None]


def module(owner: object, name: str, wrong: object) -> Break:
    return lambda patch: patch.setattr(owner, name, wrong)


def called(name: str, wrong: Callable[..., object]) -> Break:
    """An algorithm that does something else with its arguments."""

    def break_it(patch: pytest.MonkeyPatch) -> None:
        right = registry._ALGORITHMS[name]
        patch.setitem(registry._ALGORITHMS, name, replace(right, function=wrong))

    return break_it


def unmasked(name: str) -> Break:
    """An algorithm that gives a number where it should give none."""

    def break_it(patch: pytest.MonkeyPatch) -> None:
        right, unmask = registry._ALGORITHMS[name].function, registry._ALGORITHMS["Image.unmask"].function
        called(name, lambda **given: unmask(input=right(**given), value=None, sameFootprint=False))(patch)

    return break_it


def _by_residuals(columns, weights):
    x, y = columns
    slope, _ = SENS(columns, weights)
    return slope, float(np.median(y - slope * x))


def _weighing(columns, weights):
    x, y = np.cov(*columns, aweights=weights)
    return float(x[1] / np.sqrt(x[0] * y[1])), 0.0


def _weighing_correlation():
    finish = statistical_reducers.by_place(_weighing, 2)
    return statistical_reducers._tupled("pearson", ("correlation", "p-value"), finish, inputs=2, weighted=True)


def _from_the_corner(native, bounds):
    moved = replace(native, transform=native.transform * native.transform.translation(0.2, 0.1))
    return COVERING(moved, bounds)


def _touched(shapes, size, **options):
    return RASTERIZE(shapes, size, **options, all_touched=True)


def _half_is_none(drafts, grid, dtypes, blocks):
    floored = ([(where, values, np.floor(mask)) for where, values, mask in bands] for bands in blocks)
    return WRITE(drafts, grid, dtypes, floored)


def _dates_as_texts(element):
    source = SOURCE(element)
    return replace(source, properties={k: str(v) if k == "d" else v for k, v in source.properties.items()})


SENS, COVERING, RASTERIZE = correlating.sens_slope, image_grid._covering, rasterio.features.rasterize
WRITE, SOURCE = files._write_drafts, table_exports._source
INVERSE = "Image.matrixInverse"
BROKEN: dict[str, Break] = {
    "constants.sens-slope": module(correlating, "sens_slope", _by_residuals),
    "constants.variance-weights": called(
        "Reducer.variance", lambda: registry._ALGORITHMS["Reducer.sampleVariance"].function()
    ),
    "constants.correlation-weights": called("Reducer.pearsonsCorrelation", _weighing_correlation),
    "constants.histogram": module(statistical_reducers, "_BUCKETS", 512),
    "constants.histogram-buckets": module(correlating, "_bucket_width", lambda *given: 2.0),
    "constants.array-of-none": unmasked("Image.arrayLength"),
    "constants.array-mean-of-nothing": unmasked("Image.arrayGet"),
    "constants.array-empty-axis": unmasked("Image.arrayLength"),
    "constants.array-singular": called(
        INVERSE, lambda **given: registry._ALGORITHMS["Image.matrixPseudoInverse"].function(**given)
    ),
    "constants.paint": module(rasterio.features, "rasterize", _touched),
    "constants.clip-to-bounds": module(image_grid, "_covering", _from_the_corner),
    "constants.geotiff-nodata": module(encode, "no_data", lambda dtype: 0.0),
    "constants.empty-grid": module(pixel_routes, "_is_empty", lambda grid: False),
    "constants.filmstrip": module(animation, "_black_where_masked", lambda rgb, alpha: rgb),
    "constants.blend-mask": called("Image.blend", lambda bottom, top: top),
    "constants.displace-beyond": unmasked("Image.displace"),
    "constants.feature-pages": module(table_routes, "PAGE", 5000),
    "exports.csv": module(table_formats, "NO_GEOMETRY", {"type": "Point", "coordinates": []}),
    "exports.selectors": module(table_routes, "selectors_of", lambda body: None),
    "exports.half-mask": module(files, "_write_drafts", _half_is_none),
    "assets.table": module(table_exports, "_source", _dates_as_texts),
    "assets.table-filter": module(table_routes, "_holds", lambda own, compare, value: not own or compare(own, value)),
    "assets.table-edges": module(table_ingest, "_is_geographic", lambda crs: True),
}


@pytest.fixture
def place(session, tmp_path):
    proof_place = ProofPlace(connect(None), LOCAL_BUCKET, tmp_path)
    yield proof_place
    assert proof_place.tidy() == ()


@pytest.mark.long
@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_rule_is_found_and_a_sound_engine_passes(name, place):
    assert judged(PROBES[name], place).status == CONFIRMED
    place.tidy()
    with pytest.MonkeyPatch.context() as patch:
        BROKEN[name](patch)
        verdict = judged(PROBES[name], place)
    assert verdict.status == REFUTED and verdict.answer != verdict.expected


def test_every_probe_of_these_modules_has_an_engine_that_breaks_its_rule():
    probes = (*reducers.PROBES, *pictures.PROBES, *tables.PAGES, *tables.FILES, *tables.STORED)
    assert {probe.name for probe in probes} <= BROKEN.keys()


def test_what_tables_make_is_written_down_before_it_is_made(place):
    """A run that is killed at any moment is cleaned up by its journal."""
    assert judged(PROBES["assets.table-edges"], place).status == CONFIRMED
    assert {f"objects {NAME}/edges-{crs}.csv" for crs in (4326, 3857)} <= set(place.made)
    assert {f"{place.assets}/edges-{crs}" for crs in (4326, 3857)} <= set(place.made)
