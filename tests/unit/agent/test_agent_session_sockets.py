"""The agent's session over sockets that are lost, refused and silent."""

from __future__ import annotations

import pytest

from spaces_agent import events, frames
from tests.unit.agent.given_session import (
    Given,
    ack,
    assign,
    cancel,
    in_flight,
    ready,
    result,
    running,
    stopped,
    welcome,
)


class TestReconnect:
    def test_a_handler_that_may_continue_just_goes_on(self) -> None:
        given = running(3)
        assert given.found_again(l3="continue").in_flight == [in_flight(3, "running")]
        assert given.sent() == []
        given.session.handler_finished(result(3))
        assert given.sent() == [result(3)]

    def test_a_result_that_could_not_be_sent_is_offered_to_the_next_gateway(self) -> None:
        given = running(3)
        given.lost(1.0)
        given.session.handler_finished(result(3))
        assert given.found_again(l3="continue").in_flight == [in_flight(3, "result_pending")]
        assert given.sent() == [result(3)]

    def test_a_result_that_is_ready_between_hello_and_welcome_is_sent_once(self) -> None:
        given = running(3)
        given.lost(1.0)
        given.connected(2.0)
        given.session.handler_finished(result(3))
        assert given.sent() == []
        given.welcomed(2.0, l3="continue")
        assert given.sent() == [result(3)]

    def test_a_handler_that_stops_between_hello_and_welcome_is_reported_after_it(self) -> None:
        given = running(3)
        given.receive(cancel(3))
        given.lost(1.0)
        given.connected(2.0)
        given.session.handler_stopped(3)
        assert given.sent() == []
        given.welcomed(2.0, l3="stop")
        assert given.sent() == [stopped(3, "stopped")]

    def test_a_void_lease_whose_handler_ends_between_hello_and_welcome_is_reported_as_finished(self) -> None:
        given = running(3)
        given.lost(1.0)
        given.connected(2.0)
        given.session.handler_finished(result(3))
        given.welcomed(2.0, l3="stop")
        assert given.sent() == [stopped(3, "already_finished")]

    @pytest.mark.parametrize("verdict", ["stop", "already_done"])
    def test_a_handler_whose_lease_is_void_is_stopped(self, verdict: str) -> None:
        given = running(3)
        given.found_again(l3=verdict)
        assert given.of(events.StopHandler) == [
            events.StopHandler(lease=3, reason=f"the gateway's verdict: {verdict}", grace_s=frames.STOP_GRACE_S)
        ]
        given.session.handler_stopped(3)
        assert given.sent() == [stopped(3, "stopped")]

    @pytest.mark.parametrize("verdict", ["stop", "already_done"])
    def test_a_waiting_result_whose_lease_is_void_is_forgotten(self, verdict: str) -> None:
        given = running(3)
        given.session.handler_finished(result(3))
        given.found_again(l3=verdict)
        assert given.of(events.ForgetLease) == [events.ForgetLease(lease=3)]
        assert given.sent() == []

    def test_a_frame_for_a_lost_socket_is_not_sent_on_the_next_one(self) -> None:
        given = ready()
        given.receive(assign(3))
        given.session.handler_started(3)
        given.found_again(l3="continue")
        assert given.sent() == []


class TestOrder:
    def test_work_before_the_welcome_gives_the_socket_up(self) -> None:
        given = Given()
        given.connected()
        given.receive(assign(3))
        assert given.events() == [events.Abandon(socket=given.socket, reason="the gateway sent assign before welcome")]

    def test_a_second_welcome_gives_the_socket_up(self) -> None:
        given = ready()
        given.receive(welcome())
        assert given.events() == [events.Abandon(socket=given.socket, reason="the gateway sent welcome twice")]

    def test_a_socket_that_is_given_up_is_not_listened_to(self) -> None:
        given = ready()
        given.receive(welcome())
        given.quiet().receive(assign(3))
        assert (given.sent(), given.events()) == ([], [])


class TestClose:
    @pytest.mark.parametrize("code", [None, 1006, 1012, 4000, 4001, 4003])
    def test_after_an_ordinary_end_the_agent_connects_again_soon(self, code: int | None) -> None:
        given = ready()
        given.lost(1.0, code=code, entropy=0.5)
        closed = events.Closed(socket=given.socket, reason="cut", code=code, final=False, retry_in_s=0.25)
        assert given.events() == [closed]
        assert given.session.wakeup() == 1.25
        given.session.tick(1.2)
        assert given.events() == []
        given.session.tick(1.25)
        assert given.events() == [events.Connect(socket=given.socket + 1)]

    def test_one_socket_is_opened_at_a_time(self) -> None:
        given = Given()
        given.dialled(0.0)
        given.session.tick(100.0)
        assert given.events() == []
        assert given.session.wakeup() is None

    def test_a_socket_that_cannot_be_opened_is_tried_again(self) -> None:
        given = Given()
        given.dialled(1.0)
        given.lost(2.0, entropy=0.5)
        [closed] = given.events()
        assert isinstance(closed, events.Closed)
        assert (closed.final, closed.retry_in_s) == (False, 0.25)

    @pytest.mark.parametrize("code", [4500, 4501, 4502, 4599])
    def test_a_final_code_is_final(self, code: int) -> None:
        given = ready()
        given.lost(1.0, code=code)
        closed = events.Closed(socket=given.socket, reason="cut", code=code, final=True, retry_in_s=0.0)
        assert given.events() == [closed]
        assert given.session.wakeup() is None

    def test_without_a_space_the_agent_tries_again_slowly(self) -> None:
        given = Given()
        given.connected()
        given.lost(1.0, code=4600)
        [closed] = given.events()
        assert isinstance(closed, events.Closed)
        assert (closed.final, closed.retry_in_s) == (False, 30.0)

    def test_turned_away_it_comes_back_no_sooner_than_it_was_asked_to(self) -> None:
        given = Given()
        given.connected(1.0)
        given.receive(frames.Goaway(reason="not ready", reconnect_after_s=2.0), now=1.0)
        given.lost(1.5, code=frames.CLOSE_GOAWAY)
        [closed] = given.events()
        assert isinstance(closed, events.Closed)
        assert closed.retry_in_s == 1.5

    def test_turned_away_it_does_not_wait_longer_for_the_close_than_it_was_asked_to(self) -> None:
        given = Given()
        given.connected(1.0)
        given.receive(frames.Goaway(reason="not ready", reconnect_after_s=2.0), now=1.0)
        given.session.tick(2.9)
        assert given.events() == []
        assert given.session.wakeup() == 3.0
        given.session.tick(3.0)
        assert given.events() == [events.Abandon(socket=given.socket, reason="the gateway is going away: not ready")]

    def test_goodbye_is_the_last_frame(self) -> None:
        given = ready()
        given.session.leave("told to end")
        assert given.sent() == [frames.Goodbye(reason="told to end")]

    def test_goodbye_is_said_also_before_the_welcome(self) -> None:
        given = Given()
        given.connected()
        given.session.leave("told to end")
        assert given.sent() == [frames.Goodbye(reason="told to end")]


class TestTime:
    def test_a_heartbeat_lists_the_leases_that_run(self) -> None:
        given = running(3, 4)
        given.session.handler_finished(result(4))
        given.quiet().session.tick(frames.HEARTBEAT_S - 0.1)
        assert given.sent() == []
        given.session.tick(frames.HEARTBEAT_S)
        assert given.sent() == [frames.Heartbeat(running=[3])]

    def test_the_session_says_when_it_wants_to_be_woken(self) -> None:
        assert Given().session.wakeup() == 0.0
        assert ready(now=100.0).session.wakeup() == 100.0 + frames.HEARTBEAT_S

    def test_a_silent_gateway_is_given_up(self) -> None:
        given = ready()
        given.session.tick(frames.HEARTBEAT_TIMEOUT_S)
        assert given.events() == [events.Abandon(socket=given.socket, reason="nothing heard from the gateway for 25 s")]
        assert given.session.wakeup() is None

    def test_any_frame_shows_that_the_gateway_lives(self) -> None:
        given = running(3)
        given.session.handler_finished(result(3))
        given.receive(ack(3), now=20.0)
        given.quiet().session.tick(frames.HEARTBEAT_TIMEOUT_S)
        assert given.events() == []

    def test_a_session_that_no_work_can_reach_is_given_up(self) -> None:
        given = ready()
        given.receive(frames.HeartbeatAck(routable=False), now=1.0)
        assert [type(event) for event in given.events()] == [events.Abandon]
