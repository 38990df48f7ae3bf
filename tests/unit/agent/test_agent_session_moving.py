"""A gateway goes away: the agent opens a second session before it leaves the first (protocol, rule 5)."""

from __future__ import annotations

from spaces_agent import events, frames
from spaces_agent.conversation import RETIRE_S
from tests.unit.agent.given_session import (
    ack,
    assign,
    cancel,
    goaway,
    ids,
    in_flight,
    moved,
    moving,
    output,
    output_ack,
    ready,
    result,
    running,
    stopped,
)


class TestGoaway:
    def test_a_second_socket_is_opened_when_the_gateway_said_and_the_first_is_kept(self) -> None:
        given = ready()
        given.receive(goaway(2.0), now=60.0)
        assert given.events() == [events.Moving(reason="restart", connect_in_s=2.0)]
        given.session.tick(61.9)
        assert given.of(events.Connect) == []
        given.session.tick(62.0)
        assert given.events() == [events.Connect(socket=given.socket + 1)]

    def test_an_agent_that_is_sent_around_stays_a_second_everywhere(self) -> None:
        given = ready(now=60.0)
        given.receive(goaway(0.0), now=60.25)
        assert given.events() == [events.Moving(reason="restart", connect_in_s=0.75)]

    def test_a_second_goaway_changes_nothing(self) -> None:
        given = ready()
        given.receive(goaway(2.0), now=60.0)
        given.quiet().receive(goaway(0.0), now=60.5)
        assert given.events() == []
        move = moving(3)
        move.given.receive(goaway(0.0), now=62.1, on=move.first)
        assert move.given.events() == []

    def test_until_the_second_hello_work_is_taken_on_the_first(self) -> None:
        given = ready()
        given.receive(goaway(), now=60.0)
        given.receive(assign(3), now=61.0)
        assert [event.assign.lease for event in given.of(events.StartHandler)] == [3]
        assert given.connected(62.0).in_flight == [in_flight(3, "running")]


class TestBetweenHelloAndWelcome:
    def test_the_second_hello_names_what_runs_and_what_waits(self) -> None:
        given = running(3, 4, outputs=2)
        given.session.handler_finished(result(4, last_index=2))
        assert moving(given=given).hello.in_flight == [in_flight(3, "running", 2), in_flight(4, "result_pending", 2)]

    def test_work_that_comes_on_the_first_is_rejected(self) -> None:
        move = moving()
        move.given.receive(assign(3), on=move.first)
        assert move.given.sent(move.first) == [frames.Reject(**ids(3), reason="draining")]
        assert move.given.events() == []

    def test_everything_goes_on_the_first(self) -> None:
        given = running(3, outputs=1)
        given.receive(assign(4))
        move = moving(given=given)
        given.session.handler_started(4)
        given.produced(3, 2)
        given.session.handler_finished(result(3, last_index=2))
        given.session.drain()
        assert given.sent(move.first) == [
            frames.Accept(**ids(4)),
            output(3, 2),
            result(3, 2),
            frames.Heartbeat(running=[4], state="draining"),
        ]
        assert given.sent(move.second) == []

    def test_heartbeats_go_on_the_first(self) -> None:
        move = moving(3)
        move.given.session.tick(62.0 + frames.HEARTBEAT_S)
        assert move.given.sent(move.first) == [frames.Heartbeat(running=[3])]
        assert move.given.sent(move.second) == []

    def test_a_stop_that_is_confirmed_on_the_first_is_told_the_second_too(self) -> None:
        move = moving(3)
        move.given.receive(cancel(3), on=move.first)
        move.given.session.handler_stopped(3)
        assert move.given.sent(move.first) == [stopped(3, "stopped")]
        move.given.welcomed(62.5, l3="stop")
        assert move.given.sent(move.second) == [stopped(3, "stopped")]


class TestTheSecondWelcome:
    def test_what_is_not_acknowledged_is_offered_again_on_the_second(self) -> None:
        given = running(3, 4, outputs=3)
        given.session.handler_finished(result(4, last_index=3))
        move = moving(given=given)
        given.produced(3, 4)
        given.quiet().welcomed(62.5, l3=2, l4=4)
        assert given.sent(move.second) == [output(3, 2), output(3, 3), output(3, 4), result(4, 3)]
        assert given.sent(move.first) == []

    def test_output_that_was_acknowledged_since_the_hello_is_sent_if_the_second_has_not_seen_it(self) -> None:
        move = moving(3, outputs=4)
        given = move.given
        given.receive(output_ack(3, 3), on=move.first)
        assert given.events() == [events.OutputStored(lease=3, index=3)]
        given.welcomed(62.5, l3=2)
        assert given.sent(move.second) == [output(3, 2), output(3, 3), output(3, 4)]
        given.found_again(70.0, l3=2)
        assert given.sent() == [output(3, 4)], "only until the second has answered"

    def test_a_result_that_was_acknowledged_since_the_hello_is_not_offered_but_its_end_is_told(self) -> None:
        move = moving(3)
        move.given.session.handler_finished(result(3))
        move.given.receive(ack(3), on=move.first)
        move.given.quiet().welcomed(62.5, l3="continue")
        assert move.given.sent(move.second) == [stopped(3, "already_finished")]

    def test_the_second_speaks_from_then_on(self) -> None:
        move = moved(3)
        move.given.produced(3, 1)
        move.given.session.tick(62.5 + frames.HEARTBEAT_S)
        assert move.given.sent(move.second) == [output(3, 1), frames.Heartbeat(running=[3])]
        assert move.given.sent(move.first) == []

    def test_the_second_gives_work_from_then_on(self) -> None:
        move = moved()
        move.given.receive(assign(3), on=move.second)
        move.given.session.handler_started(3)
        assert move.given.sent(move.second) == [frames.Accept(**ids(3))]

    def test_a_handler_that_the_second_assigns_again_is_not_started_again(self) -> None:
        move = moved(3)
        move.given.receive(assign(3), on=move.second)
        assert move.given.events() == []
        assert move.given.sent(move.second) == [frames.Accept(**ids(3))]


class TestTheRetiringFirst:
    def test_its_acknowledgements_count(self) -> None:
        move = moved(3, 4, outputs=2)
        move.given.session.handler_finished(result(4, last_index=2))
        move.given.quiet().receive(output_ack(3, 2), ack(4), on=move.first)
        assert move.given.events() == [events.OutputStored(lease=3, index=2), events.ForgetLease(lease=4)]

    def test_its_cancel_stops_the_handler_and_both_are_told(self) -> None:
        move = moved(3)
        move.given.receive(cancel(3), on=move.first)
        assert move.given.of(events.StopHandler) == [events.StopHandler(lease=3, reason="canceled", grace_s=3.0)]
        move.given.session.handler_stopped(3)
        assert move.given.sent(move.first) == [stopped(3, "stopped")]
        assert move.given.sent(move.second) == [stopped(3, "stopped")]

    def test_a_stop_that_was_asked_for_before_is_told_both(self) -> None:
        given = running(3)
        given.receive(cancel(3))
        move = moving(given=given)
        given.welcomed(62.5, l3="stop")
        given.quiet().session.handler_stopped(3)
        assert given.sent(move.first) == [stopped(3, "stopped")]
        assert given.sent(move.second) == [stopped(3, "stopped")]

    def test_a_stop_that_it_did_not_ask_for_is_not_told_it(self) -> None:
        move = moved(3)
        move.given.receive(cancel(3), on=move.second)
        move.given.session.handler_stopped(3)
        assert move.given.sent(move.first) == []
        assert move.given.sent(move.second) == [stopped(3, "stopped")]

    def test_its_cancel_of_what_has_ended_is_answered_there(self) -> None:
        move = moved()
        move.given.receive(cancel(3), on=move.first)
        assert move.given.sent(move.first) == [stopped(3, "never_started")]
        assert move.given.sent(move.second) == []

    def test_its_work_is_rejected(self) -> None:
        move = moved()
        move.given.receive(assign(3), on=move.first)
        assert move.given.sent(move.first) == [frames.Reject(**ids(3), reason="draining")]

    def test_that_no_work_can_arrive_there_does_not_matter(self) -> None:
        move = moved()
        move.given.receive(frames.HeartbeatAck(routable=False), on=move.first)
        assert move.given.events() == []

    def test_its_end_is_no_disconnection(self) -> None:
        for code in (frames.CLOSE_GOAWAY, frames.CLOSE_SUPERSEDED, None):
            move = moved(3)
            move.given.lost(63.0, on=move.first, code=code)
            assert move.given.events() == []
            move.given.session.tick(200.0)
            assert move.given.of(events.Connect) == []

    def test_it_is_closed_when_its_gateway_does_not_close_it(self) -> None:
        move = moved(3)
        assert move.given.session.wakeup() == 62.5 + RETIRE_S
        move.given.session.tick(62.5 + RETIRE_S)
        reason = "another connection has taken over"
        assert move.given.events() == [events.Abandon(socket=move.first, reason=reason)]

    def test_it_may_still_be_there_when_the_agent_moves_again(self) -> None:
        move = moved(3)
        move.given.receive(goaway(), now=63.5, on=move.second)
        third = move.given.dialled(65.5)
        move.given.session.connected(third, 65.5)
        move.given.quiet().welcomed(66.0, l3="continue")
        move.given.produced(3, 1)
        assert move.given.sent(third) == [output(3, 1)]
        assert move.given.sent(move.first) == move.given.sent(move.second) == []
