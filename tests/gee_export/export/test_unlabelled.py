"""What an export says of patches and of whole splits that have no known label."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from isamap.gee_export.datasets.dataset import Dataset
from isamap.gee_export.datasets.index import SPLITS
from isamap.gee_export.export.label_notes import label_notes, unlabelled


def dataset(**shares: list[float | None]) -> Any:
    """A dataset of patches by split with these impervious shares."""
    patches = tuple(SimpleNamespace(split=split, impervious_share=each) for split in SPLITS for each in shares[split])
    return _Patches(patches)


class _Patches:
    manifest = SimpleNamespace(label={"product": "points"})

    def __init__(self, patches: tuple[SimpleNamespace, ...]) -> None:
        self.patches = patches

    in_split = Dataset.in_split


def test_a_split_without_labels_is_named_with_the_remedy():
    first, second = unlabelled(dataset(train=[0.2, None], val=[None, None], test=[0.1]))
    assert first.startswith("no patch of val has a known label: ") and "--split random" in first
    assert second.startswith("3 of 5 patches have no known label pixel")


def test_splits_with_one_labelled_patch_each_are_not_named():
    (note,) = unlabelled(dataset(train=[0.2, None], val=[0.0], test=[0.1]))
    assert note.startswith("1 of 4 patches")


def test_nothing_is_told_where_every_patch_is_labelled():
    assert unlabelled(dataset(train=[0.2], val=[0.0], test=[0.1])) == ()


def test_splits_that_differ_by_a_factor_are_named_with_the_remedy():
    (note,) = label_notes(dataset(train=[0.3, 0.34], val=[0.067], test=[0.4]))
    assert "32.0% of train, 6.7% of val, 40.0% of test" in note and "--split balanced" in note
    assert label_notes(dataset(train=[0.3], val=[0.2], test=[0.4])) == ()
