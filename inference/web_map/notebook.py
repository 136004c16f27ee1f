"""`isamap.show(map)`: a map in a notebook, over the session's own imagery where there is one, else as the page."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from html import escape
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from isamap.gee_export.earth_engine import session as sessions
from isamap.inference.web_map.view import page_of

if TYPE_CHECKING:
    from isamap.gee_export.earth_engine.session import Session
    from isamap.inference.mapping.map_report import MapReport
    from isamap.inference.publishing.asset import PublishReport

ASSETS = "projects/"
HEIGHT_PX = 640


def show(
    maps: str | os.PathLike[str] | MapReport | PublishReport | Sequence[str | os.PathLike[str] | MapReport],
    *,
    session: Session | None = None,
    height_px: int = HEIGHT_PX,
) -> Any:
    """What Jupyter and Colab draw in the cell that it is the last line of: one or several maps of one place.

    maps: MAP.tif, what `map_region` or `publish` returned, several maps, or an asset `projects/...`. session: what
    `isamap.connect` returned; the latest connection if it is still open. With a session and geemap it is a geemap map:
    layers of Earth Engine's own tiles of an asset, or of the maps' pixels over the Sentinel-2 composite of their
    period. Otherwise it is the page of `isamap view --html` in a frame, which needs neither kernel nor network later.
    height_px: of that frame. ValueError: an asset without session or geemap, or of a local engine in Colab; no maps.
    """
    if session is not None:
        session.activate()
    address = getattr(maps, "asset", maps)
    if isinstance(address, str) and address.startswith(ASSETS):
        return _of_asset(address)
    paths = _paths(maps)
    if _draws_tiles():
        from isamap.inference.web_map.geemap_map import of_files

        return of_files(paths)
    return _frame(page_of(paths).content.decode(), height_px)


def _paths(maps: Any) -> list[str | os.PathLike[str]]:
    listed = [maps] if isinstance(maps, (str, os.PathLike)) or hasattr(maps, "path") else list(maps)
    return [getattr(each, "path", each) for each in listed]


def _of_asset(asset: str) -> Any:
    if sessions.current() is None or find_spec("geemap") is None:
        raise ValueError(
            f"{asset} is drawn by Earth Engine: give session=isamap.connect() and install geemap (pip install geemap), "
            "or show the map's file"
        )
    if not _draws_tiles():
        raise ValueError(f"Colab's browser cannot reach the local engine, which holds {asset}: show the map's file")
    from isamap.inference.web_map.geemap_map import of_asset

    return of_asset(asset)


def _draws_tiles() -> bool:
    """Whether a browser gets the session's tiles; that of Colab runs elsewhere and does not reach a local engine."""
    session = sessions.current()
    if session is None or find_spec("geemap") is None:
        return False
    return not (session.is_local and "google.colab" in sys.modules)


def _frame(page: str, height_px: int) -> Any:
    """The page in a frame of its own, so that its styles and scripts touch nothing of the notebook."""
    from IPython.display import HTML

    style = f"width:100%;height:{int(height_px)}px;border:1px solid #d9dee5;border-radius:8px"
    frame = f'<iframe title="Map" sandbox="allow-scripts" style="{style}" srcdoc="{escape(page, quote=True)}"></iframe>'
    return HTML(f"<div>{frame}</div>")
