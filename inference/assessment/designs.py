"""Sampling designs: simple random, systematic, stratified, two-stage clusters; any of the first and third with a
minimum distance, which makes inclusion probabilities unequal and not known.

Designs: Stehman 2009, International Journal of Remote Sensing 30, 5243-5272; Cochran 1977, chapters 2, 5, 8 and 11.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from isamap.inference.assessment import frame as frames
from isamap.inference.assessment.class_map import ClassMap
from isamap.inference.assessment.frame import FramePixels, SamplingFrame
from isamap.inference.assessment.pixel_area import cell_area_m2
from isamap.inference.assessment.sample import Cluster, DrawnSample, Point, Stratum
from isamap.inference.assessment.strata import Strata, WholeMap

KM2 = 1e6
CANDIDATES = 8  # drawn for each point that a minimum distance leaves
SYSTEMATIC_NOTE = "variances are those of a simple random sample, which is cautious for a systematic one"
DISTANCE_FLAW = (
    "a minimum distance makes inclusion probabilities unequal and not known; a systematic sample keeps points apart "
    "with equal ones (--design systematic)"
)


@dataclass(frozen=True)
class Drawing:
    """How pixels are drawn: the map, a seed, and the settings that the sample keeps."""

    class_map: ClassMap
    seed: int = 0

    def rng(self) -> np.random.Generator:
        """The same numbers for the same seed."""
        return np.random.default_rng(self.seed)

    def simple(self, points: int, *, min_distance_m: float = 0.0, frame: SamplingFrame | None = None) -> DrawnSample:
        """A simple random sample of known pixels. frame: the map surveyed as a whole, if it was."""
        strata = frame or WholeMap()
        return self.stratified(strata, np.array([points]), min_distance_m=min_distance_m, design="simple")

    def stratified(
        self,
        strata: Strata | SamplingFrame,
        counts: np.ndarray,
        *,
        min_distance_m: float = 0.0,
        design: str = "stratified",
    ) -> DrawnSample:
        """Simple random samples within strata, of so many points each; `strata` may be a frame that was surveyed."""
        frame, rng = self._surveyed(strata), self.rng()
        counts = np.where(frame.strata_m2 > 0, counts, 0)
        pixels = _apart(frame, counts, rng, min_distance_m) if min_distance_m else frames.draw(frame, counts, rng)
        sizes = np.bincount(pixels.stratum_N, minlength=len(counts))
        # By ground, not by pixels: in degrees they shrink towards the poles.
        inclusion = sizes[pixels.stratum_N] * pixels.area_N / frame.strata_m2[pixels.stratum_N]
        inclusion[(sizes == frame.strata_pixels)[pixels.stratum_N]] = 1.0
        sample = self._sample(frame, pixels, inclusion, design, {"points": int(counts.sum())}, rng)
        if not min_distance_m:
            return sample
        settings = {**sample.settings, "min_distance_m": min_distance_m}
        return replace(sample, flaw=DISTANCE_FLAW, settings=settings)

    def systematic(self, points: int, *, frame: SamplingFrame | None = None) -> DrawnSample:
        """The pixels on a square lattice with a random start: about so many, at least the lattice's step apart."""
        for sheet in self.class_map.sheets:
            crs = sheet.geobox.crs
            if crs is not None and not crs.projected:
                raise ValueError(f"{sheet.path} is in degrees, whose lattice is not square: reproject it to metres")
        frame, rng = self._surveyed(frame or WholeMap()), self.rng()
        if points < 2:
            raise ValueError(f"--points {points}: a systematic sample needs two or more")
        spacing_m = math.sqrt(frame.total_m2 / points)
        pixels = frames.systematic(frame, spacing_m, rng)
        inclusion = np.array(
            [abs(self.class_map.sheets[index].geobox.affine.determinant) / spacing_m**2 for index in pixels.sheet_N]
        )
        settings = {"points": points, "spacing_m": spacing_m}
        sample = self._sample(frame, pixels, inclusion, "systematic", settings, rng)
        return replace(sample, notes=(SYSTEMATIC_NOTE,))

    def clusters(
        self, clusters: int, points_each: int, side_m: float, *, frame: SamplingFrame | None = None
    ) -> DrawnSample:
        """Square blocks of a side drawn by simple random sampling, then pixels within each the same way.

        frame: the map surveyed in such blocks, if it was.
        """
        frame, rng = frame or frames.survey(self.class_map, WholeMap(), self.side_px(side_m)), self.rng()
        holding = np.flatnonzero(frame.pixels_BH[:, 0])
        if not 2 <= clusters <= len(holding):
            raise ValueError(f"--clusters {clusters}: expected 2 to {len(holding)}, the map's blocks with known ground")
        # Sorted, as the map's blocks are read in order.
        blocks = np.sort(rng.choice(holding, clusters, replace=False))
        pixels = _within(frame, blocks, points_each, rng)
        each = np.bincount(pixels.block_N, minlength=len(frame.area_BH))
        area_m2, pixel_counts = frame.area_BH[:, 0], frame.pixels_BH[:, 0]
        inclusion = clusters / len(holding) * each[pixels.block_N] * pixels.area_N / area_m2[pixels.block_N]
        settings = {"clusters": clusters, "points_each": points_each, "side_m": side_m}
        sample = self._sample(frame, pixels, inclusion, "cluster", settings, rng)
        clusters_drawn = tuple(Cluster(int(at), float(area_m2[at] / KM2), int(pixel_counts[at])) for at in blocks)
        return replace(sample, clusters=clusters_drawn, cluster_count=len(holding))

    def side_px(self, side_m: float) -> int:
        """A cluster's side in pixels; ValueError where it has fewer than two."""
        step_m = math.sqrt(cell_area_m2(self.class_map.sheets[0].geobox))
        if round(side_m / step_m) < 2:
            raise ValueError(f"--cluster-side {side_m:g}: expected at least two pixels of {step_m:.3g} m")
        return round(side_m / step_m)

    def _surveyed(self, strata: Strata | SamplingFrame) -> SamplingFrame:
        return strata if isinstance(strata, SamplingFrame) else frames.survey(self.class_map, strata)

    def _sample(
        self, frame: SamplingFrame, pixels: FramePixels, inclusion: np.ndarray, design: str, settings: dict[str, Any],
        rng: np.random.Generator,
    ) -> DrawnSample:  # fmt: skip
        """The record of drawn pixels, in an order that says nothing of stratum or class."""
        lon, lat = pixels.lonlat(self.class_map)
        names, classes = frame.strata.names, self.class_map.classes
        points = tuple(
            Point(
                index, float(lon[at]), float(lat[at]), names[pixels.stratum_N[at]], classes[pixels.class_N[at]],
                float(min(inclusion[at], 1.0)), int(pixels.block_N[at]) if design == "cluster" else -1,
            )
            # Shuffled: an interpreter who sees classes in a row would expect the next one.
            for index, at in enumerate(rng.permutation(len(pixels)), 1)
        )  # fmt: skip
        strata = tuple(
            Stratum(name, float(area / KM2), int(count), frame.strata.class_of.get(name, ""))
            for name, area, count in zip(names, frame.strata_m2, frame.pixels_BH.sum(axis=0), strict=True)
        )
        return DrawnSample(
            design=design,
            points=points,
            strata=strata,
            class_km2=dict(zip(classes, (frame.class_m2 / KM2).tolist(), strict=True)),
            maps=tuple(str(sheet.path) for sheet in self.class_map.sheets),
            settings={"seed": self.seed, **settings},
            simulated=self.class_map.simulated,
            fingerprint=self.class_map.fingerprint(),
        )


def _within(frame: SamplingFrame, blocks: np.ndarray, points_each: int, rng: np.random.Generator) -> FramePixels:
    """Different pixels of each chosen block: points_each, or all where it has fewer."""
    ends = frame.area_BH[:, 0].cumsum()
    starts = ends - frame.area_BH[:, 0]
    counts = np.minimum(points_each, frame.pixels_BH[blocks, 0])
    pixels: FramePixels | None = None
    for _ in range(frames.MOST_PASSES):
        places = np.sort(
            np.concatenate([rng.uniform(starts[b], ends[b], 2 * n + 2) for b, n in zip(blocks, counts, strict=True)])
        )
        more = frames.taken(frame, [places], [rng.permutation(len(places))])
        pixels = _few_each(more if pixels is None else frames.joined(pixels, more), blocks, counts)
        if len(pixels) == counts.sum():
            return pixels
    raise ValueError(f"--points {points_each} a cluster take nearly every pixel of one: ask for fewer")


def _few_each(pixels: FramePixels, blocks: np.ndarray, counts: np.ndarray) -> FramePixels:
    keys = np.stack([pixels.sheet_N, pixels.row_N, pixels.col_N], axis=1)
    unique = pixels.subset(np.sort(np.unique(keys, axis=0, return_index=True)[1]))
    selection = [np.flatnonzero(unique.block_N == block)[:count] for block, count in zip(blocks, counts, strict=True)]
    return unique.subset(np.concatenate(selection))


def _apart(frame: SamplingFrame, counts: np.ndarray, rng: np.random.Generator, distance_m: float) -> FramePixels:
    """Pixels drawn one after another, those too near to an earlier one left out."""
    tries = np.minimum(counts * CANDIDATES, frame.pixels_BH.sum(axis=0))
    pixels = frames.draw(frame, tries, rng)
    shuffled = pixels.subset(rng.permutation(len(pixels)))
    place_N3 = _on_ellipsoid(*shuffled.lonlat(frame.class_map))
    selection: list[int] = []
    left = counts.astype(np.int64).copy()
    for at, stratum in enumerate(shuffled.stratum_N):
        near = len(selection) and np.min(np.sum((place_N3[selection] - place_N3[at]) ** 2, axis=1)) < distance_m**2
        if left[stratum] and not near:
            selection.append(at)
            left[stratum] -= 1
    if left.any():
        name = frame.strata.names[int(np.argmax(left))]
        raise ValueError(
            f"--min-distance {distance_m:g}: only {len(selection)} of {int(counts.sum())} points lie so far apart "
            f"(stratum {name!r} lacks {int(left.max())}): ask for fewer points or a shorter distance"
        )
    return shuffled.subset(np.array(selection))


def _on_ellipsoid(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """Geocentric metres, so that chords are distances, across zones too."""
    from pyproj import Transformer

    x, y, z = Transformer.from_crs(4979, 4978, always_xy=True).transform(lon, lat, np.zeros(len(lon)))
    return np.stack([x, y, z], axis=1)
