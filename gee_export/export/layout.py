"""Which patches an export has, and their splits: sampled, divided by region, limited, and never leaking by overlap."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from isamap.gee_export.base import zones
from isamap.gee_export.base.class_balance import factor_between, share_by_split
from isamap.gee_export.base.windows import Windows
from isamap.gee_export.datasets.index import SPLITS
from isamap.gee_export.datasets.region_grid import RegionGrid
from isamap.gee_export.export.job import ExportJob
from isamap.gee_export.patches import overlap
from isamap.gee_export.patches.limit import Budget, limited
from isamap.gee_export.patches.sampling import Candidates
from isamap.gee_export.patches.split import BY_LABELS, LEAKS, SPLITTERS, overlapping, shuffled
from isamap.gee_export.patches.split_rule import SplitResult, SplitRule, SplitWindows

MOST_POSITIONS = 3_000_000  # of a region; the largest shipped province has half of it at stride 80
DRAWS = 16  # of whole blocks within --max-patches; the most balanced one is taken
RANDOM = "random"
Tracts = Mapping[str, Windows]  # patches by region
Shares = Mapping[str, np.ndarray] | None  # of impervious ground, of these patches


def positions(job: ExportJob) -> dict[str, Windows]:
    """Every whole patch of every region on its lattice.

    ValueError where a region has none, unless another zone of the same place has one.
    """
    for region_grid in job.region_grids:
        if (count := region_grid.window.height * region_grid.window.width // job.stride**2) > MOST_POSITIONS:
            raise ValueError(
                f"--stride {job.stride} gives {count:,} patches of region {region_grid.name!r}, the most is "
                f"{MOST_POSITIONS:,}: take a larger one, or a part of the region"
            )
    windows_of = {region_grid.name: region_grid.positions(job.size, job.stride) for region_grid in job.region_grids}
    places = {zones.place_of(region_grid.region) for region_grid in job.region_grids if windows_of[region_grid.name]}
    for region_grid in job.region_grids:
        if not windows_of[region_grid.name] and zones.place_of(region_grid.region) not in places:
            raise ValueError(_no_patch(region_grid, job))
    return windows_of


def laid_out(job: ExportJob, shares: Mapping[str, np.ndarray] | None = None) -> dict[str, SplitResult]:
    """Each region's patches with their splits, the same in all its periods.

    shares: impervious, of every position by region; without them a sampling that needs them takes every patch.
    Regions that are held out come first, so that no other one takes their ground.
    """
    everywhere, method = positions(job), job.sampling.method
    thins = shares is not None or not method.needs_share
    samples_first = thins and not method.after_split
    tracts = _taken(job, everywhere, shares) if samples_first else everywhere
    share_of = _shares_of(tracts, everywhere, shares) if shares is not None and job.split in BY_LABELS else None
    split_results = _apart(job, _divided(job, tracts, share_of))
    if shares is not None and method.after_split:
        split_results = _thinned(job, split_results, everywhere, shares)
    if not any(split_result.patches for split_result in split_results.values()):
        raise ValueError("the sampling leaves not one patch: choose other options of --sample, or more ground")
    results = {
        name: _counted(split_results[name], len(windows), len(tracts[name])) for name, windows in everywhere.items()
    }
    return {name: result if everywhere[name] else _too_small(name, result) for name, result in results.items()}


def _apart(job: ExportJob, split_results: dict[str, SplitResult]) -> dict[str, SplitResult]:
    """The divisions without ground that two of them share, but for random ones, which share ground anyway."""
    if job.split == RANDOM and not job.hold_out:
        return split_results
    order = sorted(job.region_grids, key=lambda region_grid: region_grid.name not in job.hold_out)
    return overlap.without_shared(order, split_results, job.rule.guard_px)


def _too_small(name: str, split_result: SplitResult) -> SplitResult:
    note = f"{name} is left out: this zone's piece of the place holds no whole patch"
    return replace(split_result, info=split_result.info | {"note": note})


def _counted(split_result: SplitResult, everywhere: int, sampled: int) -> SplitResult:
    """The division with all positions of the lattice counted, and those that the sampling passed over before it."""
    if sampled == everywhere:
        return split_result
    facts = {"positions": everywhere, "not_sampled": everywhere - sampled}
    return replace(split_result, info=split_result.info | facts)


def _taken(job: ExportJob, tracts: Tracts, shares: Mapping[str, np.ndarray] | None) -> Tracts:
    if job.sampling.method.choose is None:
        return tracts
    taken = _choice(job, Candidates.of(job.region_grids, tracts, shares), tracts)
    return {name: windows.taken(taken[name]) for name, windows in tracts.items()}


def _choice(job: ExportJob, candidates: Candidates, tracts: Tracts) -> dict[str, np.ndarray]:
    """Which windows of each region the sampling takes (bool)."""
    choose, names = job.sampling.method.choose, [region_grid.name for region_grid in job.region_grids]
    count = sum(map(len, tracts.values()))
    # By the seed alone, so that a continued export chooses the same patches.
    rng = np.random.default_rng(job.rule.seed)
    taken = np.ones(count, bool) if choose is None else choose(candidates, job.sampling, rng)
    ends = np.cumsum([len(tracts[name]) for name in names])
    return dict(zip(names, np.split(taken, ends[:-1]), strict=True))


def _thinned(
    job: ExportJob, split_results: Mapping[str, SplitResult], everywhere: Tracts, share_of: Mapping[str, np.ndarray]
) -> dict[str, SplitResult]:
    """The divided patches that the sampling takes; the others are noted as not taken."""
    tracts = {name: split_result.patches.windows for name, split_result in split_results.items()}
    shares = {name: share_of[name][everywhere[name].numbers_of(windows)] for name, windows in tracts.items()}
    splits = np.concatenate([split_results[region_grid.name].patches.split for region_grid in job.region_grids])
    candidates = replace(
        Candidates.of(job.region_grids, tracts, shares), split=splits.astype(int), split_shares=job.rule.shares
    )
    taken, results = _choice(job, candidates, tracts), {}
    for name, split_result in split_results.items():
        info = split_result.info | {"not_sampled": int((~taken[name]).sum())}
        results[name] = SplitResult(split_result.patches.taken(taken[name]), info, split_result.origin)
    return results


def _shares_of(tracts: Tracts, everywhere: Tracts, shares: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The shares of the windows of each region, of those of all its positions."""
    return {name: shares[name][everywhere[name].numbers_of(windows)] for name, windows in tracts.items()}


def _divided(job: ExportJob, tracts: Tracts, share_of: Shares) -> dict[str, SplitResult]:
    """Held-out regions are test, the others divided by the rule's ratios, all within --max-patches.

    share_of: impervious, of the windows of each region, where the division goes by it.
    """
    rule, test_tracts = job.rule, {name: windows for name, windows in tracts.items() if name in job.hold_out}
    most = rule.max_patches and rule.max_patches // len(job.periods)
    if not test_tracts:
        return _split(job, tracts, rule, most, share_of)
    train, val, test = rule.ratios
    other_tracts = {name: windows for name, windows in tracts.items() if name not in test_tracts}
    # At least one: a test region of which nothing is taken would leave no test.
    for_test = most and max(1, round(most * test / (train + val + test)))
    others = _split(
        job,
        other_tracts,
        replace(rule, ratios=(train, val, 0), hold_out=()),
        most - for_test if most and for_test else most,
        share_of,
    )
    return _held_out(job, test_tracts, for_test) | others


def _held_out(job: ExportJob, test_tracts: Tracts, most: int | None) -> dict[str, SplitResult]:
    if most is not None and most < sum(map(len, test_tracts.values())):
        shares = np.array([0.0, 0.0, 1.0])
        return limited(test_tracts, job.stride, Budget(most, shares, job.rule.seed, job.rule.guard_px))
    return {name: SplitResult.alike(windows, SPLITS[2]) for name, windows in test_tracts.items()}


def _split(
    job: ExportJob, tracts: Tracts, rule: SplitRule, most: int | None, share_of: Shares
) -> dict[str, SplitResult]:
    if most is None or most >= sum(map(len, tracts.values())):
        divide = SPLITTERS[job.split]
        return {
            name: divide(w, job.stride, rule, None if share_of is None else share_of[name])
            if w
            else SplitResult.alike([], SPLITS[0])
            for name, w in tracts.items()
        }
    taken = _limited(job, tracts, Budget(most, rule.shares, rule.seed, rule.guard_px), share_of)
    return taken if job.split != RANDOM else _shuffled(taken, rule)


def _limited(job: ExportJob, tracts: Tracts, budget: Budget, share_of: Shares) -> dict[str, SplitResult]:
    """At most so many patches; where shares are given, of several draws the one whose splits are most alike."""
    if share_of is None:
        return limited(tracts, job.stride, budget)
    # Seeds follow from the user's, so that the most balanced of them is the same in every run.
    draws = [limited(tracts, job.stride, replace(budget, seed=DRAWS * budget.seed + at)) for at in range(DRAWS)]
    return min(draws, key=lambda split_results: _unlike(split_results, tracts, share_of))


def _unlike(split_results: Mapping[str, SplitResult], tracts: Tracts, share_of: Mapping[str, np.ndarray]) -> float:
    """The largest factor between the splits' shares of a class, far larger where a split is empty."""
    taken = {name: result.patches.windows for name, result in split_results.items()}
    shares = np.concatenate([*_shares_of(taken, tracts, share_of).values()])
    splits = np.concatenate([result.patches.split for result in split_results.values()])
    # An empty split counts 1,000: no factor between shares reaches that, so any other draw is better.
    return factor_between(share_by_split(splits, shares)) + 1000 * (len(SPLITS) - len(np.unique(splits)))


def _shuffled(split_results: Mapping[str, SplitResult], rule: SplitRule) -> dict[str, SplitResult]:
    """The same patches, their splits drawn at random over all regions."""
    counts = [len(split_result.patches) for split_result in split_results.values()]
    splits = np.split(shuffled(sum(counts), rule), np.cumsum(counts)[:-1])
    results = {}
    for (name, split_result), split in zip(split_results.items(), splits, strict=True):
        patches = SplitWindows(split_result.patches.windows, split.astype(np.int8))
        info = {key: value for key, value in split_result.info.items() if key != "note"}
        note = {"note": LEAKS} if overlapping(patches.windows) else {}
        results[name] = SplitResult(patches, info | note, split_result.origin)
    return results


def _no_patch(region_grid: RegionGrid, job: ExportJob) -> str:
    area, step = region_grid.window, abs(region_grid.lattice.affine.a)
    return (
        f"region {region_grid.name!r} has {area.width} x {area.height} pixels of {step:g} m here, and no patch of "
        f"{job.size} x {job.size} at stride {job.stride} fits: widen the box or give a smaller --size or --stride"
    )
