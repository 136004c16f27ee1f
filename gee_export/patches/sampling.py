"""Which of the lattice's patches an export takes: all, points far apart, or by the impervious share of their labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from pyproj import Transformer

from isamap.gee_export.base.grid import Window
from isamap.gee_export.base.options import Option
from isamap.gee_export.base.windows import Windows
from isamap.gee_export.datasets.region_grid import RegionGrid


@dataclass(frozen=True)
class Sampling:
    """How patches are chosen; each kind (SAMPLINGS) has its own options, and another's are refused.

    points: at least distance_km between the patches' centres (3 km in JointSeg), as many as fit in random order.
    impervious: label pixels are impervious by at least min_impervious (0 to 1) of the known ones.
    strata: edges of the shares from 0 to 1; per_stratum: how many of each, or as many as the poorest stratum has.
    """

    GROUP: ClassVar[str] = "Sampling"
    kind: Annotated[str, Option("Which patches; the last two go by the labels.", choices=SAMPLINGS, name="sample")] = (
        "grid"
    )
    distance_km: Annotated[
        float, Option("Of --sample points: between any two patches' centres, at least.", metavar="KM")
    ] = 3.0
    min_impervious: Annotated[
        float, Option("Of --sample impervious: of the known label pixels, 0 to 1.", metavar="SHARE")
    ] = 0.05
    strata: Annotated[tuple[float, ...], Option("Of --sample strata: edges of shares.", metavar="SHARE")] = (
        0.0,
        0.1,
        0.3,
        0.6,
        1.0,
    )
    per_stratum: Annotated[
        tuple[int, ...], Option("Patches of each stratum, equally many by default.", metavar="N")
    ] = ()

    def __post_init__(self) -> None:
        if self.kind not in SAMPLINGS:
            raise ValueError(f"--sample {self.kind!r}: expected one of {', '.join(SAMPLINGS)}")
        if not 0 < self.distance_km <= 1000:
            raise ValueError(f"--distance-km {self.distance_km:g}: expected more than 0, at most 1000")
        if not 0 <= self.min_impervious <= 1:
            raise ValueError(f"--min-impervious {self.min_impervious:g}: expected a share of 0 to 1")
        self._check_strata()
        self._check_own()

    def _check_own(self) -> None:
        """ValueError for an option that this kind would pass over."""
        for method_name, method in SAMPLINGS.items():
            for name in method.options:
                if name not in self.method.options and getattr(self, name) != getattr(Sampling, name):
                    option = name.replace("_", "-")
                    raise ValueError(
                        f"--{option} is of --sample {method_name}, not {self.kind}: give that, or leave it out"
                    )

    def _check_strata(self) -> None:
        edges = self.strata
        if len(edges) < 3 or list(edges) != sorted(set(edges)) or not 0 <= edges[0] < edges[-1] <= 1:
            raise ValueError(
                f"--strata {' '.join(f'{edge:g}' for edge in edges)}: expected at least three rising shares of 0 to 1, "
                "the edges of the strata"
            )
        if self.per_stratum and (len(self.per_stratum) != len(edges) - 1 or min(self.per_stratum) < 0):
            raise ValueError(
                f"--per-stratum {' '.join(map(str, self.per_stratum))}: expected {len(edges) - 1} numbers, one for "
                f"each stratum between {' '.join(f'{edge:g}' for edge in edges)}"
            )

    @property
    def method(self) -> SamplingMethod:
        return SAMPLINGS[self.kind]

    def to_json(self) -> dict[str, Any]:
        """The kind and its own options, for the manifest."""
        values = {name: getattr(self, name) for name in self.method.options}
        return {"kind": self.kind} | {n: list(v) if isinstance(v, tuple) else v for n, v in values.items()}


@dataclass(frozen=True)
class Candidates:
    """Patches to choose from.

    xyz_m: their centres on the globe (N, 3); share: impervious, NaN unknown, or None; split: the number of each one's
    split (N) where they have one already, and the shares (of 1) that the splits are to have of what is taken.
    """

    xyz_m: np.ndarray
    share: np.ndarray | None
    split: np.ndarray | None = None
    split_shares: np.ndarray | None = None

    @property
    def shares(self) -> np.ndarray:
        """The impervious shares; ValueError where nothing says them."""
        if self.share is None:
            raise ValueError("patches without labels have no impervious share to choose by: give labels")
        return self.share

    @classmethod
    def of(
        cls,
        region_grids: Sequence[RegionGrid],
        tracts: Mapping[str, Sequence[Window]],
        shares: Mapping[str, np.ndarray] | None,
    ) -> Candidates:
        """The candidates of all regions, one after the other."""
        centres = [_centres(region_grid, tracts[region_grid.name]) for region_grid in region_grids]
        all_shares = (
            None if shares is None else np.concatenate([shares[region_grid.name] for region_grid in region_grids])
        )
        return cls(np.concatenate(centres), all_shares)


# which candidates are taken (bool, N)
Choose = Callable[[Candidates, Sampling, np.random.Generator], np.ndarray]


@dataclass(frozen=True)
class SamplingMethod:
    """A way to sample. needs_share: of the labels, which are then fetched first; options: of Sampling, its own.

    choose: None takes every patch. after_split: chooses among patches that have a split already, so that its numbers
    are those of the dataset.
    """

    choose: Choose | None
    needs_share: bool = False
    after_split: bool = False
    options: tuple[str, ...] = ()


def points(candidates: Candidates, sampling: Sampling, rng: np.random.Generator) -> np.ndarray:
    """A Poisson-disc sample: patches in random order, each taken if no taken one is nearer (the chord on the globe)."""
    from scipy.spatial import cKDTree  # here, so that `isamap export --help` does not load it

    tree, distance_m = cKDTree(candidates.xyz_m), sampling.distance_km * 1000
    taken, free = np.zeros(len(candidates.xyz_m), bool), np.ones(len(candidates.xyz_m), bool)
    for candidate in rng.permutation(len(free)):
        if free[candidate]:
            taken[candidate] = True
            # A hair less than the distance, so that patches exactly so far apart, as on a lattice, both stay.
            free[tree.query_ball_point(candidates.xyz_m[candidate], distance_m * (1 - 1e-9))] = False
    return taken


def impervious(candidates: Candidates, sampling: Sampling, rng: np.random.Generator) -> np.ndarray:
    """Patches whose known label pixels are impervious by at least the share."""
    return np.nan_to_num(candidates.shares, nan=-1.0) >= sampling.min_impervious


def strata(candidates: Candidates, sampling: Sampling, rng: np.random.Generator) -> np.ndarray:
    """A fixed number of patches of each stratum [edge, next edge), the last closed; ValueError where one has too few.

    The splits have their ratios in every stratum, as far as there are patches for it.
    """
    stratum = stratum_of(candidates.shares, sampling.strata)
    available = [int((stratum == stratum_index).sum()) for stratum_index in range(len(sampling.strata) - 1)]
    counts = sampling.per_stratum or (max(1, min(available)),) * len(available)
    taken = np.zeros(len(stratum), bool)
    for stratum_index, (has, wants) in enumerate(zip(available, counts, strict=True)):
        low, high = sampling.strata[stratum_index : stratum_index + 2]
        if has < wants:
            raise ValueError(
                f"the stratum of {low:g} to {high:g} impervious has {has} patches, {wants} are wanted: choose "
                "other --strata, a smaller --per-stratum or more ground"
            )
        members = rng.permutation(np.flatnonzero(stratum == stratum_index))
        taken[_in_proportion(members, candidates, wants)] = True
    return taken


def _in_proportion(members: np.ndarray, candidates: Candidates, wants: int) -> np.ndarray:
    """`wants` of the members, in their order: each split's share where it has enough, the rest from any split."""
    own = np.zeros(0, int) if candidates.split is None else candidates.split[members]
    first = [members[own == split][:quota] for split, quota in _quotas(candidates, wants)]
    selection = np.concatenate(first) if first else members[:0]
    return np.concatenate([selection, members[~np.isin(members, selection)][: wants - len(selection)]])


def _quotas(candidates: Candidates, wants: int) -> list[tuple[int, int]]:
    """Whole numbers in the splits' shares that add up (largest remainders); none where there are no splits."""
    if candidates.split is None or candidates.split_shares is None:
        return []
    exact = candidates.split_shares * wants
    quotas = np.floor(exact).astype(int)
    # Stable: of equal remainders the first split is served, on every machine.
    order = np.argsort(quotas - exact, kind="stable")
    quotas[order[: wants - quotas.sum()]] += 1
    return list(enumerate(quotas.tolist()))


def stratum_of(share: np.ndarray, edges: Sequence[float]) -> np.ndarray:
    """The number of each share's stratum, -1 where it is unknown or outside the edges."""
    index = np.searchsorted(edges, np.nan_to_num(share, nan=-1.0), side="right") - 1
    # The last stratum is closed: a patch of nothing but impervious ground belongs to it.
    index = np.where(share == edges[-1], len(edges) - 2, index)
    return np.where(index < len(edges) - 1, index, -1)


SAMPLINGS: dict[str, SamplingMethod] = {
    "grid": SamplingMethod(None),
    "points": SamplingMethod(points, options=("distance_km",)),
    "impervious": SamplingMethod(impervious, needs_share=True, options=("min_impervious",)),
    "strata": SamplingMethod(strata, needs_share=True, after_split=True, options=("strata", "per_stratum")),
}


def _centres(region_grid: RegionGrid, windows: Sequence[Window]) -> np.ndarray:
    """Centres on the WGS84 ellipsoid in metres from its middle (EPSG:4978), so that regions of any CRS compare."""
    windows = Windows.of(windows)
    x, y = region_grid.lattice.affine * (windows.col + windows.width / 2, windows.row + windows.height / 2)
    # by longitude and latitude: from a two-dimensional CRS straight to 4978, pyproj would leave the height undefined
    lon, lat = Transformer.from_crs(str(region_grid.lattice.crs), 4326, always_xy=True).transform(x, y)
    globe = Transformer.from_crs(4979, 4978, always_xy=True).transform(lon, lat, np.zeros_like(lon))
    return np.column_stack(globe)
