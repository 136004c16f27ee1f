"""The main job, whole: `python export_patches.py --region wuhan` on the local engine (docs/reference/performance.md,
"P9").

python benchmarks/export_wuhan.py [--option value ...]      further options are handed to export_patches.py

Prints wall and CPU time, peak memory of the process, patches and bytes. The first run on a machine also compiles the
world's kernels (numba keeps them); `--twice` runs again in a fresh folder, so that both figures are seen.
"""

from __future__ import annotations

import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WALL_LIMIT_S, MEMORY_LIMIT_MB = 240, 2000


@dataclass(frozen=True)
class Figures:
    """Of one run: seconds, MB (10^6 bytes), and what was written."""

    wall_s: float
    user_s: float
    system_s: float
    peak_mb: float
    patches: int
    written_mb: float

    def __str__(self) -> str:
        return (
            f"wall {self.wall_s:.1f} s (limit {WALL_LIMIT_S}), CPU {self.user_s:.1f} s user + {self.system_s:.1f} s "
            f"system, peak memory {self.peak_mb:.0f} MB (limit {MEMORY_LIMIT_MB}), {self.patches} patches, "
            f"{self.written_mb:.0f} MB written, {self.patches / self.wall_s:.1f} patches/s"
        )


def run(options: list[str]) -> Figures:
    """Exports into a fresh folder with a fresh home; the figures are those of the exporting process alone."""
    with tempfile.TemporaryDirectory(prefix="wuhan-") as folder:
        out = Path(folder) / "data"
        command = [sys.executable, str(ROOT / "export_patches.py"), "--region", "wuhan", "--out", str(out), *options]
        # A home of its own: what an earlier run kept would be read instead of drawn.
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run(command, check=True, env={**os.environ, "ISAMAP_HOME": str(Path(folder) / "home")})
        wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
        files = [path for path in out.rglob("*") if path.is_file() and ".run" not in path.parts]
        return Figures(
            wall,
            after.ru_utime - before.ru_utime,
            after.ru_stime - before.ru_stime,
            after.ru_maxrss / 1e3 if sys.platform != "darwin" else after.ru_maxrss / 1e6,
            sum(path.parent.name == "images" for path in files),
            sum(path.stat().st_size for path in files) / 1e6,
        )


def machine() -> str:
    """Processor, cores that this process may use, memory, system."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return f"{model}, {cores} cores, {memory:.0f} GB, Python {platform.python_version()}"


def main(words: list[str]) -> None:
    print(machine())
    print(f"free disk {shutil.disk_usage(tempfile.gettempdir()).free / 1e9:.0f} GB, load {os.getloadavg()[0]:.1f}")
    options = [word for word in words if word != "--twice"]
    print("first: ", run(options), flush=True)
    if "--twice" in words:
        print("second:", run(options), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
