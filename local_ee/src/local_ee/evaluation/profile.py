"""What the algorithms of a request took, and the profiles of the latest requests that asked for one.

Source: https://developers.google.com/earth-engine/guides/computation_overview, "Profiler": a row for each algorithm
with its compute time, peak memory, count and description. Here compute time is the processor's seconds of the calls and
of what they read, without the algorithms they call; memory is what the process grew by in the largest call. Pixels are
computed where they are read: a reduction's row has the time of the images below it.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from local_ee.platform.machine import resident_bytes

KEPT = 1000  # profiles; clients ask for them at once
_HEAD = ("EECU·s", "PeakMem", "Count", "Description")
_UNITS = ("", "k", "M", "G", "T")


@dataclass
class Row:
    """The calls of one algorithm: processor seconds, bytes of the largest, how many."""

    seconds: float = 0.0
    peak_bytes: int = 0
    count: int = 0

    def add(self, other: Row) -> None:
        """Counts the calls of another row too."""
        self.seconds += other.seconds
        self.peak_bytes = max(self.peak_bytes, other.peak_bytes)
        self.count += other.count


@dataclass
class Profile:
    """The algorithms of one request by name."""

    rows: dict[str, Row] = field(default_factory=dict)
    inner_seconds: float = 0.0  # of the calls that ended within the present one

    @contextmanager
    def call(self, name: str) -> Iterator[None]:
        """Counts a call of an algorithm, also one that fails."""
        before, self.inner_seconds = self.inner_seconds, 0.0
        began, resident = time.thread_time(), resident_bytes()
        try:
            yield
        finally:
            seconds = time.thread_time() - began
            growth = max(resident_bytes() - resident, 0)
            self.rows.setdefault(name, Row()).add(Row(max(seconds - self.inner_seconds, 0.0), growth, 1))
            self.inner_seconds = before + seconds

    def text(self, most: int) -> str:
        """The table, the longest calls first; what is beyond `most` rows is one row."""
        ordered = sorted(self.rows.items(), key=lambda item: -item[1].seconds)
        entries = ordered[:most]
        if len(ordered) > most:
            remainder = Row()
            for _, row in ordered[most - 1 :]:
                remainder.add(row)
            entries = [*ordered[: most - 1], ("(...)", remainder)]
        lines = [(f"{row.seconds:.3f}", _bytes(row.peak_bytes), str(row.count), name) for name, row in entries]
        return "".join("{:>8} {:>8} {:>7}  {}\n".format(*line) for line in (_HEAD, *lines))


_current: ContextVar[Profile | None] = ContextVar("profile", default=None)
_profiles: OrderedDict[str, Profile] = OrderedDict()
_lock = threading.Lock()


def current() -> Profile | None:
    """The profile of the calling thread's request; None where it is not profiled."""
    return _current.get()


@contextmanager
def profiled() -> Iterator[str]:
    """Profiles what runs within, under the id that comes out: `table` knows it afterwards."""
    profile, profile_id = Profile(), secrets.token_hex(16)
    token = _current.set(profile)
    try:
        yield profile_id
    finally:
        _current.reset(token)
        with _lock:
            _profiles[profile_id] = profile
            while len(_profiles) > KEPT:
                _profiles.popitem(last=False)


def table(ids: Sequence[str], most: int) -> str:
    """One table of profiled requests, of at most `most` rows; KeyError of an id that is not kept."""
    total = Profile()
    with _lock:
        for profile_id in ids:
            for name, row in _profiles[profile_id].rows.items():
                total.rows.setdefault(name, Row()).add(row)
    return total.text(most)


def _bytes(size: float) -> str:
    for unit in _UNITS:
        if size < 1000:
            return f"{size:.0f}{unit}" if unit == "" else f"{size:.1f}{unit}"
        size /= 1000
    return f"{size:.1f}P"
