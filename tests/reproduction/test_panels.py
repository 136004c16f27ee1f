"""What a panel shows."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.image import imread

from isamap.gee_export.datasets.dataset import Dataset
from isamap.reproduction import panels


def test_shown_patches_are_of_the_test_split_from_little_to_much(town):
    ids = panels.chosen([str(town)], 3)
    shares = [Dataset.open(town)._patch(name).impervious_share for name in ids]
    assert len(set(ids)) == 3 and shares == sorted(shares)
    assert all(Dataset.open(town)._patch(name).split == "test" for name in ids)


def test_no_patch_is_shown_twice(town):
    ids = panels.chosen([str(town)], 50)
    assert 1 < len(ids) == len(set(ids)) <= 6


def test_views_of_a_dataset_and_its_truth(town):
    ids = panels.chosen([str(town)], 2)
    columns = panels.views([str(town)], ids, fine=False, truth=[str(town)])
    assert [column.title for column in columns] == ["optical", "SAR", "label", "truth"]
    assert all(picture.shape == (32, 32, 3) for column in columns for picture in column.pictures)
    assert (columns[2].pictures[0] == columns[3].pictures[0]).all()


def test_label_colours_are_the_legends(town):
    """docs/reference/formats.md, "Map": the palette of maps; impervious is red."""
    label = Dataset.open(town).read_label(panels.chosen([str(town)], 1)[0])
    (picture,) = panels.views([str(town)], panels.chosen([str(town)], 1), fine=False)[-1].pictures
    assert {tuple(rgb) for rgb in picture[label == 1]} == {(0xE3, 0x1A, 0x1C)}


def test_numbers_without_a_name_are_grey():
    picture = panels.coloured(np.array([[0, 1, 7, 255]], np.uint8), ("pervious", "impervious"))
    assert tuple(picture[0, 2]) == tuple(picture[0, 3]) == panels.UNKNOWN_RGB


def test_truth_must_hold_the_same_patches(town):
    with pytest.raises(ValueError, match="no patch elsewhere"):
        panels.views([str(town)], ["elsewhere"], fine=False)


def test_compressed_pictures_keep_to_their_size(tmp_path):
    from matplotlib.image import imsave

    noise = np.random.default_rng(0).integers(0, 255, (700, 700, 3), dtype=np.uint8)
    imsave(tmp_path / "noise.png", noise)
    panels.compressed(tmp_path / "noise.png", tmp_path / "img" / "noise.jpg", 150_000)
    assert (tmp_path / "img" / "noise.jpg").stat().st_size <= 150_000
    assert imread(tmp_path / "img" / "noise.jpg").ndim == 3
