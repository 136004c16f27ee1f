"""`isamap convert --to terratorch`: the files are read here as terratorch's data set reads them, by its own rules."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import rasterio
import yaml

import isamap
from isamap.gee_export.datasets.dataset import Dataset, write
from tests.support.samples import head, samples


@pytest.fixture
def place(tmp_path):
    write(tmp_path / "data", head(), samples(20))
    return tmp_path / "data"


def settings(folder) -> dict:
    return yaml.safe_load((folder / "data.yaml").read_text())["data"]["init_args"]


def files(given: dict, split: str, kind: str) -> list[str]:
    """The files of a split: names in its list, exact and with their endings."""
    from pathlib import Path

    expected = {line.strip() for line in Path(given[f"{split}_split"]).read_text().splitlines()}
    root = Path(given[f"{split}{'' if kind == 'image' else '_label'}_data_root"])
    return sorted(str(path) for path in root.glob(given["img_grep"]) if path.name in expected)


def test_every_split_has_its_images_and_labels_in_one_order(place, tmp_path):
    isamap.convert(place, to="terratorch", out=tmp_path / "out")
    arguments, dataset = settings(tmp_path / "out"), Dataset.open(place)
    for split in ("train", "val", "test"):
        names = [[file.rsplit("/", 1)[1] for file in files(arguments, split, sort)] for sort in ("image", "label")]
        assert names[0] == names[1] == sorted(f"{patch.id}.tif" for patch in dataset.in_split(split))


def test_means_and_deviations_standardise_what_terratorch_reads(place, tmp_path):
    """Masked as stored, then (value - mean) / std: mean 0 and deviation 1 over the valid training pixels."""
    isamap.convert(place, to="terratorch", out=tmp_path / "out")
    arguments = settings(tmp_path / "out")
    with_masks = [rasterio.open(file).read(masked=True) for file in files(arguments, "train", "image")]
    values = np.ma.stack(with_masks).astype(np.float64)
    mean, std = np.array(arguments["means"])[:, None, None], np.array(arguments["stds"])[:, None, None]
    standard = (values - mean) / std
    np.testing.assert_allclose(standard.mean(axis=(0, 2, 3)), 0, atol=1e-4)
    np.testing.assert_allclose(standard.std(axis=(0, 2, 3)), 1, atol=1e-3)


def test_labels_and_bands_are_what_the_settings_say(place, tmp_path):
    isamap.convert(place, to="terratorch", out=tmp_path / "out")
    options = settings(tmp_path / "out")
    assert options["dataset_bands"] == ["BLUE", "NIR_BROAD", "VV"] and options["num_classes"] == 2
    label = rasterio.open(files(options, "train", "label")[0]).read(1, masked=True).filled(options["no_label_replace"])
    assert set(np.unique(label)) <= {0, 1, 255}


def test_patches_whose_names_begin_alike_stay_apart(tmp_path):
    """A substring of a name, terratorch's default, would put c10 where c1 is."""
    first, second, third, *remainder = samples(6)
    alike = [replace(first, row=0, col=1), second, replace(third, row=0, col=10)]  # of train and val
    write(tmp_path / "data", head(), [*alike, *remainder])
    isamap.convert(tmp_path / "data", to="terratorch", out=tmp_path / "out")
    arguments = settings(tmp_path / "out")
    assert (arguments["allow_substring_split_file"], arguments["ignore_split_file_extensions"]) == (False, False)
    assert not set(files(arguments, "train", "image")) & set(files(arguments, "val", "image"))


def test_mistakes_are_one_sentence(place, tmp_path, capsys):
    assert isamap.main(["convert", "--data", str(place), "--to", "caffe", "--out", str(tmp_path / "out")]) == 2
    assert isamap.main(["convert", "--data", "gs://bucket/x", "--out", str(tmp_path / "out")]) == 2
    assert "reads files of this machine" in capsys.readouterr().err
    write(tmp_path / "bare", head(label=None), samples(12, labelled=False))
    with pytest.raises(ValueError, match="no labelled patch in train: export it with a --label"):
        isamap.convert(tmp_path / "bare", to="terratorch", out=tmp_path / "out")
