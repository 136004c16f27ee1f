"""Recipes: functions that each return a complete training configuration."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from training.augment import ROTATIONS

PRECISIONS = ("fp32", "bf16", "fp16")
DEVICES = ("auto", "cpu", "gpu")
PAPER_BANDS = ("B2", "B3", "B4", "B8", "VV", "VH")
# what `--set` may change, beside model.KEY and loss.KEY
_FIXED = ("name", "model", "config", "loss", "loss_values")


@dataclass(frozen=True)
class Recipe:
    """A complete training run but for its data.

    config, loss_values: the network's and the loss's constructor values. bands: names in order, empty for all of the
    dataset's. lr falls as (1 - step / steps) ** power. patience: epochs without a better validation MIoU before
    stopping. augment: vertical flip, rotation (`rotate`, one of augment.ROTATIONS), blur, on the train split only.
    """

    name: str
    model: str
    config: Mapping[str, Any] = field(default_factory=dict)
    loss: str = "cross_entropy"
    loss_values: Mapping[str, float] = field(default_factory=dict)
    bands: tuple[str, ...] = ()
    epochs: int = 400
    batch: int = 32
    lr: float = 1e-4
    power: float = 0.9
    patience: int = 50
    augment: bool = True
    rotate: str = "quarter"
    seed: int = 0
    precision: str = "fp32"
    device: str = "auto"

    def __post_init__(self) -> None:
        for name in ("epochs", "batch", "patience"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)}: expected a whole number of 1 or more")
        if not 0 < self.lr <= 1 or not 0 <= self.power <= 10:
            raise ValueError(f"lr={self.lr:g} and power={self.power:g}: expected lr above 0 up to 1, power 0 to 10")
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"seed={self.seed}: expected 0 to {2**32 - 1}")
        for name, allowed in (("rotate", ROTATIONS), ("precision", PRECISIONS), ("device", DEVICES)):
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name}={getattr(self, name)}: expected one of {', '.join(allowed)}")

    def to_json(self) -> dict[str, Any]:
        """All fields as JSON holds them."""
        values = asdict(self)
        return values | {"bands": list(self.bands)}


def recipe(name: str, settings: Mapping[str, str] | None = None) -> Recipe:
    """The named recipe with `--set` settings applied; ValueError naming an unknown recipe, key or bad value."""
    if name not in RECIPES:
        raise ValueError(f"recipe {name!r} is not known: choose one of {', '.join(RECIPES)}")
    return override(RECIPES[name](), settings or {})


def override(base: Recipe, settings: Mapping[str, str]) -> Recipe:
    """The recipe with settings changed; values are texts as typed after --set, or already of the right kind."""
    changes: dict[str, Any] = {}
    config, loss_values = dict(base.config), dict(base.loss_values)
    for key, value in settings.items():
        if key.startswith("model."):
            config[key.removeprefix("model.")] = _guessed(value)
        elif key.startswith("loss."):
            loss_values[key.removeprefix("loss.")] = _typed(key, value, 0.0)
        else:
            changes[key] = _typed(key, value, _default(base, key))
    return replace(base, **changes, config=config, loss_values=loss_values)


def _default(base: Recipe, key: str) -> Any:
    known = [f.name for f in fields(base) if f.name not in _FIXED]
    if key not in known:
        near = difflib.get_close_matches(key, known, 1)
        hint = f"did you mean {near[0]}?" if near else f"expected {', '.join(known)}, model.KEY or loss.KEY"
        raise ValueError(f"setting {key!r} is not known: {hint}")
    return getattr(base, key)


def _typed(key: str, value: Any, like: Any) -> Any:
    """`value` as the kind that `like` is."""
    kinds = {
        bool: "yes or no",
        int: "a whole number",
        float: "a number",
        tuple: "names joined by commas",
        str: "a word",
    }
    kind = type(like)
    try:
        if kind is bool:
            return _truth(value)
        if kind is tuple:
            names = value.split(",") if isinstance(value, str) else value
            return tuple(name.strip() for name in names if name.strip())
        return kind(value)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{key}={value}: expected {kinds[kind]}, such as {key}={_example(like)}") from error


def _truth(value: Any) -> bool:
    words = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
    if str(value).lower() not in words:
        raise ValueError(value)
    return words[str(value).lower()]


def _example(like: Any) -> str:
    if isinstance(like, bool):
        return "yes" if like else "no"
    return ",".join(like) or "B2,B3" if isinstance(like, tuple) else f"{like}"


def _guessed(value: Any) -> Any:
    """A network's constructor value from its text: whole numbers (joined by commas), yes or no, else a word."""
    if not isinstance(value, str):
        return value
    if value.lower() in ("yes", "no", "true", "false"):
        return _truth(value)
    parts = value.split(",")
    try:
        numbers = tuple(int(part) for part in parts)
    except ValueError:
        return value
    return numbers if len(numbers) > 1 else numbers[0]


def crofusenet() -> Recipe:
    """S002 section IV-A: CroFuseNet, Adam 1e-4, poly 0.9, batch 32, at most 400 epochs, early stopping after 50.

    Bands are the paper's (Table I); loss 1 / 1 / 0.8.
    """
    weights = {"alpha": 1.0, "beta": 0.8}
    return Recipe("crofusenet", "crofusenet", loss="crofuse", loss_values=weights, bands=PAPER_BANDS)


def crofusenet_tiny() -> Recipe:
    """CroFuseNet of a quarter of the widths (2.3 M parameters) with steps large enough for a CPU's few epochs.

    Takes whatever bands the dataset holds, at least one optical and one SAR.
    """
    return replace(
        crofusenet(),
        name="crofusenet-tiny",
        bands=(),
        config={"widths": (8, 16, 32, 64, 128)},
        epochs=20,
        batch=8,
        lr=2e-3,
        patience=10,
    )


def unet() -> Recipe:
    """S002's strongest baseline: U-Net of CroFuseNet's widths on the stacked bands, with the same settings."""
    return Recipe("unet", "unet", bands=PAPER_BANDS)


def unet_tiny() -> Recipe:
    """U-Net of a quarter of the widths for CPUs, on whatever bands the dataset holds."""
    return replace(crofusenet_tiny(), name="unet-tiny", model="unet", loss="cross_entropy", loss_values={})


RECIPES: dict[str, Callable[[], Recipe]] = {
    "crofusenet": crofusenet,
    "crofusenet-tiny": crofusenet_tiny,
    "unet": unet,
    "unet-tiny": unet_tiny,
}
