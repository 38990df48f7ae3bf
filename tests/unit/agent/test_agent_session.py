"""The agent's half of the protocol, without I/O: what becomes of work and its outcome."""

from __future__ import annotations

from spaces_agent import events, frames
from tests.unit.agent.given_session import (
    Given,
    ack,
    assign,
    cancel,
    ids,
    in_flight,
    ready,
    result,
    running,
    stopped,
    welcome,
)


class TestHello:
    def test_hello_is_the_first_frame_and_says_who_the_agent_is(self) -> None:
        given = Given()
        said = frames.Hello(agent_id="agent-1", boot_id="boot-1", spaces=["demo"], slots=2, version="1")
        assert given.connected() == said

    def test_hello_lists_what_an_earlier_process_left_behind(self) -> None:
        given = Given(running=[in_flight(3, "running", 7)], pending=[result(4, last_index=5)])
        assert given.connected().in_flight == [in_flight(3, "running", 7), in_flight(4, "result_pending", 5)]

    def test_a_welcome_makes_the_session_ready(self) -> None:
        given = Given()
        given.connected()
        given.welcomed()
        assert given.events() == [events.Ready(socket=given.socket, welcome=welcome())]

    def test_a_hello_names_all_handlers_and_no_more_results_than_it_may(self) -> None:
        handler = in_flight(999_999, "running")
        results = [result(lease) for lease in range(1, frames.MAX_IN_FLIGHT + 10)]
        hello = Given(running=[handler], pending=results).connected()
        assert frames.decode_agent_frame(frames.encode(hello)) == hello
        assert handler in hello.in_flight


class TestAssignment:
    def test_an_assignment_starts_the_handler_and_is_accepted_once_it_runs(self) -> None:
        given = ready()
        given.receive(assign(3))
        assert given.events() == [events.StartHandler(assign=assign(3))]
        assert given.sent() == []
        given.session.handler_started(3)
        assert given.sent() == [frames.Accept(**ids(3))]

    def test_a_repeated_assignment_is_accepted_again_but_not_started_again(self) -> None:
        given = running(3)
        given.receive(assign(3))
        assert given.events() == []
        assert given.sent() == [frames.Accept(**ids(3))]

    def test_a_repeated_assignment_of_finished_work_is_answered_with_its_result(self) -> None:
        given = running(3)
        given.session.handler_finished(result(3))
        given.quiet().receive(assign(3))
        assert given.sent() == [result(3)]

    def test_a_late_assignment_of_an_acknowledged_lease_is_not_run_again(self) -> None:
        given = running(3)
        given.session.handler_finished(result(3))
        given.receive(ack(3))
        given.quiet().receive(assign(3))
        assert (given.events(), given.sent()) == ([], [])

    def test_above_its_slots_the_agent_rejects_as_full(self) -> None:
        given = running(3, 4)
        given.receive(assign(5))
        assert given.sent() == [frames.Reject(**ids(5), reason="full")]
        assert given.events() == []

    def test_a_finished_handler_frees_its_slot_before_the_acknowledgement(self) -> None:
        given = running(3, 4)
        given.session.handler_finished(result(3))
        given.quiet().receive(assign(5))
        assert given.events() == [events.StartHandler(assign=assign(5))]

    def test_a_handler_that_is_being_stopped_still_occupies_its_slot(self) -> None:
        given = running(3, 4)
        given.receive(cancel(3), assign(5))
        assert given.sent() == [frames.Reject(**ids(5), reason="full")]

    def test_work_for_a_space_that_it_does_not_serve_is_rejected(self) -> None:
        given = ready()
        given.receive(assign(3, space="other"))
        assert given.sent() == [frames.Reject(**ids(3), reason="unsupported")]


class TestState:
    def test_a_draining_agent_says_so_at_once_and_takes_no_more_work(self) -> None:
        given = running(3)
        given.session.drain()
        assert given.sent() == [frames.Heartbeat(running=[3], state="draining")]
        given.receive(assign(4))
        assert given.sent() == [frames.Reject(**ids(4), reason="draining")]

    def test_a_draining_agent_says_so_in_every_later_hello(self) -> None:
        given = running(3)
        given.session.drain()
        assert given.found_again().state == "draining"
        assert given.sent() == []

    def test_an_agent_that_begins_to_drain_between_hello_and_welcome_says_so_after_it(self) -> None:
        given = Given()
        given.connected()
        given.session.drain()
        assert given.sent() == []
        given.welcomed()
        assert given.sent() == [frames.Heartbeat(state="draining")]

    def test_a_loading_agent_says_so_and_takes_no_work_until_it_has_loaded(self) -> None:
        given = Given(loading=True)
        assert given.connected().state == "loading"
        given.welcomed()
        given.receive(assign(7))
        assert given.sent() == [frames.Reject(**ids(7), reason="unhealthy")]
        assert given.of(events.StartHandler) == []
        given.session.loaded()
        assert given.sent() == [frames.Heartbeat(state="ready")]
        given.receive(assign(8))
        assert [event.assign.lease for event in given.of(events.StartHandler)] == [8]

    def test_an_agent_that_loads_while_it_is_away_says_ready_in_its_next_hello(self) -> None:
        given = Given(loading=True)
        given.session.loaded()
        assert given.connected().state == "ready"

    def test_an_agent_that_has_loaded_while_it_drains_goes_on_draining(self) -> None:
        given = Given(loading=True)
        given.session.drain()
        given.session.loaded()
        assert given.connected().state == "draining"
        given.welcomed()
        given.receive(assign(3))
        assert given.sent() == [frames.Reject(**ids(3), reason="draining")]

    def test_an_operators_drain_is_passed_on(self) -> None:
        given = ready()
        given.receive(frames.Drain(reason="kernel update"))
        assert given.events() == [events.EndAgent(reason="kernel update")]


class TestResult:
    def test_a_result_is_kept_and_sent_and_forgotten_only_when_acknowledged(self) -> None:
        given = running(3)
        given.session.handler_finished(result(3))
        assert given.sent() == [result(3)]
        assert given.events() == [events.Keep(frame=result(3))]
        given.receive(ack(3))
        assert given.events() == [events.ForgetLease(lease=3)]

    def test_a_result_that_the_gateway_refuses_is_not_offered_again(self) -> None:
        given = running(3)
        given.session.handler_finished(result(3))
        given.receive(frames.Error(code="not_current", message="no", request_id=ids(3)["request_id"]))
        assert given.of(events.ForgetLease) == [events.ForgetLease(lease=3)]
        assert given.found_again().in_flight == []

    def test_a_result_for_a_lease_that_is_gone_is_forgotten(self) -> None:
        given = ready()
        given.session.handler_finished(result(3))
        assert given.sent() == []
        assert given.events() == [events.ForgetLease(lease=3)]


class TestCancel:
    def test_a_cancel_stops_the_handler_and_is_answered_when_it_has_ended(self) -> None:
        given = running(3)
        given.receive(cancel(3))
        assert given.events() == [events.StopHandler(lease=3, reason="canceled", grace_s=3.0)]
        assert given.sent() == []
        given.session.handler_stopped(3)
        assert given.sent() == [stopped(3, "stopped")]

    def test_a_repeated_cancel_stops_only_once(self) -> None:
        given = running(3)
        given.receive(cancel(3))
        given.quiet().receive(cancel(3))
        assert given.events() == []
        given.session.handler_stopped(3)
        assert given.sent() == [stopped(3, "stopped")]

    def test_a_result_that_crosses_the_cancel_is_discarded(self) -> None:
        given = running(3)
        given.receive(cancel(3))
        given.quiet().session.handler_finished(result(3))
        assert given.sent() == [stopped(3, "already_finished")]
        assert given.events() == [events.ForgetLease(lease=3)]

    def test_a_cancel_of_a_waiting_result_drops_it(self) -> None:
        given = running(3)
        given.session.handler_finished(result(3))
        given.quiet().receive(cancel(3))
        assert given.sent() == [stopped(3, "already_finished")]
        assert given.events() == [events.ForgetLease(lease=3)]

    def test_a_cancel_of_a_handler_that_never_began_says_so(self) -> None:
        given = ready()
        given.receive(assign(3), cancel(3))
        given.session.handler_stopped(3)
        assert given.sent() == [stopped(3, "never_started")]

    def test_a_cancel_of_unknown_work_says_that_it_never_began(self) -> None:
        given = ready()
        given.receive(cancel(3))
        assert given.sent() == [stopped(3, "never_started")]
