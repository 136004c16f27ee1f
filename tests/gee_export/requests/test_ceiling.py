"""Each step of the search for a server's bound, by its documented rule."""

from __future__ import annotations

import pytest

from isamap.gee_export.requests.ceiling import FIRST_TRIAL, LAST_TRIAL, Ceiling


def refuse(ceiling: Ceiling, *borne: float, sure: bool = True) -> list[float]:
    """The levels after refusals, each of a request that was sent after the last one."""
    levels = []
    for number in borne:
        ceiling.refused(number, ceiling.cuts, sure=sure)
        levels.append(ceiling.level)
    return levels


def accept(ceiling: Ceiling, count: int) -> float:
    """The level after so many requests at the full bound."""
    for _ in range(count):
        ceiling.accepted(full=True)
    return ceiling.level


def until_raised(ceiling: Ceiling) -> int:
    """Acceptances until the next higher bound is tried."""
    level, count = ceiling.level, 0
    while ceiling.level == level:
        ceiling.accepted(full=True)
        count += 1
    return count


def test_refused_again_it_falls_in_growing_steps():
    assert refuse(Ceiling(40), 30, 29, 27) == [30, 28, 25]


def test_doubtful_refusals_do_not_make_the_steps_grow():
    assert refuse(Ceiling(40), 30, 29, 27, sure=False) == [30, 29, 27]


def test_a_whole_round_of_acceptances_ends_the_growing_steps():
    ceiling = Ceiling(40)
    refuse(ceiling, 30, 29)
    accept(ceiling, 28)
    assert refuse(ceiling, 28) == [28]


def test_less_than_a_round_does_not_end_them():
    ceiling = Ceiling(40)
    refuse(ceiling, 30, 29)
    accept(ceiling, 27)
    assert refuse(ceiling, 28) == [26]


def test_it_never_rises_by_a_refusal():
    ceiling = Ceiling(40)
    assert refuse(ceiling, 10, 35) == [10, 9]


@pytest.mark.parametrize(("most", "acceptances"), [(40, 80), (4, FIRST_TRIAL)])
def test_the_first_trial_comes_after_two_rounds_and_twenty_acceptances_at_the_least(most, acceptances):
    ceiling = Ceiling(most)
    refuse(ceiling, 2)
    assert accept(ceiling, acceptances) == 2
    assert accept(ceiling, 1) == 3


@pytest.mark.parametrize(("most", "first"), [(40, 80), (4, FIRST_TRIAL)])
def test_a_refused_trial_is_repeated_twice_as_late(most, first):
    ceiling = Ceiling(most)
    refuse(ceiling, 2)
    accept(ceiling, first + 1)
    refuse(ceiling, 2)
    assert until_raised(ceiling) == 2 * first + 1


def test_a_refused_trial_does_not_make_the_steps_grow():
    ceiling = Ceiling(40)
    refuse(ceiling, 10)
    accept(ceiling, 81)
    assert refuse(ceiling, 10, 10) == [10, 10]


def test_a_refusal_at_the_bound_itself_does_not_put_the_next_trial_off():
    ceiling = Ceiling(40)
    refuse(ceiling, 10, 10)
    assert until_raised(ceiling) == 81


def test_trials_come_after_5000_acceptances_at_the_latest():
    ceiling = Ceiling(40)
    refuse(ceiling, 10)
    waits = []
    for _ in range(9):
        waits.append(until_raised(ceiling) - 1)
        refuse(ceiling, 10)
    assert waits == [80, 160, 320, 640, 1280, 2560, LAST_TRIAL, LAST_TRIAL, LAST_TRIAL]


def test_an_accepted_trial_goes_on_in_doubled_steps_to_where_it_began():
    ceiling = Ceiling(40)
    refuse(ceiling, 10)
    accept(ceiling, 81)
    waits, levels = [], [ceiling.level]
    while ceiling.is_learned:
        waits.append(until_raised(ceiling))
        levels.append(ceiling.level)
    assert (levels, waits) == ([11, 13, 17, 25, 40], [2, 3, 5, 9])


def test_after_a_refused_trial_the_next_begins_with_one_again():
    ceiling = Ceiling(40)
    refuse(ceiling, 10)
    accept(ceiling, 81 + 2 + 3)
    assert ceiling.level == 17
    refuse(ceiling, 14)
    until_raised(ceiling)
    assert ceiling.level == 15


def test_doubtful_refusals_are_tried_soon_and_each_time_later():
    ceiling = Ceiling(40)
    waits = []
    for _ in range(5):
        refuse(ceiling, 10, sure=False)
        waits.append(until_raised(ceiling) - 1)
    assert waits == [0, 1, 3, 7, 15]


def test_endless_doubts_are_tried_after_5000_acceptances():
    ceiling = Ceiling(40)
    for _ in range(20):
        refuse(ceiling, 10, sure=False)
    assert until_raised(ceiling) == LAST_TRIAL + 1


def test_a_sure_refusal_ends_the_doubts():
    ceiling = Ceiling(40)
    refuse(ceiling, 10, 10, 10, sure=False)
    refuse(ceiling, 10)
    refuse(ceiling, 10, sure=False)
    assert until_raised(ceiling) == 1


def test_late_refusals_begin_the_waiting_again():
    """Of requests that were sent before the last cut: they add evidence, and the bound must be borne anew."""
    ceiling = Ceiling(40)
    refuse(ceiling, 10)
    accept(ceiling, 80)
    ceiling.refused(10, 0)
    assert (ceiling.level, ceiling.cuts) == (10, 1)
    assert until_raised(ceiling) == 81


def test_late_refusals_during_a_trial_make_its_steps_small_again():
    ceiling = Ceiling(40)
    refuse(ceiling, 10)
    accept(ceiling, 81 + 2)
    ceiling.refused(12, 0)
    assert ceiling.level == 12
    assert until_raised(ceiling) == 2 and ceiling.level == 14


def test_a_bound_at_its_beginning_is_not_raised():
    assert accept(Ceiling(7), 10 * LAST_TRIAL) == 7


def test_one_request_at_a_time_is_always_left():
    assert refuse(Ceiling(3), 0, 0, 0)[-1] == 1


def test_a_rate_below_one_a_second_is_its_own_least():
    assert refuse(Ceiling(0.5), 0, 0)[-1] == 0.5
