"""What an export says of its labels: patches and splits without any, splits that are unlike in their classes."""

from __future__ import annotations

from statistics import fmean

from isamap.gee_export.base.class_balance import unlike_note
from isamap.gee_export.datasets.dataset import Dataset
from isamap.gee_export.datasets.index import SPLITS

_FEW_LABELS = "where labels are few and far between take --split random, another --seed or other --ratios"


def label_notes(dataset: Dataset) -> tuple[str, ...]:
    """Patches without labels, and splits whose shares of impervious ground differ much."""
    shares = {
        split: [p.impervious_share for p in dataset.in_split(split) if p.impervious_share is not None]
        for split in SPLITS
    }
    note = unlike_note({split: fmean(split_shares) for split, split_shares in shares.items() if split_shares})
    return (*unlabelled(dataset), *(() if note is None else (note,)))


def unlabelled(dataset: Dataset) -> tuple[str, ...]:
    """Says how many patches show nothing to learn: another place, other numbers than it should; splits without."""
    if dataset.manifest.label is None:
        return ()
    count = sum(patch.impervious_share is None for patch in dataset.patches)
    if not count:
        return ()
    blind = [
        split
        for split in SPLITS
        if (inside := dataset.in_split(split)) and all(patch.impervious_share is None for patch in inside)
    ]
    without = f"no patch of {' or '.join(blind)} has a known label: {_FEW_LABELS}"
    return (
        *([without] if blind and count < len(dataset.patches) else []),
        f"{count} of {len(dataset.patches)} patches have no known label pixel: check that the label sources cover "
        "this ground, agree somewhere, and hold the numbers that docs/labels.md says",
    )
