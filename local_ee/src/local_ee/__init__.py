"""The local Earth Engine: the REST API of Earth Engine and of Cloud Storage, answered on the loopback address."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from local_ee.rest.server import LocalEngine, serve

__all__ = ["LocalEngine", "serve"]


def __getattr__(name: str) -> Any:
    """Loads the HTTP side only where it is asked for: catalogs and algorithms do without it."""
    if name in __all__:
        from local_ee.rest import server

        return getattr(server, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
