"""The samples of `Dataset.torch`: one patch read, checked and turned into tensors at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch.utils import data

from isamap.gee_export.base.grid import crs_of
from isamap.gee_export.datasets.dataset import Dataset, Patch

Transform = Callable[[dict[str, Any]], dict[str, Any]]


class TorchPatches(data.Dataset[dict[str, Any]]):
    """The patches of a split in id order; see `Dataset.torch` for what a sample holds.

    statistics: mean and std by which bands are standardised; None: physical units.
    """

    def __init__(
        self,
        dataset: Dataset,
        split: str,
        *,
        statistics: Mapping[str, np.ndarray] | None = None,
        transforms: Transform | None = None,
    ) -> None:
        self.dataset, self.split, self.transforms = dataset, split, transforms
        self.patches = dataset.in_split(split)
        head = dataset.manifest
        self._scale = _column([band.scale for band in head.bands])
        self._offset = _column([band.offset for band in head.bands])
        self._missing = np.array([band.nodata for band in head.bands])[:, None, None]
        self._dates = {row["label"]: f"{row['start']}/{row['end']}" for row in head.periods}
        self._mean, self._std = _column([0.0]), _column([1.0])
        if statistics is not None:
            # A band that is the same in every training patch has a deviation of 0.
            self._mean, self._std = _column(statistics["mean"]), _column(np.maximum(statistics["std"], 1e-9))

    def __len__(self) -> int:
        return len(self.patches)

    def __getitem__(self, at: int) -> dict[str, Any]:
        patch = self.patches[at]
        image_BHW, valid_BHW = self._image(patch)
        box = self.dataset.geobox(patch)
        sample: dict[str, Any] = {
            "image": torch.from_numpy(image_BHW),
            "valid": torch.from_numpy(valid_BHW),
            "bounds": torch.tensor(box.boundingbox.bbox, dtype=torch.float64),
            "crs": f"EPSG:{crs_of(box).to_epsg()}",
            "dates": self._dates.get(patch.period, ""),
            "id": patch.id,
        }
        if patch.label_name is not None:
            sample["mask"] = torch.from_numpy(self.dataset.read_label(patch).astype(np.int64))
        return sample if self.transforms is None else self.transforms(sample)

    def _image(self, patch: Patch) -> tuple[np.ndarray, np.ndarray]:
        """Values, 0 where a band is missing, and where none is."""
        stored_BHW = self.dataset.read_image(patch)
        valid_BHW = stored_BHW != self._missing
        physical_BHW = stored_BHW * self._scale + self._offset
        values_BHW = np.where(valid_BHW, (physical_BHW - self._mean) / self._std, 0).astype(np.float32)
        return values_BHW, valid_BHW


def _column(numbers: Any) -> np.ndarray:
    return np.asarray(numbers, np.float64)[:, None, None]
