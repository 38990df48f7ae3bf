"""The gateway's session: output frames, what they are answered with, and results that wait for them."""

from typing import Any

import msgspec
import pytest

from services.contracts.events import Failed, Requeued, Succeeded
from services.gateway.decisions import Append, Close, RecordRefused, StoreOutput
from services.gateway.members import Member
from services.gateway.recording import MAX_WAITING, Last
from services.gateway.verdicts import Work
from spaces_agent import frames
from tests.unit.gateway.agent_session import Given, assigned, names, result
from tests.unit.gateway.output_stream import Subject, finish, record, take


def output(lease: int, index: int, data: bytes = b'"text"', **changes: Any) -> frames.Output:
    frame = frames.Output(**names(lease), index=index, kind="chunk", data=msgspec.Raw(data))
    return msgspec.structs.replace(frame, **changes)


def store(given: Given, lease: int, subject: Subject) -> None:
    """Store one record, and tell the session as the process does."""
    held = given.lease(lease)
    take(held.recording, subject)
    given.session.output_stored(held)


def test_output_is_to_be_stored_and_acknowledged_when_that_is_done() -> None:
    given, subject = Given().running(5), Subject()
    given.session.receive(output(5, 1), 1.0)
    (decision,) = given.decisions(StoreOutput)
    assert decision.lease is given.lease(5)
    given.frames()
    store(given, 5, subject)
    (ack,) = given.frames(frames.OutputAck)
    assert (ack.lease, ack.index) == (5, 1)


def test_acknowledgements_of_one_lease_that_wait_become_one() -> None:
    given, subject = Given().running(5, 6), Subject()
    for index in (1, 2, 3):
        given.session.receive(output(5, index), 1.0)
    given.session.receive(output(6, 1), 1.0)
    store(given, 5, subject)
    store(given, 6, Subject())
    store(given, 5, subject)
    assert [(ack.lease, ack.index) for ack in given.frames(frames.OutputAck, frames.OutputAck)] == [(5, 2), (6, 1)]
    store(given, 5, subject)
    assert [(ack.lease, ack.index) for ack in given.frames(frames.OutputAck)] == [(5, 3)]


def test_stored_output_is_acknowledged_again_and_what_waits_is_not() -> None:
    given, subject = Given().running(5), Subject()
    given.session.receive(output(5, 1), 1.0)
    given.session.receive(output(5, 2), 1.0)
    store(given, 5, subject)
    given.frames(frames.OutputAck)
    given.session.receive(output(5, 1), 1.0)
    assert given.frames(frames.OutputAck)[0].index == 1
    given.session.receive(output(5, 2), 1.0)
    given.frames()


def test_a_gap_starts_the_connection_over() -> None:
    given, subject = Given().running(5), Subject()
    given.session.receive(output(5, 1), 1.0)
    given.session.receive(output(5, 3), 1.0)
    given.session.events_to_append()
    store(given, 5, subject)
    given.frames(frames.OutputAck)
    store(given, 5, subject)  # it looks whether somebody else has stored the second
    assert given.frames(frames.Error)[0].code == "output_gap"
    assert given.closed() == frames.CLOSE_RESYNC
    assert subject.indexes() == [1]


@pytest.mark.parametrize(
    ("frame", "reason", "answers"),
    [
        (output(6, 1), "not_held", (frames.Error, frames.Cancel)),
        (output(5, 1, attempt=2), "stale_lease", (frames.Error,)),
        (output(5, 1, request_id="1" * 32 + "05"), "stale_lease", (frames.Error,)),
    ],
)
def test_output_that_is_not_current_is_refused_and_its_handler_stopped(
    frame: frames.Output, reason: str, answers: tuple[type[frames.Frame], ...]
) -> None:
    given = Given().running(5)
    given.session.receive(frame, 1.0)
    sent = given.frames(*answers)
    assert (sent[0].code, sent[0].request_id) == (reason, "")
    assert given.refused() == ("output", reason)
    assert given.lease(5).recording.next_step() is None


def test_late_output_is_refused() -> None:
    given = Given().running(5)
    given.session.receive(result(5), 1.0)
    given.appended()
    given.session.outcome_decided(given.lease(5), True, 2.0)
    given.frames(frames.ResultAck)
    given.session.receive(output(5, 1), 3.0)
    given.frames(frames.Error, frames.Cancel)
    assert given.refused() == ("output", "not_held")


def test_output_of_a_lease_that_is_being_stopped_is_dropped() -> None:
    given = Given().running(5)
    given.session.receive(output(5, 1), 1.0)
    given.decisions(StoreOutput)
    given.session.void(5, "canceled")
    given.frames(frames.Cancel)
    given.session.receive(output(5, 2), 1.0)
    given.frames()
    given.decisions()
    assert given.lease(5).recording.next_step() is None, "nor is the rest stored"


def test_output_of_work_that_was_void_at_the_hello_is_dropped() -> None:
    claimed = frames.InFlight(**names(5), state="running")
    given = Given().ready(Work(claimed, "stop", assigned(), 1.0))
    given.session.receive(output(5, 1), 1.0)
    given.frames()
    given.decisions()


def test_output_after_the_agent_gave_the_lease_back_is_dropped() -> None:
    given = Given().running(5)
    given.session.receive(output(5, 1), 1.0)
    given.decisions(StoreOutput)
    given.session.receive(frames.Stopped(**names(5), outcome="stopped"), 1.0)
    assert isinstance(given.appended(), Requeued)
    given.session.receive(output(5, 2), 1.0)
    given.frames()
    given.decisions()
    assert given.lease(5).recording.next_step() is None


def test_invalid_output_closes_the_socket() -> None:
    given = Given().running(5)
    given.session.receive(output(5, 1, b'{"a":1}'), 1.0)
    (error,) = given.frames(frames.Error)
    assert (error.code, error.fatal, error.request_id) == ("invalid_output", True, "")
    refused, close = given.decisions(RecordRefused, Close)
    assert (refused.event.frame, refused.event.reason, refused.event.agent) == ("output", "invalid", "u1/a1")
    assert close.code == 1008


def test_an_agent_that_does_not_mind_the_window_is_closed() -> None:
    given = Given().running(5)
    for index in range(1, MAX_WAITING + 1):
        given.session.receive(output(5, index), 1.0)
    given.decisions(*[StoreOutput] * MAX_WAITING)
    given.session.receive(output(5, MAX_WAITING + 1), 1.0)
    assert given.frames(frames.Error)[0].code == "window_exceeded"
    assert given.closed() == 1008


# Results


def test_a_result_waits_for_its_output() -> None:
    given, subject = Given().running(5), Subject()
    given.session.receive(output(5, 1), 1.0)
    given.session.receive(output(5, 2), 1.0)
    given.session.receive(result(5, last_index=2, first_output_s=0.25), 1.0)
    given.decisions(StoreOutput, StoreOutput)
    assert given.listed() == {5: "running"}
    assert given.session.deliver(assigned(), 6) == "held", "its slot is free"
    store(given, 5, subject)
    assert given.lease(5).due() is None
    store(given, 5, subject)
    event = given.lease(5).due()
    assert isinstance(event, Succeeded)
    assert (event.last_index, event.first_output_s) == (2, 0.25)
    assert given.lease(5).due() is None, "it is given out once"


def test_a_failure_waits_as_well() -> None:
    given, subject = Given().running(5), Subject()
    given.session.receive(output(5, 1), 1.0)
    error = frames.HandlerError(code="handler_error", message="boom")
    given.session.receive(result(5, status="failed", error=error, last_index=1), 1.0)
    given.decisions(StoreOutput)
    store(given, 5, subject)
    event = given.lease(5).due()
    assert isinstance(event, Failed)
    assert event.last_index == 1


def test_a_result_whose_output_is_stored_is_appended_at_once() -> None:
    given, subject = Given().running(5), Subject()
    given.session.receive(output(5, 1), 1.0)
    given.decisions(StoreOutput)
    store(given, 5, subject)
    given.session.receive(result(5, last_index=1), 1.0)
    given.decisions(Append)


def test_output_that_the_agent_has_not_sent_before_its_result_is_not_waited_for() -> None:
    given, subject = Given().running(5), Subject()
    given.session.receive(output(5, 1), 1.0)
    given.session.receive(output(5, 3), 1.0)
    given.session.receive(result(5, last_index=4), 1.0)
    given.decisions(StoreOutput, StoreOutput)
    held = given.lease(5)
    finish(held.recording, subject)
    given.session.output_stored(held)
    assert held.due() is not None
    assert given.frames(frames.OutputAck)[0].index == 3
    assert subject.indexes() == [1, 3]


def test_when_a_higher_lease_has_records_the_result_is_appended_to_be_refused() -> None:
    given, subject = Given().running(5), Subject(record(1, lease=8))
    given.session.receive(output(5, 1), 1.0)
    given.session.receive(result(5, last_index=1), 1.0)
    held = given.lease(5)
    finish(held.recording, subject)
    assert held.due() is not None


def test_a_result_waits_on_when_the_socket_is_lost() -> None:
    given, subject = Given().running(5), Subject()
    given.session.receive(output(5, 1), 1.0)
    given.session.receive(result(5, last_index=1), 1.0)
    held = given.lease(5)
    given.session.lost(2.0)
    given.table.expire(1000.0)
    assert given.lease(5) is held
    finish(held.recording, subject)
    assert held.due() is not None


def test_output_of_a_lease_whose_agent_does_not_come_back_is_not_stored() -> None:
    given = Given().running(5)
    given.session.receive(output(5, 1), 1.0)
    held = given.lease(5)
    given.session.lost(2.0)
    given.table.expire(21.9)
    assert held.recording.next_step() is not None
    given.table.expire(22.0)
    assert held.recording.next_step() is None


# Across sockets


def adopted(last: Last | None, given: Given | None = None) -> tuple[Given, int]:
    """A session whose agent has brought lease 5 along, and from where on it is to send."""
    claimed = frames.InFlight(**names(5), state="running", last_index=9)
    here = Given("c2", None if given is None else given.table)
    here.session.receive(frames.Hello(agent_id="a1", boot_id="b1", spaces=["demo"], slots=2, in_flight=[claimed]), 0.0)
    member = Member(agent="u1/a1", boot_id="b1", slots=2, spaces=["demo"], revision=1)
    here.session.welcome(member, [], [Work(claimed, "continue", assigned(), 1.0, last)], 0.0)
    (welcome,) = here.frames(frames.Welcome)
    return here, welcome.verdicts[0].resend_from


def test_the_verdict_says_from_where_on_to_send() -> None:
    assert adopted(Subject(record(1), record(2)).last())[1] == 3
    assert adopted(Subject(record(7, lease=4)).last())[1] == 1
    assert adopted(None)[1] == 1


def test_what_is_known_here_counts_when_it_is_more_than_what_was_read() -> None:
    first, subject = Given("c1").running(5), Subject()
    for index in (1, 2, 3):
        first.session.receive(output(5, index), 1.0)
    store(first, 5, subject)
    read = subject.last()
    store(first, 5, subject)
    first.session.lost(2.0)
    second, resend_from = adopted(read, first)
    assert resend_from == 3
    second.session.receive(output(5, 3), 3.0)
    second.frames()  # it waits already
    store(second, 5, subject)
    assert second.frames(frames.OutputAck)[0].index == 3
    assert subject.indexes() == [1, 2, 3]
