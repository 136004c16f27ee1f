"""What `isamap plan` says of a run beside what the run's receipts hold: tiles, requests, bytes and processor hours.

    python -m benchmarks.plan_against_run --out /tmp/planned [--checkpoint starter] [--km 12] [--tile-px 512]

A square in the country south-east of Wuhan is planned and then mapped on the simulated world, by this machine. Hours
are of processors: a shared machine's clock says nothing; the engine's kernels should be compiled (run it twice where
they are not). The network's rate is measured first, as `isamap plan --measure` does. Each ratio should be within 1.5.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

from isamap.gee_export.export.report import LOCAL_MPX_PER_S, START_S
from isamap.inference.plan.plan import Plan, plan_map
from isamap.inference.runs.run import run_jobs

WEST, SOUTH = 114.50, 30.35
DEGREE_KM = 111.32
MONTH = "2020-06"
CORES = 2  # of which LOCAL_MPX_PER_S is
WANTED = 1.5


def planned(plan: Plan) -> dict[str, float]:
    """What the run should take; hours of all processors together."""
    fetch_h = (START_S + CORES * plan.computing.effort / LOCAL_MPX_PER_S) / 3600
    network_h = plan.measured.units * plan.measured.hours(plan.area_km2 * plan.maps)
    return {
        "tiles": plan.tiles, "requests": plan.requests, "bytes": plan.request_bytes,
        "processor hours": fetch_h + network_h,
    }  # fmt: skip


def happened(out: Path) -> dict[str, float]:
    """What the receipts say that it took."""
    receipts = [json.loads(path.read_text()) for path in sorted((out / "tiles").rglob("*.json"))]
    measured = [receipt["measured"] for receipt in receipts]
    sums = {name: sum(each[name] for each in measured) for name in ("requests", "bytes", "cpu_s")}
    return {
        "tiles": len(receipts), "requests": sums["requests"], "bytes": sums["bytes"],
        "processor hours": sums["cpu_s"] / 3600,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--checkpoint", default="starter")
    parser.add_argument("--km", type=float, default=12.0)
    parser.add_argument("--tile-px", type=int, default=512)
    options = parser.parse_args()
    east = WEST + options.km / DEGREE_KM / math.cos(math.radians(SOUTH))
    where = {"bbox": (WEST, SOUTH, east, SOUTH + options.km / DEGREE_KM), "month": MONTH, "tile_px": options.tile_px}
    plan = plan_map(checkpoint=options.checkpoint, measure=5.0, **where)
    run_jobs(checkpoint=options.checkpoint, out=str(options.out), progress=False, **where)
    print("| | planned | happened | ratio |\n|---|---:|---:|---:|")
    actual = happened(options.out)
    for name, value in planned(plan).items():
        ratio = value / actual[name]
        note = "" if 1 / WANTED <= ratio <= WANTED else ", outside 1.5"
        print(f"| {name} | {value:,.4g} | {actual[name]:,.4g} | {ratio:.2f}{note} |")


if __name__ == "__main__":
    main()
