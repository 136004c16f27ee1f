"""Maps of several years where every year's truth is known: independent years, simple rules and the chain, in tables.

    python -m benchmarks.years --home FOLDER [--epochs 14]

Everything is simulated: the ground is the local engine's world, whose truth of every year is at hand. First its maps
are drawn from a known model of errors (SKIES), then they are made by a small network that was trained for it. Pixels
that all years know are judged, the same for all methods; FOLDER keeps dataset, checkpoint, maps and table.json.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from odc.geo.geobox import GeoBox
from scipy.special import expit

from gee_export.base.grid import crs_of
from gee_export.export.export import export_patches
from inference.legend import PROB_STEPS
from inference.map import map_region
from inference.years.chain import YearChain
from inference.years.estimation import Limits, Patterns, em, fit
from inference.years.growth import filtered
from inference.years.layers import goes_back
from inference.years.rules import RULES
from inference.years.sample import MOST_VALUES
from inference.years.series import open_series
from local_ee.world import World
from local_ee.world.truths import TRUTH_10
from training.accuracy.bootstrap import bounds, measures, resampled
from training.runs.run import train

TRAINED_ON = {"region": "wuhan", "bbox": (114.36, 30.42, 114.44, 30.50), "month": "2019-06", "size": 64, "stride": 64}
LABEL = f"{TRUTH_10}#impervious=percent"
NORTH, WEST = (114.286, 30.660, 114.340, 30.704), (114.14, 30.44, 114.20, 30.50)
FOUR, NINE = (2017, 2019, 2021, 2023), tuple(range(2016, 2025))
BLOCK_PX = 32
DRAWS = 1000
SPLIT = 1.2  # distance of the two grounds from the middle, in standard deviations of the simulated evidence


@dataclass(frozen=True)
class Sky:
    """A known model of errors: evidence of a pixel is SPLIT on the side of its ground, plus noise of one sd.

    returning: share of the noise's variance that is the same in all years. blur: of one year, its noise grows so much.
    missing: share of blocks of 8 x 8 pixels that a year does not know.
    """

    title: str
    returning: float
    blur: float = 1.0
    missing: float = 0.0


SKIES = (
    Sky("errors of their own every year", 0.0),
    Sky("7 of 10 parts of the error return every year", 0.7),
    Sky("the same, 2021 blurred and a tenth not known", 0.7, blur=2.0, missing=0.1),
)


@dataclass(frozen=True)
class Case:
    """Maps to be judged: stored probabilities and true classes, uint8 (years, rows, columns)."""

    title: str
    years: tuple[int, ...]
    share_THW: np.ndarray
    truth_THW: np.ndarray


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--home", type=Path, required=True, help="folder for dataset, checkpoint, maps and table")
    parser.add_argument("--epochs", type=int, default=14)
    options = parser.parse_args()
    tables = {}
    for case in cases(options.home, options.epochs):
        tables[case.title] = judged(case)
        print(markdown(case.title, tables[case.title]), flush=True)
    (options.home / "table.json").write_text(json.dumps(tables, indent=1) + "\n")


def cases(home: Path, epochs: int) -> Iterator[Case]:
    """The controlled cases, then those of the trained network."""
    network = trained(home, epochs)
    north = mapped(home, network, "north", NORTH, NINE)
    for sky in SKIES:
        yield replace(of_years(north, FOUR), title=sky.title, share_THW=observed(of_years(north, FOUR), sky))
    yield replace(of_years(north, FOUR), title="small network, growing north, four years")
    yield replace(north, title="small network, growing north, nine years")
    west = mapped(home, network, "west", WEST, FOUR)
    yield replace(west, title="small network, finished west, four years")


def of_years(case: Case, years: Sequence[int]) -> Case:
    """Some years of a case."""
    picked = [case.years.index(year) for year in years]
    return Case(case.title, tuple(years), case.share_THW[picked], case.truth_THW[picked])


def trained(home: Path, epochs: int) -> Path:
    """A small network of level L1C, which all years have, trained on another part of the city."""
    export_patches(**TRAINED_ON, label=LABEL, settings={"level": "l1c"}, out=home / "data")
    train(data=home / "data", recipe="unet-tiny", out=home / "run", settings={"epochs": epochs})
    return home / "run"


def mapped(home: Path, network: Path, name: str, bbox: tuple[float, ...], years: Sequence[int]) -> Case:
    """The network's maps of a box in June of each year, with the truth."""
    paths = [home / name / f"{year}.tif" for year in years]
    for year, path in zip(years, paths, strict=True):
        map_region(network, region="wuhan", bbox=bbox, month=f"{year}-06", out=path, progress=False)
    series = open_series(paths)
    share_THW = np.concatenate([rows.share_THW for rows in series.rows()], axis=1)
    return Case(name, series.years, share_THW, truth(series.geobox, series.years))


def truth(geobox: GeoBox, years: Sequence[int]) -> np.ndarray:
    """1 where more than half of a pixel is impervious in a year, else 0; uint8 (years, rows, columns)."""
    world, zone = World(), f"{crs_of(geobox).to_epsg() % 100}N"
    shares = []
    for year in years:
        image = world.image(f"{TRUTH_10}/{year}_{zone}")
        assert image is not None
        shares.append(image.read(("impervious",), geobox)[0][0])
    return (np.stack(shares) > 50).astype(np.uint8)


def observed(case: Case, sky: Sky, seed: int = 0) -> np.ndarray:
    """Calibrated probabilities of a known model of errors: each is right as often as it says, year by year."""
    rng, shape = np.random.default_rng(seed), case.truth_THW.shape[1:]
    always_HW = rng.standard_normal(shape) * np.sqrt(sky.returning)
    maps = []
    for year, truth_HW in zip(case.years, case.truth_THW, strict=True):
        sd = sky.blur if year == 2021 else 1.0
        noise_HW = sd * (always_HW + rng.standard_normal(shape) * np.sqrt(1 - sky.returning))
        evidence_HW = SPLIT * (2.0 * truth_HW - 1) + noise_HW
        share = truth_HW.mean()
        chance_HW = expit(np.log(share / (1 - share)) + 2 * SPLIT * evidence_HW / sd**2)
        hidden_HW = np.kron(rng.uniform(size=[-(-side // 8) for side in shape]) < sky.missing, np.ones((8, 8), bool))
        hidden_HW = hidden_HW[: shape[0], : shape[1]]
        maps.append(np.where(hidden_HW, 255, np.rint(PROB_STEPS * chance_HW)).astype(np.uint8))
    return np.stack(maps)


def methods(case: Case) -> dict[str, np.ndarray]:
    """Classes of every method, uint8 (years, N)."""
    share_TN = case.share_THW.reshape(len(case.years), -1)
    own_TN = np.where(share_TN == 255, 255, share_TN >= PROB_STEPS / 2).astype(np.uint8)
    step = max(1, share_TN.size // MOST_VALUES)
    patterns = Patterns.of(share_TN[:, ::step], case.years)
    chain = fit(patterns).chain
    print(f"\n{case.title}: " + ", ".join(f"{name} {value:.4g}" for name, value in _rates(chain)), flush=True)
    # the chain whose years err independently, with its own rates
    plain, _ = em(replace(chain, persistence=0.0, renewal=0.0), patterns, Limits(), 50)
    classes = {name: rule(own_TN) for name, rule in RULES.items()}
    classes["chain without returning errors"] = filtered(share_TN, plain).class_TN
    return classes | {"chain": filtered(share_TN, chain).class_TN}


def _rates(chain: YearChain) -> list[tuple[str, float]]:
    names = ("initial", "gain", "loss", "persistence", "renewal")
    return [(name, getattr(chain, name)) for name in names]


def judged(case: Case) -> dict[str, dict]:
    """Figures of every method and, against the chain, the interval of the difference."""
    block_N = blocks(case.truth_THW.shape[1:])
    known_N = (case.share_THW != 255).all(axis=0).ravel()
    truth_TN = case.truth_THW.reshape(len(case.years), -1)[:, known_N]
    tables = {}
    counts = {}
    for name, class_TN in methods(case).items():
        kept_TN = class_TN[:, known_N]
        counts[name] = {
            "oa": counted(block_N[known_N], truth_TN, kept_TN),
            "back": counted(block_N[known_N], goes_back(truth_TN)[None], goes_back(kept_TN)[None]),
            "gain": counted(block_N[known_N], gained(truth_TN)[None], gained(kept_TN)[None]),
        }
        tables[name] = {key: float(measure(each.sum(axis=0)[None])[0]) for key, each, measure in _each(counts[name])}
        tables[name]["first_year"] = first_year_error(case.years, truth_TN, kept_TN)
    for name, table in tables.items():
        for key, each, measure in _each(counts[name]):
            other = counts["chain"][key]
            difference = measure(resampled(other, DRAWS, 0)) - measure(resampled(each, DRAWS, 0))
            table[f"{key}_difference"] = bounds(difference, np.isfinite(difference))
    return tables


def _each(counts: dict[str, np.ndarray]) -> Iterator[tuple[str, np.ndarray, Callable[[np.ndarray], np.ndarray]]]:
    for key, each in counts.items():
        yield key, each, {"oa": accuracy, "back": false_share, "gain": f1}[key]


def accuracy(counts_DKK: np.ndarray) -> np.ndarray:
    """Share of pixels and years that are right."""
    return measures(counts_DKK, ("no", "yes"))["oa"][0]


def false_share(counts_DKK: np.ndarray) -> np.ndarray:
    """Share of all pixels that go back and truly do not."""
    return counts_DKK[:, 0, 1] / counts_DKK.sum(axis=(1, 2))


def f1(counts_DKK: np.ndarray) -> np.ndarray:
    """F1 of pixels that become impervious between the first year and the last."""
    return measures(counts_DKK, ("no", "yes"))["f1_yes"][0]


def gained(class_TN: np.ndarray) -> np.ndarray:
    """Pixels that are pervious in the first year and impervious in the last."""
    return (class_TN[0] == 0) & (class_TN[-1] == 1)


def first_year_error(years: Sequence[int], truth_TN: np.ndarray, class_TN: np.ndarray) -> float:
    """Mean absolute error in years of the first impervious year, of pixels that truly gain and are seen to gain."""
    both_N = gained(truth_TN) & gained(class_TN)
    first_true, first = (np.array(years)[each[:, both_N].argmax(axis=0)] for each in (truth_TN, class_TN))
    return float(np.abs(first_true - first).mean()) if both_N.any() else float("nan")


def blocks(shape: Sequence[int]) -> np.ndarray:
    """Number of each pixel's square block, (rows x columns,)."""
    rows, cols = (np.arange(length) // BLOCK_PX for length in shape)
    return (rows[:, None] * (cols[-1] + 1) + cols).ravel()


def counted(block_N: np.ndarray, truth_TN: np.ndarray, class_TN: np.ndarray) -> np.ndarray:
    """Confusion counts by block, rows truth, columns class: (blocks, 2, 2)."""
    number_TN = 4 * block_N + 2 * truth_TN.astype(np.int64) + class_TN
    counts = np.bincount(number_TN.ravel(), minlength=4 * (block_N.max() + 1)).reshape(-1, 2, 2)
    return counts[counts.sum(axis=(1, 2)) > 0]


def markdown(title: str, tables: dict[str, dict]) -> str:
    """A table of the figures; in brackets the 95 % interval of the chain's minus the method's."""
    lines = [
        f"\n### {title}\n",
        "| method | right, % | falsely back, % | F1 of growth | first year, error |",
        "|---|---|---|---|---|",
    ]
    for name, table in tables.items():
        cells = [_cell(table, "oa", 100, 2), _cell(table, "back", 100, 2), _cell(table, "gain", 1, 3)]
        lines.append(f"| {name} | {' | '.join(cells)} | {table['first_year']:.2f} |")
    return "\n".join(lines)


def _cell(table: dict, key: str, factor: float, digits: int) -> str:
    value, interval = f"{factor * table[key]:.{digits}f}", table[f"{key}_difference"]
    if interval is None or interval == (0.0, 0.0):
        return value
    return f"{value} [{factor * interval[0]:+.{digits}f}, {factor * interval[1]:+.{digits}f}]"


if __name__ == "__main__":
    main()
