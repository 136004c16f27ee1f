"""Tokens at a steady rate, and bounds learned from refusals: by a clock that the test moves."""

from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isamap.gee_export.requests.ceiling import FIRST_TRIAL, Ceiling
from isamap.gee_export.requests.quota import DEFAULT_RATE_PER_S, DEFAULT_WORKERS
from isamap.gee_export.requests.throttle import Throttle
from isamap.gee_export.requests.token_bucket import BURST_S, EventRate, TokenBucket


class Clock:
    def __init__(self):
        self.now_s = 1000.0

    def __call__(self):
        return self.now_s


def sent(bucket, clock, count, lateness_s=lambda: 0.0):
    """Times of `count` requests that are sent as soon as there is a token, or a little later."""
    times = []
    for _ in range(count):
        clock.now_s += bucket.wait_s()
        clock.now_s += lateness_s()
        bucket.take()
        times.append(clock.now_s)
    return times


@pytest.mark.long
@given(rate=st.floats(1, 500), count=st.integers(2, 300))
def test_no_second_has_more_than_the_rate_and_the_burst(rate, count):
    """docs/reference/wishes.md, "Wish 7"."""
    clock = Clock()
    times = sent(TokenBucket(rate, clock=clock), clock, count)
    for start in times:
        assert sum(start <= time < start + 1 - 1e-6 for time in times) <= rate * (1 + BURST_S) + 2


def test_the_rate_is_used_in_full_though_every_timer_is_late():
    clock, chance = Clock(), random.Random(1)
    times = sent(TokenBucket(100, clock=clock), clock, 1000, lateness_s=lambda: chance.uniform(0, 0.004))
    assert (times[-1] - times[0]) == pytest.approx(10, rel=0.02)


def test_tokens_are_not_saved_up_while_nothing_is_sent():
    clock = Clock()
    bucket = TokenBucket(100, clock=clock)
    sent(bucket, clock, 50)
    clock.now_s += 60
    begun = clock.now_s
    assert sum(time <= begun + 0.5 for time in sent(bucket, clock, 100)) <= 100 * (0.5 + BURST_S) + 1


def test_a_held_bucket_gives_nothing():
    clock = Clock()
    bucket = TokenBucket(100, clock=clock)
    bucket.hold(5)
    assert bucket.wait_s() == 5


def test_a_flow_is_events_a_second():
    clock = Clock()
    flow = EventRate(clock=clock)
    for _ in range(300):
        clock.now_s += 0.05
        flow.count()
    assert flow.per_s == pytest.approx(20, rel=0.05)
    clock.now_s += 5
    assert flow.per_s < 1


def bear(ceiling, limit, count):
    """So many requests, one after the other, at the bound; the server bears `limit` at a time. How many it refused."""
    refused = 0
    for _ in range(count):
        if ceiling.level > limit:
            ceiling.refused(limit, ceiling.cuts)
            refused += 1
        else:
            ceiling.accepted(full=True)
    return refused


@given(limit=st.integers(1, 60), most=st.integers(1, 80))
def test_a_learned_bound_is_kept_and_seldom_refused(limit, most):
    """docs/reference/performance.md, "P6": fewer than 2 % rejected once the ceiling is known."""
    ceiling = Ceiling(most)
    bear(ceiling, limit, 2)
    assert bear(ceiling, limit, 2000) < 0.02 * 2000
    assert min(limit, most) <= ceiling.level <= min(limit + 1, most)


def test_a_bound_that_falls_is_followed_in_few_steps():
    """40 at a time become 20 in the middle of a run; requests end one by one."""
    ceiling, under_way, refused = Ceiling(40), 39, 0
    while ceiling.level > 20:
        under_way = min(under_way, int(ceiling.level) - 1)
        ceiling.refused(under_way, ceiling.cuts)
        refused += 1
    assert refused <= 7 and ceiling.level >= 14


def test_a_bound_that_rises_is_found_again():
    ceiling = Ceiling(40)
    ceiling.refused(10, ceiling.cuts)
    bear(ceiling, 10, 100)
    bear(ceiling, 40, 400)
    assert ceiling.level == 40


def test_one_burst_of_refusals_counts_as_one_step():
    """Forty sent at once where twenty are borne: the twentieth refusal leaves twenty under way."""
    ceiling = Ceiling(40)
    for others in range(39, 19, -1):
        ceiling.refused(others, 0)
    assert ceiling.level == 20 and ceiling.cuts == 1


def test_requests_below_the_bound_say_nothing_about_it():
    ceiling = Ceiling(40)
    ceiling.refused(10, 0)
    for _ in range(100 * FIRST_TRIAL):
        ceiling.accepted(full=False)
    assert ceiling.level == 10


@given(news=st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 50)), max_size=200))
def test_a_bound_never_leaves_its_range(news):
    ceiling = Ceiling(20)
    for accepted, flag, index in news:
        ceiling.accepted(full=flag) if accepted else ceiling.refused(index, ceiling.cuts, sure=flag)
        assert 1 <= ceiling.level <= 20


def test_by_default_half_of_the_published_quotas():
    """docs/reference/earth-engine.md, "Quotas": 40 at once, 100 a second (guides/usage)."""
    throttle = Throttle()
    assert throttle.limit == DEFAULT_WORKERS == 20 and throttle.bucket.rate_per_s == DEFAULT_RATE_PER_S == 50


@given(cancelled=st.lists(st.booleans(), min_size=1, max_size=30))
def test_places_of_cancelled_requests_are_free_again(cancelled):
    async def run():
        throttle = Throttle(3, rate_per_s=1e6)

        async def one():
            async with throttle.slot():
                await asyncio.sleep(0)

        tasks = [asyncio.ensure_future(one()) for _ in cancelled]
        await asyncio.sleep(0)
        for task, stop in zip(tasks, cancelled, strict=True):
            if stop:
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.wait_for(one(), 60)
        return throttle._sent

    assert asyncio.run(run()) == 0


def test_a_throttle_outlives_the_event_loop_that_ended_before_its_time():
    """A source of maps calls its client row by row; the timer of the last row must not keep the next one waiting."""
    throttle = Throttle(3, rate_per_s=10)

    async def passes(count):
        throttle.begin()
        for _ in range(count):
            async with throttle.slot():
                pass

    async def left():
        task = asyncio.ensure_future(passes(5))
        await asyncio.sleep(0)
        assert throttle._timer is not None
        task.cancel()

    asyncio.run(left())
    asyncio.run(asyncio.wait_for(passes(2), 60))


def answered(throttle, width, *, limit, count):
    """Sends so many requests, `width` tasks at a time, to a server that refuses beyond `limit`; its refusals."""
    under_way = refusals = 0

    async def one():
        nonlocal under_way, refusals
        while True:
            async with throttle.slot() as slot:
                if under_way >= limit:
                    refusals += 1
                    throttle.refused(slot)
                    continue
                under_way += 1
                await asyncio.sleep(0.001)
                under_way -= 1
            throttle.accepted(slot)
            return

    async def lane(jobs):
        for _ in jobs:
            await one()

    async def run():
        jobs = iter(range(count))
        await asyncio.gather(*(lane(jobs) for _ in range(width)))

    asyncio.run(run())
    return refusals


def test_words_that_leave_open_what_was_too_much_are_told_apart():
    """With the window full, it was the number; with fewer under way than were borne before, the rate."""

    async def run():
        clock = Clock()
        throttle = Throttle(10, rate_per_s=100, clock=clock)
        passages = []
        for _ in range(10):
            context = throttle.slot()
            clock.now_s += 0.01
            passages.append((context, await context.__aenter__()))
        for context, slot in passages[2:]:
            throttle.accepted(slot)
            await context.__aexit__(None, None, None)
        throttle.refused(passages[0][1])
        assert throttle.limit == 10 and throttle.rate.level < 100
        for context, _ in passages[:2]:
            await context.__aexit__(None, None, None)

    asyncio.run(run())


def test_refused_with_the_window_full_it_was_the_number():
    throttle = Throttle(12, rate_per_s=1e6)
    assert answered(throttle, 24, limit=5, count=60) < 60
    assert throttle.limit < 12 and throttle.rate.level == 1e6
