"""A supply of pixels by Export tasks: submitted, watched, verified, read back, tidied up; resumable at any moment."""

from __future__ import annotations

import hashlib
import math
import secrets
import shutil
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from isamap.gee_export.base.cloud_storage import BucketStorage
from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.storage import open_storage
from isamap.gee_export.datasets.progress_log import ProgressLog
from isamap.gee_export.requests.client import Cell
from isamap.gee_export.requests.meter import PUBLISHED_SECONDS, Meter, OverLimit
from isamap.gee_export.tasks.export_files import ExportFiles, Incomplete
from isamap.gee_export.tasks.export_task import SHARD_PX, ExportTask, Known, formed, noted
from isamap.gee_export.tasks.task_queue import LOCAL_PATIENCE, State, TaskQueue, pauses

if TYPE_CHECKING:
    from isamap.gee_export.earth_engine.session import Session

FOLDER = ".isamap-batch"  # of the bucket; names with a dot in front are no part of a dataset in the same place
ATTEMPTS = 3  # of a task that fails, or whose files do not come
# Below it a task that runs out of memory would do so on one pixel, too.
SMALLEST_SHARD_PX = 64
# A list of tasks may lag behind a submission, and to submit at once again would pay twice.
UNSEEN_LOOKS = 5  # so often a submitted task may be missing from the list of tasks
MEMORY_WORDS = ("memory", "timed out", "too large")


@dataclass(frozen=True)
class Pace:
    """How often to look at tasks, and how long to wait for lists that lag behind; seconds."""

    first_s: float = 2.0
    longest_s: float = 60.0
    lag_s: float = 120.0
    sleep: Callable[[float], None] = time.sleep


# The engine on this machine answers in milliseconds: Google's pauses would be the whole run.
LOCAL_PACE = Pace(0.02, 0.5, 5.0)


@dataclass(eq=False)
class _Order:
    """A task and how far it is. request: the name it is submitted under; unseen: looks that did not find it."""

    task: ExportTask
    request: str = ""
    attempt: int = 1
    shard_px: int = SHARD_PX
    unseen: int = 0


def batched(
    session: Session, progress_log: ProgressLog, bucket: str, *, keep: bool = False, meter: Meter | None = None
) -> BatchTasks:
    """A supply through the named bucket. keep: leaves the exported files there."""
    meter = meter or Meter()
    # A folder of its own in the bucket: two exports of the same pixels must not remove each other's files.
    own = hashlib.sha256(str(progress_log.folder.absolute()).encode()).hexdigest()[:12]
    storage = open_storage(f"gs://{bucket}/{FOLDER}/{own}", session)
    if not isinstance(storage, BucketStorage):
        raise ValueError(f"bucket {bucket!r}: expected the name of a Cloud Storage bucket")
    if session.is_local:
        return BatchTasks(TaskQueue(LOCAL_PATIENCE), storage, bucket, progress_log, LOCAL_PACE, keep, meter)
    meter.seconds_per_effort = PUBLISHED_SECONDS[1]  # until a task is over, which says what it cost
    return BatchTasks(TaskQueue(), storage, bucket, progress_log, keep=keep, meter=meter)


@dataclass
class BatchTasks:
    """Cells by Export.image.toCloudStorage.

    Tasks bear names made of what they compute, noted in the ledger before they are submitted: a run that goes on
    finds those that wait, run or have ended. A task that fails is repeated (in smaller shards where memory ran out)
    and at last named with the server's words, once the others have brought their pixels.
    """

    queue: TaskQueue
    storage: BucketStorage
    bucket: str
    progress_log: ProgressLog
    pace: Pace = field(default_factory=Pace)
    keep: bool = False
    meter: Meter = field(default_factory=Meter)
    tasks: int = 0  # submitted so far
    _waiting: deque[_Order] = field(default_factory=deque, repr=False)
    _under_way: list[_Order] = field(default_factory=list, repr=False)
    _failed: list[str] = field(default_factory=list, repr=False)
    _told: str = field(default="", repr=False)
    _over: OverLimit | None = field(default=None, repr=False)

    @property
    def counts(self) -> Mapping[str, int]:
        """Calls of Earth Engine, and the tasks that they started."""
        return {"requests": self.queue.calls, "tasks": self.tasks}

    def __call__(self, cells: Sequence[Cell]) -> Generator[tuple[Cell, np.ndarray], None, None]:
        """Each cell with its pixels as tasks end; Fault naming the tasks that would not. Submitted tasks go on."""
        if not cells and not any(_recalled(self.progress_log.rows())):
            return
        self._take_up(cells)
        rhythm = pauses(self.pace.first_s, self.pace.longest_s, math.inf)
        while self._waiting or self._under_way:
            self._submit()
            ended = self._ended()
            for order, state in ended:
                yield from self._settled(order, state)
            # Something ended, so more will soon: the pauses begin short again.
            if ended:
                rhythm = pauses(self.pace.first_s, self.pace.longest_s, math.inf)
            elif self._waiting or self._under_way:
                self.pace.sleep(next(rhythm))
        shutil.rmtree(self._passage, ignore_errors=True)
        if self._over is not None:
            raise self._over
        if self._failed:
            raise Fault(f"{'; '.join(self._failed)}; what came is kept, run the same command again to go on")

    def _take_up(self, cells: Sequence[Cell]) -> None:
        """Orders tasks for the cells; those of an earlier run that have not failed are only watched."""
        self._waiting, self._under_way, self._failed, self._over = deque(), [], [], None
        earlier, done = _recalled(self.progress_log.rows())
        tasks = formed(cells, earlier)
        # A task whose cells are all there is done, whatever its row says: a kill came between the pixels and the note.
        taken = {record.digest for record in earlier} - {task.digest for task, _ in tasks}  # killed before it was noted
        self._sweep(done | taken)
        self.progress_log.add([{"exported": digest} for digest in sorted(taken)])
        states = self.queue.look() if tasks else {}
        for task, request in tasks:
            state = states.get(request or "")
            if request and state is None:
                self._waiting.append(_Order(task, request))  # perhaps it never arrived; if it did, it starts once only
            elif request and state and state.name not in ("FAILED", "CANCELLED"):
                self._under_way.append(_Order(task, request))
                self.meter.resume(task.effort)
            else:
                self._waiting.append(_Order(task))
        self.progress_log.log(f"batch: {len(self._waiting)} tasks to submit, {len(self._under_way)} known from before")

    def _submit(self) -> None:
        """Submits what the queue has room for, each noted first."""
        while self._waiting and self.queue.has_room:
            order = self._waiting[0]
            if not self._allowed(order):
                return
            order.request = order.request or f"isamap-{order.task.digest}-{secrets.token_hex(4)}"
            # Noted before it is sent: a kill in between leaves a name to look for, not an unknown task.
            self.progress_log.add([noted(order.task, order.request)])
            config = order.task.config(
                description=order.request,
                bucket=self.bucket,
                prefix=f"{self.storage.url.removeprefix(f'gs://{self.bucket}/')}/{self._files(order.task).prefix}",
                shard_px=order.shard_px,
            )
            if not self.queue.submit(order.request, config):
                self.meter.cancel(order.task.effort)
                return
            self._under_way.append(self._waiting.popleft())
            self.tasks += 1

    def _allowed(self, order: _Order) -> bool:
        """Whether a task is within the limit of computing; the others are then only waited for."""
        try:
            self.meter.begin(order.task.effort)
        except OverLimit as over:
            self._over = over
            self._waiting.clear()
        return self._over is None

    def _ended(self) -> list[tuple[_Order, State]]:
        """The tasks that are over, taken out of those under way; vanished ones wait for another submission."""
        states = self.queue.look()
        ended: list[tuple[_Order, State]] = []
        for order in list(self._under_way):
            state = states.get(order.request)
            order.unseen = 0 if state else order.unseen + 1
            if state and state.is_over:
                ended.append((order, state))
                self.meter.end(order.task.effort, state.eecu_seconds)
            elif order.unseen >= UNSEEN_LOOKS:
                self.meter.cancel(order.task.effort)
                self._waiting.append(_Order(order.task, "", order.attempt, order.shard_px))
            else:
                continue
            self._under_way.remove(order)
        self._tell(states)
        return ended

    def _tell(self, states: Mapping[str, State]) -> None:
        """How far the tasks are, in the log, whenever that changes."""
        names = Counter(states[order.request].name for order in self._under_way if order.request in states)
        queued = "".join(f", {count} {name.lower()}" for name, count in sorted(names.items()))
        text = f"batch: {len(self._waiting)} to submit{queued}"
        if text != self._told:
            self._told = text
            self.progress_log.log(text)

    def _settled(self, order: _Order, state: State) -> Generator[tuple[Cell, np.ndarray], None, None]:
        """The pixels of a task that succeeded; another attempt, or the end of attempts, for one that did not."""
        if state.name == "SUCCEEDED":
            try:
                yield from self._brought(order.task)
            except Incomplete as error:
                self._again(order, f"succeeded, but {error}")
        # Not repeated: whoever cancelled it, a person or the project's owner, meant it.
        elif state.name == "CANCELLED":
            self._failed.append(f"{_named(order)} was cancelled on the server")
        elif any(words in state.words.lower() for words in MEMORY_WORDS) and order.shard_px > SMALLEST_SHARD_PX:
            self.progress_log.log(f"batch: {_named(order)}: {state.words} Shards of {order.shard_px // 2} pixels next")
            self._waiting.append(_Order(order.task, "", order.attempt, order.shard_px // 2))
        else:
            self._again(order, f"failed: {state.words or state.name}")

    def _brought(self, task: ExportTask) -> Generator[tuple[Cell, np.ndarray], None, None]:
        """Each of the task's cells, from verified files that are removed once all have been taken."""
        files = self._files(task)
        lag = pauses(self.pace.first_s, self.pace.longest_s, self.pace.lag_s)
        try:
            listed = files.awaited(lag, self.pace.sleep)
            files.fetch(listed)
            with files.opened(listed) as mosaic:
                for cell in task.cells:
                    yield cell, mosaic.read(cell)
        finally:
            files.clear()
        self.progress_log.add([{"exported": task.digest}])
        if not self.keep:
            files.remove()

    def _again(self, order: _Order, why: str) -> None:
        self.progress_log.log(f"batch: {_named(order)} {why}, attempt {order.attempt}")
        if order.attempt < ATTEMPTS:
            self._waiting.append(_Order(order.task, "", order.attempt + 1, order.shard_px))
        else:
            self._failed.append(f"{_named(order)} {why} ({ATTEMPTS} attempts)")

    def _sweep(self, done: Iterable[str]) -> None:
        """Removes what a killed run left of tasks whose pixels are all taken."""
        gone = set(done) if not self.keep else set()
        for stored in self.storage.listed():  # also where nothing is to go: a bucket that is not there is heard of now
            if stored.name.partition("/")[0] in gone:
                self.storage.delete(stored.name)
        shutil.rmtree(self._passage, ignore_errors=True)

    def _files(self, task: ExportTask) -> ExportFiles:
        return ExportFiles(task, self.storage, self._passage / task.digest)

    @property
    def _passage(self) -> Path:
        """The folder through which files pass on this machine."""
        return self.progress_log.folder / "batch"


def _recalled(rows: Iterable[Mapping[str, object]]) -> tuple[list[Known], set[str]]:
    """Tasks that an earlier run noted and did not finish with, and the digests of those it did."""
    tasks: dict[str, Known] = {}
    done: set[str] = set()
    for row in rows:
        if "task" in row:
            tasks[str(row["task"])] = Known.from_json(row)
            done.discard(str(row["task"]))
        elif "exported" in row:
            tasks.pop(str(row["exported"]), None)
            done.add(str(row["exported"]))
    return list(tasks.values()), done


def _named(order: _Order) -> str:
    more = f" and {len(order.task.cells) - 1} more" if len(order.task.cells) > 1 else ""
    return f"task {order.request} ({order.task.cells[0].name}{more})"
