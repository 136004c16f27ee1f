"""Coverage of 95 % intervals on made-up maps of rare classes and of changes, whose truth is known at every pixel.

The truth is clumped, as cities are; the map misses and invents patches of it. Where 0.3 % of the ground is omitted,
most samples of the large class meet no omission at all, which is what makes intervals fail.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
import shapely
from affine import Affine
from pyproj import CRS
from scipy.ndimage import gaussian_filter

from isamap.gee_export.base.feature_table import FeatureTable
from isamap.gee_export.base.grid import crs_of
from isamap.inference.assessment.answers import Consensus
from isamap.inference.assessment.assessment import AreaEstimate, assess
from isamap.inference.assessment.class_map import ClassMap, open_class_map
from isamap.inference.assessment.designs import Drawing
from isamap.inference.assessment.frame import SamplingFrame, survey
from isamap.inference.assessment.sample import DrawnSample
from isamap.inference.assessment.strata import Buffered, MapClasses, WholeMap
from isamap.inference.assessment.tables import Table
from isamap.inference.assessment.zonal import class_areas
from isamap.inference.assessment.zone_areas import ZoneFacts
from isamap.inference.assessment.zones import Zones

SIDE = 1200
BINARY = ("pervious", "impervious")
CHANGES = ("stable pervious", "pervious to impervious", "impervious to pervious", "stable impervious")
MEASURES = ("overall", "user's", "producer's", "area")


def quarters(class_map: ClassMap) -> Zones:
    """Four districts of equal size, as `isamap area --by` takes them."""
    west, south, east, north = class_map.sheets[0].geobox.boundingbox.bbox
    x, y = (west + east) / 2, (south + north) / 2
    corners = ((west, y, x, north), (x, y, east, north), (west, south, x, y), (x, south, east, y))
    names = tuple(f"district {at}" for at in range(len(corners)))
    system = CRS.from_wkt(crs_of(class_map.sheets[0].geobox).to_wkt())
    shapes = np.array([shapely.box(*corner) for corner in corners], dtype=object)
    return Zones(names, FeatureTable(shapes, system, {"name": np.array(names, dtype=object)}))


@dataclass(frozen=True, eq=False)
class Case:
    """A map and its truth, how it is sampled, and the class whose figures are tried."""

    name: str
    class_map: ClassMap
    truth: ClassMap
    counts: Mapping[str, int]
    target: int = 1
    clusters: tuple[int, int] | None = None
    buffer_m: float = 0.0

    def frame(self) -> SamplingFrame:
        """What is drawn from, surveyed once."""
        classes = self.class_map.classes
        if self.clusters:
            return survey(self.class_map, WholeMap(), Drawing(self.class_map).side_px(400))
        strata = Buffered(self.class_map, classes[self.target], self.buffer_m) if self.buffer_m else MapClasses(classes)
        return survey(self.class_map, WholeMap() if "all" in self.counts else strata)

    def draw(self, frame: SamplingFrame, seed: int) -> DrawnSample:
        """The sample of a seed."""
        drawing = Drawing(self.class_map, seed)
        if self.clusters:
            return drawing.clusters(*self.clusters, 400, frame=frame)
        counts = np.array(list(self.counts.values()))
        return (
            drawing.simple(int(counts[0]), frame=frame) if "all" in self.counts else drawing.stratified(frame, counts)
        )

    def truths(self) -> dict[str, float]:
        """What all pixels give, weighted by nothing: the grid is small."""
        map_N, truth_N = (_pixels(each) for each in (self.class_map, self.truth))
        mapped, built = map_N == self.target, truth_N == self.target
        both = (mapped & built).mean()
        return {
            "overall": float((map_N == truth_N).mean()), "user's": both / mapped.mean(),
            "producer's": both / built.mean(), "area": float(built.mean()),
        }  # fmt: skip


def cases(folder: Path) -> list[Case]:
    """Classes of 20, 1 and 0.3 %, small samples, two stages, a buffer, and maps of changes."""
    folder.mkdir(parents=True, exist_ok=True)
    common, rare, rarest, dense = (
        _binary(folder / name, share, users, omitted)
        for name, share, users, omitted in (
            ("20", 0.20, 0.85, 0.04), ("1", 0.011, 0.80, 0.003), ("03", 0.003, 0.70, 0.001), ("2", 0.02, 0.80, 0.004),
        )
    )  # fmt: skip
    changes = _changes(folder / "changes")

    def stratified(name: str, maps: tuple[ClassMap, ClassMap], *points: int, buffer_m: float = 0.0) -> Case:
        strata = [*BINARY, *(["near"] if buffer_m else [])]
        return Case(name, *maps, dict(zip(strata, points, strict=True)), buffer_m=buffer_m)

    return [
        stratified("20 %, 400 + 100 points", common, 400, 100),
        stratified("20 %, 30 + 30 points", common, 30, 30),
        stratified("1 %, 50 + 50 points", rare, 50, 50),
        stratified("1 %, 125 + 75 points", rare, 125, 75),
        stratified("1 %, 425 + 75 points (the default)", rare, 425, 75),
        stratified("1 %, 925 + 75 points", rare, 925, 75),
        stratified("1 %, 495 + 5 points (proportional)", rare, 495, 5),
        stratified("1 %, 350 + 75 + 75 points, buffer of 30 m", rare, 350, 75, 75, buffer_m=30.0),
        stratified("0.3 %, 225 + 75 points", rarest, 225, 75),
        stratified("0.3 %, 425 + 75 points", rarest, 425, 75),
        Case("1 %, simple, 500 points", *rare, {"all": 500}),
        Case("20 %, simple, 60 points", *common, {"all": 60}),
        Case("2 %, two stages, 30 x 10", *dense, {}, clusters=(30, 10)),
        Case("2 %, two stages, 60 x 8", *dense, {}, clusters=(60, 8)),
        Case("gain of 0.9 %, 300 points", *changes, dict(zip(CHANGES, (91, 75, 75, 59), strict=True))),
        Case("gain of 0.9 %, 500 points", *changes, dict(zip(CHANGES, (212, 75, 75, 138), strict=True))),
        Case("gain of 0.9 %, 1,000 points", *changes, dict(zip(CHANGES, (515, 75, 75, 335), strict=True))),
    ]


def rare_coverage(made: Sequence[Case], draws: int) -> Table:
    """Percent of draws whose default interval holds the truth, a row for each case; with half the area's interval."""
    rows = []
    zones = quarters(made[0].class_map)
    for case in made:
        frame, truths = case.frame(), case.truths()
        hits, total, width, by_zone = dict.fromkeys(MEASURES, 0), dict.fromkeys(MEASURES, 0), 0.0, [0, 0]
        mapped, truth_km2 = (class_areas(each, zones) for each in (case.class_map, case.truth))
        name = case.class_map.classes[case.target]
        true_km2 = sum(truth_km2.of(zone, name) for zone in zones.names)  # an estimate may be 0
        for seed in range(draws):
            result = assess(sample := case.draw(frame, seed), _answers(sample, case), zones=ZoneFacts(zones, mapped))
            built = result.accuracy.classes[case.target]
            pairs = zip(MEASURES, (result.accuracy.overall, built.users, built.producers, built.share), strict=True)
            for measure, estimate in pairs:
                bounds = result.interval(estimate)
                if bounds is not None:
                    total[measure] += 1
                    hits[measure] += bounds[0] <= truths[measure] <= bounds[1]
            area: AreaEstimate = result.of(name)
            width += 0.0 if area.interval_km2 is None else (area.interval_km2[1] - area.interval_km2[0]) / 2 / true_km2
            for zone in (each for each in result.zones if each.name == name and each.interval_km2 is not None):
                by_zone[1] += 1
                by_zone[0] += zone.interval_km2[0] <= truth_km2.of(zone.zone, name) <= zone.interval_km2[1]
        shares = [f"{100 * hits[key] / max(total[key], 1):.1f}" for key in MEASURES]
        rows.append((case.name, *shares, f"{100 * by_zone[0] / max(by_zone[1], 1):.1f}", f"{width / draws:.0%}"))
        print(" | ".join(rows[-1]), file=sys.stderr, flush=True)  # a run that is killed has shown what it had
    header = ("class, sample", *MEASURES, "area in districts", "half width")
    return Table(f"Draws of {draws} whose 95 % interval holds the truth, percent", header, tuple(rows))


def _answers(sample: DrawnSample, case: Case) -> Consensus:
    value_N = case.truth.at(*sample.lonlat).tolist()
    names = [case.truth.classes[value] for value in value_N]
    return Consensus(dict(zip((each.plotid for each in sample.points), names, strict=True)), ("truth",), None)


def _binary(path: Path, share: float, users: float, omitted: float) -> tuple[ClassMap, ClassMap]:
    """A map that is right on `users` of what it calls impervious, and omits a share of the rest of the ground."""
    rng = np.random.default_rng(int(share * 1e4))
    mapped = _patches(rng, share, 6.0)
    truth = np.where(mapped, ~_patches(rng, 1 - users, 2.0, within=mapped), _patches(rng, omitted, 2.0, within=~mapped))
    return tuple(
        _written(path.with_name(f"{path.name}_{at}.tif"), each, BINARY) for at, each in enumerate((mapped, truth))
    )


def _changes(path: Path) -> tuple[ClassMap, ClassMap]:
    """Four strata of changes; what the map omits of the gain lies in the two stable classes."""
    rng = np.random.default_rng(7)
    stable = np.where(_patches(rng, 0.39, 8.0), 3, 0)
    gain, loss = _patches(rng, 0.006, 4.0), _patches(rng, 0.002, 4.0)
    mapped = np.where(gain, 1, np.where(loss, 2, stable))
    wrong = _patches(rng, 0.3, 2.0, within=mapped == 1) | _patches(rng, 0.4, 2.0, within=mapped == 2)
    omitted = _patches(rng, 0.005, 2.0, within=stable == mapped)
    truth = np.where(wrong, stable, np.where(omitted, 1, mapped))
    return tuple(
        _written(path.with_name(f"changes_{at}.tif"), each, CHANGES) for at, each in enumerate((mapped, truth))
    )


def _patches(rng: np.random.Generator, share: float, size: float, within: np.ndarray | None = None) -> np.ndarray:
    """Clumps that take a share of the ground, or of a part of it."""
    # Smoothed noise above its own quantile: clumps of a known size that take exactly the share.
    noise = gaussian_filter(rng.standard_normal((SIDE, SIDE)), size)
    ground = np.ones((SIDE, SIDE), bool) if within is None else within
    return ground & (noise > np.quantile(noise[ground], 1 - share))


def _written(path: Path, class_HW: np.ndarray, names: Sequence[str]) -> ClassMap:
    profile = {"driver": "GTiff", "count": 1, "dtype": "uint8", "crs": "EPSG:6933"}
    affine = Affine(10, 0, 11_000_000, 0, -10, 3_700_000)  # equal area: pixels count alike
    with rasterio.open(path, "w", height=SIDE, width=SIDE, transform=affine, compress="deflate", **profile) as file:
        file.write(class_HW.astype(np.uint8), 1)
        file.update_tags(changes=",".join(names)) if names == CHANGES else file.update_tags(classes=",".join(names))
    return open_class_map(path)


def _pixels(class_map: ClassMap) -> np.ndarray:
    with rasterio.open(class_map.sheets[0].path) as file:
        return file.read(1).ravel()
