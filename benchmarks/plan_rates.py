"""Writes the table of rates that `isamap plan` ships: the forward pass of three networks, by every runtime here.

    python benchmarks/plan_rates.py [--seconds 20] [--out inference/plan/rates.toml]

The networks are not trained: a forward pass takes as long whatever its weights are. CPU: in processor time of one
thread times the processors, so that a busy machine gives the same rates; GPU: on the clock. Windows overlap as in a
map.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch

from isamap.inference.plan import rates
from isamap.inference.plan.measure import measured
from isamap.training.checkpoints.checkpoint import BandNorm, Checkpoint, of_network, save
from isamap.training.models import build

BANDS = ("B2", "B3", "B4", "B8", "VV", "VH")
# name in the table -> model, its configuration, metres of an input pixel
NETWORKS = {
    "jointseg lean": ("jointseg", {}, 10.0),
    "hrnet, stem hrnet": ("hrnet", {"stem": "hrnet"}, 3.0),
    "crofusenet": ("crofusenet", {}, 10.0),
    "unet 32": ("unet", {}, 10.0),
}
WAYS = (("torch", "fp32"), ("openvino", "fp32"), ("openvino", "bf16"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--out", type=Path, default=Path("inference/plan/rates.toml"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name in NETWORKS:
            checkpoint = untrained(name, Path(folder) / name.split()[0].strip(","))
            for runtime, precision in WAYS:
                rate = measured(checkpoint, options.seconds, runtime=runtime, precision=precision)
                rate = replace(rate, network=name.replace(",", ""), program="benchmarks/plan_rates.py")
                rates.add(rate, options.out)
                print(f"{rate.km2_per_hour:>10.4g} km2/h  {rate}", flush=True)


def untrained(name: str, folder: Path) -> Checkpoint:
    """A checkpoint with weights as they are drawn."""
    model, config, step_m = NETWORKS[name]
    torch.manual_seed(0)
    network = build(model, BANDS, config).eval()
    bands = [BandNorm(band, "dB" if band in ("VV", "VH") else "reflectance", 0.0, 1.0) for band in BANDS]
    described = of_network(
        network,
        model,
        bands,
        classes=("pervious", "impervious"),
        thresholds={"impervious": 0.5},
        composite={},
        backscatter="sigma0",
        simulated=True,
        dataset={"step_m": step_m},
    )
    return save(described, network, folder)


if __name__ == "__main__":
    main()
