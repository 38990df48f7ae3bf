"""Given failures of an address, is it locked out, and for how long?"""

from services.registry.lockout import MAX_FAILURES, WINDOW_S, after_failure, locked_for_s

S = 1_000_000_000
START = 1_735_725_600 * S


def failures(count: int, every_s: int = 1) -> list[int]:
    found: list[int] = []
    for n in range(count):
        found = after_failure(found, START + n * every_s * S)
    return found


def test_fewer_failures_than_the_bound_lock_nobody_out() -> None:
    assert locked_for_s(failures(MAX_FAILURES - 1), START + 9 * S) == 0
    assert locked_for_s([], START) == 0


def test_the_tenth_locks_out_until_the_first_is_a_window_ago() -> None:
    there = failures(MAX_FAILURES)
    assert locked_for_s(there, START + 9 * S) == WINDOW_S - 9
    assert locked_for_s(there, START + int(WINDOW_S) * S - 1) > 0
    assert locked_for_s(there, START + int(WINDOW_S) * S) == 0


def test_failures_that_are_a_window_apart_never_lock_out() -> None:
    there = failures(3 * MAX_FAILURES, every_s=100)
    assert len(there) < MAX_FAILURES
    assert locked_for_s(there, there[-1]) == 0


def test_no_more_failures_are_kept_than_are_needed() -> None:
    assert len(failures(3 * MAX_FAILURES)) == MAX_FAILURES
