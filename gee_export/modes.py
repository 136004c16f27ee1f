"""Ways to get an export's pixels, by name: the dataset is the same whichever is taken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gee_export.ledger import Ledger
from gee_export.supply import Supply, streaming

if TYPE_CHECKING:
    from gee_export.session import Session


@dataclass(frozen=True)
class Means:
    """What a way may use. workers: requests at a time (None: its own default); bucket: for files on their way."""

    workers: int | None = None
    bucket: str | None = None

    def __post_init__(self) -> None:
        if self.workers is not None and not 1 <= self.workers <= 40:
            raise ValueError(
                f"--workers {self.workers}: expected 1 to 40, the requests that a project may have under way"
            )


def stream(session: Session, ledger: Ledger, means: Means) -> Supply:
    """Interactive requests, answered at once."""
    return streaming(session, means.workers)


Way = Callable[["Session", Ledger, Means], Supply]
MODES: dict[str, Way] = {"stream": stream}


def check(mode: str) -> None:
    """ValueError for unknown ways."""
    if mode not in MODES:
        raise ValueError(f"--mode {mode!r}: expected one of {', '.join(MODES)}")
