"""Output of handlers in the agent's session: kept in order until stored, and offered again."""

from __future__ import annotations

import pytest

from spaces_agent import events, frames
from tests.unit.agent.given_session import (
    Given,
    ack,
    cancel,
    in_flight,
    output,
    output_ack,
    ready,
    result,
    running,
)


def outputs(lease: int, *indexes: int) -> list[frames.AgentFrame]:
    return [output(lease, index) for index in indexes]


def test_output_is_sent_at_once_and_kept() -> None:
    given = running(3)
    given.produced(3, 1, 2)
    assert given.sent() == outputs(3, 1, 2)
    assert given.events() == [events.Keep(frame=output(3, 1)), events.Keep(frame=output(3, 2))]


def test_an_acknowledgement_covers_all_output_up_to_its_index() -> None:
    given = running(3, outputs=4)
    given.receive(output_ack(3, 2))
    assert given.events() == [events.OutputStored(lease=3, index=2)]
    given.found_again(l3=1)
    assert given.sent() == outputs(3, 3, 4)


def test_an_acknowledgement_that_says_nothing_beyond_the_last_is_not_passed_on() -> None:
    given = running(3, outputs=4)
    given.receive(output_ack(3, 2), output_ack(3, 2), output_ack(3, 1))
    assert given.events() == [events.OutputStored(lease=3, index=2)]


def test_after_a_reconnect_output_is_sent_again_from_where_the_gateway_says() -> None:
    given = running(3, outputs=5)
    hello = given.found_again(l3=4)
    assert hello.in_flight == [in_flight(3, "running", 5)]
    assert given.sent() == outputs(3, 4, 5)


def test_what_the_gateway_does_not_ask_for_again_is_stored() -> None:
    given = running(3, outputs=5)
    given.found_again(l3=4)
    assert given.of(events.OutputStored) == [events.OutputStored(lease=3, index=3)]


def test_output_goes_before_the_result_of_its_lease() -> None:
    given = running(3, 4, outputs=2)
    given.lost()
    given.produced(3, 3)
    given.session.handler_finished(result(3, last_index=3))
    given.session.handler_finished(result(4, last_index=2))
    hello = given.found_again(l3=2, l4=1)
    assert hello.in_flight == [in_flight(3, "result_pending", 3), in_flight(4, "result_pending", 2)]
    assert given.sent() == [*outputs(3, 2, 3), result(3, 3), *outputs(4, 1, 2), result(4, 2)]


def test_output_between_hello_and_welcome_is_sent_once_after_it() -> None:
    given = running(3, outputs=1)
    given.lost(1.0)
    given.connected(2.0)
    given.produced(3, 2)
    assert given.sent() == []
    given.welcomed(2.0, l3=1)
    assert given.sent() == outputs(3, 1, 2)


def test_new_output_follows_what_is_sent_again() -> None:
    given = running(3, outputs=2)
    given.found_again(l3=2)
    given.produced(3, 3)
    assert given.sent() == outputs(3, 2, 3)


def test_the_output_of_a_lease_that_is_being_stopped_is_dropped() -> None:
    given = running(3, outputs=2)
    given.receive(cancel(3))
    given.quiet().produced(3, 3)
    assert (given.sent(), given.events()) == ([], [])
    given.found_again(l3="stop")
    assert given.sent() == []


@pytest.mark.parametrize("verdict", ["stop", "already_done"])
def test_the_output_of_a_void_lease_is_not_sent_again(verdict: str) -> None:
    given = running(3, outputs=2)
    given.found_again(l3=verdict)
    assert given.sent() == []


def test_an_acknowledgement_for_a_lease_that_is_being_stopped_is_nobodys() -> None:
    given = running(3, outputs=2)
    given.receive(cancel(3))
    given.quiet().receive(output_ack(3, 2))
    assert given.events() == []


def test_output_of_a_lease_that_is_gone_is_dropped() -> None:
    given = ready()
    given.produced(3, 1)
    given.receive(output_ack(3, 1))
    assert (given.sent(), given.events()) == ([], [])


def test_the_output_of_a_decided_lease_is_forgotten_with_it() -> None:
    given = running(3, outputs=2)
    given.session.handler_finished(result(3, last_index=2))
    given.quiet().receive(ack(3))
    assert given.events() == [events.ForgetLease(lease=3)]
    given.found_again()
    assert given.sent() == []


def test_what_an_earlier_process_left_is_kept_and_sent_in_order() -> None:
    left = [*outputs(3, 5, 6), *outputs(4, 2)]
    given = Given(running=[in_flight(3, "running", 6)], pending=[result(4, last_index=2)], outputs=left)
    assert given.events() == [*(events.Keep(frame=frame) for frame in (*left, result(4, 2)))]  # type: ignore[arg-type]
    given.connected()
    given.welcomed(l3=6, l4=1)
    assert given.sent() == [output(3, 6), output(4, 2), result(4, 2)]
    given.produced(3, 7)
    assert given.sent() == [output(3, 7)]


def test_output_of_an_earlier_process_without_a_lease_is_left_behind() -> None:
    given = Given(outputs=outputs(3, 1))
    assert given.events() == []
    given.connected()
    given.welcomed()
    assert given.sent() == []
