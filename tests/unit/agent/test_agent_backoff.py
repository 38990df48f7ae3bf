"""When the agent connects again (protocol, rule 3)."""

from __future__ import annotations

from spaces_agent.backoff import Backoff


def ceilings(backoff: Backoff, times: int, *, in_flight: bool = False, slowly: bool = False) -> list[float]:
    return [round(backoff.after(ready_s=0.0, in_flight=in_flight, slowly=slowly, entropy=1.0), 3) for _ in range(times)]


def test_the_ceiling_doubles_from_half_a_second_to_thirty() -> None:
    assert ceilings(Backoff(), 8) == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]


def test_the_delay_is_spread_over_all_of_it() -> None:
    delays = [Backoff().after(ready_s=0.0, in_flight=False, slowly=False, entropy=entropy) for entropy in (0, 0.5)]
    assert delays == [0.0, 0.25]


def test_with_work_in_flight_it_is_never_more_than_five_seconds() -> None:
    assert max(ceilings(Backoff(), 12, in_flight=True)) == 5.0


def test_thirty_seconds_of_readiness_start_it_over() -> None:
    backoff = Backoff()
    ceilings(backoff, 6)
    assert backoff.after(ready_s=29.0, in_flight=False, slowly=False, entropy=1.0) == 30.0
    assert backoff.after(ready_s=30.0, in_flight=False, slowly=False, entropy=1.0) == 0.5


def test_slow_retries_take_thirty_to_three_hundred_seconds() -> None:
    assert ceilings(Backoff(), 5, slowly=True) == [60.0, 120.0, 240.0, 300.0, 300.0]
    assert Backoff().after(ready_s=0.0, in_flight=True, slowly=True, entropy=0.0) == 30.0


def test_a_year_of_failures_is_survived() -> None:
    assert ceilings(Backoff(), 5000)[-1] == 30.0
