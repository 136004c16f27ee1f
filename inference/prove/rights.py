"""Step 0: who asks, and what this identity may do."""

from __future__ import annotations

from typing import Any

from isamap.inference.prove.place import ProofPlace
from isamap.inference.prove.probe import Probe


def _rows(place: ProofPlace) -> Any:
    from isamap.gee_export.earth_engine.check import check_session

    report = check_session(place.session, place.bucket if place.session.is_local is False else None)
    return {row.name: bool(row.ok) for row in report.rows if row.required or row.ok is not None}


def _identity(place: ProofPlace) -> Any:
    """One identity for Earth Engine and Cloud Storage; on the local engine the holder of its token."""
    from isamap.gee_export.base.login import identity

    if place.session.is_local:
        return {"same": True, "who": "holder of the engine's token"}
    credentials = place.session.google_credentials()
    storage = place.session.storage_client()._credentials
    return {"same": identity(credentials) == identity(storage), "who": identity(credentials)}


PROBES = (
    Probe(
        "rights.identity",
        "Earth Engine and Cloud Storage are asked as one identity",
        _identity,
        {"same": True},
        "google",
    ),
    Probe(
        "rights.check",
        "the rights that commands need are there",
        _rows,
        {"Earth Engine": True, "pixels": True},
        "google",
    ),
)
