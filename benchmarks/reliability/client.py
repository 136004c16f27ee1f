"""A client whose line may be bad: python client.py URL HOME WAY OUT exports a small place (WAY: folder, batch)."""

from __future__ import annotations

import sys
from pathlib import Path

from victim import shrink

BUCKET = "kills"
PLACE = {
    **{"region": "wuhan", "bbox": (114.26, 30.54, 114.27, 30.55), "month": "2019-06"},
    **{"size": 32, "stride": 32, "speckle": "none", "progress": False},
}
MEANS = {"folder": {}, "batch": {"mode": "batch", "bucket": BUCKET}}


def main(url: str, home: str, way: str, out: str) -> int:
    from isamap.gee_export.command_line import console
    from isamap.gee_export.earth_engine.session import LOCAL, Session
    from isamap.gee_export.export.export import export_patches

    shrink()
    session = Session(LOCAL, "local-engine", "world", url, Path(home))
    return console.run(lambda: export_patches(**PLACE, **MEANS[way], out=out, session=session.activate()))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
