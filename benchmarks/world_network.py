"""A U-Net small enough for a processor, trained until its learning rate has run out: what context adds to a pixel."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from benchmarks import world_statistics as st

STEPS, BATCH, RATE = 2_000, 6, 4e-3
WIDTHS = (12, 24, 48, 96)


class Block(nn.Sequential):
    """Two convolutions with batch normalisation."""

    def __init__(self, fed: int, width: int) -> None:
        layers: list[nn.Module] = []
        for channels in (fed, width):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
        super().__init__(*layers)


class UNet(nn.Module):
    """Four levels (Ronneberger et al. 2015), two classes."""

    def __init__(self, bands: int) -> None:
        super().__init__()
        self.down = nn.ModuleList(Block(a, b) for a, b in zip((bands, *WIDTHS[:-1]), WIDTHS, strict=True))
        self.up = nn.ModuleList(Block(a + b, b) for a, b in zip(WIDTHS[:0:-1], WIDTHS[-2::-1], strict=True))
        self.out = nn.Conv2d(WIDTHS[0], 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        levels = []
        for depth, block in enumerate(self.down):
            x = block(x if depth == 0 else F.max_pool2d(x, 2))
            levels.append(x)
        for block, level in zip(self.up, levels[-2::-1], strict=True):
            x = block(torch.cat([F.interpolate(x, scale_factor=2.0), level], 1))
        return self.out(x)


def unet(image: np.ndarray, labels: np.ndarray, test: np.ndarray) -> float:
    """MIoU on the test windows of a U-Net trained on the others (one cycle of the learning rate, turns and flips)."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    mean, spread = (f(image[~test], axis=(0, 2, 3), keepdims=True) for f in (np.mean, np.std))
    x_all = torch.from_numpy(((image - mean) / spread).astype(np.float32))
    y_all = torch.from_numpy(labels.astype(np.int64))
    network, learned = UNet(image.shape[1]), np.flatnonzero(~test)
    optimiser = torch.optim.Adam(network.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=STEPS + 1)
    for _ in range(STEPS):
        chosen = rng.choice(learned, BATCH)
        turns = int(rng.integers(4))
        x, y = torch.rot90(x_all[chosen], turns, (2, 3)), torch.rot90(y_all[chosen], turns, (1, 2))
        if rng.random() < 0.5:
            x, y = x.flip(3), y.flip(2)
        loss = F.cross_entropy(network(x), y)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    network.eval()
    with torch.inference_mode():
        drawn = [network(x_all[[at]]).argmax(1)[0].numpy().astype(bool) for at in np.flatnonzero(test)]
    return st.agreement(labels[test], np.stack(drawn))[0]
