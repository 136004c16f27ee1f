"""Images of a collection that are counted without being listed, and made when they are looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import overload

from local_ee.catalog import SourceImage


class Listing(Sequence[SourceImage]):
    """A sequence of images in order of time; `count` says how many, `each` begins to make them."""

    def __init__(self, count: Callable[[], int], each: Callable[[], Iterator[SourceImage]]) -> None:
        self._count, self._each = count, each

    def __len__(self) -> int:
        return self._count()

    def __iter__(self) -> Iterator[SourceImage]:
        return self._each()

    @overload
    def __getitem__(self, index: int) -> SourceImage: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[SourceImage]: ...

    def __getitem__(self, index: int | slice) -> SourceImage | Sequence[SourceImage]:
        if isinstance(index, slice):
            return list(self._each())[index]
        image = next(islice(self._each(), index, None), None) if index >= 0 else list(self._each())[index]
        if image is None:
            raise IndexError(f"image {index} of {len(self)}")
        return image
