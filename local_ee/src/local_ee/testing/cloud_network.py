"""A stand-in for the package omnicloudmask: its published signature, a rule in the place of its networks."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from local_ee.catalog.cloud_classes import WEIGHTS

REACH_PX = 5  # how far the rule looks


def rule(red_green_nir: np.ndarray) -> np.ndarray:
    """0 to 3 by the quarter of 4,000 that the least red of 5 x 5 pixels is in; 0 where there is no data."""
    red = ndimage.minimum_filter(red_green_nir[0], REACH_PX, mode="constant")
    return np.where((red_green_nir == 0).all(axis=0), 0, np.clip(red // 1000, 0, 3)).astype(np.uint8)


def predict_from_array(
    input_array: np.ndarray,
    patch_size: int = 1000,
    patch_overlap: int = 300,
    batch_size: int = 1,
    inference_device: Any = None,
    mosaic_device: Any = None,
    inference_dtype: Any = "float32",
    export_confidence: bool = False,
    softmax_output: bool = True,
    no_data_value: float = 0,
    apply_no_data_mask: bool = True,
    custom_models: Any = None,
    pred_classes: int = 4,
    destination_model_dir: str | Path | None = None,
    model_download_source: str = "hugging_face",
    compile_models: bool = False,
    compile_mode: str = "default",
    model_version: float | None = None,
) -> np.ndarray:
    """(1, height, width), as omnicloudmask 1.8.1 checks and answers; a file that lacks would be downloaded there."""
    if input_array.ndim != 3 or min(input_array.shape[1:]) < 32:
        raise ValueError(f"Input array must have a width and height of at least 32 pixels, found {input_array.shape}")
    if not (Path(str(destination_model_dir)) / "newest.safetensors").is_file():
        assert model_download_source not in ("hugging_face", "google_drive"), "it would go to the network"
        raise ValueError("Invalid source. Supported sources are 'google_drive' and 'hugging_face'.")
    return rule(input_array)[None]


@contextmanager
def installed(weights: Path) -> Iterator[None]:
    """The stand-in in the package's place, with a file of weights in a folder."""
    module = types.ModuleType("omnicloudmask")
    module.__spec__ = ModuleSpec("omnicloudmask", None)
    module.predict_from_array = predict_from_array  # type: ignore[attr-defined]
    (weights / "newest.safetensors").write_bytes(b"")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "omnicloudmask", module)
        patch.setenv(WEIGHTS, str(weights))
        yield
