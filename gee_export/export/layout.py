"""Which patches an export has, and their splits: sampled, divided by region, limited, and never leaking by overlap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from gee_export.base.grid import Window
from gee_export.datasets.index import SPLITS
from gee_export.datasets.region_grid import Ground
from gee_export.export.job import Job
from gee_export.patches import overlap
from gee_export.patches.limit import Budget, limited
from gee_export.patches.sampling import Candidates
from gee_export.patches.split import LEAKS, SPLITTERS, overlapping, shuffled
from gee_export.patches.split_rule import Division, Rule

MOST_POSITIONS = 3_000_000  # of a region; the largest shipped province has half of it at stride 80
Tracts = Mapping[str, Sequence[Window]]  # patches by region


def positions(job: Job) -> dict[str, list[Window]]:
    """Every whole patch of every region on its lattice; ValueError where one has none."""
    for ground in job.grounds:
        if (count := ground.window.height * ground.window.width // job.stride**2) > MOST_POSITIONS:
            raise ValueError(
                f"--stride {job.stride} gives {count:,} patches of region {ground.name!r}, the most is "
                f"{MOST_POSITIONS:,}: take a larger one, or a part of the region"
            )
    found = {ground.name: list(ground.positions(job.size, job.stride)) for ground in job.grounds}
    for ground in job.grounds:
        if not found[ground.name]:
            raise ValueError(_no_patch(ground, job))
    return found


def laid_out(job: Job, shares: Mapping[str, np.ndarray] | None = None) -> dict[str, Division]:
    """Each region's patches with their splits, the same in all its periods.

    shares: impervious, of every position by region; without them a sampling that needs them takes every patch.
    Regions that are held out come first, so that no other one takes their ground.
    """
    everywhere, method, held = positions(job), job.sampling.method, job.rule.hold_out
    thins = shares is not None or not method.needs_share
    samples_first = thins and not method.after_split
    tracts = _sampled(job, everywhere, shares) if samples_first else everywhere
    divisions = _divided(job, tracts)
    if job.split == "blocks" or held:
        order = sorted(job.grounds, key=lambda ground: ground.name not in held)
        divisions = overlap.without_shared(order, divisions, job.rule.guard_px)
    if thins and method.after_split:
        divisions = _thinned(job, divisions, _by_window(everywhere, shares))
    if not any(division.patches for division in divisions.values()):
        raise ValueError("the sampling leaves not one patch: choose other options of --sample, or more ground")
    return {name: _counted(divisions[name], windows, len(tracts[name])) for name, windows in everywhere.items()}


def _counted(division: Division, everywhere: Sequence[Window], sampled: int) -> Division:
    """The division with all positions of the lattice counted, and those that the sampling passed over before it."""
    if sampled == len(everywhere):
        return division
    facts = {"positions": len(everywhere), "not_sampled": len(everywhere) - sampled}
    return replace(division, info=division.info | facts)


def _sampled(job: Job, tracts: Tracts, shares: Mapping[str, np.ndarray] | None) -> dict[str, list[Window]]:
    return _taken(job, tracts, Candidates.of(job.grounds, tracts, shares))


def _taken(job: Job, tracts: Tracts, candidates: Candidates) -> dict[str, list[Window]]:
    taken = job.sampling.method.choose(candidates, job.sampling, np.random.default_rng(job.rule.seed))
    found, start = {}, 0
    for ground in job.grounds:
        windows = tracts[ground.name]
        mine = taken[start : start + len(windows)]
        found[ground.name] = [window for window, is_taken in zip(windows, mine, strict=True) if is_taken]
        start += len(windows)
    return found


def _by_window(tracts: Tracts, shares: Mapping[str, np.ndarray]) -> dict[str, dict[Window, float]]:
    return {name: dict(zip(windows, shares[name], strict=True)) for name, windows in tracts.items()}


def _thinned(
    job: Job, divisions: Mapping[str, Division], share_of: Mapping[str, Mapping[Window, float]]
) -> dict[str, Division]:
    """The divided patches that the sampling takes; the others are noted as not taken."""
    tracts = {name: [window for window, _ in division.patches] for name, division in divisions.items()}
    shares = {name: np.array([share_of[name][window] for window in windows]) for name, windows in tracts.items()}
    splits = [SPLITS.index(split) for ground in job.grounds for _, split in divisions[ground.name].patches]
    candidates = replace(
        Candidates.of(job.grounds, tracts, shares), split=np.array(splits, int), split_shares=job.rule.shares
    )
    kept = {name: set(windows) for name, windows in _taken(job, tracts, candidates).items()}
    found = {}
    for name, division in divisions.items():
        patches = tuple(patch for patch in division.patches if patch[0] in kept[name])
        info = division.info | {"not_sampled": len(division.patches) - len(patches)}
        found[name] = Division(patches, info, division.origin)
    return found


def _divided(job: Job, tracts: Tracts) -> dict[str, Division]:
    """Held-out regions are test, the others divided by the rule's ratios, all within --max-patches."""
    rule, held = job.rule, {name: windows for name, windows in tracts.items() if name in job.rule.hold_out}
    most = rule.max_patches and rule.max_patches // len(job.periods)
    if not held:
        return _split(job, tracts, rule, most)
    train, val, test = rule.ratios
    rest = {name: windows for name, windows in tracts.items() if name not in held}
    for_test = most and max(1, round(most * test / (train + val + test)))
    others = _split(job, rest, replace(rule, ratios=(train, val, 0), hold_out=()), most and most - for_test)
    return _held_out(job, held, for_test) | others


def _held_out(job: Job, held: Tracts, most: int | None) -> dict[str, Division]:
    if most is not None and most < sum(map(len, held.values())):
        shares = np.array([0.0, 0.0, 1.0])
        return limited(held, job.stride, Budget(most, shares, job.rule.seed, job.rule.guard_px))
    return {name: Division.of(windows, [(w, SPLITS[2]) for w in windows]) for name, windows in held.items()}


def _split(job: Job, tracts: Tracts, rule: Rule, most: int | None) -> dict[str, Division]:
    if most is None or most >= sum(map(len, tracts.values())):
        divide = SPLITTERS[job.split]
        return {name: divide(w, job.stride, rule) if w else Division.of([], []) for name, w in tracts.items()}
    taken = limited(tracts, job.stride, Budget(most, rule.shares, rule.seed, rule.guard_px))
    return taken if job.split == "blocks" else _shuffled(taken, rule)


def _shuffled(divisions: Mapping[str, Division], rule: Rule) -> dict[str, Division]:
    """The same patches, their splits drawn at random over all regions."""
    splits = iter(shuffled(sum(len(division.patches) for division in divisions.values()), rule))
    found = {}
    for name, division in divisions.items():
        patches = tuple((window, SPLITS[next(splits)]) for window, _ in division.patches)
        info = {key: value for key, value in division.info.items() if key != "note"}
        note = {"note": LEAKS} if overlapping([window for window, _ in patches]) else {}
        found[name] = Division(patches, info | note, division.origin)
    return found


def _no_patch(ground: Ground, job: Job) -> str:
    area, step = ground.window, abs(ground.lattice.affine.a)
    return (
        f"region {ground.name!r} has {area.width} x {area.height} pixels of {step:g} m here, and no patch of "
        f"{job.size} x {job.size} at stride {job.stride} fits: widen the box or give a smaller --size or --stride"
    )
