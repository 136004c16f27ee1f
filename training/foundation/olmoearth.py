"""OlmoEarth as a network: the Allen Institute's encoder of Sentinel-2 and Sentinel-1, and a head for classes.

Source: arXiv 2511.13655; the package olmoearth-pretrain-minimal (Apache-2.0). Its weights have a licence of their own,
the OlmoEarth Artifact License: `--backbone-licence` keeps it in the checkpoint.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from isamap.gee_export.base.errors import Fault
from isamap.training.models.output import Network, Output, check_bands, check_input
from isamap.training.models.published_names import Names
from isamap.training.recipes.papers import MOVES
from isamap.training.recipes.recipe import Recipe

SIZES = ("nano", "tiny", "small", "base")
VERSIONS = ("v1.1", "v1.2")  # those whose encoder has seen images with missing bands
DATE = (14, 6, 2020)  # day, month from 0, year: what the encoder is told of a composite, whatever its month
METRES = 10  # of a pixel


@dataclass(frozen=True)
class OlmoEarthConfig:
    """Constructor values. size, version: of the published encoder; patch: pixels of a token's side (1, 2, 4 or 8)."""

    classes: int = 2
    size: str = "nano"
    version: str = "v1.2"
    patch: int = 4
    window: int = 64

    def __post_init__(self) -> None:
        if self.size not in SIZES:
            raise ValueError(f"OlmoEarth of size {self.size!r}: expected one of {', '.join(SIZES)}")
        if self.version not in VERSIONS or (self.size == "small" and self.version != "v1.2"):
            expected = ", ".join(VERSIONS)
            raise ValueError(f"OlmoEarth {self.version} of size {self.size}: expected {expected}, small as v1.2 only")
        if self.patch not in (1, 2, 4, 8) or self.window % self.patch:
            raise ValueError(
                f"patches of {self.patch} px: expected 1, 2, 4 or 8, which divides the {self.window}-px window"
            )


def _places(bands: Sequence[str], order: Sequence[str]) -> list[tuple[int, int]]:
    """Where a sensor's bands stand in its order, and where among ours."""
    return [(order.index(band), at) for at, band in enumerate(bands) if band in order]


class OlmoEarth(Network):
    """The encoder's tokens of each sensor, averaged, and the package's decoder that enlarges them to pixels.

    Bands go to their places by name. Bands that the data lack are 0, as the authors' v1.1 and v1.2 were trained with
    missing bands. Images standardised to mean 0 and deviation 1 become z / 4 + 1/2, because the authors' numbers are 0
    to 1 from two deviations below the mean to two above. Assumption: every composite is of 15 July 2020.
    """

    Config = OlmoEarthConfig
    published_names = Names("encoder.blocks.0.norm1.weight", ((r"encoder\.(.*)", r"encoder.\1"),), ("encoder.",))
    places_bands = True  # the published first layers are taken as they are
    scale, halo = 1, None

    def __init__(self, bands: Sequence[str], config: OlmoEarthConfig | None = None) -> None:
        super().__init__()
        self.bands, self.config = check_bands(bands), config or OlmoEarthConfig()
        self.window, patch = self.config.window, self.config.patch
        self.lattice = self.window * 3 // 4 // patch * patch
        package = _package()
        orders = {name: _names(package.orders[name]) for name in package.orders}
        self.places = {name: _places(self.bands, order) for name, order in orders.items()}
        self.widths = {name: len(order) for name, order in orders.items()}
        expected = [band for order in orders.values() for band in order]
        if unknown := [band for band in self.bands if band not in expected]:
            raise ValueError(
                f"OlmoEarth has no place for band {', '.join(unknown)}: choose bands among {', '.join(expected)}"
            )
        modalities = [name for name, places in self.places.items() if places]
        model = package.model(
            model_size=self.config.size, model_version=self.config.version, supported_modality_names=modalities
        )
        self.encoder: nn.Module = model.model.encoder
        self.head = package.head(model.model.encoder.embedding_size, self.config.classes, patch)

    @property
    def multiple(self) -> int:
        """Sides are whole patches."""
        return self.config.patch

    def forward(self, x_BCHW: Tensor) -> Output:
        check_input(x_BCHW, self.bands, self.multiple)
        unit_BCHW = x_BCHW / 4 + 0.5
        tokens = self.encoder(self._sample(unit_BCHW), patch_size=self.config.patch, input_res=METRES, fast_pass=True)[
            "tokens_and_masks"
        ]
        # of a sensor: (batch, rows, columns, dates, groups of bands, channels)
        means = [getattr(tokens, name).mean(dim=(3, 4)) for name, places in self.places.items() if places]
        return Output(self.head(torch.stack(means).mean(dim=0)))

    def _sample(self, unit_BCHW: Tensor) -> Any:
        """The images as the package takes them: (batch, rows, columns, one date, bands) of each sensor."""
        batch, _, height, width = unit_BCHW.shape
        fields: dict[str, Tensor] = {}
        for name, places in self.places.items():
            if not places:
                continue
            at = dict(places)
            empty_BHW = torch.zeros_like(unit_BCHW[:, 0])
            planes = [unit_BCHW[:, at[channel]] if channel in at else empty_BHW for channel in range(self.widths[name])]
            fields[name] = torch.stack(planes, dim=-1).unsqueeze(3)
            fields[f"{name}_mask"] = torch.zeros(batch, height, width, 1, 1, dtype=torch.long, device=unit_BCHW.device)
        timestamps = torch.tensor([[DATE]], device=unit_BCHW.device).expand(batch, 1, 3)
        return _package().sample(timestamps=timestamps, **fields)


@dataclass(frozen=True)
class _Package:
    """What is taken of olmoearth-pretrain-minimal. orders: the bands of each sensor, as it names them."""

    model: Any
    head: Any
    sample: Any
    orders: dict[str, list[str]]


def _package() -> _Package:
    try:
        from olmoearth_pretrain_minimal import OlmoEarthPretrain_v1
        from olmoearth_pretrain_minimal.olmoearth_pretrain_v1.utils.constants import Modality
        from olmoearth_pretrain_minimal.olmoearth_pretrain_v1.utils.datatypes import MaskedOlmoEarthSample
        from olmoearth_pretrain_minimal.unet_head import UNetDecoder
    except ModuleNotFoundError as error:
        raise Fault(
            f"OlmoEarth needs {error.name}, which is not installed: pip install 'isamap[foundation]'"
        ) from error
    sensors = (Modality.SENTINEL2_L2A, Modality.SENTINEL1)
    orders = {sensor.name: list(sensor.band_order) for sensor in sensors}
    return _Package(OlmoEarthPretrain_v1, UNetDecoder, MaskedOlmoEarthSample, orders)


def _names(order: Sequence[str]) -> list[str]:
    """Earth Engine's names of the package's bands: B2 for B02, VV for vv."""
    return [band.upper().replace("B0", "B") for band in order]


def recipe() -> Recipe:
    """Fine-tuning of the encoder at a tenth of the head's rate, as its authors do not say for this task: ours."""
    return Recipe(
        "olmoearth",
        "isamap.training.foundation.olmoearth:OlmoEarth",
        epochs=60,
        batch=8,
        optimiser="adamw",
        lr=1e-3,
        weight_decay=1e-2,
        warmup=2.0,
        patience=20,
        rates=("encoder:0.1",),
        augment=MOVES,
    )
