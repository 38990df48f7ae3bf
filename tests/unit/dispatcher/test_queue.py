"""The queue of a space: priority, then round robin across users, then first come first served."""

from itertools import count

from services.contracts.requests import RequestState, begin
from services.dispatcher.queue import SPARE_ENTRIES, STALE_NS, SpaceQueue
from services.dispatcher.quotas import NO_LIMITS, InFlight, Room
from tests.unit.dispatcher.given import NOW, accepted

_numbers = count(1)
ANY = Room(InFlight(), "demo", NO_LIMITS)


def waiting(user: str = "u", priority: int = 0) -> RequestState:
    number = next(_numbers)
    return begin(accepted(number, user=user, priority=priority), number, number)


def drained(queue: SpaceQueue) -> list[str]:
    order = []
    while (state := queue.pop(ANY)) is not None:
        order.append(state.rid)
    return order


def filled(*states: RequestState) -> SpaceQueue:
    queue = SpaceQueue()
    for state in states:
        queue.push(state)
    return queue


def test_one_users_requests_go_in_the_order_of_acceptance() -> None:
    first, second, third = waiting(), waiting(), waiting()
    assert drained(filled(third, first, second)) == [first.rid, second.rid, third.rid]


def test_users_take_turns_however_much_one_of_them_has_submitted() -> None:
    greedy = [waiting("greedy") for _ in range(4)]
    modest = waiting("modest")
    assert drained(filled(*greedy, modest))[:2] == [greedy[0].rid, modest.rid]


def test_a_higher_priority_goes_first_whoever_submitted_it() -> None:
    low, high = waiting("a"), waiting("b", priority=5)
    assert drained(filled(low, high)) == [high.rid, low.rid]


def test_a_requeued_request_gets_its_old_place_back() -> None:
    first, second = waiting(), waiting()
    queue = filled(first, second)
    again = queue.pop(ANY)
    assert again is not None
    queue.push(again)
    assert drained(queue) == [first.rid, second.rid]


def test_a_discarded_request_is_never_popped_and_costs_its_user_no_turn() -> None:
    gone, kept, other = waiting("a"), waiting("a"), waiting("b")
    queue = filled(gone, kept, other)
    queue.discard(gone.rid)
    assert len(queue) == 2
    assert drained(queue) == [kept.rid, other.rid]


def test_a_request_pushed_twice_waits_once() -> None:
    state = waiting()
    assert drained(filled(state, state)) == [state.rid]


def test_a_request_discarded_and_pushed_again_waits_once() -> None:
    state, other = waiting(), waiting()
    queue = filled(state, other)
    queue.discard(state.rid)
    queue.push(state)
    assert drained(queue) == [state.rid, other.rid]


def test_a_queue_that_nobody_serves_keeps_few_of_those_that_wait_no_more() -> None:
    queue = filled(first := waiting("a"))
    for number in range(5 * SPARE_ENTRIES):
        gone = waiting(f"u{number % 700}", priority=number % 3)
        queue.push(gone)
        queue.discard(gone.rid)
    queue.push(second := waiting("b"))
    queue.push(third := waiting("a"))
    entries = sum(len(list(line)) for users in queue._levels.values() for line in users.values())
    assert entries <= len(queue) + SPARE_ENTRIES + 1
    assert drained(queue) == [first.rid, second.rid, third.rid]


def test_positions_are_those_in_which_requests_are_popped() -> None:
    states = [waiting("a"), waiting("a"), waiting("b"), waiting("c", priority=1), waiting("b")]
    queue = filled(*states)
    places = {state.rid: queue.position(state.rid, NOW) for state in states}
    assert [rid for rid, _ in sorted(places.items(), key=lambda item: item[1])] == drained(queue)
    assert queue.position(states[0].rid, NOW) == 0


def test_places_are_counted_anew_when_the_last_count_is_old() -> None:
    first, second, late = waiting(), waiting(), waiting(priority=1)
    queue = filled(first, second)
    assert queue.position(second.rid, NOW) == 2
    queue.pop(ANY)
    queue.push(late)
    soon = NOW + STALE_NS - 1
    assert (queue.position(second.rid, soon), queue.position(late.rid, soon)) == (2, 2)
    assert (queue.position(second.rid, NOW + STALE_NS), queue.position(late.rid, NOW + STALE_NS)) == (2, 1)
