"""The gateway's session: leases that are void, and what agents say when they have stopped."""

import msgspec
import pytest

from services.contracts.events import Requeued
from services.gateway.decisions import RecordRefused
from services.gateway.results import outcome_id
from services.gateway.verdicts import Work
from spaces_agent import frames
from tests.unit.gateway.agent_session import Given, assigned, names, result


def test_a_void_lease_is_cancelled_once_and_its_slot_stays_taken_until_it_has_stopped() -> None:
    given = Given().running(5, 6)
    given.session.void(5, "requeued")
    given.session.void(5, "requeued")
    (cancel,) = given.frames(frames.Cancel)
    assert (cancel.lease, cancel.reason) == (5, "requeued")
    assert given.listed() == {5: "stopping", 6: "running"}
    assert given.session.deliver(assigned(), 7) == "busy"
    given.session.receive(frames.Stopped(**names(5), outcome="stopped"), 1.0)
    assert given.session.deliver(assigned(), 7) == "held"
    given.decisions()


def test_a_result_that_crosses_the_cancel_is_superseded_and_frees_the_slot() -> None:
    given = Given().running(5)
    given.session.void(5, "failed")
    given.session.receive(result(5), 1.0)
    assert given.frames(frames.Cancel, frames.ResultAck)[1].outcome == "superseded"
    assert given.refused() == ("result", "superseded")
    assert given.listed() == {}
    given.session.receive(frames.Stopped(**names(5), outcome="already_finished"), 1.1)
    given.frames()


def test_a_result_that_another_gateway_has_recorded_is_a_duplicate() -> None:
    given = Given().ready(Work(frames.InFlight(**names(5), state="running"), "continue", assigned()))
    given.table.decided(5, outcome_id(result(5)))
    given.session.void(5, "succeeded")
    given.session.receive(result(5), 1.0)
    assert given.frames(frames.Cancel, frames.ResultAck)[1].outcome == "duplicate"
    given.decisions()
    assert given.listed() == {}


def test_output_before_a_result_that_another_gateway_has_recorded_is_no_stranger() -> None:
    given = Given().ready(Work(frames.InFlight(**names(5), state="result_pending"), "continue", assigned()))
    given.session.void(5, "succeeded")
    given.session.receive(frames.Output(**names(5), index=1, kind="chunk", data=msgspec.Raw(b'"a"')), 1.0)
    given.session.receive(frames.Stopped(**names(5), outcome="already_finished"), 1.0)
    given.frames(frames.Cancel)
    given.decisions()
    assert given.listed() == {}


def test_a_lease_whose_result_is_being_recorded_is_not_cancelled() -> None:
    given = Given().running(5)
    given.session.receive(result(5), 1.0)
    given.session.void(5, "failed")
    given.frames()


def test_an_agent_that_stops_by_itself_gives_the_lease_back() -> None:
    given = Given().running(5)
    given.session.receive(frames.Stopped(**names(5), outcome="stopped"), 1.0)
    event = given.appended()
    assert isinstance(event, Requeued)
    assert (event.reason, event.started) == ("agent_lost", True)


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (frames.Stopped(**names(6), outcome="stopped"), "not_held"),
        (frames.Stopped(**names(5, attempt=2), outcome="stopped"), "stale_lease"),
        (frames.Stopped(**names(5, rid="1" * 32 + "05"), outcome="never_started"), "stale_lease"),
    ],
)
def test_a_stop_that_is_not_current_is_refused(frame: frames.Stopped, reason: str) -> None:
    given = Given().running(5)
    given.session.receive(frame, 1.0)
    assert given.frames(frames.Error)[0].code == reason
    assert given.refused() == ("stopped", reason)
    assert given.listed() == {5: "running"}


def test_a_cancel_excuses_one_late_stop() -> None:
    given = Given().running(5)
    given.session.void(5, "failed")
    given.session.receive(result(5), 1.0)
    given.frames(frames.Cancel, frames.ResultAck)
    given.decisions(RecordRefused)
    given.session.receive(frames.Stopped(**names(5), outcome="already_finished"), 1.1)
    given.decisions()
    given.session.receive(frames.Stopped(**names(5), outcome="already_finished"), 1.2)
    given.frames(frames.Error)
    assert given.refused() == ("stopped", "not_held")


def test_a_cancel_does_not_excuse_a_stop_of_another_attempt() -> None:
    given = Given().running(5)
    given.session.void(5, "failed")
    given.frames(frames.Cancel)
    given.session.receive(frames.Stopped(**names(5, attempt=2), outcome="stopped"), 1.0)
    given.frames(frames.Error)
    assert given.refused() == ("stopped", "stale_lease")
    assert given.listed() == {5: "stopping"}


def test_the_answer_to_a_verdict_is_no_stranger() -> None:
    given = Given().ready(Work(frames.InFlight(**names(5), state="running"), "stop"))
    given.session.receive(frames.Stopped(**names(5), outcome="stopped"), 1.0)
    given.frames()
    given.decisions()


def test_the_answer_to_the_cancel_of_something_not_held_is_no_stranger() -> None:
    given = Given().ready()
    for _ in range(2):
        given.session.receive(frames.Accept(**names(5)), 1.0)
        given.frames(frames.Error, frames.Cancel)
        given.decisions(RecordRefused)
    for _ in range(2):
        given.session.receive(frames.Stopped(**names(5), outcome="stopped"), 1.1)
        given.frames()
        given.decisions()
    given.session.receive(frames.Stopped(**names(5), outcome="stopped"), 1.1)
    given.frames(frames.Error)
