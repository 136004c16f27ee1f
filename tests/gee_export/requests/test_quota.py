"""One quota for all workers: shares, and what clients of a block count."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from isamap.gee_export.requests.client import Client
from isamap.gee_export.requests.quota import WHOLE, Quota, used

GOOGLE, LOCAL = SimpleNamespace(is_local=False), SimpleNamespace(is_local=True)


def test_a_client_keeps_to_the_share_of_its_block():
    with used(WHOLE.share(4)):
        throttle = Client.of(GOOGLE).throttle
    assert throttle.workers == 5 and throttle.bucket.rate_per_s == 12.5
    assert Client.of(GOOGLE).throttle.workers == 20


def test_the_local_engine_has_no_quota():
    with used(WHOLE.share(20)):
        assert Client.of(LOCAL).throttle.workers > 1


def test_the_shares_of_all_workers_are_never_more_than_the_quota():
    for workers in range(1, 21):
        share = WHOLE.share(workers)
        assert share.at_once >= 1 and share.at_once * workers <= 20 and share.per_s * workers <= 50.0 + 1e-9


def test_a_block_counts_what_its_clients_cost_and_no_others():
    before = Client.of(GOOGLE)
    with used(WHOLE) as use:
        first, second = Client.of(GOOGLE), Client.of(LOCAL)
        first.meter.end(1.0, 3.0)
        second.meter.end(1.0, 4.5)
        before.meter.end(1.0, 100.0)
    Client.of(GOOGLE).meter.end(1.0, 100.0)
    assert use.eecu_s == 7.5


@pytest.mark.parametrize("at_once", [0, 10_001])
def test_a_quota_that_cannot_be_is_refused(at_once):
    with pytest.raises(ValueError, match=f"--requests {at_once}: expected 1 to 10000"):
        Quota(at_once)
