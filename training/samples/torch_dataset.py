"""A patch dataset as PyTorch users know one: `Dataset.open(place).torch("train")` gives samples for any DataLoader."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from isamap.gee_export.datasets.dataset import Dataset as PatchDataset

if TYPE_CHECKING:
    from isamap.training.samples.torch_patches import TorchPatches, Transform


class Dataset(PatchDataset):
    """A finished patch dataset, opened for reading: as arrays (`read_image`, `read_label`), or for PyTorch."""

    def torch(
        self, split: str = "train", *, standardised: bool = False, transforms: Transform | None = None
    ) -> TorchPatches:
        """The patches of train, val or test as a `torch.utils.data.Dataset` of dictionaries.

        image: float32 (bands, rows, columns) in physical units (reflectance, dB), or standardised by the training
        patches' mean and standard deviation; 0 where a band is missing. valid: bool of that shape. mask: int64 (rows,
        columns), 0 pervious, 1 impervious, 255 unknown; in datasets with labels. bounds: float64 (left, bottom, right,
        top) in metres of `crs`, such as "EPSG:32650". dates: "2019-06-01/2019-07-01", the end not included. id: of the
        patch. Every default works: they collate, and workers may read them (the object can be pickled where the
        dataset is a folder). transforms: takes and gives such a dictionary.
        ValueError: no such split, bands without statistics.
        """
        from isamap.training.samples.torch_patches import TorchPatches

        statistics = self.statistics() if standardised else None
        return TorchPatches(self, split, statistics=statistics, transforms=transforms)

    def __getitem__(self, at: int) -> Any:
        """Refused with the remedy: a patch has an image, a label and more."""
        raise TypeError("a dataset is read by name (read_image) or as PyTorch's: take ds.torch('train')[0]")

    def statistics(self) -> dict[str, np.ndarray]:
        """mean and std of each band over the valid pixels of the training patches, float64 (bands,), physical units.

        ValueError where a band has no valid pixel.
        """
        stored = self.manifest.statistics
        if missing := [name for name in self.manifest.band_names if name not in stored]:
            raise ValueError(f"{self.storage.url} has no valid training pixel of {', '.join(missing)}: no statistics")
        rows = [stored[name] for name in self.manifest.band_names]
        return {"mean": np.array([row.mean for row in rows]), "std": np.array([row.std for row in rows])}
