"""Exports the plot to a disk that is too small, makes it larger, exports again, and keeps a copy.

unshare --user --map-root-user --mount python filling.py FOLDER BASE       (a mount of its own needs no rights)
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from local_ee.faults import Faults

from isamap.gee_export.base.errors import Fault
from isamap.gee_export.earth_engine.session import connect
from isamap.gee_export.export.export import export_patches
from isamap.gee_export.requests import pixels
from tests.support import killed


def main(folder: str, base: Path) -> None:
    disk = base / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(disk)], check=True)
    session = connect(catalog=folder, home=base / "home", faults=Faults())
    pixels.REQUEST_LIMIT_BYTES = killed.SMALL_REQUEST
    try:
        export_patches(**killed.ASKED, out=disk / "data", session=session)
    except Fault as error:
        print(error)
    print((disk / "data" / "manifest.json").exists())
    subprocess.run(["mount", "-o", "remount,size=40m", str(disk)], check=True)
    export_patches(**killed.ASKED, out=disk / "data", session=session)
    shutil.copytree(disk / "data", base / "copy")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
