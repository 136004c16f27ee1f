"""`isamap calibrate`: one of several calibrations, on a dataset's split or on points."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

from isamap.gee_export.base.options import Option
from isamap.gee_export.base.project import PROJECT
from isamap.gee_export.command import command
from isamap.gee_export.command_line.report_output import show

NONE, F1, VAL, CLASS = "none", "f1", "val", "class"


@dataclass(frozen=True)
class SplitCalibration:
    """A calibration on a split of datasets."""

    GROUP: ClassVar[str] = "On a dataset"
    data: Annotated[tuple[str, ...], Option("Patch dataset: a folder or gs://bucket/prefix.")] = ()
    post: Annotated[str, Option("Of the probability itself, or of that step.")] = NONE
    alpha: Annotated[float | None, Option("Share of each class that prediction sets may miss: choose them.")] = None
    measure: Annotated[str, Option("Of impervious, or the mean (without --post).")] = F1
    split: Annotated[str, Option("Where it is chosen: val or train.")] = VAL
    device: Annotated[str, Option("What computes.")] = "auto"
    batch: Annotated[int, Option("Patches at once.")] = 16

    @property
    def is_stated(self) -> bool:
        """Whether more is said than which data."""
        return self.post != NONE or self.alpha is not None or self.measure != F1 or self.split != VAL

    def report(self, checkpoint: str, out: str, curve: str, session: Any) -> object:
        """Writes the checkpoint; what was chosen. curve: NONE, or the method of a curve."""
        from isamap.inference.mapping.calibration import calibrate_step
        from isamap.training.accuracy.probability_calibration import calibrate_probabilities
        from isamap.training.accuracy.set_calibration import calibrate_sets
        from isamap.training.accuracy.thresholds import calibrate_checkpoint

        if (curve != NONE) + (self.post != NONE) + (self.alpha is not None) > 1:
            raise ValueError("--curve, --post and --alpha: calibrate one after the other, the curve first")
        options: dict[str, Any] = {"split": self.split, "device": self.device, "batch": self.batch, "session": session}
        if self.alpha is not None:
            return calibrate_sets(checkpoint, self.data, out, alpha=self.alpha, **options)
        if curve != NONE:
            return calibrate_probabilities(checkpoint, self.data, out, method=curve, **options)
        if self.post != NONE:
            return calibrate_step(checkpoint, self.data, out, post=self.post, **options)
        return calibrate_checkpoint(checkpoint, self.data, out, measure=self.measure, **options)


@dataclass(frozen=True)
class PointCalibration:
    """A calibration on points of known class."""

    GROUP: ClassVar[str] = "On points"
    points: Annotated[str | None, Option("30 to 100 points of known class: CSV or vectors.", metavar="FILE")] = None
    map_at: Annotated[
        str | None, Option("Of --points: the checkpoint's map there.", metavar="MAP.tif|FOLDER", flag="--map")
    ] = None
    input: Annotated[str | None, Option("Of --points: or the image that they lie on.", metavar="FILE")] = None
    column: Annotated[str, Option("Of --points: the column of the class.")] = CLASS
    impervious: Annotated[tuple[str, ...], Option("Of --points: values that are impervious, all others not.")] = ()

    @property
    def is_stated(self) -> bool:
        """Whether something is said of points."""
        return bool(self.map_at or self.input or self.impervious or self.column != CLASS)

    def report(self, points: str, checkpoint: str, out: str, curve: str, project: str | None) -> object:
        """Writes the checkpoint; what was chosen."""
        from isamap.inference.assessment.point_calibration import KnownPoints, calibrate_points

        known_points = KnownPoints(Path(points), self.column, self.impervious)
        where: dict[str, Any] = {"map_at": self.map_at, "image": self.input}
        return calibrate_points(checkpoint, known_points, out, **where, curve=curve, project=project)


@command
def calibrate(
    checkpoint: Annotated[str, Option("A run's folder, or one checkpoint in it.")],
    out: Annotated[str, Option("Folder of the copy that maps with the better threshold.")],
    on_split: SplitCalibration,
    on_points: PointCalibration,
    curve: Annotated[str, Option("Calibrate the probability itself.")] = NONE,
    project: Annotated[str | None, PROJECT] = None,
) -> None:
    """Choose a threshold, or fit a curve that calibrates probabilities, on a split or points; writes a checkpoint."""
    from isamap.training.cli import session_for

    if (on_points.points is None) == (not on_split.data):
        raise ValueError("calibrate on one of the two: give --data DATASET or --points FILE")
    if on_points.points is not None:
        if on_split.is_stated:
            raise ValueError("--post, --alpha, --measure and --split are of --data: leave them out with --points")
        show(on_points.report(on_points.points, checkpoint, out, curve, project))
        return
    if on_points.is_stated:
        raise ValueError("--map, --input, --column and --impervious are of --points: give a file of points")
    with session_for([*on_split.data, checkpoint], project) as session:
        show(on_split.report(checkpoint, out, curve, session))
