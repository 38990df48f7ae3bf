"""The agent's half of the protocol, without I/O: given frames and commands, then frames and events."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from spaces_agent import events, frames
from spaces_agent.profile import Profile
from spaces_agent.session import AgentSession

PROFILE = Profile(agent_id="agent-1", boot_id="boot-1", spaces=["demo"], slots=2, version="1")


def ids(lease: int) -> dict[str, Any]:
    return {"request_id": f"{lease:034x}", "attempt": 1, "lease": lease}


def assign(lease: int, space: str = "demo") -> frames.Assign:
    return frames.Assign(**ids(lease), space=space, deadline_s=60.0, input=msgspec.Raw(b"{}"))


def result(lease: int) -> frames.Result:
    return frames.Result(**ids(lease), status="succeeded", sha256="0" * 64, output=msgspec.Raw(b"1"))


def ack(lease: int) -> frames.ResultAck:
    return frames.ResultAck(**ids(lease), outcome="accepted")


def cancel(lease: int) -> frames.Cancel:
    return frames.Cancel(**ids(lease), reason="canceled", grace_s=3.0)


def in_flight(lease: int, state: Any) -> frames.InFlight:
    return frames.InFlight(**ids(lease), state=state)


def welcome(**verdicts: Any) -> frames.Welcome:
    """`welcome(l7="stop")`: the verdict on lease 7 is stop."""
    return frames.Welcome(
        session_id="s",
        gateway_id="g",
        spaces=[frames.SpaceVerdict(space="demo", accepted=True)],
        verdicts=[
            frames.LeaseVerdict(request_id=ids(int(name[1:]))["request_id"], lease=int(name[1:]), verdict=verdict)
            for name, verdict in verdicts.items()
        ],
    )


def drop_everything_said(session: AgentSession) -> None:
    session.frames_to_send()
    session.events()


def ready(session: AgentSession | None = None, now: float = 0.0) -> AgentSession:
    session = session or AgentSession(PROFILE)
    session.connected(now)
    session.receive(welcome(), now)
    drop_everything_said(session)
    return session


def running(*leases: int) -> AgentSession:
    session = ready()
    for lease in leases:
        session.receive(assign(lease), 0.0)
        session.handler_started(lease)
    drop_everything_said(session)
    return session


def lose_and_find_again(session: AgentSession, **verdicts: Any) -> frames.Hello:
    session.disconnected(1.0, 0.0, "cut")
    drop_everything_said(session)
    session.connected(2.0)
    [hello] = session.frames_to_send()
    assert isinstance(hello, frames.Hello)
    session.receive(welcome(**verdicts), 2.0)
    return hello


class TestHello:
    def test_hello_is_the_first_frame_and_says_who_the_agent_is(self) -> None:
        session = AgentSession(PROFILE)
        session.connected(0.0)
        assert session.frames_to_send() == [
            frames.Hello(agent_id="agent-1", boot_id="boot-1", spaces=["demo"], slots=2, version="1")
        ]

    def test_hello_lists_what_an_earlier_process_left_behind(self) -> None:
        session = AgentSession(PROFILE, running=[in_flight(3, "running")], pending=[result(4)])
        session.connected(0.0)
        [hello] = session.frames_to_send()
        assert isinstance(hello, frames.Hello)
        assert hello.in_flight == [in_flight(3, "running"), in_flight(4, "result_pending")]

    def test_a_welcome_makes_the_session_ready(self) -> None:
        session = AgentSession(PROFILE)
        session.connected(0.0)
        session.receive(welcome(), 0.0)
        assert session.events() == [events.Ready(welcome=welcome())]

    def test_work_before_the_welcome_gives_the_socket_up(self) -> None:
        session = AgentSession(PROFILE)
        session.connected(0.0)
        session.receive(assign(3), 0.0)
        assert session.events() == [events.Abandon(reason="the gateway sent assign before welcome")]

    def test_a_second_welcome_gives_the_socket_up(self) -> None:
        session = ready()
        session.receive(welcome(), 0.0)
        assert session.events() == [events.Abandon(reason="the gateway sent welcome twice")]


class TestAssignment:
    def test_an_assignment_starts_the_handler_and_is_accepted_once_it_runs(self) -> None:
        session = ready()
        session.receive(assign(3), 0.0)
        assert session.events() == [events.StartHandler(assign=assign(3))]
        assert session.frames_to_send() == []
        session.handler_started(3)
        assert session.frames_to_send() == [frames.Accept(**ids(3))]

    def test_a_repeated_assignment_is_accepted_again_but_not_started_again(self) -> None:
        session = running(3)
        session.receive(assign(3), 0.0)
        assert session.events() == []
        assert session.frames_to_send() == [frames.Accept(**ids(3))]

    def test_a_repeated_assignment_of_finished_work_is_answered_with_its_result(self) -> None:
        session = running(3)
        session.handler_finished(result(3))
        session.frames_to_send()
        session.receive(assign(3), 0.0)
        assert session.frames_to_send() == [result(3)]

    def test_a_late_assignment_of_an_acknowledged_lease_is_not_run_again(self) -> None:
        session = running(3)
        session.handler_finished(result(3))
        session.receive(ack(3), 0.0)
        drop_everything_said(session)
        session.receive(assign(3), 0.0)
        assert (session.events(), session.frames_to_send()) == ([], [])

    def test_above_its_slots_the_agent_rejects_as_full(self) -> None:
        session = running(3, 4)
        session.receive(assign(5), 0.0)
        assert session.frames_to_send() == [frames.Reject(**ids(5), reason="full")]
        assert session.events() == []

    def test_a_finished_handler_frees_its_slot_before_the_acknowledgement(self) -> None:
        session = running(3, 4)
        session.handler_finished(result(3))
        session.receive(assign(5), 0.0)
        assert session.events() == [events.StartHandler(assign=assign(5))]

    def test_a_handler_that_is_being_stopped_still_occupies_its_slot(self) -> None:
        session = running(3, 4)
        session.receive(cancel(3), 0.0)
        session.receive(assign(5), 0.0)
        assert session.frames_to_send() == [frames.Reject(**ids(5), reason="full")]

    def test_a_draining_agent_takes_no_more_work(self) -> None:
        session = ready()
        session.drain()
        session.receive(assign(3), 0.0)
        assert session.frames_to_send() == [frames.Reject(**ids(3), reason="draining")]

    def test_a_loading_agent_says_so_and_takes_no_work_until_it_has_loaded(self) -> None:
        session = AgentSession(PROFILE, loading=True)
        session.connected(0.0)
        [hello] = session.frames_to_send()
        assert isinstance(hello, frames.Hello)
        assert hello.state == "loading"
        session.receive(welcome(), 0.0)
        session.receive(assign(7), 0.0)
        assert session.frames_to_send() == [frames.Reject(**ids(7), reason="unhealthy")]
        assert [event for event in session.events() if isinstance(event, events.StartHandler)] == []
        session.loaded()
        assert session.frames_to_send() == [frames.Heartbeat(state="ready")]
        session.receive(assign(8), 0.0)
        assert [event.assign.lease for event in session.events() if isinstance(event, events.StartHandler)] == [8]

    def test_an_agent_that_loads_while_it_is_away_says_ready_in_its_next_hello(self) -> None:
        session = AgentSession(PROFILE, loading=True)
        session.loaded()
        session.connected(0.0)
        [hello] = session.frames_to_send()
        assert isinstance(hello, frames.Hello)
        assert hello.state == "ready"

    def test_work_for_a_space_that_it_does_not_serve_is_rejected(self) -> None:
        session = ready()
        session.receive(assign(3, space="other"), 0.0)
        assert session.frames_to_send() == [frames.Reject(**ids(3), reason="unsupported")]


class TestResult:
    def test_a_result_is_sent_and_forgotten_only_when_acknowledged(self) -> None:
        session = running(3)
        session.handler_finished(result(3))
        assert session.frames_to_send() == [result(3)]
        assert session.events() == []
        session.receive(ack(3), 0.0)
        assert session.events() == [events.ForgetResult(lease=3)]

    def test_a_result_that_the_gateway_refuses_is_not_offered_again(self) -> None:
        session = running(3)
        session.handler_finished(result(3))
        drop_everything_said(session)
        session.receive(frames.Error(code="not_current", message="no", request_id=ids(3)["request_id"]), 0.0)
        assert events.ForgetResult(lease=3) in session.events()
        assert lose_and_find_again(session).in_flight == []

    def test_a_result_for_a_lease_that_is_gone_is_forgotten(self) -> None:
        session = ready()
        session.handler_finished(result(3))
        assert session.frames_to_send() == []
        assert session.events() == [events.ForgetResult(lease=3)]


class TestCancel:
    def test_a_cancel_stops_the_handler_and_is_answered_when_it_has_ended(self) -> None:
        session = running(3)
        session.receive(cancel(3), 0.0)
        assert session.events() == [events.StopHandler(lease=3, reason="canceled", grace_s=3.0)]
        assert session.frames_to_send() == []
        session.handler_stopped(3)
        assert session.frames_to_send() == [frames.Stopped(**ids(3), outcome="stopped")]

    def test_a_repeated_cancel_stops_only_once(self) -> None:
        session = running(3)
        session.receive(cancel(3), 0.0)
        session.events()
        session.receive(cancel(3), 0.0)
        assert session.events() == []

    def test_a_result_that_crosses_the_cancel_is_discarded(self) -> None:
        session = running(3)
        session.receive(cancel(3), 0.0)
        session.events()
        session.handler_finished(result(3))
        assert session.frames_to_send() == [frames.Stopped(**ids(3), outcome="already_finished")]
        assert session.events() == [events.ForgetResult(lease=3)]

    def test_a_cancel_of_a_waiting_result_drops_it(self) -> None:
        session = running(3)
        session.handler_finished(result(3))
        drop_everything_said(session)
        session.receive(cancel(3), 0.0)
        assert session.frames_to_send() == [frames.Stopped(**ids(3), outcome="already_finished")]
        assert session.events() == [events.ForgetResult(lease=3)]

    def test_a_cancel_of_a_handler_that_never_began_says_so(self) -> None:
        session = ready()
        session.receive(assign(3), 0.0)
        session.receive(cancel(3), 0.0)
        session.handler_stopped(3)
        assert session.frames_to_send() == [frames.Stopped(**ids(3), outcome="never_started")]

    def test_a_cancel_of_unknown_work_says_that_it_never_began(self) -> None:
        session = ready()
        session.receive(cancel(3), 0.0)
        assert session.frames_to_send() == [frames.Stopped(**ids(3), outcome="never_started")]


class TestReconnect:
    def test_a_handler_that_may_continue_just_goes_on(self) -> None:
        session = running(3)
        hello = lose_and_find_again(session, l3="continue")
        assert hello.in_flight == [in_flight(3, "running")]
        assert session.frames_to_send() == []
        session.handler_finished(result(3))
        assert session.frames_to_send() == [result(3)]

    def test_a_result_that_could_not_be_sent_is_offered_to_the_next_gateway(self) -> None:
        session = running(3)
        session.disconnected(1.0, 0.0, "cut")
        session.handler_finished(result(3))
        assert session.frames_to_send() == []
        hello = lose_and_find_again(session, l3="continue")
        assert hello.in_flight == [in_flight(3, "result_pending")]
        assert session.frames_to_send() == [result(3)]

    def test_a_result_that_is_ready_between_hello_and_welcome_is_sent_once(self) -> None:
        session = running(3)
        session.disconnected(1.0, 0.0, "cut")
        session.connected(2.0)
        session.frames_to_send()
        session.handler_finished(result(3))
        assert session.frames_to_send() == []
        session.receive(welcome(l3="continue"), 2.0)
        assert session.frames_to_send() == [result(3)]

    def test_a_handler_that_stops_between_hello_and_welcome_is_reported_after_it(self) -> None:
        session = running(3)
        session.receive(cancel(3), 0.0)
        session.disconnected(1.0, 0.0, "cut")
        session.connected(2.0)
        drop_everything_said(session)
        session.handler_stopped(3)
        assert session.frames_to_send() == []
        session.receive(welcome(l3="stop"), 2.0)
        assert session.frames_to_send() == [frames.Stopped(**ids(3), outcome="stopped")]

    @pytest.mark.parametrize("verdict", ["stop", "already_done"])
    def test_a_handler_whose_lease_is_void_is_stopped(self, verdict: str) -> None:
        session = running(3)
        lose_and_find_again(session, l3=verdict)
        assert [event for event in session.events() if isinstance(event, events.StopHandler)] == [
            events.StopHandler(lease=3, reason=f"the gateway's verdict: {verdict}", grace_s=0.0)
        ]

    @pytest.mark.parametrize("verdict", ["stop", "already_done"])
    def test_a_waiting_result_whose_lease_is_void_is_forgotten(self, verdict: str) -> None:
        session = running(3)
        session.handler_finished(result(3))
        lose_and_find_again(session, l3=verdict)
        assert events.ForgetResult(lease=3) in session.events()
        assert result(3) not in session.frames_to_send()

    def test_a_frame_for_a_lost_socket_is_not_sent_on_the_next_one(self) -> None:
        session = ready()
        session.receive(assign(3), 0.0)
        session.handler_started(3)
        lose_and_find_again(session, l3="continue")
        assert session.frames_to_send() == []


class TestClose:
    @pytest.mark.parametrize("code", [None, 1006, 1012, 4000, 4001, 4003])
    def test_after_an_ordinary_end_the_agent_connects_again_soon(self, code: int | None) -> None:
        session = ready()
        session.disconnected(1.0, 0.5, "why", code)
        assert session.events() == [events.Closed(reason="why", code=code, final=False, retry_in_s=0.25)]

    @pytest.mark.parametrize("code", [4500, 4501, 4502, 4599])
    def test_a_final_code_is_final(self, code: int) -> None:
        session = ready()
        session.disconnected(1.0, 0.5, "bad key", code)
        assert session.events() == [events.Closed(reason="bad key", code=code, final=True, retry_in_s=0.0)]

    def test_without_a_space_the_agent_tries_again_slowly(self) -> None:
        session = ready()
        session.disconnected(1.0, 0.0, "no space", 4600)
        [closed] = session.events()
        assert isinstance(closed, events.Closed)
        assert (closed.final, closed.retry_in_s) == (False, 30.0)

    def test_after_a_goaway_it_comes_back_no_sooner_than_it_was_asked_to(self) -> None:
        session = ready()
        session.receive(frames.Goaway(reason="not ready", reconnect_after_s=2.0), 1.0)
        session.disconnected(1.5, 0.0, "not ready", frames.CLOSE_GOAWAY)
        assert session.events() == [events.Closed(reason="not ready", code=frames.CLOSE_GOAWAY, final=False, retry_in_s=1.5)]

    def test_goodbye_is_the_last_frame(self) -> None:
        session = ready()
        session.leave("told to end")
        assert session.frames_to_send() == [frames.Goodbye(reason="told to end")]


class TestTime:
    def test_a_heartbeat_lists_the_leases_that_run(self) -> None:
        session = running(3, 4)
        session.handler_finished(result(4))
        session.frames_to_send()
        session.tick(frames.HEARTBEAT_S - 0.1)
        assert session.frames_to_send() == []
        session.tick(frames.HEARTBEAT_S)
        assert session.frames_to_send() == [frames.Heartbeat(running=[3])]

    def test_the_session_says_when_it_wants_to_be_woken(self) -> None:
        session = AgentSession(PROFILE)
        assert session.wakeup() is None
        ready(session, now=100.0)
        assert session.wakeup() == 100.0 + frames.HEARTBEAT_S

    def test_a_silent_gateway_is_given_up(self) -> None:
        session = ready()
        session.tick(frames.HEARTBEAT_TIMEOUT_S)
        assert session.events() == [events.Abandon(reason="nothing heard from the gateway for 25 s")]

    def test_any_frame_shows_that_the_gateway_lives(self) -> None:
        session = ready()
        session.receive(frames.HeartbeatAck(), 20.0)
        session.tick(frames.HEARTBEAT_TIMEOUT_S)
        assert session.events() == []

    def test_a_session_that_no_work_can_reach_is_given_up(self) -> None:
        session = ready()
        session.receive(frames.HeartbeatAck(routable=False), 1.0)
        assert [type(event) for event in session.events()] == [events.Abandon]

    def test_a_goaway_moves_the_agent_when_its_time_has_come(self) -> None:
        session = ready()
        session.receive(frames.Goaway(reason="restart", reconnect_after_s=2.0), 1.0)
        session.tick(2.9)
        assert session.events() == []
        assert session.wakeup() == 3.0
        session.tick(3.0)
        assert session.events() == [events.Abandon(reason="the gateway is going away: restart")]


class TestHelloLimits:
    def test_a_hello_names_all_handlers_and_no_more_results_than_it_may(self) -> None:
        results = [result(lease) for lease in range(1, frames.MAX_IN_FLIGHT + 10)]
        handler = in_flight(999_999, "running")
        session = AgentSession(PROFILE, running=[handler], pending=results)
        session.connected(0.0)
        (hello,) = session.frames_to_send()
        assert isinstance(hello, frames.Hello)
        assert frames.decode_agent_frame(frames.encode(hello)) == hello
        assert handler in hello.in_flight
