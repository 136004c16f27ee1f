"""The former address of `gee_export.earth_engine.session`; kept for notebooks and scripts that import it from here."""

from gee_export.earth_engine.session import HIGH_VOLUME_URL, LOCAL, Session, connect, current

__all__ = ["HIGH_VOLUME_URL", "LOCAL", "Session", "connect", "current"]
