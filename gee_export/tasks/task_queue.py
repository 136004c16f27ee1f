"""Earth Engine's queue of tasks: submitted while there is room, found again by name, watched with growing pauses."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from isamap.gee_export.base import login
from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.retry import DEADLINE_S, Patience, persist, refusal

T = TypeVar("T")

QUEUE_LIMIT = 3_000  # READY tasks of a project (https://developers.google.com/earth-engine/guides/usage)
# Ours: a project's other users can still submit while an export keeps the queue full.
ROOM = 100  # places of the queue that are left to others
WAITING = ("PENDING", "READY")
RUNNING = ("RUNNING", "CANCELLING")
DEADLINE_MS = round(1000 * DEADLINE_S)  # it stays with the client: pixels asked for later must not get less
ALREADY_EXISTS = 409  # an earlier request of the same name has started the task
FULL = "too many tasks"
# The engine of this process answers or is gone: long waits would help nobody.
LOCAL_PATIENCE = Patience(attempts=8, base_s=0.05, cap_s=1.0)


class _Full(Exception):
    """The queue has no room."""


@dataclass(frozen=True)
class State:
    """What the server says of a task: a state of its operation, the words of an error, EECU seconds once it is over."""

    name: str
    words: str = ""
    eecu_seconds: float | None = None

    @property
    def is_over(self) -> bool:
        return self.name not in (*WAITING, *RUNNING)


@dataclass
class TaskQueue:
    """The project's tasks. calls counts the requests to the server."""

    patience: Patience = field(default_factory=Patience)
    most_waiting: int = QUEUE_LIMIT - ROOM
    calls: int = 0
    _waiting: int = 0

    @property
    def has_room(self) -> bool:
        """Whether another task may be submitted, by the last look and what was submitted since."""
        return self._waiting < self.most_waiting

    def look(self) -> Mapping[str, State]:
        """Every task of the project that the server remembers, by description; the latest where one comes twice."""
        import ee

        operations = self._ask(ee.data.listOperations)
        states: dict[str, State] = {}
        for operation in operations:
            metadata = operation.get("metadata", {})
            words = str(operation.get("error", {}).get("message", ""))
            seconds = metadata.get("batchEecuUsageSeconds")
            state = State(str(metadata.get("state", "")), words, None if seconds is None else float(seconds))
            # The server lists the latest first, so the first of a description is the one that counts.
            states.setdefault(str(metadata.get("description", "")), state)
        self._waiting = sum(operation.get("metadata", {}).get("state") in WAITING for operation in operations)
        return states

    def submit(self, request: str, config: Mapping[str, Any]) -> bool:
        """Starts a task; False where the queue is full. The same request twice starts one task only.

        Fault with the server's words where it will not have the task.
        """
        import ee

        def start() -> None:
            try:
                ee.data.exportImage(request, dict(config))
            except ee.EEException as error:
                if FULL in str(error).lower():
                    raise _Full from error
                raise

        try:
            self._ask(start)
        except _Full:
            # Others filled the queue meanwhile: nothing more is sent before the next look.
            self._waiting = self.most_waiting
            return False
        except ee.EEException as error:
            # The name is ours alone, so a task of this name is the one that an answer was lost of.
            if (answer := refusal(error)) is None or answer.status != ALREADY_EXISTS:
                raise Fault(f"Earth Engine will not export {request}: {error}") from error
        self._waiting += 1
        return True

    def _ask(self, action: Callable[[], T]) -> T:
        from google.auth.exceptions import RefreshError

        def once() -> T:
            self.calls += 1
            with _single_attempts():
                try:
                    return action()
                except http.client.HTTPException as error:  # a reply that broke off
                    raise ConnectionError(f"the reply was cut short: {error}") from error
                except RefreshError as error:
                    raise login.refused(error) from error

        return persist(once, self.patience)


def pauses(first_s: float, longest_s: float, total_s: float) -> Iterator[float]:
    """Pauses that grow by half each time up to `longest_s`, `total_s` in all."""
    pause_s, spent_s = first_s, 0.0
    while spent_s < total_s:
        yield min(pause_s, total_s - spent_s)
        spent_s += pause_s
        # Growing by half: short tasks are seen soon, long ones cost few requests.
        pause_s = min(longest_s, 1.5 * pause_s)


@contextmanager
def _single_attempts() -> Iterator[None]:
    """The client neither repeats by itself, which it does in silence, nor waits for ever."""
    import ee
    from ee import _state

    state = _state.get_state()
    retries = state.max_retries
    if not state.deadline_ms:
        ee.data.setDeadline(DEADLINE_MS)
    # `persist` repeats, with jitter and a message; both at once would multiply the attempts.
    ee.data.setMaxRetries(0)
    try:
        yield
    finally:
        ee.data.setMaxRetries(retries)
