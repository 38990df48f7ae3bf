"""The gateway's session: failures of handlers that trying again may mend."""

import pytest

from services.contracts.events import Failed, Requeued
from spaces_agent import frames
from tests.unit.gateway.agent_session import Given, assigned, names, result

BUSY = frames.HandlerError(code="handler_error", message="the device is busy", retryable=True)


def failing(retries_left: int, error: frames.HandlerError = BUSY) -> Given:
    """The handler of lease 5 has failed."""
    given = Given().ready()
    given.session.deliver(assigned(retries_left=retries_left, retry_delay_s=4.0), 5)
    given.session.receive(frames.Accept(**names(5)), 0.0)
    given.session.frames_to_send()
    given.session.receive(result(5, status="failed", error=error), 1.0)
    return given


def test_a_failure_that_may_be_mended_is_tried_again_while_retries_are_left() -> None:
    given = failing(1)
    event = given.appended()
    assert isinstance(event, Requeued)
    assert (event.reason, event.started, event.detail, event.delay_s) == ("retryable", True, "the device is busy", 4.0)
    assert given.listed() == {}
    given.session.outcome_decided(given.lease(5), True, 2.0)
    assert given.frames(frames.ResultAck)[0].outcome == "accepted"
    assert given.table.get(5) is None


def test_offered_again_it_is_a_duplicate() -> None:
    given = failing(1)
    event = given.appended()
    given.session.outcome_decided(given.lease(5), True, 2.0)
    given.table.decided(5, event.id)
    given.session.frames_to_send()
    given.session.receive(result(5, status="failed", error=BUSY), 3.0)
    assert given.frames(frames.ResultAck)[0].outcome == "duplicate"


def test_one_that_was_superseded_is_told_so() -> None:
    given = failing(1)
    given.appended()
    given.session.outcome_decided(given.lease(5), False, 2.0)
    assert given.frames(frames.ResultAck)[0].outcome == "superseded"
    assert given.refused() == ("result", "superseded")


@pytest.mark.parametrize(
    ("retries_left", "error"), [(0, BUSY), (2, frames.HandlerError(code="handler_error", message="no such model"))]
)
def test_without_retries_or_hope_it_is_the_outcome(retries_left: int, error: frames.HandlerError) -> None:
    event = failing(retries_left, error).appended()
    assert isinstance(event, Failed)
    assert (event.error.message, event.error.retryable) == (error.message, error.retryable)


def test_output_of_a_failed_attempt_is_not_waited_for() -> None:
    given = Given().ready()
    given.session.deliver(assigned(retries_left=1), 5)
    given.session.receive(result(5, status="failed", error=BUSY, last_index=3), 1.0)
    assert isinstance(given.appended(), Requeued)
