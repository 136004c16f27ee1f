"""A lease of a job outlasts a file of jobs that cannot be used for a short while."""

from __future__ import annotations

import pytest

from isamap.inference.serve.database import Unreachable
from isamap.inference.serve.job import ACCEPTED, Job
from isamap.inference.serve.worker import Lease

JOB = Job("0" * 32, "toy", {}, "", ACCEPTED, "waits", 0, 0, 1.0, 1.0)


class Broken:
    """A store whose database does not answer."""

    def renew(self, *_, **__):
        raise Unreachable("the database does not answer")


class Working:
    """A store that answers."""

    def renew(self, *_, **__):
        return True


def test_a_lease_outlasts_a_short_silence_of_the_database():
    now = [0.0]
    lease = Lease(Working(), JOB, 30.0, lambda: now[0])
    now[0] = 20.0
    assert lease.renew(1, "")
    lease.store, now[0] = Broken(), 49.0
    assert lease.renew(2, "")


def test_a_lease_ends_with_a_long_silence_of_the_database():
    now = [0.0]
    lease = Lease(Broken(), JOB, 30.0, lambda: now[0])
    now[0] = 30.0
    with pytest.raises(Unreachable):
        lease.renew(1, "")
