"""Speckle that dates tell apart: Quegan and Yu's filter over dates of one relative orbit.

J_k = E[I_k] / N * sum_i I_i / E[I_i], E a spatial filter, N the dates that a pixel has (docs/reference/earth-engine.md,
"Sentinel-1 equations", equation 7; Quegan and Yu 2001, doi:10.1109/36.964973). What does not change keeps one date's
detail and gains the looks of all dates; what changes shows as in E of its own date.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from isamap.gee_export.base.regions import Period
from isamap.gee_export.sentinel.scenes import Scene

if TYPE_CHECKING:
    import ee

# A stack reaches back MOST_DATES x REVISIT_DAYS, two years: further back, the ground is another one.
MOST_DATES = 30
REVISIT_DAYS = 24  # twice the repeat of one satellite, because some passes are not acquired
_SAME_PASS_MS = 6 * 3_600_000  # slices of one pass are seconds apart, passes of one relative orbit days
ORBIT, TIME = "relativeOrbitNumber_start", "system:time_start"


def check(dates: int) -> None:
    """ValueError for stacks that cannot be."""
    if dates != 0 and not 2 <= dates <= MOST_DATES:
        raise ValueError(f"a stack of {dates} dates: expected 0 (each scene by itself) or 2 to {MOST_DATES}")


@dataclass(frozen=True)
class Pass:
    """Scenes of one relative orbit within minutes. times_ms: the first and the last scene's start."""

    orbit: int
    times_ms: tuple[int, int]


@dataclass(frozen=True)
class Stack:
    """A pass and the times of the first and last scene of the passes it is filtered with; dates: how many passes."""

    of: Pass
    times_ms: tuple[int, int]
    dates: int


def before(period: Period, dates: int) -> Period:
    """The period and the time before it in which its stacks' earlier dates lie."""
    return replace(period, start=period.start - timedelta(days=REVISIT_DAYS * dates))


def after(period: Period, dates: int) -> Period:
    """The period and the time around it in which its stacks' dates lie."""
    return replace(before(period, dates), end=period.end + timedelta(days=REVISIT_DAYS * dates))


def passes(scenes: Sequence[Scene]) -> tuple[Pass, ...]:
    """The scenes' passes, by relative orbit and time; ValueError for scenes that do not say theirs."""
    for scene in scenes:
        if scene.get(ORBIT) is None or scene.get(TIME) is None:
            raise ValueError(f"scene {scene.index}: no {ORBIT} or no {TIME}, so it has no place in a stack of dates")
    pass_list: list[Pass] = []
    # Sorted by orbit first: slices of one pass then follow each other, whatever other orbits fly in between.
    for orbit, time_ms in sorted({(int(scene.get(ORBIT)), int(scene.get(TIME))) for scene in scenes}):
        last = pass_list[-1] if pass_list else None
        if last and last.orbit == orbit and time_ms - last.times_ms[1] <= _SAME_PASS_MS:
            pass_list[-1] = replace(last, times_ms=(last.times_ms[0], time_ms))
        else:
            pass_list.append(Pass(orbit, (time_ms, time_ms)))
    return tuple(pass_list)


def stacks(used: Sequence[Scene], available: Sequence[Scene], dates: int) -> tuple[Stack, ...]:
    """For each pass of the used scenes the passes of its orbit up to it, `dates` of them; later ones fill up."""
    return tuple(_stack(own, [p for p in passes(available) if p.orbit == own.orbit], dates) for own in passes(used))


def _stack(own: Pass, track: Sequence[Pass], dates: int) -> Stack:
    index = next(i for i, each in enumerate(track) if each.times_ms[0] <= own.times_ms[0] <= each.times_ms[1])
    first = max(0, index + 1 - dates)
    stack_passes = track[first : first + dates]
    return Stack(own, (stack_passes[0].times_ms[0], stack_passes[-1].times_ms[1]), len(stack_passes))


def filtered(
    images: ee.ImageCollection,
    bands: Sequence[str],
    despeckle: Callable[[ee.Image], ee.Image],
    stack_list: Sequence[Stack],
) -> ee.ImageCollection:
    """Scenes of the stacks' own passes, the bands filtered in space and over the stack; `images` has all its scenes."""

    def smooth(image: ee.Image) -> ee.Image:
        return image.addBands(despeckle(image.select(list(bands))), None, True)

    def ratio(image: ee.Image) -> ee.Image:
        power = image.select(list(bands))
        import ee

        # Orbit and time go along, for the stacks choose their ratios by them.
        return ee.Image(power.divide(despeckle(power)).copyProperties(image, [ORBIT, TIME]))

    return _merged(list(_each(images.map(smooth), images.map(ratio), bands, stack_list)))


def _each(
    smooth: ee.ImageCollection, ratio: ee.ImageCollection, bands: Sequence[str], stack_list: Sequence[Stack]
) -> Iterator[ee.ImageCollection]:
    for stack in stack_list:
        # The mean skips masked pixels, so each pixel counts the dates that it has.
        gain = _of(ratio, stack.of.orbit, stack.times_ms).mean()
        own = _of(smooth, stack.of.orbit, stack.of.times_ms)
        yield own.map(lambda image, gain=gain: image.addBands(image.select(list(bands)).multiply(gain), None, True))


def _merged(parts: Sequence[ee.ImageCollection]) -> ee.ImageCollection:
    """All images of the collections: merged in pairs of pairs, because a server follows no long chain of merges."""
    while len(parts) > 1:
        pairs = [parts[i : i + 2] for i in range(0, len(parts), 2)]
        parts = [pair[0].merge(pair[1]) if len(pair) > 1 else pair[0] for pair in pairs]
    return parts[0]


def _of(images: ee.ImageCollection, orbit: int, times_ms: tuple[int, int]) -> ee.ImageCollection:
    import ee

    # filterDate leaves its end out, so one millisecond more takes the last slice in.
    return images.filter(ee.Filter.eq(ORBIT, orbit)).filterDate(times_ms[0], times_ms[1] + 1)
