"""`isamap publish-model`: a checkpoint with its card and passport for others, in a folder, a bucket or on a hub."""

from __future__ import annotations

import base64
import hashlib
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isamap.gee_export.base.atomic import check_writable
from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.storage import is_remote, open_storage
from isamap.training import plugins
from isamap.training.checkpoints.atomic_folder import write_folder, write_place
from isamap.training.checkpoints.card import card
from isamap.training.checkpoints.checkpoint import CARD, DESCRIPTION, WEIGHTS, Checkpoint, load
from isamap.training.checkpoints.hub import MAIN, README, HubModel, NotReached, call, is_hub
from isamap.training.checkpoints.passport import LICENCE, PASSPORT, write_passport

JSON = {"Content-Type": "application/json"}
LFS = {"Content-Type": "application/vnd.git-lfs+json", "Accept": "application/vnd.git-lfs+json"}
SAMPLE_BYTES = 512  # of a file, by which a hub decides how it is kept


@dataclass(frozen=True)
class ModelPublication:
    """Where a checkpoint was published, files by size, licence; code: the network of another package, if any."""

    address: str
    files: Mapping[str, int]
    licence: str
    simulated: bool
    code: str = ""

    def __str__(self) -> str:
        lines = [
            f"{self.address}: {', '.join(f'{name} ({size:,} bytes)' for name, size in self.files.items())}",
            f"licence: {self.licence}; {'trained on simulated data' if self.simulated else 'trained on real data'}",
        ]
        if self.code:
            lines.append(f"its network is code of another package ({self.code}): who uses it must install and trust it")
        return "\n".join([*lines, f"use it: isamap map --checkpoint {self.address}"])


def publish_model(
    checkpoint: str | Path, to: str | Path, *, public: bool = False, session: Any = None
) -> ModelPublication:
    """Put a checkpoint's safetensors, description, card and passport where others find them.

    to: an empty folder, gs://BUCKET/PREFIX, or hf://ORG/NAME of a model hub (HF_TOKEN: a token that may write).
    public: whether a hub shows a new model to everybody. Published again, only what differs changes.
    ValueError: no checkpoint, a place that holds something else, no right to write. Fault: no answer, full disk.
    """
    trained = load(checkpoint, session)
    files = _files(trained)
    address = str(to).rstrip("/")
    if is_hub(address):
        _to_hub(HubModel.of(address), files, public=public)
    elif public:
        raise ValueError(f"--public is of a hub: leave it out with --to {to}")
    elif is_remote(address):
        above, _, name = address.rpartition("/")
        if above == "gs:/":
            raise ValueError(f"--to {to}: name a folder in the bucket, such as {address}/models/unet")
        write_place(open_storage(above, session), name, files, DESCRIPTION)
    else:
        _to_folder(Path(address), files)
    sizes = {name: len(data) for name, data in files.items()}
    return ModelPublication(address, sizes, _licence(trained), trained.simulated, _code(trained))


def _files(trained: Checkpoint) -> dict[str, bytes]:
    """What is published; Fault where the weights are damaged."""
    source = Path(trained.location)
    description = (source / DESCRIPTION).read_bytes()
    model_card = card(json.loads(description)).encode()
    files = {WEIGHTS: (source / WEIGHTS).read_bytes(), CARD: model_card, README: model_card, DESCRIPTION: description}
    # The passport is made of the files as they will lie there: their names, sizes and hashes are in it.
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "model"
        write_folder(copy, files, DESCRIPTION)
        return files | {PASSPORT: write_passport(copy).path.read_bytes()}


def _to_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    if folder.exists() and any(folder.iterdir()) and not (folder / DESCRIPTION).is_file():
        raise ValueError(f"{folder} holds something else than a model: choose another --to")
    # Twice: where folders cannot be renamed the new files lie beside the old ones for a while.
    check_writable(folder / DESCRIPTION, 2 * sum(map(len, files.values())))
    write_folder(folder, files, DESCRIPTION)


def _to_hub(model: HubModel, files: Mapping[str, bytes], *, public: bool) -> None:
    """One commit with all files, the weights by the hub's large-file protocol (Git LFS's batch API)."""
    if model.revision != MAIN:
        raise ValueError(f"--to hf://{model.path}@{model.revision}: models are published to {MAIN}, leave it out")
    try:
        _create(model, public=public)
        large = _large(model, files)
        for name in large:
            _upload(model, files[name])
        lines = [{"key": "header", "value": {"summary": f"isamap checkpoint {_hash(files[WEIGHTS])[:12]}"}}]
        lines += [_line(name, data, name in large) for name, data in files.items()]
        body = "\n".join(json.dumps(line) for line in lines).encode()
        call(f"/api/models/{model.path}/commit/{MAIN}", body, headers={"Content-Type": "application/x-ndjson"})
    except NotReached as error:
        raise Fault(f"{error}: nothing was published, or not all; run the same command again") from error
    except FileNotFoundError as error:
        raise ValueError(f"hf://{model.path}: the hub knows no such place ({error}); check the name") from error
    except (KeyError, TypeError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise Fault("the hub did not answer as a hub does: check HF_ENDPOINT") from error


def _create(model: HubModel, *, public: bool) -> None:
    """The model's place, where there is none yet."""
    try:
        call(f"/api/models/{model.path}")
    except FileNotFoundError:
        values = {"type": "model", "name": model.name, "organization": model.organisation, "private": not public}
        call("/api/repos/create", json.dumps(values).encode(), headers=JSON)


def _large(model: HubModel, files: Mapping[str, bytes]) -> set[str]:
    """Names of the files that the hub keeps as large ones."""
    samples = [
        {"path": name, "size": len(data), "sample": base64.b64encode(data[:SAMPLE_BYTES]).decode()}
        for name, data in files.items()
    ]
    answer = call(f"/api/models/{model.path}/preupload/{MAIN}", json.dumps({"files": samples}).encode(), headers=JSON)
    # Only names that were asked for: a hub must not choose what is read here.
    return {str(each["path"]) for each in json.loads(answer)["files"] if each["uploadMode"] == "lfs"} & set(files)


def _upload(model: HubModel, data: bytes) -> None:
    """A large file; nothing is sent that the hub has."""
    batch = {
        "operation": "upload",
        "transfers": ["basic"],
        "hash_algo": "sha256",
        "objects": [{"oid": _hash(data), "size": len(data)}],
    }
    answer = call(f"/{model.path}.git/info/lfs/objects/batch", json.dumps(batch).encode(), headers=LFS)
    actions = json.loads(answer)["objects"][0].get("actions") or {}
    if "upload" in actions:
        call(actions["upload"]["href"], data, method="PUT", headers=actions["upload"].get("header") or {})
    if "verify" in actions:
        body = json.dumps({"oid": _hash(data), "size": len(data)}).encode()
        call(actions["verify"]["href"], body, headers=LFS | (actions["verify"].get("header") or {}))


def _line(name: str, data: bytes, is_large: bool) -> dict[str, Any]:
    if is_large:
        return {"key": "lfsFile", "value": {"path": name, "algo": "sha256", "oid": _hash(data), "size": len(data)}}
    return {"key": "file", "value": {"path": name, "content": base64.b64encode(data).decode(), "encoding": "base64"}}


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _licence(trained: Checkpoint) -> str:
    """The licence that the passport states, too."""
    backbone = trained.origin.get("backbone")
    return LICENCE if backbone is None else f"{LICENCE}, as far as {backbone['licence']} allows it"


def _code(trained: Checkpoint) -> str:
    return trained.model if plugins.is_address(trained.model) else ""
