"""Ways to get an export's pixels, by name: the dataset is the same whichever is taken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gee_export.base.storage import BUCKET_NAME
from gee_export.datasets.progress_log import ProgressLog
from gee_export.export.pixel_source import PixelSource, streaming

if TYPE_CHECKING:
    from gee_export.earth_engine.session import Session


@dataclass(frozen=True)
class Means:
    """What a way may use.

    workers: requests at a time (None or 0: its own default); bucket: for files on their way; keep: leaves them there.
    """

    workers: int | None = None
    bucket: str | None = None
    keep: bool = False

    def __post_init__(self) -> None:
        if self.workers is not None and not 0 <= self.workers <= 40:
            raise ValueError(
                f"--workers {self.workers}: expected 1 to 40, the requests that a project may have under way, "
                "or 0 for the default"
            )


def stream(session: Session, progress_log: ProgressLog, means: Means) -> PixelSource:
    """Interactive requests, answered at once."""
    return streaming(session, means.workers, progress_log.log)


def batch(session: Session, progress_log: ProgressLog, means: Means) -> PixelSource:
    """Export tasks through a bucket: slower to begin with, but more memory and time for each pixel."""
    from gee_export.tasks.batch import batched

    return batched(session, progress_log, str(means.bucket), keep=means.keep)


Way = Callable[["Session", ProgressLog, Means], PixelSource]
MODES: dict[str, Way] = {"stream": stream, "batch": batch}


def check(mode: str, means: Means) -> None:
    """ValueError for unknown ways, and for means that a way lacks or does not use."""
    if mode not in MODES:
        raise ValueError(f"--mode {mode!r}: expected one of {', '.join(MODES)}")
    if mode == "batch" and not means.bucket:
        raise ValueError("--mode batch needs a bucket to export to: give --bucket NAME, or --out gs://BUCKET/PREFIX")
    if mode == "batch" and not BUCKET_NAME.fullmatch(str(means.bucket)):
        raise ValueError(
            f"--bucket {means.bucket!r}: expected the name alone, 3 to 222 of a-z, 0-9, dots, dashes and underscores"
        )
    if mode != "batch" and means.keep:
        raise ValueError("--keep-exports is for --mode batch: other modes leave nothing in a bucket")
