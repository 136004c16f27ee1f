"""Values that are computed once do not wait for each other."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from local_ee.evaluation.features import Collection
from local_ee.lazy import lazy_property

PATIENCE_S = 60


def test_a_slow_collection_does_not_hold_up_another():
    """functools.cached_property of Python 3.11 has one lock for all instances."""
    begun, gate = threading.Event(), threading.Event()

    def slow() -> list:
        begun.set()
        gate.wait(PATIENCE_S)
        return []

    with ThreadPoolExecutor(2) as threads:
        waiting = threads.submit(lambda: Collection(slow).elements)
        assert begun.wait(PATIENCE_S)
        try:
            assert threads.submit(lambda: Collection(lambda: []).elements).result(timeout=PATIENCE_S / 2) == ()
            assert not waiting.done()
        finally:
            gate.set()


def test_a_value_is_computed_once_for_each_instance():
    class Counted:
        count = 0

        @lazy_property
        def value(self) -> int:
            """How many were computed."""
            Counted.count += 1
            return Counted.count

    first, second = Counted(), Counted()
    assert [first.value, first.value, second.value, first.value] == [1, 1, 2, 1]
    assert Counted.value.__doc__ == "How many were computed."
