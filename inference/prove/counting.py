"""What Google counted under a proof's workload tags, waited for within bounds: Cloud Monitoring lags by minutes."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from isamap.gee_export.base.errors import Fault, notice
from isamap.gee_export.earth_engine.usage import eecu_seconds

if TYPE_CHECKING:
    from isamap.gee_export.earth_engine.session import Session

WAIT_S, POLL_S = 600.0, 30.0
OURS = "prove-"  # what every tag of a proof begins with


def counted(session: Session, since: datetime, tags: Collection[str]) -> dict[str, float]:
    """EECU seconds of the proof's tags; waited for until all of `tags` are there and no number grows any more.

    After WAIT_S what is there by then, with a notice of what is missing. Empty where Monitoring does not answer this
    identity, and on the local engine, which counts nothing under tags.
    """
    if session.is_local:
        return {}
    end, before = time.monotonic() + WAIT_S, dict[str, float]()
    notice(f"waiting for Cloud Monitoring, which lags: at most {WAIT_S / 60:.0f} minutes; the proof itself is written")
    while True:
        try:
            seconds = {tag: s for tag, s in eecu_seconds(session, since).items() if tag.startswith(OURS)}
        except Fault as error:
            notice(f"no EECU by workload tag: {error}")
            return before
        if missing := sorted(tag for tag in tags if not seconds.get(tag)):
            if time.monotonic() >= end:
                _tell_missing(missing)
                return seconds
        # A number is written minute by minute: the first sight of a tag may be half of it.
        elif seconds == before or time.monotonic() >= end:
            return seconds
        before = seconds
        time.sleep(POLL_S)


def _tell_missing(tags: Collection[str]) -> None:
    notice(
        f"Cloud Monitoring has not counted {', '.join(tags)} yet: read them there later, "
        "and write them into a table as docs/plan.md shows it"
    )


def compared(eecu_s: Mapping[str, float], first: str, second: str) -> str:
    """How often one tag's EECU are another's, for a report; empty where either is missing."""
    if not (eecu_s.get(first) and eecu_s.get(second)):
        return ""
    return f"{second} took {eecu_s[second] / eecu_s[first]:.2f} times what {first} took, for the same pixels"
