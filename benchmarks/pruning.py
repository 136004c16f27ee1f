"""What pruning HRNet saves in truth: parameters, operations and CPU time of every scheme beside the printed figures
(docs/reference/networks.md, "Filter pruning").

    python benchmarks/pruning.py [--side 513] [--rounds 3] [--clahe 8000]

LandCover3m's network (4 bands, 10 outputs) with random weights, whole and as each scheme leaves it, eager fp32 on one
thread; all networks in turns, round by round, so that a busy machine slows them alike. Median CPU time of a forward
pass. Then CLAHE of a map's probability, ours beside OpenCV's alone (--clahe 0 leaves it out).
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch
from torch import nn

from inference.postprocess import BLOCK_PX, CLIP_LIMIT, LEVELS, equalised
from training.cpu import tune_cpu
from training.models import build
from training.models.cost import cost, seconds
from training.models.slim import Slim
from training.pruning.compact import compact
from training.pruning.fpgm import chosen, zeroise
from training.pruning.groups import groups_of

BANDS = ("B2", "B3", "B4", "B8")
# name -> rule, then parameters, FLOP cut in percent and speed-up as docs/reference/networks.md, "Filter pruning" prints
# them
CASES = {
    "zeroised only": (None, 16_812_946, 0.0, 1.0),
    "A inner 40 %": (Slim("inner", 0.4, 1), 10_891_330, 34.4, 1.22),
    "A8 inner 40 %, by 8": (Slim("inner", 0.4, 8), 10_497_874, 42.7, 1.30),
    "A inner 50 %": (Slim("inner", 0.5, 1), 9_501_970, 41.6, 1.27),
    "B literal 40 %": (Slim("literal", 0.4, 1), 9_874_308, 30.3, 1.18),
    "C groups 40 %": (Slim("groups", 0.4, 1), 5_993_629, 63.4, 2.07),
    "C8 groups 40 %, by 8": (Slim("groups", 0.4, 8), 5_422_258, 72.6, 2.51),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=513, help="pixels of the square image")
    parser.add_argument("--rounds", type=int, default=3, help="forward passes of each network")
    parser.add_argument("--clahe", type=int, default=8000, help="pixels of the square map, 0 for none")
    options = parser.parse_args()
    compare(options.side, options.rounds)
    if options.clahe:
        equalise(options.clahe)


def compare(side: int, rounds: int) -> None:
    """Print a line for every scheme, the printed figures in brackets."""
    tune_cpu()
    torch.manual_seed(0)
    network = build("hrnet", BANDS, {"classes": 10}).eval()
    networks = {"whole": network} | {name: _pruned(network, rule) for name, (rule, *_) in CASES.items()}
    spent_s = dict(zip(networks, seconds(list(networks.values()), _image(side), rounds=rounds), strict=True))
    before = cost(network, side)
    giga = before.flop / 1e9
    print(f"HRNet, {before.parameters:,} parameters, {giga:.1f} GFLOP at {side} px: {spent_s['whole']:.2f} s")
    print(f"{'':<22} {'parameters':>24} {'FLOP cut':>18} {'FLOP ratio':>10} {'measured speed-up':>18}")
    for name, (_, parameters, cut, speed_up) in CASES.items():
        after = cost(networks[name], side)
        saved, ratio = 100 * (1 - after.flop / before.flop), before.flop / after.flop
        print(
            f"{name:<22} {after.parameters:>11,} ({parameters:>10,}) {saved:>7.1f} % ({cut:>4.1f} %) {ratio:>10.2f} "
            f"{spent_s['whole'] / spent_s[name]:>9.2f} ({speed_up:>6.2f})"
        )


def equalise(side: int) -> None:
    """Print seconds of CLAHE of a square map: 8-bit rounding, holes and place ours, the rest OpenCV's."""
    import cv2

    ramp = np.linspace(0, 1, side, dtype=np.float32)
    chance_HW = np.outer(ramp, ramp)
    begun = time.process_time()
    equalised(chance_HW, np.ones(chance_HW.shape, bool))
    ours_s = time.process_time() - begun
    grey_HW = np.rint(chance_HW * LEVELS).astype(np.uint8)
    blocks = -(-side // BLOCK_PX)
    begun = time.process_time()
    cv2.createCLAHE(CLIP_LIMIT, (blocks, blocks)).apply(grey_HW)
    alone_s = time.process_time() - begun
    print(f"CLAHE of {side} x {side} px: {ours_s:.1f} s with rounding and mask, OpenCV's part alone {alone_s:.1f} s")


def _pruned(network: nn.Module, rule: Slim | None) -> nn.Module:
    """What a rule leaves; without one the network with A's filters silenced and still there."""
    slim = rule or CASES["A inner 40 %"][0]
    groups = groups_of(network, slim)
    kept = chosen(network, groups)
    if rule is not None:
        return compact(network, "hrnet", slim, groups, kept)
    silent = build("hrnet", BANDS, {"classes": 10}).eval()
    silent.load_state_dict(network.state_dict())
    zeroise(silent, groups, kept)
    return silent


def _image(side: int) -> torch.Tensor:
    image = torch.randn(1, len(BANDS), side, side, generator=torch.Generator().manual_seed(1))
    return image.contiguous(memory_format=torch.channels_last)


if __name__ == "__main__":
    main()
