"""Where a proof works: fixed names for all that it makes, a list of them on disk, and their removal."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isamap.gee_export.base.cloud_storage import BucketStorage
from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.storage import write_whole

if TYPE_CHECKING:
    from isamap.gee_export.earth_engine.session import Session

NAME = "isamap_prove"  # of the asset folder, the objects' prefix and the tasks' descriptions
JOURNAL = "made.json"
TASK_S, CANCEL_S, POLL_S = 1800.0, 120.0, 5.0
OVER = ("SUCCEEDED", "FAILED", "CANCELLED")


class NotHere(Exception):
    """The server or the user's rights lack what the question needs: it was not tried, which is no answer."""


@dataclass
class ProofPlace:
    """A connection, a bucket (None: what needs one is not tried), and the folder of the report.

    Names are written to the folder's journal before anything of that name is made.
    """

    session: Session
    bucket: str | None
    folder: Path
    made: list[str] = field(default_factory=list)
    probe: str = ""  # the probe under way, for the record of requests

    @property
    def assets(self) -> str:
        """The asset folder of all that is made."""
        return f"projects/{self.session.project}/assets/{NAME}"

    @property
    def storage(self) -> BucketStorage:
        """The objects of all that is made; NotHere without a bucket."""
        if self.bucket is None:
            raise NotHere("no --bucket was given")
        storage = BucketStorage(self.session.storage_client(), self.bucket, NAME, patience_s=60.0)
        if self.session.is_local:
            storage.provide()
        return storage

    def asset(self, name: str) -> str:
        """The id of an asset to make, noted; its folder is there."""
        from isamap.gee_export.earth_engine.assets import make_parents

        asset = f"{self.assets}/{name}"
        self.note(asset)
        make_parents(asset)
        return asset

    def note(self, name: str) -> None:
        """Writes down what is about to be made."""
        if name not in self.made:
            self.made.append(name)
            write_whole(self.folder / JOURNAL, json.dumps(self.made, indent=1).encode())

    def finished(self, operation: str, within_s: float = TASK_S) -> dict[str, Any]:
        """The operation once it is over; NotHere where that takes longer."""
        import ee

        end = time.monotonic() + within_s
        while time.monotonic() < end:
            state: dict[str, Any] = ee.data.getOperation(operation)
            if state.get("done"):
                return state
            time.sleep(0.2 if self.session.is_local else POLL_S)
        raise NotHere(f"{operation} did not end in {within_s:.0f} s")

    def tidy(self) -> tuple[str, ...]:
        """Removes all that this or a killed run made under the fixed names; what is left, listed after that.

        Nothing is raised: a name whose server does not answer counts as left.
        """
        left: list[str] = []
        for remove in (self._cancel_tasks, self._remove_assets, self._remove_objects):
            try:
                left += remove()
            except Exception as error:
                names = self.made or [f"what lies under {self.assets} and {NAME}/"]
                left += [f"{name} (not looked at: {' '.join(str(error).split())[:120]})" for name in names]
        left = list(dict.fromkeys(left))
        if not left:
            self.made.clear()
            (self.folder / JOURNAL).unlink(missing_ok=True)
        return tuple(left)

    def _cancel_tasks(self) -> list[str]:
        import ee

        ours = [
            operation
            for operation in ee.data.listOperations()
            if str(operation.get("metadata", {}).get("description", "")).startswith(NAME)
            and operation.get("metadata", {}).get("state") not in OVER
        ]
        for operation in ours:
            ee.data.cancelOperation(operation["name"])
        return [f"task {operation['name']}" for operation in ours if not self._is_over(operation["name"])]

    def _is_over(self, operation: str) -> bool:
        """Whether a cancelled task has ended; it is given CANCEL_S."""
        try:
            self.finished(operation, CANCEL_S)
        except NotHere:
            return False
        return True

    def _remove_assets(self) -> list[str]:
        import ee

        for asset in reversed(list(self._assets(self.assets))):
            ee.data.deleteAsset(asset)
        return list(self._assets(self.assets))

    def _assets(self, parent: str) -> Iterator[str]:
        """The folder and what lies below it, parents first."""
        import ee

        from isamap.gee_export.earth_engine.assets import info_or_none

        info = info_or_none(parent)
        if info is None:
            return
        yield parent
        if info.get("type") in ("FOLDER", "IMAGE_COLLECTION"):
            for child in ee.data.listAssets({"parent": parent}).get("assets", []):
                yield from self._assets(str(child["name"]))

    def _remove_objects(self) -> list[str]:
        if self.bucket is None:
            return []
        try:
            storage = self.storage
            for stored in storage.listed():
                storage.delete(stored.name)
            return [f"{storage.url}/{stored.name}" for stored in storage.listed()]
        except Fault as error:
            if "does not exist" in str(error):  # a bucket that never was
                return []
            raise
