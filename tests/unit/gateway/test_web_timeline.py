"""The timeline of a request, without a browser: whatever has happened, it stays within bounds, in order, and readable."""

from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.contracts.events import Assigned, RequestEvent
from services.gateway.web.durations import Duration, duration, multiple
from services.gateway.web.timeline import MAX_LANES, MIN_WIDTH, Link, Timeline, timeline
from tests.unit.gateway.requests_shown import (
    AT,
    S,
    accepted,
    assigned,
    canceled,
    chain,
    erased,
    expired,
    failed,
    refused,
    requeued,
    restored,
    succeeded,
)

# A machine that has much else to do is slow, and is to find nothing wrong by that.
patiently = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
DAY = 86400
NATURAL = st.floats(0, 400 * DAY, allow_nan=False)


@st.composite
def chains(draw: st.DrawFn) -> list[Link]:
    """Any chain that there may be: attempts, lost or given back, then perhaps an outcome, perhaps erased."""
    steps = st.one_of(st.just(0.0), st.floats(0, 0.001), st.floats(0, 10), NATURAL)
    after, events = 0.0, list[tuple[RequestEvent, float]]([(accepted(), 0.0)])
    attempts = draw(st.integers(0, MAX_LANES + 4))
    for number in range(1, attempts + 1):
        after += draw(steps)
        events.append((assigned(number), after))
        if number < attempts or draw(st.booleans()):
            after += draw(steps)
            events.append((requeued(number), after))
    running = isinstance(events[-1][0], Assigned)
    outcomes: list[RequestEvent] = [canceled(attempts), failed(attempts, run_s=draw(NATURAL))]
    outcomes += (
        [succeeded(attempts, started_s=draw(steps), run_s=draw(steps), first_output_s=draw(steps))]
        if running
        else [expired()]
    )
    if draw(st.booleans()):
        after += draw(steps)
        events.append((draw(st.sampled_from(outcomes)), after))
        if draw(st.booleans()):
            events.append((erased(attempts), after + draw(steps)))
    return chain(*events)


def bars(line: Timeline) -> list[tuple[float, float]]:
    found = [*line.waiting, *(bar for each in line.attempts for bar in (each.whole, each.run) if bar is not None)]
    return [(bar.x, bar.width) for bar in found]


@patiently
@given(chains(), st.lists(st.tuples(st.integers(0, 60), NATURAL), max_size=5), st.floats(-10, 400 * DAY))
def test_everything_is_within_bounds_and_in_order(links: list[Link], frames: list[tuple[int, float]], since: float) -> None:
    line = timeline(links, [(refused(lease), AT + round(at * S)) for lease, at in frames], links[-1][2] + round(since * S))
    for x, width in bars(line):
        assert x >= 0
        assert width >= MIN_WIDTH - 1e-9
        assert x + width <= line.axis_end + 1e-9
    marks = [*line.marks, *(mark for each in line.attempts for mark in each.marks)]
    assert all(0 <= mark.x <= 100 for mark in marks)
    assert len([mark for mark in marks if mark.kind == "refused"]) == len(frames)
    for row in (line.waiting, [each.whole for each in line.attempts]):
        assert all(one.x <= other.x for one, other in pairwise(row))
    for each in line.attempts:
        assert each.run is None or each.run.x >= each.whole.x - 1e-9
    assert [each.number for each in line.attempts] == sorted(each.number for each in line.attempts)
    assert line.left_out + len(line.attempts) == sum(isinstance(event, Assigned) for event, _, _ in links)


@patiently
@given(chains(), st.floats(0, 400 * DAY))
def test_the_axis_has_a_few_ticks_that_are_told_apart(links: list[Link], since: float) -> None:
    line = timeline(links, [], links[-1][2] + round(since * S))
    assert 2 <= len(line.ticks) <= 6
    assert line.ticks[0].x == 0
    assert len({tick.after for tick in line.ticks}) == len(line.ticks)
    assert all(other.x - one.x > 10 for one, other in pairwise(line.ticks))
    assert all(tick.x <= line.axis_end + 1e-9 for tick in line.ticks)


def test_bars_are_to_scale_and_say_how_long_they_are() -> None:
    links = chain(
        (accepted(), 0),
        (assigned(1), 10),
        (requeued(1), 30),
        (assigned(2), 60),
        (succeeded(2, started_s=10, run_s=20, first_output_s=5), 100),
    )
    line = timeline(links, [(refused(2), AT + 50 * S)], now=AT + 1000 * S)
    assert [(bar.x, bar.width) for bar in line.waiting] == [(0, 10), (30, 30)]
    assert line.waited == Duration("s", "40")
    first, second = line.attempts
    assert (first.whole.x, first.whole.width, first.whole.lasted, first.run) == (10, 20, Duration("s", "20"), None)
    assert (first.fate, first.reason, first.agent) == ("requeued", "agent_lost", "ada/gpu")
    assert [(mark.kind, mark.x) for mark in first.marks] == [("refused", 50)]
    assert second.run is not None
    assert (second.whole.x, second.whole.width, second.run.x, second.run.width) == (60, 40, 70, 20)
    assert [(mark.kind, mark.x) for mark in second.marks] == [("first_output", 75)]
    assert (second.fate, line.axis_end, line.long) == ("succeeded", 100, Duration("min_s", "1", 40))


def test_what_is_open_goes_on_until_now() -> None:
    waiting = timeline(chain((accepted(), 0)), [], now=AT + 8 * S)
    assert (waiting.waiting[0].width, waiting.waited, waiting.attempts) == (100, Duration("s", "8.0"), ())
    running = timeline(chain((accepted(), 0), (assigned(1), 2)), [], now=AT + 8 * S)
    assert (running.attempts[0].fate, running.attempts[0].whole.x, running.attempts[0].whole.width) == ("running", 25, 75)
    behind = timeline(chain((accepted(), 0), (assigned(1), 2)), [], now=AT - 8 * S)
    assert behind.long == Duration("s", "2.0")


def test_what_came_after_the_outcome_stands_beside_the_axis() -> None:
    links = chain((accepted(), 0), (assigned(1), 1), (succeeded(1), 2), (erased(1), 30 * DAY))
    line = timeline(links, [(refused(2), AT + 5 * S), (refused(99), AT + 6 * S)], now=AT + 40 * DAY * S)
    assert (line.axis_end, line.long) == (94, Duration("s", "2.0"))
    assert {mark.kind for mark in line.marks} == {"refused", "erased"}
    assert all(94 < mark.x < 100 for mark in (*line.marks, *line.attempts[0].marks))


def test_a_request_that_took_no_time_at_all_is_shown() -> None:
    line = timeline(chain((accepted(), 0), (assigned(1), 0), (failed(1), 0)), [], now=AT)
    assert line.long == Duration("ms", "1")
    assert [(bar.x, bar.width) for bar in (*line.waiting, line.attempts[0].whole)] == [(0, MIN_WIDTH)] * 2


def test_a_request_of_a_year_shows_an_attempt_of_a_second() -> None:
    links = chain((accepted(), 0), (assigned(1), 365 * DAY), (succeeded(1), 365 * DAY + 1))
    line = timeline(links, [], now=AT)
    assert (line.long, line.attempts[0].whole.lasted) == (Duration("d", "365"), Duration("s", "1.0"))
    assert line.attempts[0].whole.width == pytest.approx(MIN_WIDTH)
    assert [tick.after for tick in line.ticks] == [multiple(n, 100 * DAY) for n in range(4)]


def test_of_very_many_attempts_the_latest_are_drawn() -> None:
    events: list[tuple[RequestEvent, float]] = [(accepted(), 0)]
    for number in range(1, MAX_LANES + 6):
        events += [(assigned(number), number), (requeued(number), number + 0.5)]
    line = timeline(chain(*events), [(refused(2), AT + S)], now=AT + 100 * S)
    assert (line.left_out, line.attempts[0].number, len(line.attempts)) == (5, 6, MAX_LANES)
    assert [mark.kind for mark in line.marks] == ["refused"], "its attempt has no lane"


def test_a_restored_request_begins_when_it_was_accepted() -> None:
    line = timeline([(restored(1), 10**9, AT + 50 * S), (assigned(2), 10**9 + 1, AT + 60 * S)], [], now=AT + 100 * S)
    assert line.long == Duration("min_s", "1", 40)
    assert (line.waiting[0].x, line.waiting[0].width) == (0, 60)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-1, ("ms", "0", 0)),
        (0.0004, ("ms", "0", 0)),
        (0.994, ("ms", "994", 0)),
        (0.996, ("s", "1.0", 0)),
        (12.4, ("s", "12", 0)),
        (59.6, ("min", "1", 0)),
        (61, ("min_s", "1", 1)),
        (599.4, ("min_s", "9", 59)),
        (599.6, ("min", "10", 0)),
        (7199, ("h", "2", 0)),
        (40 * 3600, ("h", "40", 0)),
        (365 * DAY, ("d", "365", 0)),
    ],
)
def test_durations_are_said_in_the_unit_that_fits(seconds: float, said: tuple[str, str, int]) -> None:
    assert duration(seconds) == said


@patiently
@given(st.floats(0, 1e9), st.floats(0, 1e9))
def test_a_longer_duration_is_never_said_to_be_shorter(one: float, other: float) -> None:
    size = {"ms": 0.001, "s": 1, "min_s": 60, "min": 60, "h": 3600, "d": 86400}
    said = [duration(seconds) for seconds in sorted((one, other))]
    short, long = (float(each.number) * size[each.unit] + each.rest for each in said)
    assert short <= long
