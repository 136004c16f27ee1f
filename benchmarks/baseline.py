"""Makes a network to publish from open archives: `python -m benchmarks.baseline --out runs/baseline` (docs/starter.md).

Twenty cities on six continents, a year's statistics, labels where WorldCover and Esri agree, training patches that a
first network contradicts left out, four cities held out, calibrated, in 8 bits, with card and passport. `--plan` says
what it takes. The same command continues where it was stopped. Needs no account; fetches from public archives.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import isamap
from isamap import gee_export, training
from isamap.gee_export.export.archive_load import ArchiveLoad
from isamap.gee_export.export.report import LOCAL_MPX_PER_S
from isamap.gee_export.sentinel.statistics import Statistics
from isamap.training.accuracy.bootstrap import rounded
from isamap.training.checkpoints import checkpoint as ck

SIDE_KM, KM_OF_DEGREE, MONTHS = 10.0, 111.2, 12
LEAST_AGREEMENT = 0.2  # of a patch, between the first network and its label (LandCover3m section 2.3)
OPTICAL, RADAR = ("B2", "B3", "B4", "B8", "B11", "B12"), ("VV", "VH")
SCORES = ("miou", "f1_impervious", "oa")


@dataclass(frozen=True)
class City:
    """A box around a centre in degrees; held_out: judged and never learned from."""

    name: str
    lon: float
    lat: float
    held_out: bool = False

    def bounds(self, side_km: float) -> tuple[float, float, float, float]:
        """West, south, east, north in degrees."""
        high = side_km / KM_OF_DEGREE / 2
        wide = high / math.cos(math.radians(self.lat))
        return (self.lon - wide, self.lat - high, self.lon + wide, self.lat + high)


def _city(line: str) -> City:
    name, lon, lat, *held_out = line.split()
    return City(name, float(lon), float(lat), bool(held_out))


CITIES = tuple(
    _city(line)
    for line in """
london -0.13 51.51
madrid -3.70 40.42
warsaw 21.01 52.23
istanbul 28.98 41.02
cairo 31.24 30.05
lagos 3.38 6.55
nairobi 36.82 -1.29
delhi 77.21 28.64
dhaka 90.41 23.78
bangkok 100.52 13.75
wuhan 114.30 30.58
tokyo 139.70 35.69
jakarta 106.83 -6.20
sydney 151.00 -33.85
chicago -87.68 41.85
mexico -99.13 19.43
phoenix -112.07 33.45 held-out
saopaulo -46.63 -23.55 held-out
johannesburg 28.05 -26.20 held-out
leipzig 12.37 51.34 held-out
""".strip().splitlines()
)


@dataclass(frozen=True)
class Baseline:
    """What is made where; other fields than `out` are for trying it on less."""

    out: Path
    cities: tuple[City, ...] = CITIES
    catalog: str = "open"
    period: str = "2021"
    composite: str = "year-statistics"
    labels: tuple[str, ...] = ("worldcover", "esri")
    recipe: str = "unet-year"
    side_km: float = SIDE_KM
    patch_px: int = 128
    settings: tuple[str, ...] = ("epochs=60", "augment=flip,turn,radiometry,drop")

    def export(self, city: City) -> Path:
        """The folder of a city's patches; a held-out city's are test, nearly all of them."""
        folder = self.out / "data" / city.name
        if not (folder / "manifest.json").exists():
            report = gee_export.export_patches(
                bbox=city.bounds(self.side_km),
                name=f"city-{city.name}",
                period=self.period,
                composite=self.composite,
                bands=OPTICAL,
                label=self.labels,
                fusion="intersection" if len(self.labels) > 1 else "single",
                size=self.patch_px,
                stride=self.patch_px,
                split="random" if city.held_out else "balanced",
                ratios=(1, 1, 98) if city.held_out else (6, 3, 1),
                catalog=self.catalog,
                out=str(folder),
                progress=False,
            )
            print(report, flush=True)
        return folder

    def train(self, data: Sequence[Path]) -> Path:
        """The run that learned from the patches with which a first one agrees."""
        run, chips = self.out / "run", self.out / "chips.json"
        if not chips.exists():
            training.train(data, self.recipe, self.out / "first", settings=self.settings)
            print(training.agreement(self.out / "first", data, chips), flush=True)
        settings = (*self.settings, f"min_agreement={LEAST_AGREEMENT}")
        print(training.train(data, self.recipe, run, settings=settings, chips=chips), flush=True)
        return run

    def calibrated(self, run: Path, data: Sequence[Path]) -> tuple[Path, list[str]]:
        """The checkpoint with calibrated probabilities, or the run where that makes them worse elsewhere."""
        good, rejected = self.out / "calibrated", self.out / "calibration-rejected"
        if not (good / ck.DESCRIPTION).exists() and not rejected.exists():
            report = isamap.calibrate_probabilities(run, data, good)
            if report.warnings:
                # Kept under another name: the next call must neither use it nor fit the same curve again.
                good.rename(rejected)
        kept = (good / ck.DESCRIPTION).exists()
        return (good, []) if kept else (run, ["not calibrated: a curve made held-out ground worse"])

    def finished(self, run: Path, data: Sequence[Path]) -> tuple[Path, list[str]]:
        """The calibrated checkpoint, in 8 bits where that costs little; what was not done and why."""
        base, notes = self.calibrated(run, data)
        small = self.out / "int8"
        if not (small / ck.DESCRIPTION).exists():
            try:
                isamap.quantize(base, data, small)
            except ValueError as error:
                return base, [*notes, f"not in 8 bits: {error}"]
        return small, notes

    def make(self) -> dict[str, Any]:
        """Scores in every held-out city; written as OUT/baseline.json, the network as OUT/published."""
        folder_of = {city: self.export(city) for city in self.cities}
        data = [folder for city, folder in folder_of.items() if not city.held_out]
        made, notes = self.finished(self.train(data), data)
        judged = {city.name: _judged(made, folder) for city, folder in folder_of.items() if city.held_out}
        published = self.out / "published"
        if not published.exists():
            print(isamap.publish_model(made, published), flush=True)
        report = {"held_out": judged, "notes": notes, "published": str(published), "plan": self.plan()}
        (self.out / "baseline.json").write_text(json.dumps(report, indent=1) + "\n")
        return report

    def plan(self) -> dict[str, float]:
        """Cities, km2, gigabytes from the archives, hours to fetch and to compute the composites on two cores.

        Of every scene of the year; fetching and computing run side by side. Training comes on top: `isamap train` says
        its hours when it begins.
        """
        mpx = len(self.cities) * self.side_km**2 / 100
        load = ArchiveLoad.of((*OPTICAL, *RADAR), mpx * MONTHS)
        return {
            "cities": len(self.cities),
            "km2": round(100 * mpx, 1),
            "gigabytes": round(load.bytes / 1e9, 1),
            "fetch_hours": round(load.hours, 1),
            "compute_hours": round(Statistics(self.composite).cost * mpx * MONTHS / LOCAL_MPX_PER_S / 3600, 2),
        }


def _judged(made: Path, folder: Path) -> dict[str, Any]:
    """Scores of a city with their 95 % intervals over blocks of ground."""
    report = training.evaluate(made, folder, "test")
    values, bounds = report.scores.to_json(report.classes), rounded(report.intervals)
    return {name: [values[name], bounds[name]] for name in SCORES} | {"patches": report.patches}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs/baseline"), help="the same command goes on here")
    parser.add_argument("--catalog", default=Baseline.catalog, help="open, or world to try it on simulated ground")
    parser.add_argument("--cities", type=int, default=len(CITIES), help="only the last so many, to try")
    parser.add_argument("--side-km", type=float, default=SIDE_KM, help="of a city's box")
    parser.add_argument("--plan", action="store_true", help="say what it takes, and do nothing")
    options = parser.parse_args()
    cities = CITIES[-options.cities :]
    baseline = Baseline(options.out, cities, catalog=options.catalog, side_km=options.side_km)
    print(json.dumps(baseline.plan() if options.plan else baseline.make(), indent=1))


if __name__ == "__main__":
    main()
