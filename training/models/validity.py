"""What a network can know of missing pixels: its input is 0 in all bands where nothing is known.

Standardised values are 0 at a band's mean, so a network that only sees the 0 takes a cloud for average ground. Images
of several dates leave missing dates out of their means and maxima. One image can get the share of its bands that are
known as one more channel: the constructor value `validity`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from typing import Any

import torch
from torch import Tensor


def later(default: Any) -> Any:
    """A constructor value added after checkpoints were written: they hold it only where it is not the default."""
    return field(default=default, metadata={"later": True})


def channels(bands: Sequence[object], validity: bool) -> int:
    """Channels that the first layer reads of so many bands."""
    return len(bands) + validity


def with_validity(x_BCHW: Tensor, validity: bool) -> Tensor:
    """The image with the share of each pixel's bands that are known (0 to 1) behind its bands, where it is wanted."""
    return torch.cat((x_BCHW, _known(x_BCHW).mean(dim=1, keepdim=True)), dim=1) if validity else x_BCHW


def known_dates(x_BTCHW: Tensor) -> Tensor:
    """1 where a date has a known band, else 0, (batch, dates, 1, rows, columns); 1 on all dates where none has one."""
    is_known = _known(x_BTCHW).amax(dim=2, keepdim=True)
    # A pixel that no date knows would divide by 0: all dates count then, each as the band's mean.
    return torch.maximum(is_known, 1 - is_known.amax(dim=1, keepdim=True))


def mean_of_dates(x_BTCHW: Tensor, known_BT1HW: Tensor) -> Tensor:
    """The mean over the dates that are known."""
    return (x_BTCHW * known_BT1HW).sum(dim=1) / known_BT1HW.sum(dim=1)


def maximum_of_dates(x_BTCHW: Tensor, known_BT1HW: Tensor) -> Tensor:
    """The maximum over the dates that are known."""
    return x_BTCHW.masked_fill(known_BT1HW == 0, -torch.inf).amax(dim=1)


def mean_of_values(x_BTCHW: Tensor) -> Tensor:
    """The mean over dates of each band's own known values; 0 where it has none."""
    return x_BTCHW.sum(dim=1) / _known(x_BTCHW).sum(dim=1).clamp(min=1)


def _known(x: Tensor) -> Tensor:
    # A standardised image is exactly 0 only where a value is missing, but for chance.
    return (x != 0).to(x.dtype)
