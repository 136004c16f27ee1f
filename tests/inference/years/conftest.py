"""Chains, synthetic pixels and finished maps of years that the tests of inference/years share."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from affine import Affine

from inference.legend import PROB_STEPS
from inference.years.chain import YearChain
from inference.years.levels import LEVELS

WUHAN = Affine(10, 0, 212750, 0, -10, 3416360)


def random_chain(years: Sequence[int], seed: int, **changes) -> YearChain:
    """A chain of random tables, in which higher levels speak for impervious ground."""
    rng = np.random.default_rng(seed)
    tilt_L = np.linspace(-2, 2, LEVELS)
    weights_TSL = rng.uniform(0.2, 1, (len(years), 2, LEVELS)) * np.exp(np.stack([-tilt_L, tilt_L]))
    fields = {"initial": 0.3, "gain": 0.07, "loss": 0.02} | changes
    return YearChain(tuple(years), **fields, emission_TSL=weights_TSL / weights_TSL.sum(axis=2, keepdims=True))


def random_shares(years: int, pixels: int, seed: int, *, missing: float = 0.15) -> np.ndarray:
    """Stored probabilities (years, pixels), some of them not known."""
    rng = np.random.default_rng(seed)
    shares_TN = rng.integers(0, PROB_STEPS + 1, (years, pixels)).astype(np.uint8)
    shares_TN[rng.uniform(size=shares_TN.shape) < missing] = 255
    return shares_TN


def simulate(chain: YearChain, pixels: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Grounds (years, N) drawn year by year, and stored probabilities drawn from the chain's tables."""
    from inference.years.estimation import _VALUE_OF

    rng = np.random.default_rng(seed)
    ground_N = rng.uniform(size=pixels) < chain.initial
    grounds, shares = [], []
    for year in range(chain.years[0], chain.years[-1] + 1):
        if year > chain.years[0]:
            chance_N = np.where(ground_N, 1 - chain.loss, chain.gain)
            ground_N = rng.uniform(size=pixels) < chance_N
        if year in chain.years:
            table_SL = chain.emission_TSL[chain.years.index(year)]
            edges_SL = np.cumsum(table_SL, axis=1)
            level_N = (rng.uniform(size=pixels)[:, None] > edges_SL[ground_N.astype(int)]).sum(axis=1)
            grounds.append(ground_N.astype(np.uint8))
            shares.append(_VALUE_OF[np.minimum(level_N, LEVELS - 1)])
    return np.stack(grounds), np.stack(shares)


def paths(years: int) -> np.ndarray:
    """Every sequence of grounds, (2 ** years, years)."""
    return np.array(list(itertools.product((0, 1), repeat=years)))


def joint(shares_T: np.ndarray, chain: YearChain) -> np.ndarray:
    """Probability of every path together with a pixel's values, by multiplying out year by year."""
    from inference.years.levels import EDGES

    step_SS = np.array([[1 - chain.gain, chain.gain], [chain.loss, 1 - chain.loss]])
    values = []
    for path in paths(len(chain.years)):
        product = chain.initial if path[0] else 1 - chain.initial
        for at, (ground, share) in enumerate(zip(path, shares_T, strict=True)):
            if at:
                gap = chain.years[at] - chain.years[at - 1]
                product *= np.linalg.matrix_power(step_SS, gap)[path[at - 1], ground]
            if share != 255:
                level = sum(share / PROB_STEPS >= edge for edge in EDGES)
                product *= chain.emission_TSL[at, ground, level]
        values.append(product)
    return np.array(values)


@pytest.fixture
def year_map(tmp_path: Path) -> Callable[..., Path]:
    """Writes a finished map of a year, as `isamap map` would."""
    from odc.geo.geobox import GeoBox

    from inference import cog
    from inference.legend import Legend

    def make(year: int, share_HW: np.ndarray, *, transform: Affine = WUHAN, name: str = "", **tags: str) -> Path:
        legend = Legend(("pervious", "impervious"))
        folder = tmp_path / "work" / f"{year}{name}"
        folder.mkdir(parents=True, exist_ok=True)
        rows = cog.RowsFile(folder / "rows.u8", share_HW.shape[1])
        rows.path.unlink(missing_ok=True)
        class_HW = np.where(share_HW == 255, 255, share_HW >= 127).astype(np.uint8)
        rows.append(np.stack([class_HW, share_HW.astype(np.uint8)]))
        words = {"model": "unet", "checkpoint": "c" * 32, "classes": ",".join(legend.names), "simulated": "true"}
        words |= {"simulated_parts": "input, training", "settings": f"{year:032d}", "threshold": "0.5"}
        times = {"period": f"{year}-06", "period_start": f"{year}-06-01", "period_end": f"{year}-07-01"}
        grid = GeoBox(share_HW.shape, transform, "EPSG:32650")
        out = tmp_path / "maps" / f"{name or year}.tif"
        out.parent.mkdir(exist_ok=True)
        cog.write(rows, cog.MapInfo(grid, legend, words | times | tags), out)
        return out

    return make
