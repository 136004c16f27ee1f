"""Which patches an export has, and their splits: sampled, divided by region, limited, and never leaking by overlap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from gee_export.base.grid import Window
from gee_export.datasets.index import SPLITS
from gee_export.datasets.region_grid import RegionGrid
from gee_export.export.job import Job
from gee_export.patches import overlap
from gee_export.patches.limit import Budget, limited
from gee_export.patches.sampling import Candidates
from gee_export.patches.split import LEAKS, SPLITTERS, overlapping, shuffled
from gee_export.patches.split_rule import SplitResult, SplitRule

MOST_POSITIONS = 3_000_000  # of a region; the largest shipped province has half of it at stride 80
Tracts = Mapping[str, Sequence[Window]]  # patches by region


def positions(job: Job) -> dict[str, list[Window]]:
    """Every whole patch of every region on its lattice; ValueError where one has none."""
    for region_grid in job.region_grids:
        if (count := region_grid.window.height * region_grid.window.width // job.stride**2) > MOST_POSITIONS:
            raise ValueError(
                f"--stride {job.stride} gives {count:,} patches of region {region_grid.name!r}, the most is "
                f"{MOST_POSITIONS:,}: take a larger one, or a part of the region"
            )
    windows_of = {
        region_grid.name: list(region_grid.positions(job.size, job.stride)) for region_grid in job.region_grids
    }
    for region_grid in job.region_grids:
        if not windows_of[region_grid.name]:
            raise ValueError(_no_patch(region_grid, job))
    return windows_of


def laid_out(job: Job, shares: Mapping[str, np.ndarray] | None = None) -> dict[str, SplitResult]:
    """Each region's patches with their splits, the same in all its periods.

    shares: impervious, of every position by region; without them a sampling that needs them takes every patch.
    Regions that are held out come first, so that no other one takes their ground.
    """
    everywhere, method, test_regions = positions(job), job.sampling.method, job.rule.hold_out
    thins = shares is not None or not method.needs_share
    samples_first = thins and not method.after_split
    tracts = _sampled(job, everywhere, shares) if samples_first else everywhere
    split_results = _divided(job, tracts)
    if job.split == "blocks" or test_regions:
        order = sorted(job.region_grids, key=lambda region_grid: region_grid.name not in test_regions)
        split_results = overlap.without_shared(order, split_results, job.rule.guard_px)
    if shares is not None and method.after_split:
        split_results = _thinned(job, split_results, _by_window(everywhere, shares))
    if not any(split_result.patches for split_result in split_results.values()):
        raise ValueError("the sampling leaves not one patch: choose other options of --sample, or more ground")
    return {name: _counted(split_results[name], windows, len(tracts[name])) for name, windows in everywhere.items()}


def _counted(split_result: SplitResult, everywhere: Sequence[Window], sampled: int) -> SplitResult:
    """The division with all positions of the lattice counted, and those that the sampling passed over before it."""
    if sampled == len(everywhere):
        return split_result
    facts = {"positions": len(everywhere), "not_sampled": len(everywhere) - sampled}
    return replace(split_result, info=split_result.info | facts)


def _sampled(job: Job, tracts: Tracts, shares: Mapping[str, np.ndarray] | None) -> dict[str, list[Window]]:
    return _taken(job, tracts, Candidates.of(job.region_grids, tracts, shares))


def _taken(job: Job, tracts: Tracts, candidates: Candidates) -> dict[str, list[Window]]:
    taken = job.sampling.method.choose(candidates, job.sampling, np.random.default_rng(job.rule.seed))
    windows_of, start = {}, 0
    for region_grid in job.region_grids:
        windows = tracts[region_grid.name]
        mine = taken[start : start + len(windows)]
        windows_of[region_grid.name] = [window for window, is_taken in zip(windows, mine, strict=True) if is_taken]
        start += len(windows)
    return windows_of


def _by_window(tracts: Tracts, shares: Mapping[str, np.ndarray]) -> dict[str, dict[Window, float]]:
    return {name: dict(zip(windows, shares[name], strict=True)) for name, windows in tracts.items()}


def _thinned(
    job: Job, split_results: Mapping[str, SplitResult], share_of: Mapping[str, Mapping[Window, float]]
) -> dict[str, SplitResult]:
    """The divided patches that the sampling takes; the others are noted as not taken."""
    tracts = {name: [window for window, _ in split_result.patches] for name, split_result in split_results.items()}
    shares = {name: np.array([share_of[name][window] for window in windows]) for name, windows in tracts.items()}
    splits = [
        SPLITS.index(split) for region_grid in job.region_grids for _, split in split_results[region_grid.name].patches
    ]
    candidates = replace(
        Candidates.of(job.region_grids, tracts, shares), split=np.array(splits, int), split_shares=job.rule.shares
    )
    kept = {name: set(windows) for name, windows in _taken(job, tracts, candidates).items()}
    results = {}
    for name, split_result in split_results.items():
        patches = tuple(patch for patch in split_result.patches if patch[0] in kept[name])
        info = split_result.info | {"not_sampled": len(split_result.patches) - len(patches)}
        results[name] = SplitResult(patches, info, split_result.origin)
    return results


def _divided(job: Job, tracts: Tracts) -> dict[str, SplitResult]:
    """Held-out regions are test, the others divided by the rule's ratios, all within --max-patches."""
    rule, test_tracts = job.rule, {name: windows for name, windows in tracts.items() if name in job.rule.hold_out}
    most = rule.max_patches and rule.max_patches // len(job.periods)
    if not test_tracts:
        return _split(job, tracts, rule, most)
    train, val, test = rule.ratios
    other_tracts = {name: windows for name, windows in tracts.items() if name not in test_tracts}
    for_test = most and max(1, round(most * test / (train + val + test)))
    others = _split(
        job,
        other_tracts,
        replace(rule, ratios=(train, val, 0), hold_out=()),
        most - for_test if most and for_test else most,
    )
    return _held_out(job, test_tracts, for_test) | others


def _held_out(job: Job, test_tracts: Tracts, most: int | None) -> dict[str, SplitResult]:
    if most is not None and most < sum(map(len, test_tracts.values())):
        shares = np.array([0.0, 0.0, 1.0])
        return limited(test_tracts, job.stride, Budget(most, shares, job.rule.seed, job.rule.guard_px))
    return {name: SplitResult.of(windows, [(w, SPLITS[2]) for w in windows]) for name, windows in test_tracts.items()}


def _split(job: Job, tracts: Tracts, rule: SplitRule, most: int | None) -> dict[str, SplitResult]:
    if most is None or most >= sum(map(len, tracts.values())):
        divide = SPLITTERS[job.split]
        return {name: divide(w, job.stride, rule) if w else SplitResult.of([], []) for name, w in tracts.items()}
    taken = limited(tracts, job.stride, Budget(most, rule.shares, rule.seed, rule.guard_px))
    return taken if job.split == "blocks" else _shuffled(taken, rule)


def _shuffled(split_results: Mapping[str, SplitResult], rule: SplitRule) -> dict[str, SplitResult]:
    """The same patches, their splits drawn at random over all regions."""
    splits = iter(shuffled(sum(len(split_result.patches) for split_result in split_results.values()), rule))
    results = {}
    for name, split_result in split_results.items():
        patches = tuple((window, SPLITS[next(splits)]) for window, _ in split_result.patches)
        info = {key: value for key, value in split_result.info.items() if key != "note"}
        note = {"note": LEAKS} if overlapping([window for window, _ in patches]) else {}
        results[name] = SplitResult(patches, info | note, split_result.origin)
    return results


def _no_patch(region_grid: RegionGrid, job: Job) -> str:
    area, step = region_grid.window, abs(region_grid.lattice.affine.a)
    return (
        f"region {region_grid.name!r} has {area.width} x {area.height} pixels of {step:g} m here, and no patch of "
        f"{job.size} x {job.size} at stride {job.stride} fits: widen the box or give a smaller --size or --stride"
    )
