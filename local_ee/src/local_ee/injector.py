"""Decides which call goes wrong, by the rules of `faults`, and keeps the log of every call."""

from __future__ import annotations

import json
import math
import os
import random
import threading
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from local_ee.faults import FaultRule, Faults

LOG_FILE = "calls.jsonl"
KEPT = 100_000  # calls that `report` tells of; the file has all


class Named(Protocol):
    """An object of a bucket."""

    @property
    def name(self) -> str: ...


Item = TypeVar("Item", bound=Named)


@dataclass(frozen=True)
class Seen:
    """A request or task as the rules see it. pixels: of the grid asked for, None where it asks for none."""

    route: str
    address: str
    pixels: int | None = None


@dataclass(frozen=True)
class Verdict:
    """What becomes of a call: a wait, then at most one fault."""

    delay_s: float = 0.0
    rule: FaultRule | None = None

    @property
    def kind(self) -> str:
        return self.rule.kind if self.rule else ""


class Injector:
    """The faults of one running engine; any thread may ask."""

    def __init__(self, faults: Faults, folder: Path) -> None:
        self.faults = faults
        self._path = folder / LOG_FILE
        self._lock = threading.Lock()
        self._looked: Counter[int] = Counter()  # calls that each rule has looked at
        self._struck: Counter[int] = Counter()
        self._quotas = {n: _Quota(rule) for n, rule in enumerate(faults.rules) if rule.kind == "quota"}
        self._hidden: Counter[tuple[int, str, str]] = Counter()  # lists that an object was left out of, by rule
        self._log: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self._calls = 0

    @contextmanager
    def verdict(self, seen: Seen) -> Iterator[Verdict]:
        """What becomes of a call; it counts against quotas until the block ends."""
        with self._lock:
            admitted, refusal = self._admit(seen)
            decided = Verdict(rule=refusal) if refusal else self._decide(seen)
        try:
            yield decided
        finally:
            with self._lock:
                for quota in admitted:
                    quota.active -= 1

    def visible(self, bucket: str, objects: Iterable[Item]) -> list[Item]:
        """The objects without those that the list still lags behind with."""
        items = list(objects)
        for index, rule in enumerate(self.faults.rules):
            if rule.kind == "lag":
                with self._lock:
                    items = [item for item in items if not self._hides(index, rule, bucket, item.name)]
        return items

    def note(self, seen: Seen, verdict: Verdict, **facts: Any) -> None:
        """Adds a call that has ended to the log and its file."""
        row = {"route": seen.route, "address": seen.address, "fault": verdict.kind or None, **facts}
        with self._lock:
            self._calls += 1
            row = {"call": self._calls, "time": round(time.time(), 3), "process": os.getpid(), **row}
            self._log.append(row)
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")

    def report(self) -> dict[str, Any]:
        """The rules with how many calls each has looked at and struck, and the calls."""
        with self._lock:
            rules = [
                {**description, "looked": self._looked[index], "struck": self._struck[index]}
                for index, description in enumerate(self.faults.to_json()["rules"])
            ]
            return {"seed": self.faults.seed, "rules": rules, "calls": list(self._log)}

    def _admit(self, seen: Seen) -> tuple[list[_Quota], FaultRule | None]:
        admitted: list[_Quota] = []
        for index, rule, call in self._looking(seen, quotas=True):
            if not rule.covers(call):
                continue
            if not self._quotas[index].takes():
                self._struck[index] += 1
                for quota in admitted:
                    quota.active -= 1
                return [], rule
            admitted.append(self._quotas[index])
        return admitted, None

    def _decide(self, seen: Seen) -> Verdict:
        delay_s, fault = 0.0, None
        for index, rule, call in self._looking(seen, quotas=False):
            if fault and rule.kind != "delay":
                continue
            if self._strikes(index, rule, call):
                self._struck[index] += 1
                if rule.kind == "delay":
                    delay_s += self._delay_s(index, rule, call)
                else:
                    fault = rule
        return Verdict(delay_s, fault)

    def _looking(self, seen: Seen, *, quotas: bool) -> Iterator[tuple[int, FaultRule, int]]:
        """The rules that look at a call, each with its index and its count of the call."""
        for index, rule in enumerate(self.faults.rules):
            if rule.kind == "lag" or (rule.kind == "quota") != quotas:
                continue
            if seen.route in rule.on and rule.matches(seen.address) and not _is_small(seen, rule):
                self._looked[index] += 1
                yield index, rule, self._looked[index]

    def _strikes(self, index: int, rule: FaultRule, call: int) -> bool:
        spent = rule.count is not None and self._struck[index] >= rule.count
        return rule.covers(call) and not spent and self._draw(index, call).random() < rule.probability

    def _delay_s(self, index: int, rule: FaultRule, call: int) -> float:
        draw = self._draw(index, call)
        draw.random()  # which decided that the rule strikes
        return float(rule.seconds or 0) * math.exp(rule.spread * draw.gauss())

    def _draw(self, index: int, call: int | str) -> random.Random:
        """Chance that depends on the seed, the rule and the call alone."""
        return random.Random(f"{self.faults.seed}/{index}/{call}")

    def _hides(self, index: int, rule: FaultRule, bucket: str, name: str) -> bool:
        key = (index, bucket, name)
        if not rule.matches(name) or self._hidden[key] >= (rule.lists or 0):
            return False
        if not self._hidden[key]:
            self._looked[index] += 1
            if not self._strikes(index, rule, self._looked[index]):
                # It counts as hidden as often as may be: an object that was spared once is not drawn again.
                self._hidden[key] = rule.lists or 0
                return False
            self._struck[index] += 1
        self._hidden[key] += 1
        return True


class _Quota:
    """How much of a quota is taken."""

    def __init__(self, rule: FaultRule) -> None:
        self.active = 0
        self._rule = rule
        self._recent: deque[float] = deque()  # when the requests of the last second were let in

    def takes(self) -> bool:
        """Lets a request in, or not."""
        now = time.monotonic()
        while self._recent and self._recent[0] <= now - 1:
            self._recent.popleft()
        most, rate = self._rule.at_once, self._rule.per_second
        if (most is not None and self.active >= most) or (rate is not None and len(self._recent) >= rate):
            return False
        self.active += 1
        self._recent.append(now)
        return True


def _is_small(seen: Seen, rule: FaultRule) -> bool:
    return rule.above_px > 0 and (seen.pixels is None or seen.pixels <= rule.above_px)


def calls(home: Path) -> list[Mapping[str, Any]]:
    """The calls in a home's log file, of every engine that ever kept one there."""
    path = home / "engine" / LOG_FILE
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    return [json.loads(line) for line in lines]
