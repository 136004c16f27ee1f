"""How often 95 % intervals hold the truth: samples of a map of the simulated world, whose every pixel is known.

`python -m benchmarks.interval_coverage` first draws from made-up maps of rare classes and changes
(benchmarks/rare_populations.py), then takes WorldCover's impervious ground of a box as the map and the world's truth
as the reference, draws many samples by each design, and counts how often each interval holds the figure that all
pixels give. A share of 95 % that 1,000 draws estimate is off by up to 1.4 points (two standard errors).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from benchmarks.rare_populations import cases, quarters, rare_coverage  # noqa: E402
from isamap.gee_export.base.grid import crs_of, grid_of  # noqa: E402
from isamap.gee_export.base.regions import from_bbox  # noqa: E402
from isamap.inference.assessment import allocation  # noqa: E402
from isamap.inference.assessment.accuracy import PointClasses, accuracy  # noqa: E402
from isamap.inference.assessment.answers import Consensus  # noqa: E402
from isamap.inference.assessment.assessment import poststrata, shares  # noqa: E402
from isamap.inference.assessment.class_map import ClassMap, open_class_map  # noqa: E402
from isamap.inference.assessment.designs import Drawing  # noqa: E402
from isamap.inference.assessment.estimator import Design, Estimate, simple  # noqa: E402
from isamap.inference.assessment.evidence import Evidence, evidence_of  # noqa: E402
from isamap.inference.assessment.frame import survey  # noqa: E402
from isamap.inference.assessment.intervals import DEFAULT, INTERVALS  # noqa: E402
from isamap.inference.assessment.planning import conjecture  # noqa: E402
from isamap.inference.assessment.sample import DrawnSample  # noqa: E402
from isamap.inference.assessment.strata import MapClasses, OtherRaster, WholeMap  # noqa: E402
from isamap.inference.assessment.tables import Table  # noqa: E402
from isamap.inference.assessment.zonal import class_areas  # noqa: E402
from isamap.inference.assessment.zone_areas import ZoneArea, ZoneFacts, zone_areas  # noqa: E402

BOX = (114.50, 30.35, 114.57, 30.41)  # country south-east of Wuhan, 14 % impervious
YEAR = 2020
CLASSES = ("pervious", "impervious")
NUMBER = 1
PRODUCT, STRATA = "worldcover", "gaia"
SEPARATOR = " / "
DISTRICTS = f"design, by district{SEPARATOR}area"


@dataclass(frozen=True, eq=False)
class Population:
    """A map, another map whose classes are strata, and the truth of every pixel, on one grid."""

    class_map: ClassMap
    strata: ClassMap
    truth: ClassMap

    def figures(self) -> dict[str, float]:
        """What all pixels give, by name of the measure."""
        map_N, truth_N = (_read(each.sheets[0].path).ravel() for each in (self.class_map, self.truth))
        is_known = (map_N < 2) & (truth_N < 2)
        answers = PointClasses(map_N[is_known].astype(int), truth_N[is_known].astype(int), CLASSES)
        return {name: each.value for name, each in measures(answers, simple(int(is_known.sum()))).items()}


def measures(answers: PointClasses, design: Design) -> dict[str, Estimate]:
    """The estimates whose intervals are tried."""
    result = accuracy(answers, design)
    built = result.classes[NUMBER]
    return {
        "overall": result.overall, "user's": built.users, "producer's": built.producers, "F1": built.f1,
        "IoU": built.iou, "area": built.share,
    }  # fmt: skip


def world_population(folder: Path, box: tuple[float, float, float, float]) -> Population:
    """The population of a box of the world: its products and its truth, each a GeoTIFF."""
    from isamap.gee_export.requests import pixels
    from isamap.inference.assessment import server_labels

    region = from_bbox(box, name="coverage")
    grid = grid_of(region)
    maps = []
    for name in (PRODUCT, STRATA, server_labels.WORLD_TRUTH):
        label = server_labels.open_label(name, region, YEAR)
        image = label.image.unmask(255, False).toUint8().rename("label")
        windows = pixels.plan(tuple(grid.shape), pixels.channels(["label"]), side=256)
        class_HW = np.full(tuple(grid.shape), 255, np.uint8)
        for window in windows:
            raster = pixels.fetch(image, grid[window.slices], ["label"])
            class_HW[window.slices] = np.where(raster.valid_BHW[0], raster.values_BHW[0], 255)
        maps.append(_written(folder / f"{len(maps)}.tif", class_HW, grid))
    return Population(*(open_class_map(path) for path in maps))


def _written(path: Path, class_HW: np.ndarray, grid) -> Path:
    profile = {"driver": "GTiff", "count": 1, "dtype": "uint8", "crs": crs_of(grid).to_wkt(), "transform": grid.affine}
    with rasterio.open(path, "w", height=grid.shape[0], width=grid.shape[1], compress="deflate", **profile) as file:
        file.write(class_HW, 1)
        file.update_tags(classes=",".join(CLASSES), simulated="true", period_start=f"{YEAR}-01-01")
    return path


def _read(path: Path) -> np.ndarray:
    with rasterio.open(path) as file:
        return file.read(1)


Draw = Callable[[int], DrawnSample]


def designs(population: Population) -> dict[str, Draw]:
    """What draws a sample for a seed, by design; frames are surveyed once."""
    classes = population.class_map
    undivided, by_class = survey(classes, WholeMap()), survey(classes, MapClasses(CLASSES))
    by_gaia = survey(classes, OtherRaster(population.strata))
    side_px = Drawing(classes).side_px(400)
    blocks = survey(classes, WholeMap(), side_px)
    few = np.array([200, 200])
    rare = allocation.rare(conjecture(by_class, {}), 400)
    return {
        "simple, 400 points": lambda seed: Drawing(classes, seed).simple(400, frame=undivided),
        "systematic, about 400": lambda seed: Drawing(classes, seed).systematic(400, frame=undivided),
        "stratified by the map, equal, 400": lambda seed: Drawing(classes, seed).stratified(by_class, few),
        "stratified by the map, rare, 400": lambda seed: Drawing(classes, seed).stratified(by_class, rare),
        "stratified by GAIA, equal, 400": lambda seed: Drawing(classes, seed).stratified(by_gaia, few),
        "two stages, 30 clusters x 10": lambda seed: Drawing(classes, seed).clusters(30, 10, 400, frame=blocks),
        "two stages, 60 clusters x 8": lambda seed: Drawing(classes, seed).clusters(60, 8, 400, frame=blocks),
    }


def interpreted(sample: DrawnSample, truth: ClassMap) -> Evidence:
    """The sample with the truth as its answers."""
    names = dict(enumerate(CLASSES))
    value_N = truth.at(*sample.lonlat).tolist()
    pairs = zip(sample.points, value_N, strict=True)
    reference = Consensus({point.plotid: names.get(value, "uncertain") for point, value in pairs}, ("truth",), None)
    return evidence_of(sample, reference)


def estimates(sample: DrawnSample, evidence: Evidence) -> Iterator[tuple[str, Estimate]]:
    """Every estimate of a sample, by estimator and measure."""
    for name, estimate in measures(evidence.answers, evidence.design).items():
        yield f"design{SEPARATOR}{name}", estimate
    groups = poststrata(sample, evidence.answers)
    if groups is not None:
        for name, estimate in measures(evidence.answers, groups).items():
            yield f"poststratified{SEPARATOR}{name}", estimate
    for estimator, estimate in shares(sample, evidence, NUMBER).items():
        if estimator in ("difference", "regression"):
            yield f"{estimator}{SEPARATOR}area", estimate


@dataclass
class Tally:
    """Of one estimate over draws: how many, how often each interval held the truth, sums of widths and errors."""

    draws: int = 0
    hits: dict[str, int] | None = None
    width: float = 0.0
    error: float = 0.0

    def add_district(self, area: ZoneArea, truth_km2: float) -> None:
        """Counts a district of one draw, whose area has the default interval alone."""
        self.hits = self.hits or {DEFAULT: 0}
        if area.km2 is None or area.interval_km2 is None:
            return
        low, high = area.interval_km2
        self.draws += 1
        self.error += area.km2 - truth_km2
        self.hits[DEFAULT] += low <= truth_km2 <= high
        self.width += (high - low) / 2

    def add(self, estimate: Estimate, truth: float) -> None:
        """Counts one draw."""
        self.hits = self.hits or dict.fromkeys(INTERVALS, 0)
        if estimate.value is None:
            return
        self.draws += 1
        self.error += estimate.value - truth
        for name, interval in INTERVALS.items():
            bounds = interval(estimate)
            self.hits[name] += bounds is not None and bounds[0] <= truth <= bounds[1]
            self.width += (bounds[1] - bounds[0]) / 2 if bounds and name == DEFAULT else 0


def coverage(draw: Draw, population: Population, draws: int) -> dict[str, Tally]:
    """Tallies of every estimate over draws of one design, seeds 0 to draws - 1; of districts in km2."""
    truth, tallies = population.figures(), {}
    zones = quarters(population.class_map)
    facts, truth_km2 = ZoneFacts(zones, class_areas(population.class_map, zones)), class_areas(population.truth, zones)
    for seed in range(draws):
        sample = draw(seed)
        evidence = interpreted(sample, population.truth)
        for name, estimate in estimates(sample, evidence):
            tallies.setdefault(name, Tally()).add(estimate, truth[name.split(SEPARATOR)[1]])
        for area in (each for each in zone_areas(sample, evidence, facts) if each.name == CLASSES[NUMBER]):
            tallies.setdefault(DISTRICTS, Tally()).add_district(area, truth_km2.of(area.zone, area.name))
    return tallies


def table(title: str, tallies: dict[str, Tally]) -> Table:
    """A row for each estimate: bias, half width and coverage by kind of interval."""
    header = ("estimator / measure", "draws", "bias", "half width", *(f"{name}, %" for name in INTERVALS))
    rows = [
        (
            name, str(each.draws), f"{each.error / each.draws:+.4f}", f"{each.width / each.draws:.4f}",
            *(f"{100 * each.hits[method] / each.draws:.1f}" if method in each.hits else "" for method in INTERVALS),
        )
        for name, each in tallies.items()
    ]  # fmt: skip
    return Table(title, header, tuple(rows))


def summary(tallies: dict[str, dict[str, Tally]]) -> Table:
    """Coverage of the default interval in percent: a row for each design and estimator, a column for each measure."""
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for design, by_name in tallies.items():
        for name, each in by_name.items():
            estimator, measure = name.split(SEPARATOR)
            rows.setdefault((design, estimator), {})[measure] = f"{100 * each.hits[DEFAULT] / each.draws:.1f}"
    measure_names = tuple(dict.fromkeys(name for row in rows.values() for name in row))
    cells = [(": ".join(key), *(row.get(name, "") for name in measure_names)) for key, row in rows.items()]
    return Table(
        f"Draws whose 95 % interval ({DEFAULT}) holds the truth, percent",
        ("design: estimator", *measure_names),
        tuple(cells),
    )


def main() -> None:
    """Prints a table for each design and one of all as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--box", type=float, nargs=4, default=BOX, metavar=("W", "S", "E", "N"))
    parser.add_argument("--folder", type=Path, help="keeps the three rasters, or takes those that are there")
    parser.add_argument("--only", choices=("rare", "world"), help="one of the two sets of maps")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        if options.only != "world":
            print(rare_coverage(cases(Path(temporary) / "rare"), options.draws).markdown(), flush=True)
        if options.only != "rare":
            _world(options.folder or Path(temporary), tuple(options.box), options.draws)


def _world(folder: Path, box: tuple[float, float, float, float], draws: int) -> None:
    population = _population(folder, box)
    figures = population.figures()
    print(", ".join(f"{name} {value:.4f}" for name, value in figures.items()), flush=True)
    tallies = {}
    for name, draw in designs(population).items():
        start = time.time()
        tallies[name] = coverage(draw, population, draws)
        print("\n" + table(name, tallies[name]).markdown(), flush=True)
        print(f"\n{time.time() - start:.0f} s", file=sys.stderr)
    print("\n" + summary(tallies).markdown())


def _population(folder: Path, box: tuple[float, float, float, float]) -> Population:
    paths = [folder / f"{index}.tif" for index in range(3)]
    if all(path.is_file() for path in paths):
        return Population(*map(open_class_map, paths))
    from isamap.gee_export.earth_engine.session import connect

    folder.mkdir(parents=True, exist_ok=True)
    with connect(None):
        return world_population(folder, box)


if __name__ == "__main__":
    main()
