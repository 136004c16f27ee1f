"""Where a checkpoint lies that an address names: a folder, gs://, hf://, or a network that comes with isamap."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from isamap.training.checkpoints.atomic_folder import new_of, write_folder
from isamap.training.checkpoints.hub import hub_folder, is_hub
from isamap.training.checkpoints.layout import DESCRIPTION, FOLDERS, FURTHER, WEIGHTS, nothing_at

# name -> fingerprint of the checkpoint in training/NAME, which comes with isamap (docs/starter.md)
PACKAGED = {
    "starter": "3b7fa6b3676c63fdf3ab7db0b10d10f62d01901f49b60b8d33baab68e76a68db",
    "starter-s2s1": "02ebc9cc31e8cfccee85f64687e376e8353decc959fcb0d23cb712cab26063f7",
}
_PACKAGE = Path(__file__).resolve().parents[1]


def folder_of(address: str | os.PathLike[str], session: Any = None) -> Path:
    """The folder that an address stands for; a checkpoint of gs:// or hf:// is first copied to ISAMAP_HOME.

    ValueError: nothing there, or a name of PACKAGED that is a folder of the user's too.
    """
    if is_packaged(address):
        if Path(address).exists():
            raise ValueError(
                f"{address} is the network that comes with isamap and a folder here: write ./{address} for the folder, "
                "or call isamap from another folder"
            )
        return _PACKAGE / str(address)
    if is_hub(address):
        return hub_folder(str(address))
    return _downloaded(str(address), session) if str(address).startswith("gs://") else Path(address)


def is_packaged(address: str | os.PathLike[str]) -> bool:
    """Whether an address is the name of a checkpoint that comes with isamap."""
    return isinstance(address, str) and address in PACKAGED


def _downloaded(address: str, session: Any) -> Path:
    """The folder under ISAMAP_HOME that holds a copy of a gs:// checkpoint, named by its description's hash."""
    from isamap.gee_export.base.storage import open_storage
    from isamap.training.home import cache_home

    above, _, last = address.rstrip("/").rpartition("/")
    places = [(above, new_of(last)), *((address, name) for name in FOLDERS)]
    for address_, name in places if above.count("/") > 1 else places[1:]:
        storage = open_storage(address_, session)
        if storage.exists(f"{name}/{DESCRIPTION}".lstrip("/")):
            break
    else:
        raise nothing_at(address)
    text = storage.read(f"{name}/{DESCRIPTION}".lstrip("/"))
    folder = cache_home() / "checkpoints" / hashlib.sha256(text).hexdigest()[:32]
    # The weights are hashed again: a copy that was cut short or has rotted is fetched again instead of used.
    if not holds(folder, text):
        names = [WEIGHTS, *(file for file in FURTHER if storage.exists(f"{name}/{file}".lstrip("/")))]
        files = {file: storage.read(f"{name}/{file}".lstrip("/")) for file in names}
        write_folder(folder, files | {DESCRIPTION: text}, DESCRIPTION)
    return folder


def holds(folder: Path, text: bytes) -> bool:
    """Whether an earlier copy is whole: the description and the weights that it names."""
    try:
        weights_sha256 = json.loads(text)["weights_sha256"]
        stored = (folder / DESCRIPTION).read_bytes(), (folder / WEIGHTS).read_bytes()
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return stored[0] == text and hashlib.sha256(stored[1]).hexdigest() == weights_sha256
