"""The checkpoint: weights and all that a map needs to be made from them (a folder; docs/reference/formats.md,
"Checkpoint").

Light on purpose, so that inference starts quickly: torch loads where weights or tensors are asked for.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from isamap.gee_export.base.atomic import disk_fault
from isamap.gee_export.base.errors import Fault
from isamap.training.checkpoints import layout
from isamap.training.checkpoints.atomic_folder import WritableFolder, new_of, write_folder, write_place
from isamap.training.checkpoints.card import card
from isamap.training.checkpoints.layout import FOLDERS, nothing_at
from isamap.training.checkpoints.places import PACKAGED, folder_of, is_packaged

if TYPE_CHECKING:
    from torch import Tensor, nn

    from isamap.training.models.output import Network

VERSION = 1
CARD, DESCRIPTION, WEIGHTS, FURTHER = layout.CARD, layout.DESCRIPTION, layout.WEIGHTS, layout.FURTHER
BEST, LAST = layout.BEST, layout.LAST
# Later fields are left out while they hold these, so that checkpoints without them keep their bytes and fingerprints.
LATER: Mapping[str, Any] = {"frames": 0, "target": "label", "calibration": {}, "conformal": {}, "origin": {}}
_LEVELS = {"l2a": "L2A", "l1c": "L1C"}
PROVENANCE = ("dataset", "recipe", "metrics", "origin", "revision", "location")


@dataclass(frozen=True)
class BandNorm:
    """A band's name, unit and standardisation: (value clipped to clip_min..clip_max - mean) / std."""

    name: str
    unit: str
    mean: float
    std: float
    clip_min: float | None = None
    clip_max: float | None = None

    def __post_init__(self) -> None:
        if not (np.isfinite(self.mean) and np.isfinite(self.std) and self.std > 0):
            raise ValueError(f"band {self.name}: mean {self.mean} and std {self.std}, expected finite and std above 0")


def see_radar(bands: Sequence[BandNorm]) -> bool:
    """Whether Sentinel-1 is among a network's bands."""
    return any(band.unit == "dB" for band in bands)


@dataclass(frozen=True)
class Checkpoint:
    """What `checkpoint.json` holds; `build` gives the network.

    window, lattice, halo and multiple are the network's (models/output.py). thresholds: probability from which a
    class is mapped. composite: the settings of the composites it was trained on. backscatter: sigma0 or gamma0, None
    without radar. frames: dates that the network is given (0: the composite). target: the layer learned
    (training/samples/target.py).
    calibration: the curve of its probabilities (training/checkpoints/curve.py), which its thresholds follow.
    conformal: the limits of its prediction sets (training/checkpoints/conformal.py).
    dataset, recipe, metrics, origin, revision: where it comes from; they never change a map and are not fingerprinted.
    """

    model: str
    config: Mapping[str, Any]
    bands: tuple[BandNorm, ...]
    classes: tuple[str, ...]
    scale: int
    window: int
    lattice: int
    halo: int | None
    multiple: int
    thresholds: Mapping[str, float]
    composite: Mapping[str, Any]
    backscatter: str
    simulated: bool
    frames: int = 0
    target: str = "label"
    calibration: Mapping[str, Any] = field(default_factory=dict)
    conformal: Mapping[str, Any] = field(default_factory=dict)
    dataset: Mapping[str, Any] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    origin: Mapping[str, Any] = field(default_factory=dict)
    revision: str = ""
    weights_sha256: str = ""
    location: str = ""

    @property
    def band_names(self) -> tuple[str, ...]:
        """The input channels' names in order."""
        return tuple(band.name for band in self.bands)

    @property
    def level(self) -> str | None:
        """The processing level of Sentinel-2 that its maps ask for, L2A or L1C; None for images of another origin."""
        return _LEVELS.get(self.composite.get("level", ""))

    @property
    def learned_levels(self) -> tuple[str, ...]:
        """All levels of its training Sentinel-2, that of its maps among them; none for images of another origin."""
        others = (_LEVELS.get(str(name)) for name in self.origin.get("levels", ()))
        return tuple(dict.fromkeys(level for level in (self.level, *others) if level))

    def may_lack(self, names: Collection[str]) -> bool:
        """Whether it learned from images without these bands: any one (`drop`), or all of a sensor (`sensor`)."""
        learned = self.recipe.get("augment", ())
        units = {band.unit for band in self.bands if band.name in names}
        others = [band for band in self.bands if band.name not in names]
        is_one, is_sensor = len(names) == 1, len(units) == 1 and all(band.unit not in units for band in others)
        return bool(others) and (("drop" in learned and is_one) or ("sensor" in learned and is_sensor))

    @property
    def fingerprint(self) -> str:
        """Hexadecimal SHA-256 of the weights and of everything else that decides a map."""
        return hashlib.sha256(_canonical(_mapping_part(self)).encode()).hexdigest()

    def build(self) -> Network:
        """The network with its weights, in evaluation mode, on the CPU. Fault: weights missing or damaged."""
        from isamap.training.models import build

        network = build(self.model, self.band_names, self.config)
        weights = _read_weights(self)
        try:
            network.load_state_dict(weights)
        except RuntimeError as error:
            raise Fault(f"{self.location}: the weights do not fit model {self.model}: {error}") from error
        return network.eval()


def of_network(network: Network, model: str, bands: Sequence[BandNorm], **further: Any) -> Checkpoint:
    """A description of a network built as `model` for these bands; `further` are Checkpoint's other fields."""
    from isamap.training.models import constructor_values

    names = ("scale", "window", "lattice", "halo", "multiple")
    geometry = {name: getattr(network, name) for name in names}
    return Checkpoint(model=model, config=constructor_values(network), bands=tuple(bands), **(geometry | further))


def save(checkpoint: Checkpoint, network: Network, folder: Path) -> Checkpoint:
    """Write weights, description and card as `folder`, whole or not at all; the checkpoint as it can be loaded."""
    import safetensors.torch

    weights = safetensors.torch.save(_plain_state(network))
    written = replace(checkpoint, weights_sha256=hashlib.sha256(weights).hexdigest(), location=str(folder))
    write_folder(Path(folder), _files(written, weights), DESCRIPTION)
    return written


def rewrite(checkpoint: Checkpoint, folder: Path, further: Mapping[str, bytes] | None = None) -> Checkpoint:
    """The checkpoint, whose description was changed, with the weights of its location, as `folder`.

    further: files of FURTHER in place of those of its location.
    """
    written, source = replace(checkpoint, location=str(folder)), Path(checkpoint.location)
    files = {name: (source / name).read_bytes() for name in FURTHER if (source / name).is_file()}
    files |= dict(further or {}) | _files(written, (source / WEIGHTS).read_bytes())
    try:
        write_folder(Path(folder), files, DESCRIPTION)
    except OSError as error:
        raise disk_fault(Path(folder), error) from error
    return written


def upload(folder: Path, bucket: WritableFolder, name: str) -> None:
    """Copy a checkpoint's folder to a bucket as `name`; readers find the old one or the new one, whole."""
    write_place(bucket, name, {file.name: file.read_bytes() for file in Path(folder).iterdir()}, DESCRIPTION)


def _files(written: Checkpoint, weights: bytes) -> dict[str, bytes]:
    description = _to_json(written)
    # NaN is no JSON: other programs could not read the description.
    text = json.dumps(description, indent=1, allow_nan=False) + "\n"
    return {WEIGHTS: weights, CARD: card(description).encode(), DESCRIPTION: text.encode()}


def load(path: str | os.PathLike[str], session: Any = None) -> Checkpoint:
    """The checkpoint in a folder, or in its best/ (else last/) folder.

    A gs:// checkpoint is first copied to ISAMAP_HOME; a session gives the bucket's client. The names of PACKAGED are
    those that come with isamap. ValueError: nothing there, or another version. Fault: damaged.
    """
    location, text = _find(folder_of(path, session))
    try:
        stored = json.loads(text)
        version = stored["version"]
    except (ValueError, KeyError, TypeError) as error:
        raise Fault(f"{location}: {DESCRIPTION} is damaged; train again or copy it again") from error
    if version != VERSION:
        raise ValueError(f"{location}: checkpoint version {version!r}, this isamap reads version {VERSION}; update it")
    try:
        checkpoint = _from_json(stored, str(location))
    except (KeyError, TypeError, ValueError) as error:
        raise Fault(f"{location}: {DESCRIPTION} lacks or garbles {error}; train again or copy it again") from error
    # Somebody's edited threshold would make other maps under the same name: the file is refused instead.
    if checkpoint.fingerprint != stored.get("fingerprint"):
        raise Fault(f"{location}: {DESCRIPTION} was changed after it was written (fingerprint differs); copy it again")
    if is_packaged(path) and checkpoint.fingerprint != PACKAGED[str(path)]:
        raise Fault(f"{location} is not the network that came with this isamap: install isamap again")
    return checkpoint


def normalise(values_BHW: np.ndarray, valid_BHW: np.ndarray, bands: Sequence[BandNorm]) -> np.ndarray:
    """Standardised float32 values, 0 where not valid; values in the bands' units, any leading axes before bands."""
    result_BHW = np.empty(values_BHW.shape, np.float32)
    for index, band in enumerate(bands):
        # a band at a time, which stays in the processor's cache
        result_HW = result_BHW[..., index, :, :]
        clipped = _clipped(values_BHW[..., index, :, :].astype(np.float32, copy=False), band)
        # float32 numbers as `standardise` takes them: maps and training see the same bits.
        np.subtract(clipped, np.float32(band.mean), out=result_HW)
        result_HW /= np.float32(band.std)
        result_HW[~valid_BHW[..., index, :, :]] = 0
    return result_BHW


def standardise(values_BHW: Tensor, valid_BHW: Tensor, bands: Sequence[BandNorm]) -> Tensor:
    """`normalise` for tensors of any device, with the same bits; the input is left as it is."""
    import torch

    def column(numbers: list[float]) -> Tensor:
        return torch.tensor(numbers, dtype=torch.float32, device=values_BHW.device)[:, None, None]

    low = column([-torch.inf if band.clip_min is None else band.clip_min for band in bands])
    high = column([torch.inf if band.clip_max is None else band.clip_max for band in bands])
    result = torch.clamp(values_BHW, low, high)
    result.sub_(column([band.mean for band in bands])).div_(column([band.std for band in bands]))
    return result.masked_fill_(~valid_BHW, 0.0)


def _clipped(values: np.ndarray, band: BandNorm) -> np.ndarray:
    """Values within the band's limits, if it has any."""
    if band.clip_min is None and band.clip_max is None:
        return values
    low, high = (None if limit is None else np.float32(limit) for limit in (band.clip_min, band.clip_max))
    clipped: np.ndarray = np.clip(values, low, high)
    return clipped


def _plain_state(network: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}


def _find(path: Path) -> tuple[Path, str]:
    absolute = Path(os.path.abspath(path))  # "." has no name of its own
    waiting = [absolute.with_name(new_of(absolute.name))] if absolute.name else []
    # What waits to be put in place comes first: where it has its head it is whole and newer (atomic_folder.py).
    for location in (*waiting, *(path / name for name in FOLDERS)):
        if (location / DESCRIPTION).is_file():
            return location, (location / DESCRIPTION).read_text(encoding="utf-8", errors="replace")
    raise nothing_at(path)


def _read_weights(checkpoint: Checkpoint) -> dict[str, Tensor]:
    import safetensors
    import safetensors.torch

    location = checkpoint.location
    try:
        weights = (Path(location) / WEIGHTS).read_bytes()
    except OSError as error:
        reason = "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read ({error.strerror})"
        raise Fault(f"{location}: {WEIGHTS} {reason}; train again or copy the whole folder") from error
    if hashlib.sha256(weights).hexdigest() != checkpoint.weights_sha256:
        raise Fault(f"{location}: {WEIGHTS} is damaged (its hash differs from {DESCRIPTION}); copy it again")
    try:
        return safetensors.torch.load(weights)
    except safetensors.SafetensorError as error:
        raise Fault(f"{location}: {WEIGHTS} cannot be read ({error}); train again") from error


def _mapping_part(checkpoint: Checkpoint) -> dict[str, Any]:
    """Everything that decides a map: all but provenance and place."""
    return {name: value for name, value in _said(checkpoint).items() if name not in PROVENANCE}


def _to_json(checkpoint: Checkpoint) -> dict[str, Any]:
    values = {"version": VERSION, "fingerprint": checkpoint.fingerprint} | _said(checkpoint)
    del values["location"]
    return values


def _said(checkpoint: Checkpoint) -> dict[str, Any]:
    """All fields but later ones that hold their default."""
    return {name: value for name, value in asdict(checkpoint).items() if name not in LATER or value != LATER[name]}


def _from_json(stored: Mapping[str, Any], location: str) -> Checkpoint:
    stored = {**LATER, **stored}
    values = {name: stored[name] for name in Checkpoint.__dataclass_fields__ if name != "location"}
    values["bands"] = tuple(BandNorm(**band) for band in stored["bands"])
    values["classes"] = tuple(stored["classes"])
    return Checkpoint(**values, location=location)


def _canonical(value: Mapping[str, Any]) -> str:
    """JSON that is the same text for the same values (tuples and lists alike)."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
