"""How far a network looks: which input pixels a pixel of a feature map depends on, followed layer by layer."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache

Index = Callable[[int], int]


class Reach:
    """The first and the last input pixel along one axis that pixel i of a feature map looks at.

    Made by walking the network from its input: `Reach.input().conv(3).conv(3, stride=2)`. Exact for sizes that
    every stride divides; the image's own edges need nothing, since padding there is the same for a tile.
    """

    def __init__(self, first: Index, last: Index) -> None:
        # a map is asked for by several layers above it: without memory the walk would double at each join
        self.first, self.last = lru_cache(maxsize=None)(first), lru_cache(maxsize=None)(last)

    @classmethod
    def input(cls) -> Reach:
        return cls(lambda i: i, lambda i: i)

    def conv(self, kernel: int, stride: int = 1, *, dilation: int = 1, times: int = 1) -> Reach:
        """The reach after `times` equal convolutions or poolings padded by half a kernel (2x2 pooling: kernel 2)."""
        if stride > 1 and times > 1:
            return self.conv(kernel, stride, dilation=dilation).conv(kernel, stride, dilation=dilation, times=times - 1)
        # An even kernel (2x2 pooling) looks one pixel further to the right than to the left.
        before, after = times * dilation * ((kernel - 1) // 2), times * dilation * (kernel // 2)
        return Reach(lambda i: self.first(stride * i - before), lambda i: self.last(stride * i + after))

    def enlarge(self, factor: Fraction | int, method: str = "bilinear") -> Reach:
        """The reach after fixed-phase enlargement (training/models/phases.py), or interpolation by a power of two."""
        if method == "nearest":
            return Reach(lambda i: self.first(int(i // factor)), lambda i: self.last(int(i // factor)))
        # Cubic interpolation reads four pixels, bilinear two.
        more = 1 if method == "cubic" else 0

        def base(i: int) -> int:
            return int((Fraction(2 * i + 1, 2) / factor - Fraction(1, 2)) // 1)

        return Reach(lambda i: self.first(base(i) - more), lambda i: self.last(base(i) + 1 + more))

    def transposed(self) -> Reach:
        """The reach after a transposed 3x3 convolution of stride 2, cropped to twice the input's size."""
        return Reach(lambda i: self.first((i - 1) // 2), lambda i: self.last(i // 2))

    def join(self, *others: Reach) -> Reach:
        """The reach of a concatenation or sum of feature maps of one size."""
        all_ = (self, *others)
        return Reach(lambda i: min(r.first(i) for r in all_), lambda i: max(r.last(i) for r in all_))

    def halo(self, multiple: int, scale: int = 1) -> int:
        """Input pixels that a tile looks at beyond its edges, where these lie on multiples of `multiple`.

        scale: output pixels per input pixel of the feature map.
        """
        before, after = -self.first(0), self.last(scale * multiple - 1) - (multiple - 1)
        return max(before, after, 0)


def unet_reach(levels: int, reach: Reach, *, up: str = "convT", head: str = "1x1", fusion: int = 0) -> Reach:
    """The reach of U-Net: two 3x3 groups a block, 2x2 maximum, `up` and `head` of training/models/layers.py.

    `fusion` counts 3x3 groups between an encoder's features and what the decoder takes.
    """
    state = reach.conv(3, times=2)
    skips = []
    for _ in range(levels - 1):
        skips.append(state.conv(3, times=fusion))
        state = state.conv(2, 2).conv(3, times=2)
    state = state.conv(3, times=fusion)
    for skip in reversed(skips):
        larger = state.enlarge(2, "nearest") if up == "convT" else state.enlarge(2).conv(3)
        state = larger.join(skip).conv(3, times=2)
    return state if head == "1x1" else state.conv(3)
