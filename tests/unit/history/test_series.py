"""Counts become buckets."""

from services.contracts.series import GetSeries, Latency
from services.history.series import BEFORE, SAMPLE, Durations, Flow, Presence, agents_online, bucket_of, one_in, series_of

NS = 1_000_000_000
QUERY = GetSeries(since=1000 * NS, bucket_s=10, buckets=4)
NOBODY = [0, 0, 0, 0]


def waiting(*flows: Flow) -> list[int]:
    return [each.waiting for each in series_of(QUERY, flows, {}, NOBODY).buckets]


def test_an_instant_belongs_to_the_bucket_that_begins_with_it_or_before_it() -> None:
    instants = (999, 1000, 1009, 1010, 1039, 1040)
    assert [bucket_of(QUERY, at * NS) for at in instants] == [BEFORE, 0, 0, 1, 3, 4]
    assert bucket_of(QUERY, 0) == BEFORE


def test_a_request_waits_at_the_end_of_each_bucket_until_it_waits_no_longer() -> None:
    assert waiting(Flow(1, 3, 3, "succeeded", 5)) == [0, 5, 5, 0]
    assert waiting(Flow(1, 1, 2, "succeeded", 5)) == [0, 0, 0, 0], "within one bucket nobody sees it wait"


def test_what_came_before_the_first_bucket_is_there_from_it_on() -> None:
    assert waiting(Flow(BEFORE, 2, 2, "failed", 3)) == [3, 3, 0, 0]
    assert waiting(Flow(BEFORE, BEFORE, 0, "succeeded", 3)) == NOBODY


def test_who_still_waits_does_so_to_the_end() -> None:
    assert waiting(Flow(2, None, None, "queued", 7), Flow(BEFORE, None, None, "queued", 1)) == [1, 1, 8, 8]


def test_what_comes_after_the_last_bucket_counts_nowhere() -> None:
    late = Flow(4, 4, 4, "succeeded", 9)
    found = series_of(QUERY, [late, Flow(0, 4, 4, "succeeded", 1)], {}, NOBODY).buckets
    assert [each.accepted for each in found] == [1, 0, 0, 0]
    assert [each.waiting for each in found] == [1, 1, 1, 1]
    assert [each.ended for each in found] == [{}, {}, {}, {}]


def test_acceptances_and_outcomes_count_where_they_happened() -> None:
    flows = [Flow(0, 0, 1, "succeeded", 2), Flow(0, 1, 1, "failed", 1), Flow(1, 1, 1, "succeeded", 4)]
    latency = Latency(p50=1, p90=2, p99=3)
    found = series_of(QUERY, flows, {1: Durations(6, latency), None: Durations(7, None, latency)}, [None, 1, 2, 3])
    assert [each.accepted for each in found.buckets] == [3, 4, 0, 0]
    assert [each.ended for each in found.buckets] == [{}, {"succeeded": 6, "failed": 1}, {}, {}]
    assert [each.queue_s for each in found.buckets] == [None, latency, None, None]
    assert (found.sampled, found.queue_s, found.run_s) == (7, None, latency)
    assert [each.agents for each in found.buckets] == [None, 1, 2, 3]


def test_connections_are_counted_at_the_end_of_each_bucket() -> None:
    presences = [
        Presence(500 * NS, None),
        Presence(500 * NS, 1015 * NS),
        Presence(1020 * NS, 1025 * NS),
        Presence(1030 * NS, 1041 * NS),
        Presence(1005 * NS, 1030 * NS),
    ]
    assert agents_online(QUERY, presences, None) == [3, 2, 2, 2]


def test_where_connections_were_not_looked_at_nobody_can_tell() -> None:
    assert agents_online(QUERY, [Presence(1021 * NS, None)], 1021 * NS) == [None, None, None, 1]
    assert agents_online(QUERY, [Presence(999 * NS, None)], 999 * NS) == [1, 1, 1, 1]


def test_durations_of_many_requests_are_those_of_some() -> None:

    def ended(count: int) -> list[Flow]:
        return [Flow(0, 0, 0, "succeeded", count), Flow(0, None, None, "queued", 10 * SAMPLE)]

    assert [one_in(ended(count)) for count in (0, 1, SAMPLE, SAMPLE + 1, 10 * SAMPLE)] == [1, 1, 1, 2, 10]
