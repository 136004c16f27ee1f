"""Runs an export in a process of its own that kills itself (SIGKILL) before its N-th stored file or block.

python killed_views.py ASKED_JSON OUT N
"""

from __future__ import annotations

import json
import sys

from isamap.gee_export.base import storage
from isamap.gee_export.export import blocks, export
from tests.support import killed
from tests.support import plot as plots

if __name__ == "__main__":
    asked, out, number = sys.argv[1:]
    dying = killed.after(int(number), lambda: None, killed.die)

    def counted(original):
        def act(*args, **kwargs):
            dying()
            return original(*args, **kwargs)

        return act

    storage.FolderStorage.write_loose = counted(storage.FolderStorage.write_loose)
    blocks.BlockStore.write = counted(blocks.BlockStore.write)
    export.export_patches(region=plots.REGION, out=out, progress=False, **json.loads(asked))
