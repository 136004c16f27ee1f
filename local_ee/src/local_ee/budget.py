"""What one computation may use: time until a deadline, and memory. Long work asks at every step whether it may go on.

Source of the limits: https://developers.google.com/earth-engine/guides/processing_environments (interactive requests
end after five minutes) and https://developers.google.com/earth-engine/guides/usage (memory, values of 100 MiB).
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from functools import partial
from typing import Any, TypeVar

from local_ee.errors import EngineError
from local_ee.platform.machine import memory_bytes, resident_bytes

TIMED_OUT = "Computation timed out."
OUT_OF_MEMORY = "User memory limit exceeded."
VALUE_TOO_LARGE = "Computed value is too large."
TOO_DEEP = "Expression nesting depth exceeded: build it from fewer nested calls."
VALUE_BYTES = 100 << 20  # of one list or text (guides/usage)
ELEMENT_BYTES = 32  # of a list: a number and its place
MEMORY_BYTES = min(4 << 30, memory_bytes() // 2)
FASTEST_PIXELS_PER_S = 5e7  # what no reduction of a region here is faster than
_LOOK_SECONDS = 0.02  # between two looks at the process's memory
_POLL_SECONDS = 0.05  # between two checks while a computation waits
_PACE_SECONDS = 3.0  # of processor time of a loop's steps, before its end is foretold
_PACE_STEPS = 2

Value = TypeVar("Value")


class Cancelled(EngineError):
    """The computation was asked to end: its client is not there any more, or the engine stops."""

    def __init__(self) -> None:
        super().__init__("The computation was cancelled.", 499, "CANCELLED")
        self.said_by = "budget"


def refusal(message: str) -> EngineError:
    """An error that no algorithm puts its name in front of."""
    error = EngineError(message)
    error.said_by = "budget"
    return error


class Budget:
    """The time and memory of one computation; any thread may cancel it.

    seconds: from the first `running`, without the time spent waiting for `turns`. memory_bytes: how much the process
    may grow meanwhile. turns: taken for every outermost read of pixels, so that computations that only compute
    numbers pass those that read.
    """

    def __init__(
        self,
        seconds: float = math.inf,
        memory_bytes: int = MEMORY_BYTES,
        turns: threading.Semaphore | None = None,
    ) -> None:
        self.seconds = seconds
        self.memory_bytes = memory_bytes
        self.allocated = 0
        self.cpu_seconds = 0.0  # of processors so far, in every thread that worked for it
        self._turns = turns
        self._deadline = math.inf
        self._cancelled = False
        self._waits = 0  # threads that wait for another machine
        self._wait_begun = 0.0
        self._at_start: int | None = None
        self._next_look = 0.0

    def cancel(self) -> None:
        """Ends the computation at its next check."""
        self._cancelled = True

    @property
    def is_running(self) -> bool:
        """Whether it is under way: begun, not ended and not cancelled."""
        with _lock:
            return self in _running and not self._cancelled

    @property
    def remaining(self) -> float:
        """Seconds until the deadline."""
        with _lock:
            return self._deadline - (self._wait_begun if self._waits else time.monotonic())

    @contextmanager
    def running(self) -> Iterator[None]:
        """Makes this the budget of the calling thread's work."""
        if self._at_start is None:
            self._at_start = resident_bytes()
            self._deadline = time.monotonic() + self.seconds
        with _lock:
            _running.add(self)
            _begun[0] += 1
        token = _current.set(self)
        try:
            self.check()
            with self._metered():
                yield
        finally:
            _current.reset(token)
            with _lock:
                _running.discard(self)

    @contextmanager
    def _metered(self) -> Iterator[None]:
        """Counts the calling thread's processor time as this computation's; once where one block lies in another."""
        if getattr(_metering, "active", False):
            yield
            return
        _metering.active, began = True, time.thread_time()
        try:
            yield
        finally:
            _metering.active, spent = False, time.thread_time() - began
            with _lock:
                self.cpu_seconds += spent

    def metered(self, call: Callable[[], Value]) -> Value:
        """The value of a call that works for this computation in a thread of its own."""
        with self._metered():
            return call()

    def check(self) -> None:
        """Cancelled, or EngineError in Earth Engine's words once the deadline or the memory limit is reached."""
        if self._cancelled:
            raise Cancelled
        now = time.monotonic()
        if now > self._deadline and self.remaining < 0:
            raise refusal(TIMED_OUT)
        if self._at_start is not None and now >= self._next_look:
            self._next_look = now + _LOOK_SECONDS
            # Growth of the process is nobody's alone: only the computation that asked for most is ended.
            if resident_bytes() - self._at_start > self.memory_bytes and self._is_largest():
                raise refusal(OUT_OF_MEMORY)

    def allocate(self, size_bytes: float) -> None:
        """Asks for an array; EngineError where it alone is more than the memory limit."""
        if size_bytes > self.memory_bytes:
            raise refusal(OUT_OF_MEMORY)
        self.allocated += int(size_bytes)

    def _is_largest(self) -> bool:
        """Whether no other running computation asked for more: the one to end where memory is short."""
        with _lock:
            return all(computation.allocated <= self.allocated for computation in _running)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """One of the engine's places for reading pixels; waiting for it does not count against the deadline."""
        if self._turns is None:
            yield
            return
        begun = time.monotonic()
        # Polled, because a semaphore knows no cancelling: a client that is gone must not wait for its turn.
        while not self._turns.acquire(timeout=_POLL_SECONDS):
            if self._cancelled:
                raise Cancelled
        self._deadline += time.monotonic() - begun
        try:
            yield
        finally:
            self._turns.release()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Time that does not count against the deadline: any of the computation's threads waits for another machine."""
        with _lock:
            if not self._waits:
                # The first thread that waits stops the clock, the last one starts it: waits that overlap count once.
                self._wait_begun = time.monotonic()
            self._waits += 1
        try:
            yield
        finally:
            with _lock:
                self._waits -= 1
                if not self._waits:
                    self._deadline += time.monotonic() - self._wait_begun

    @contextmanager
    def spare_turn(self) -> Iterator[bool]:
        """Whether one of the places for reading pixels was free; it is taken meanwhile."""
        free = self._turns is None or self._turns.acquire(blocking=False)
        try:
            yield free
        finally:
            if free and self._turns is not None:
                self._turns.release()


class Pace:
    """The steps of a loop: each is a check, and a loop that would far outlast its deadline ends after some seconds.

    Its own thread's processor time is what counts, against the whole time of a computation: so a busy machine foretells
    nothing that an idle one does not. The first step is not measured: it may compile or open files.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0
        self._first = 0.0

    def step(self) -> None:
        """Before each step; EngineError where the steps left would take more than twice a computation's time."""
        budget = current()
        budget.check()
        now = time.thread_time()
        self._done += 1
        if self._done <= 2:
            self._first = now  # when the second step begins
        spent, steps = now - self._first, self._done - 2
        if steps < _PACE_STEPS or spent < _PACE_SECONDS:
            return
        if spent / steps * (self._total - self._done) > 2 * budget.seconds:
            raise refusal(TIMED_OUT)


_current: ContextVar[Budget | None] = ContextVar("budget", default=None)
_running: set[Budget] = set()
_begun = [0]  # computations since the process began
_lock = threading.Lock()  # of _running, of _begun and of cpu_seconds
_metering = threading.local()
_UNLIMITED = Budget()


def current() -> Budget:
    """The budget of the calling thread's work; one without a deadline outside of an engine."""
    return _current.get() or _UNLIMITED


def computation() -> Budget | None:
    """What the calling thread works for, by its budget; None outside of an engine."""
    return _current.get()


def computing() -> int:
    """How many computations are under way in this process."""
    return len(_running)


def begun() -> int:
    """How many times a computation of this process began to run, or went on in another thread."""
    return _begun[0]


def check() -> None:
    """See Budget.check."""
    current().check()


def allocate(size_bytes: float) -> None:
    """See Budget.allocate."""
    current().allocate(size_bytes)


def size_of(value: list | str) -> int:
    """The bytes that a list (without what its elements hold) or a text counts."""
    return len(value) if isinstance(value, str) else len(value) * ELEMENT_BYTES


def check_value(size_bytes: float) -> None:
    """EngineError in Earth Engine's words for a list or text that is too large to be a value."""
    check()
    if size_bytes > VALUE_BYTES:
        raise refusal(VALUE_TOO_LARGE)
    current().allocated += int(size_bytes)


def check_pixels(count: float) -> None:
    """EngineError where a reduction of so many pixels cannot end within a computation's time."""
    seconds = current().seconds
    if count / FASTEST_PIXELS_PER_S > seconds:
        raise refusal(
            f"{TIMED_OUT} {count:.0f} pixels cannot be reduced within {seconds:.0f} s: use a larger scale or a smaller "
            "region."
        )


def abandonable(call: Callable[[], Value]) -> Value:
    """The value of a call into a library that cannot be interrupted: checked while it runs in a thread of its own.

    Where the budget ends first, the thread is left behind: it frees its memory when the library returns.
    """
    own = _current.get()
    if own is None:
        return call()
    outcome: list[Any] = []
    metered = partial(own.metered, call)
    # A daemon: a library's endless loop must not keep the process from ending.
    thread = threading.Thread(target=lambda: outcome.append(_outcome(metered)), name="isamap-library", daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(_POLL_SECONDS)
        check()
    value, error = outcome[0]
    if error is not None:
        raise error
    return value


def _outcome(call: Callable[[], Any]) -> tuple[Any, BaseException | None]:
    try:
        return call(), None
    except BaseException as error:
        return None, error


def waiting() -> Any:
    """See Budget.waiting."""
    budget = _current.get()
    return nullcontext() if budget is None else budget.waiting()


def turn() -> Any:
    """See Budget.turn."""
    budget = _current.get()
    return nullcontext() if budget is None else budget.turn()
