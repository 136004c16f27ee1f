"""Chains, synthetic pixels and finished maps of years that the tests of inference/years share."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from affine import Affine

from isamap.inference.map_files.legend import PROB_STEPS
from isamap.inference.years.chain import RANK_SHARES, RANKS, YearChain, ranked
from isamap.inference.years.estimation import VALUE_OF
from isamap.inference.years.levels import EDGES, LEVELS

WUHAN = Affine(10, 0, 212750, 0, -10, 3416360)


def random_chain(years: Sequence[int], seed: int, **changes) -> YearChain:
    """A chain of random tables, in which higher levels speak for impervious ground."""
    rng = np.random.default_rng(seed)
    tilt_L = np.linspace(-2, 2, LEVELS)
    weights_TSL = rng.uniform(0.2, 1, (len(years), 2, LEVELS)) * np.exp(np.stack([-tilt_L, tilt_L]))
    fields = {"initial": 0.3, "gain": 0.07, "loss": 0.02, "persistence": 0.6, "renewal": 0.1} | changes
    return YearChain(tuple(years), **fields, emission_TSL=weights_TSL / weights_TSL.sum(axis=2, keepdims=True))


def random_shares(years: int, pixels: int, seed: int, *, missing: float = 0.15) -> np.ndarray:
    """Stored probabilities (years, pixels), some of them not known."""
    rng = np.random.default_rng(seed)
    shares_TN = rng.integers(0, PROB_STEPS + 1, (years, pixels)).astype(np.uint8)
    shares_TN[rng.uniform(size=shares_TN.shape) < missing] = 255
    return shares_TN


def calibrated_chain(years: Sequence[int], sharpness_T: Sequence[float], **changes) -> YearChain:
    """A chain whose tables are those of calibrated maps: of the pixels of a level with probability p, p are impervious.

    sharpness_T: how far each year's probabilities lie from one half.
    """
    fields = {"initial": 0.35, "gain": 0.03, "loss": 0.004, "persistence": 0.0, "renewal": 0.0} | changes
    flat = np.full((len(years), 2, LEVELS), 1 / LEVELS)
    prior_T = YearChain(tuple(years), **fields, emission_TSL=flat).prior_T
    chance_L = VALUE_OF[:LEVELS] / PROB_STEPS
    tables = []
    for prior, sharpness in zip(prior_T, sharpness_T, strict=True):
        low_L, high_L = (weights_L / weights_L.sum() for weights_L in _sides(sharpness))
        share = (prior - low_L @ chance_L) / (high_L @ chance_L - low_L @ chance_L)
        histogram_L = (1 - share) * low_L + share * high_L
        tables.append([histogram_L * (1 - chance_L) / (1 - prior), histogram_L * chance_L / prior])
    tables_TSL = np.maximum(np.array(tables), 1e-9)
    return YearChain(tuple(years), **fields, emission_TSL=tables_TSL / tables_TSL.sum(axis=2, keepdims=True))


def _sides(sharpness: float) -> tuple[np.ndarray, np.ndarray]:
    level_L = np.linspace(0, 1, LEVELS)
    return np.exp(-sharpness * level_L), np.exp(-sharpness * (1 - level_L))


def simulate(chain: YearChain, pixels: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Grounds (years, N) drawn year by year, and stored probabilities drawn from the chain's tables."""
    rng = np.random.default_rng(seed)
    ground_N = (rng.uniform(size=pixels) < chain.initial).astype(int)
    rank_N = rng.choice(RANKS, size=pixels, p=RANK_SHARES)
    grounds, shares = [], []
    for year in range(chain.years[0], chain.years[-1] + 1):
        if year > chain.years[0]:
            chance_N = np.where(ground_N, 1 - chain.loss, chain.gain)
            later_N = (rng.uniform(size=pixels) < chance_N).astype(int)
            rank_N = np.where(later_N == ground_N, rank_N, rng.choice(RANKS, size=pixels, p=RANK_SHARES))
            ground_N = later_N
        if year in chain.years:
            table_NL = chain.ranked_TSRL[chain.years.index(year), ground_N, rank_N]
            level_N = (rng.uniform(size=pixels)[:, None] > np.cumsum(table_NL, axis=1)).sum(axis=1)
            grounds.append(ground_N)
            shares.append(VALUE_OF[np.minimum(level_N, LEVELS - 1)])
    return np.stack(grounds).astype(np.uint8), np.stack(shares)


def paths(years: int) -> np.ndarray:
    """Every sequence of grounds, (2 ** years, years)."""
    return np.array(list(itertools.product((0, 1), repeat=years)))


def joint(shares_T: np.ndarray, chain: YearChain) -> np.ndarray:
    """Probability of every path together with a pixel's values, by multiplying out year by year and rank by rank."""
    levels = [None if share == 255 else sum(share / PROB_STEPS >= edge for edge in EDGES) for share in shares_T]
    tables = _tables(chain)
    return np.array([_joint(path, levels, chain, tables) for path in paths(len(chain.years))])


def _joint(path: np.ndarray, levels: list[int | None], chain: YearChain, tables: dict) -> float:
    step_SS = np.array([[1 - chain.gain, chain.gain], [chain.loss, 1 - chain.loss]])
    product = chain.initial if path[0] else 1 - chain.initial
    for at, (former, ground) in enumerate(itertools.pairwise(path)):
        product *= np.linalg.matrix_power(step_SS, chain.years[at + 1] - chain.years[at])[former, ground]
    for ground, stretch in itertools.groupby(range(len(path)), key=lambda at: path[at]):
        shown = [at for at in stretch if levels[at] is not None]
        chances = [math.prod(tables[at, ground][rank, levels[at]] for at in shown) for rank in range(RANKS)]
        product *= sum(share * chance for share, chance in zip(RANK_SHARES, chances, strict=True))
    return product


def _tables(chain: YearChain) -> dict:
    """Probability of every level by year and ground for each rank."""
    loading = math.sqrt(chain.persistence)
    return {
        (at, ground): (1 - chain.renewal) * ranked(table_L, loading) + chain.renewal * table_L
        for at, table_SL in enumerate(chain.emission_TSL)
        for ground, table_L in enumerate(table_SL)
    }


@pytest.fixture
def year_map(tmp_path: Path) -> Callable[..., Path]:
    """Writes a finished map of a year, as `isamap map` would."""
    return year_maps_in(tmp_path)


def year_maps_in(home: Path) -> Callable[..., Path]:
    """What writes finished maps of years into a folder."""
    from odc.geo.geobox import GeoBox

    from isamap.inference.map_files import cog
    from isamap.inference.map_files.legend import Legend

    def make(year: int, share_HW: np.ndarray, *, transform: Affine = WUHAN, name: str = "", **tags: str) -> Path:
        legend = Legend(("pervious", "impervious"))
        folder = home / "work" / f"{year}{name}"
        folder.mkdir(parents=True, exist_ok=True)
        rows = cog.RowsFile(folder / "rows.u8", share_HW.shape[1])
        rows.path.unlink(missing_ok=True)
        class_HW = np.where(share_HW == 255, 255, share_HW >= 127).astype(np.uint8)
        rows.append(np.stack([class_HW, share_HW.astype(np.uint8)]))
        words = {"model": "unet", "checkpoint": "c" * 32, "classes": ",".join(legend.names), "simulated": "true"}
        words |= {"simulated_parts": "input, training", "settings": f"{year:032d}", "threshold": "0.5"}
        times = {"period": f"{year}-06", "period_start": f"{year}-06-01", "period_end": f"{year}-07-01"}
        grid = GeoBox(share_HW.shape, transform, "EPSG:32650")
        out = home / "maps" / f"{name or year}.tif"
        out.parent.mkdir(exist_ok=True)
        cog.write(rows, cog.MapInfo(grid, legend, words | times | tags), out)
        return out

    return make
