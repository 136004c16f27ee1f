"""What a recipe is: a complete training configuration but for its data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from isamap.gee_export.base.scheme import SCHEMES
from isamap.training.losses import LOSSES
from isamap.training.losses import full_name as loss_name
from isamap.training.models import full_name as model_name
from isamap.training.models.sharpened import RGB
from isamap.training.plugins import is_address
from isamap.training.recipes.optimisers import OPTIMISERS, SCHEDULES, rate_of
from isamap.training.samples.augment import AUGMENTATIONS

PRECISIONS = ("fp32", "bf16", "fp16")
DEVICES = ("auto", "cpu", "gpu")
TARGETS = ("label", "fine", "share")
SAMPLINGS = ("each", "balanced")
# weights of a loss for which the true image at the output's size is needed
_OF_TRUE_IMAGE = ("sharp", "edges", "adversarial")
_OF_SHARES = ("soft_cross_entropy", "share_error")


# Later fields are left out of JSON while they hold these, so that runs and checkpoints without them keep their bytes.
LATER: Mapping[str, Any] = {
    "schedule": "poly",
    "warmup": 0.0,
    "rates": (),
    "freeze": (),
    "thaw": 0,
    "accumulate": 1,
    "sampling": "each",
    "deterministic": True,
}


@dataclass(frozen=True)
class Recipe:
    """A complete training run but for its data.

    config, loss_values: the network's and the loss's constructor values. bands: names in order, empty for all of the
    dataset's. scheme: the classes learned, "isa" (2) or "landcover3m" (7). target: the layer learned: "label", "fine"
    (labels of the network's scale) or "share" (impervious share, 0 to 1). frames: dates given to the network, 0 for the
    composite.
    optimiser: adam and adamw take momentum and beta2 as their betas. lr falls by `schedule`: "poly" as
    (1 - step / steps) ** power, "cosine" as half a wave to 0; it rises linearly in the first `warmup` epochs.
    rates: "layer:factor" words, times lr for the layers whose names begin so; freeze: layers that stay as they are,
    until epoch `thaw` is over (0: always). accumulate: parts of a batch that are computed one after another.
    sampling: "each" patch once an epoch, or "balanced": drawn so that every class is as likely. deterministic: torch's
    deterministic algorithms, slower on a GPU, where enlarging an image falls back to a slow formula.
    clip: largest gradient norm, 0 for none. ema: decay of the averaged weights that are validated and kept, 0 for
    none. patience: epochs that bring validation no further before stopping (fitting/keeping.py, Records). batch: of all
    devices together.
    augment: names of augment.AUGMENTATIONS in order, crop: side of random crops in input pixels (0: whole patches);
    on the train split only.
    """

    name: str
    model: str
    config: Mapping[str, Any] = field(default_factory=dict)
    loss: str = "cross_entropy"
    loss_values: Mapping[str, Any] = field(default_factory=dict)
    bands: tuple[str, ...] = ()
    scheme: str = "isa"
    target: str = "label"
    frames: int = 0
    epochs: int = 400
    batch: int = 32
    optimiser: str = "adam"
    lr: float = 1e-4
    power: float = 0.9
    momentum: float = 0.9
    beta2: float = 0.999
    weight_decay: float = 0.0
    clip: float = 0.0
    ema: float = 0.0
    patience: int = 50
    augment: tuple[str, ...] = ("flip", "turn", "blur")
    crop: int = 0
    seed: int = 0
    precision: str = "fp32"
    device: str = "auto"
    devices: int = 1
    schedule: str = "poly"
    warmup: float = 0.0
    rates: tuple[str, ...] = ()
    freeze: tuple[str, ...] = ()
    thaw: int = 0
    accumulate: int = 1
    sampling: str = "each"
    deterministic: bool = True

    def __post_init__(self) -> None:
        self._check_counts()
        self._check_numbers()
        self._check_words()

    def _check_counts(self) -> None:
        for name in ("epochs", "batch", "patience", "devices", "accumulate"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)}: expected a whole number of 1 or more")
        for name in ("frames", "crop", "thaw"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name}={getattr(self, name)}: expected 0 or more")
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"seed={self.seed}: expected 0 to {2**32 - 1}")
        self._check_parts()

    def _check_parts(self) -> None:
        if self.batch % self.devices:
            raise ValueError(
                f"batch={self.batch} cannot be shared equally by devices={self.devices}: "
                f"use --set batch={max(1, round(self.batch / self.devices)) * self.devices}"
            )
        parts = self.devices * self.accumulate
        if self.batch % parts:
            raise ValueError(
                f"batch={self.batch} cannot be cut into accumulate={self.accumulate} parts for devices={self.devices}: "
                f"use --set batch={max(1, round(self.batch / parts)) * parts}"
            )
        if self.accumulate > 1 and self.loss_values.get("adversarial"):
            raise ValueError(f"accumulate={self.accumulate} with loss.adversarial: two optimisers take whole batches")
        if self.thaw and self.devices > 1:
            raise ValueError(f"thaw={self.thaw} with devices={self.devices}: layers thaw on one device only")

    def _check_numbers(self) -> None:
        if not 0 < self.lr <= 1 or not 0 <= self.power <= 10:
            raise ValueError(f"lr={self.lr:g} and power={self.power:g}: expected lr above 0 up to 1, power 0 to 10")
        for name in ("momentum", "beta2", "ema"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name):g}: expected 0 to below 1")
        for word in self.rates:
            rate_of(word)
        for name in ("weight_decay", "clip", "warmup"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"{name}={getattr(self, name):g}: expected 0 or more")

    def _check_words(self) -> None:
        # a checkpoint that holds the recipe says by itself whose code it needs
        for name, value in {"model": model_name(self.model), "loss": loss_name(self.loss)}.items():
            object.__setattr__(self, name, value)
        for name, allowed in _WORDS.items():
            if getattr(self, name) not in allowed and not (name == "loss" and is_address(self.loss)):
                raise ValueError(f"{name}={getattr(self, name)}: expected one of {', '.join(allowed)}")
        if unknown := [name for name in self.augment if name not in AUGMENTATIONS]:
            raise ValueError(
                f"augment={','.join(unknown)}: expected none, or any of {', '.join(AUGMENTATIONS)} joined by commas"
            )
        self._check_loss()

    def _check_loss(self) -> None:
        """A loss that would learn something else than the labels say."""
        if self.target == "share":
            self._check_shares()
        elif self.loss == "share_error":
            raise ValueError("loss=share_error learns shares: add target=share (docs/recipes.md)")
        if self.scheme != "isa":
            self._check_classes()

    def _check_shares(self) -> None:
        """Shares are of one class, which most losses and samplings know nothing of."""
        if self.scheme != "isa":
            raise ValueError(f"target=share is of impervious ground: leave scheme={self.scheme} out")
        if self.sampling == "balanced":
            raise ValueError("sampling=balanced draws patches by their classes, target=share has none: leave it out")
        if self.loss not in _OF_SHARES:
            raise ValueError(
                f"target=share: loss {self.loss} learns from whole classes, use --set loss={_OF_SHARES[0]} or "
                f"loss={_OF_SHARES[1]}"
            )

    def _check_classes(self) -> None:
        """Losses of two classes, with a scheme of more."""
        # Dice is of one class, by default the second: impervious of two, woodland of seven
        if self.loss == "dice_focal" and "positive" not in self.loss_values:
            raise ValueError(f"loss=dice_focal with scheme={self.scheme}: name Dice's class, such as loss.positive=4")
        if self.loss != "dice_focal" and self.loss_values.get("dice"):
            raise ValueError(f"loss.dice is of two classes, scheme={self.scheme} has more: use --set loss.dice=0")

    @property
    def sharpens(self) -> bool:
        """Whether the loss compares with the true image at the output's size."""
        return any(self.loss_values.get(name) for name in _OF_TRUE_IMAGE)

    @property
    def sharp_as(self) -> tuple[str, ...]:
        """The input's bands that the network sharpens, red first."""
        return tuple(self.config.get("rgb", RGB))

    def to_json(self) -> dict[str, Any]:
        """All fields as JSON holds them, but LATER ones with their default."""
        values = {name: value for name, value in asdict(self).items() if name not in LATER or value != LATER[name]}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


_WORDS = {
    "loss": LOSSES,
    "scheme": tuple(SCHEMES),
    "target": TARGETS,
    "optimiser": OPTIMISERS,
    "schedule": SCHEDULES,
    "sampling": SAMPLINGS,
    "precision": PRECISIONS,
    "device": DEVICES,
}
