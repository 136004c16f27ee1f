"""What networks that sharpen the image share: its visible bands by name, and the images they give at each step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from isamap.training.models.output import Output

RGB = ("B4", "B3", "B2")
STEPS = (4, 10)  # output pixels per input pixel after the first and the second step: 2.5 m and 1 m of 10 m


@dataclass(frozen=True)
class SharpOutput(Output):
    """Output at ten times the input's size; `image` is the sharpened RGB there.

    image_4x: the RGB after the first step. image_1x: the input's RGB, which the sharpened images are judged against.
    side_logits: at 4x, then at 1x where the network has them.
    """

    image_4x: Tensor | None = None
    image_1x: Tensor | None = None


def check_rgb(rgb: Sequence[str]) -> tuple[str, ...]:
    """Three different band names, or a refusal."""
    names = tuple(rgb)
    if len(names) != 3 or len(set(names)) != 3:
        raise ValueError(f"rgb {', '.join(names) or '(none)'}: name three different bands, red first")
    return names


def rgb_positions(bands: Sequence[str], rgb: Sequence[str]) -> list[int]:
    """Where the red, green and blue bands lie among the input's; ValueError if one is missing."""
    if missing := [name for name in rgb if name not in bands]:
        raise ValueError(
            f"bands {', '.join(bands)}: band {', '.join(missing)} is missing; the network sharpens {', '.join(rgb)} "
            "(export these bands, or name others as rgb)"
        )
    return [list(bands).index(name) for name in rgb]
