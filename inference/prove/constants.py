"""Step 1: rules of single algorithms, asked of constants and small patterns (local_ee/docs/engine.md)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from isamap.inference.prove.pattern import EPSG, column, grid_of, numbers, raw_numbers, shown
from isamap.inference.prove.place import ProofPlace
from isamap.inference.prove.probe import Probe

if TYPE_CHECKING:
    import ee


def _list(values: Sequence[float], reducer: Callable[[Any], Any]) -> Callable[[ProofPlace], Any]:
    def ask(place: ProofPlace) -> Any:
        import ee

        return ee.List(list(values)).reduce(reducer(ee)).getInfo()

    return ask


def _pixel(make: Callable[[Any], ee.Image]) -> Callable[[ProofPlace], Any]:
    """The first pixel of an image on a small grid; None where it is masked."""

    def ask(place: ProofPlace) -> Any:
        import ee

        return numbers(make(ee), 1, 1)[0][0]

    return ask


def _row(make: Callable[[Any], ee.Image], width: int = 7) -> Callable[[ProofPlace], Any]:
    def ask(place: ProofPlace) -> Any:
        import ee

        return numbers(make(ee), width, 1)[0]

    return ask


def _masked_column(ee: Any, hidden: int) -> ee.Image:
    return column(ee).updateMask(column(ee).neq(hidden))


def _half(ee: Any) -> ee.Image:
    return ee.Image.constant(8).toFloat().updateMask(0.5)


def _kernel_cells(place: ProofPlace) -> Any:
    import ee

    ones = ee.Image.constant(1).reduceNeighborhood(ee.Reducer.count(), ee.Kernel.circle(1.5, "pixels", False))
    return numbers(ones.toFloat(), 1, 1)[0][0]


def _types(place: ProofPlace) -> Any:
    import ee

    ones = ee.Image.constant(1).toUint8()
    bands = ee.Image.cat(
        ee.ImageCollection([ones, ones]).mean().rename("whole"),
        ee.ImageCollection([ones.toFloat(), ones.toFloat()]).mean().rename("float"),
    ).getInfo()["bands"]
    return {band["id"]: band["data_type"]["precision"] for band in bands}


def _percentile_key(place: ProofPlace) -> Any:
    import ee

    point = ee.Geometry.Point([114.3, 30.6])
    keys = ee.Image.constant(5).rename("b").reduceRegion(ee.Reducer.percentile([98]), point, 10).keys().getInfo()
    return keys if keys == ["b"] else "b_p98" if keys == ["b_p98"] else keys


def _neighbour_names(place: ProofPlace) -> Any:
    import ee

    kernel = ee.Kernel.square(1, "pixels")
    return sorted(column(ee).rename("v").neighborhoodToBands(kernel).bandNames().getInfo() or ())


def _neighbour_masks(ee: Any) -> ee.Image:
    """How many of the three neighbours of a row are known, beside a masked one and under it."""
    kernel = ee.Kernel.rectangle(1, 0, "pixels")
    return _masked_column(ee, 3).neighborhoodToBands(kernel).mask().reduce(ee.Reducer.sum())


def _beside_masked(ee: Any) -> ee.Image:
    """Columns of 20 m with one of them masked, read bilinearly at 10 m."""
    coarse = column(ee, 20)
    wide = ee.Projection(f"EPSG:{EPSG}").atScale(20)
    return coarse.updateMask(coarse.neq(2)).reproject(wide).resample("bilinear")


def _table(place: ProofPlace) -> Any:
    """Rows of a collection whose second property may be missing."""
    import ee

    features = [ee.Feature(None, {"a": 1, "b": 2}), ee.Feature(None, {"a": 3})]
    return ee.FeatureCollection(features).reduceColumns(ee.Reducer.toList(2, 1), ["a", "b"]).get("list").getInfo()


def _same_begin(place: ProofPlace) -> Any:
    import ee

    features = [ee.Feature(None, {"name": name}) for name in ("ab", "b", "AB")]
    return ee.FeatureCollection(features).filter(ee.Filter.stringStartsWith("name", "a")).size().getInfo()


def _pair(ee: Any, first: float, second: float) -> ee.ImageCollection:
    return ee.ImageCollection([ee.Image.constant(first).toInt16(), ee.Image.constant(second).toInt16()])


def _quality(ee: Any) -> ee.Image:
    images = [ee.Image([constant, 1]).rename(["value", "quality"]).toFloat() for constant in (4, 9)]
    return ee.ImageCollection(images).qualityMosaic("quality").select("value")


def _empty_count(ee: Any) -> ee.Image:
    hidden = ee.Image.constant(1).toUint8().updateMask(0)
    return ee.ImageCollection([hidden, hidden]).count()


def _distance(ee: Any) -> ee.Image:
    return column(ee).eq(0).fastDistanceTransform(3)


def _toward(ee: Any) -> ee.Image:
    """Masked but for the pixels left of a cloud in column 3, looking along the angle 0 (to the right)."""
    return column(ee).eq(3).directionalDistanceTransform(0, 2).select("distance")


def _displaced(ee: Any, most: int = 100) -> ee.Image:
    offset = ee.Image.constant([10, 0]).rename(["X", "Y"]).toFloat()
    return column(ee).displace(offset, "nearest_neighbor", most)


def _window(ee: Any) -> ee.Image:
    return column(ee).reduceNeighborhood(ee.Reducer.variance(), ee.Kernel.rectangle(1, 0, "pixels"))


def _shifted(ee: Any) -> ee.Image:
    kernel = ee.Kernel.fixed(3, 1, [[0, 0, 1]], 1, 0, False)
    return _masked_column(ee, 2).reduceNeighborhood(ee.Reducer.mean(), kernel, "kernel", False)


def _convolved(ee: Any) -> ee.Image:
    return _masked_column(ee, 3).convolve(ee.Kernel.rectangle(1, 0, "pixels", True))


def _unmasked_npy(place: ProofPlace) -> Any:
    import ee

    return raw_numbers(ee.Image.constant(7).toInt16().updateMask(column(ee).gt(0)), 3, 1)[0]


def _resolution(ee: Any) -> ee.Image:
    """The mean of 2 x 2 pixels of 5 m, whose columns are numbered."""
    fine = column(ee, 5)
    narrow = ee.Projection(f"EPSG:{EPSG}", [5, 0, grid_of(1, 1).affine.c, 0, -5, grid_of(1, 1).affine.f])
    return fine.setDefaultProjection(narrow).reduceResolution(ee.Reducer.mean(), True, 64)


PROBES: tuple[Probe, ...] = (
    Probe("constants.divide-by-zero", "x / 0 is 0", _pixel(lambda ee: ee.Image.constant(3).divide(0)), 0),
    Probe(
        "constants.undefined",
        "the logarithm of 0 is masked",
        _pixel(lambda ee: ee.Image.constant(0).log10()),
        shown(None),
    ),
    Probe("constants.cast-clamps", "casts clamp", _pixel(lambda ee: ee.Image.constant(300.7).toUint8()), 255),
    Probe(
        "constants.cast-truncates",
        "casts truncate towards zero",
        _pixel(lambda ee: ee.Image.constant(-2.7).toInt8()),
        -2,
    ),
    Probe("constants.round-half", "2.5 is rounded to 3", _pixel(lambda ee: ee.Image.constant(2.5).round()), 3),
    Probe(
        "constants.widens",
        "whole-number arithmetic never overflows",
        _pixel(lambda ee: ee.Image.constant(200).toUint8().add(ee.Image.constant(100).toUint8())),
        300,
    ),
    Probe(
        "constants.mean-types",
        "the mean of bytes is double, of floats float",
        _types,
        {"whole": "double", "float": "float"},
    ),
    Probe(
        "constants.variance",
        "variance is of the population",
        _list((1, 2, 3, 4), lambda ee: ee.Reducer.variance()),
        1.25,
    ),
    Probe("constants.std-dev", "stdDev is of the population", _list((1, 3), lambda ee: ee.Reducer.stdDev()), 1),
    Probe(
        "constants.window-variance",
        "a window's variance is of the population",
        _row(_window, 3),
        [2 / 3, 2 / 3, 2 / 3],
        "sentinel1",
    ),
    Probe(
        "constants.skew", "skew is of the population", _list((1, 2, 3, 10), lambda ee: ee.Reducer.skew()), 1.018233765
    ),
    Probe(
        "constants.kurtosis",
        "kurtosis is of the population, less 3",
        _list((1, 2, 3, 10), lambda ee: ee.Reducer.kurtosis()),
        -0.7696,
    ),
    Probe(
        "constants.mode-ties",
        "ties of mode go to the smaller value",
        _list((2, 2, 1, 1, 3), lambda ee: ee.Reducer.mode()),
        1,
    ),
    Probe(
        "constants.image-mode-ties",
        "ties of an image mode go to the smaller value",
        _pixel(lambda ee: _pair(ee, 9, 4).mode()),
        4,
    ),
    Probe(
        "constants.percentile",
        "percentiles are linear between ranks",
        _list((1, 2, 3, 4), lambda ee: ee.Reducer.percentile([25])),
        1.75,
    ),
    Probe(
        "constants.percentile-key",
        "one percentile is keyed by the band, or by band_p98 (both are read)",
        _percentile_key,
        None,
        "sentinel1",
    ),
    Probe("constants.empty-count", "count where nothing is valid is 0 and valid", _pixel(_empty_count), 0),
    Probe(
        "constants.empty-sum",
        "sum where nothing is valid is masked",
        _pixel(lambda ee: _pair(ee, 1, 2).map(lambda i: i.updateMask(0)).sum()),
        shown(None),
    ),
    Probe("constants.quality-ties", "of equal qualities the earlier image wins", _pixel(_quality), 4),
    Probe("constants.mosaic-order", "a mosaic shows the last image", _pixel(lambda ee: _pair(ee, 1, 2).mosaic()), 2),
    Probe(
        "constants.partial-blend",
        "blend weighs by opacity, so a mask of one half shows half of what is below",
        _pixel(lambda ee: ee.Image.constant(4).toFloat().blend(_half(ee))),
        6,
    ),
    Probe(
        "constants.blend-mask",
        "masks of blend add up as opacities do: two halves are three quarters",
        _pixel(lambda ee: _half(ee).blend(_half(ee)).mask().toFloat()),
        0.75,
    ),
    Probe(
        "constants.distance-beyond",
        "fastDistanceTransform is masked beyond its reach",
        _row(_distance, 6),
        [0, 1, 4, 9, shown(None), shown(None)],
    ),
    Probe(
        "constants.distance-toward",
        "directionalDistanceTransform: angle 0 looks right",
        _row(_toward, 5),
        [shown(None), 2, 1, 0, shown(None)],
    ),
    Probe(
        "constants.displace", "displace reads the image at the pixel plus the vector", _row(_displaced, 4), [1, 2, 3, 4]
    ),
    Probe(
        "constants.displace-beyond",
        "a vector longer than maxOffset masks the pixel",
        _pixel(lambda ee: _displaced(ee, 5)),
        shown(None),
    ),
    Probe(
        "constants.one-hot-kernel",
        "a window of one 1 is the neighbour, also under a masked pixel",
        _row(_shifted, 4),
        [1, shown(None), 3, 4],
    ),
    Probe(
        "constants.convolve-masked",
        "convolve beside masked pixels is masked",
        _row(_convolved, 7),
        [0, 1, shown(None), shown(None), shown(None), 5, 6],
    ),
    Probe("constants.half-radius", "a circle of radius 1.5 covers 9 pixels", _kernel_cells, 9),
    Probe(
        "constants.neighbour-names",
        "bands of neighborhoodToBands are named by offsets from the centre",
        _neighbour_names,
        sorted(f"v_{x}_{y}" for x in (-1, 0, 1) for y in (-1, 0, 1)),
    ),
    Probe(
        "constants.neighbour-masks",
        "each band of neighborhoodToBands has its neighbour's mask",
        _row(_neighbour_masks, 5),
        [3, 3, 2, 2, 2],
        "sentinel1",
    ),
    Probe(
        "constants.bilinear-masked",
        "interpolation beside masked pixels uses the valid ones; valid where the nearest is",
        _row(_beside_masked, 8),
        [-0.25, 0.25, 0.75, 1, shown(None), shown(None), 3, 3.25],
    ),
    Probe(
        "constants.reduce-resolution",
        "reduceResolution is the mean of nested pixels",
        _row(_resolution, 3),
        [0.5, 2.5, 4.5],
    ),
    Probe("constants.npy-masked", "masked pixels of NPY are 0", _unmasked_npy, [0, 7, 7]),
    Probe(
        "constants.to-list-optional",
        "toList gives rows whose last properties may be missing",
        _table,
        [[1, 2], [3, None]],
        "sentinel2",
    ),
    Probe("constants.starts-with", "stringStartsWith compares letters exactly", _same_begin, 1, "sentinel2"),
)
