"""`isamap calibrate --points`: the threshold of a checkpoint, or its curve, from a few dozen points of known class."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from isamap.gee_export.base import exchanged
from isamap.gee_export.base.answer_class import UNCERTAIN, answered_class, check_named
from isamap.gee_export.base.scheme import UNKNOWN
from isamap.inference.assessment.answers import CLASS_COLUMN
from isamap.inference.assessment.class_map import open_class_map
from isamap.inference.assessment.reference_points import columns_and_places
from isamap.inference.mapping.map_input import loaded
from isamap.training.accuracy.curve_fits import fitted
from isamap.training.accuracy.held_out import held_out
from isamap.training.accuracy.point_threshold import PointSample, PointThreshold, cells_of, choose_threshold
from isamap.training.accuracy.reliability import Reliability, sums
from isamap.training.accuracy.thresholds import check_calibration
from isamap.training.checkpoints import checkpoint as ck

CURVES = ("temperature", "platt", "beta")  # isotonic needs thousands of pixels
NO_CURVE = "none"
# Of a sphere of 6,371 km: it only says which points lie close together.
KM_OF_DEGREE = 111.195


@dataclass(frozen=True)
class KnownPoints:
    """A file of points of known class: CSV with LON and LAT, or any vector file that `read_table` takes.

    column: of the class. impervious: its values that are impervious, where they are not the checkpoint's class names;
    every other value is pervious then.
    """

    path: Path
    column: str = CLASS_COLUMN
    impervious: tuple[str, ...] = ()


@dataclass(frozen=True)
class PointReport:
    """The checkpoint's copy, what its threshold is and how sure, and how many points said so.

    left_out: points outside the map or without a value there. curve: its method, and the log loss of held-out points
    without and with it.
    """

    folder: Path
    points: int
    impervious: int
    uncertain: int
    left_out: int
    chosen: PointThreshold
    threshold: float
    curve: str = NO_CURVE
    log_loss: tuple[float, float] | None = None

    def __str__(self) -> str:
        choice, before = self.chosen, self.chosen.f1_before_interval
        lines = [
            f"impervious from {self.threshold:.4f} on (before: {choice.before:.4f}), chosen on {self.points} points, "
            f"{self.impervious} of them impervious{self._not_used}",
            f"95 % interval of the threshold: {_range(choice.interval)}",
            f"F1 of impervious: {choice.f1:.2f} {_range(choice.f1_interval)} at points that did not choose it, "
            f"{choice.f1_before:.2f} {_range(before)} with the threshold before",
        ]
        if not choice.is_better:  # only with a curve, which moves the threshold along
            lines[0] = f"impervious from {self.threshold:.4f} on: the threshold before, moved along with the curve"
        if self.log_loss is not None:
            lines.append(
                f"{self.curve} curve: log loss of points that it was not fitted to {self.log_loss[1]:.3f}, "
                f"{self.log_loss[0]:.3f} without it"
            )
        return "\n".join([*lines, f"checkpoint: {self.folder}"])

    @property
    def _not_used(self) -> str:
        counted = {"uncertain": self.uncertain, "outside the map or without a value": self.left_out}
        words = [f"{count} {word}" for word, count in counted.items() if count]
        return f" (not used: {', '.join(words)})" if words else ""


def calibrate_points(
    checkpoint: str | Path,
    points: str | Path | KnownPoints,
    out: str | Path,
    *,
    map_at: str | Path | None = None,
    image: str | Path | None = None,
    curve: str = NO_CURVE,
    project: str | None = None,
) -> PointReport:
    """The threshold with the best F1 of impervious at points; writes a copy of the checkpoint with it.

    map_at: a map that this checkpoint made, or a folder of its tiles. image: a GeoTIFF that is mapped for it. Exactly
    one of them. curve: of CURVES, fitted after the threshold was chosen, which then moves along.
    ValueError: too few points of a class, a map of another checkpoint, `out` is taken, a threshold that does no better
    at points that did not choose it (with a curve the one before stays), a curve that makes probabilities worse at
    points that it was not fitted to.
    """
    points = points if isinstance(points, KnownPoints) else KnownPoints(Path(points))
    trained, folder = loaded(checkpoint, project), Path(out)
    check_calibration(trained, folder, "val")
    _check(trained, curve, map_at, image)
    lon, lat, impervious, uncertain = _known(points, trained.classes)
    probability = _probabilities(checkpoint, trained, lon, lat, map_at=map_at, image=image)
    is_seen = np.isfinite(probability)
    kept = [values[is_seen] for values in (probability, impervious, lon, lat)]
    # By cells: points side by side share their errors, and would vouch for each other as held-out ones.
    sample = PointSample(kept[0], kept[1], cells_of(*_metres(kept[2], kept[3])))
    threshold = choose_threshold(sample, float(trained.thresholds["impervious"]))
    source = {"points": len(kept[0]), "impervious": int(kept[1].sum()), "file": Path(points.path).name}
    if not threshold.is_better and curve == NO_CURVE:
        raise ValueError(_no_better(threshold, len(kept[0])))
    better, losses = _with_threshold(trained, threshold, source) if threshold.is_better else trained, None
    if curve != NO_CURVE:
        better, losses = _with_curve(better, sample, curve)
    ck.rewrite(better, folder)
    return PointReport(
        folder, len(kept[0]), int(kept[1].sum()), uncertain, int((~is_seen).sum()), threshold,
        better.thresholds["impervious"], curve, losses,
    )  # fmt: skip


def _no_better(threshold: PointThreshold, count: int) -> str:
    return (
        f"{count} points show no better threshold than {threshold.before:.4f}: F1 of impervious is "
        f"{threshold.f1_before:.2f} with it, and {threshold.f1:.2f} {_range(threshold.f1_interval)} with another one "
        "at points that did not choose it; keep the checkpoint, or give more points"
    )


def _with_threshold(trained: ck.Checkpoint, threshold: PointThreshold, source: dict[str, Any]) -> ck.Checkpoint:
    """The checkpoint with the threshold, its interval and the points that chose it."""
    interval = None if threshold.interval is None else [round(bound, 4) for bound in threshold.interval]
    return replace(
        trained,
        thresholds={**trained.thresholds, "impervious": threshold.threshold},
        origin={**trained.origin, "calibrated": {"measure": "f1", "interval": interval} | source},
    )


def _check(trained: ck.Checkpoint, curve: str, map_at: object, image: object) -> None:
    if (map_at is None) == (image is None):
        raise ValueError("--points needs the pixels that they lie on: give --map MAP.tif or --input IMAGE.tif")
    if curve not in (NO_CURVE, *CURVES):
        raise ValueError(f"--curve {curve} with --points: expected one of {', '.join(CURVES)}")
    if curve != NO_CURVE and trained.calibration:
        raise ValueError(f"{trained.location} has a curve already: take the checkpoint that it was fitted to")


def _known(points: KnownPoints, classes: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Longitude, latitude and whether impervious of the points that somebody is sure of; how many are uncertain."""
    path = Path(points.path).expanduser()
    columns, lon, lat = columns_and_places(path)
    name = next((each for each in columns if each.lower() == points.column.lower()), None)
    if name is None:
        raise ValueError(
            f"points {path} have no column {points.column!r} ({', '.join(columns)}): name it with --column"
        )
    values = [str(value).strip() for value in columns[name]]
    check_named(points.impervious, values, f"--impervious, column {name} of {path}")
    answers = [
        answered_class(value, classes, f"points {path}, row {row}", points.impervious)
        for row, value in enumerate(values, 1)
    ]
    is_known = np.array([answer not in ("", UNCERTAIN) for answer in answers])
    impervious = np.array([answer == "impervious" for answer in answers])
    return lon[is_known], lat[is_known], impervious[is_known], int((~is_known).sum())


def _probabilities(
    checkpoint: str | Path, trained: ck.Checkpoint, lon: np.ndarray, lat: np.ndarray, *, map_at: Any, image: Any
) -> np.ndarray:
    """Probability of impervious at the points, NaN where none is known."""
    if image is None:
        return _read(trained, map_at, lon, lat)
    from isamap.inference.mapping.map import map_region

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "map.tif"
        map_region(checkpoint, input=str(image), out=out, progress=False)
        return _read(trained, out, lon, lat)


def _read(trained: ck.Checkpoint, map_at: str | Path, lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    class_map = open_class_map(map_at)
    if dict(class_map.tags).get("checkpoint") != trained.fingerprint:
        raise ValueError(
            f"map {class_map.name} was not made with the checkpoint {trained.location}: make it again with "
            "`isamap map`, or give its --input"
        )
    probability = class_map.probability_at(lon, lat)
    if exchanged.look_exchanged(lon, lat, lambda x, y: class_map.at(x, y) != UNKNOWN):
        raise ValueError(f"the points lie off the map {class_map.name}, and {exchanged.WORDS}")
    if probability is None:
        raise ValueError(f"map {class_map.name}: its probabilities are missing; copy NAME_prob.tif beside it")
    return probability


def _with_curve(chosen: ck.Checkpoint, sample: PointSample, method: str) -> tuple[ck.Checkpoint, tuple[float, float]]:
    """The checkpoint with a curve, its threshold moved along; log loss of held-out points without and with it."""
    measured = _by_cell(sample)
    judged = held_out(method, measured)
    if judged is None or judged.is_worse:
        losses = "" if judged is None else f" (log loss {judged.after:.3f}, {judged.before:.3f} without it)"
        raise ValueError(
            f"--curve {method}: these points cannot show that it helps where it was not fitted{losses}; leave --curve "
            "out, or give more points"
        )
    curve = fitted(method, measured.counts)
    thresholds = {"impervious": curve.at(chosen.thresholds["impervious"])}
    origin = {**chosen.origin, "curve": {"method": method, "points": len(sample.cell_N)}}
    better = replace(chosen, calibration=curve.to_json(), conformal={}, thresholds=thresholds, origin=origin)
    return better, (judged.before, judged.after)


def _by_cell(sample: PointSample) -> Reliability:
    label = sample.impervious_N.astype(np.uint8)
    cells = [sample.cell_N == cell for cell in np.unique(sample.cell_N)]
    return Reliability(np.stack([sums(sample.probability_N[cell], label[cell]) for cell in cells]))


def _metres(lon: np.ndarray, lat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Plane coordinates near the points, good enough to say which lie close together."""
    km = KM_OF_DEGREE * 1000
    return lon * km * np.cos(np.radians(lat.mean())) if len(lat) else lon, lat * km


def _range(interval: tuple[float, float] | None) -> str:
    return "[unknown]" if interval is None else f"[{interval[0]:.2f}, {interval[1]:.2f}]"
