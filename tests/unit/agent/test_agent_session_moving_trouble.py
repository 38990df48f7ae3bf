"""What may go wrong while an agent moves from one gateway to another."""

from __future__ import annotations

import pytest

from spaces_agent import events, frames
from tests.unit.agent.given_session import Given, assign, goaway, in_flight, moved, moving, output, ready


class TestTheSecondIsNotReached:
    def test_a_second_socket_that_cannot_be_opened_is_tried_again_while_the_first_goes_on(self) -> None:
        move = moving(3)
        given = move.given
        given.lost(62.5, on=move.second, entropy=0.5)
        [closed] = given.events()
        assert isinstance(closed, events.Closed)
        assert (closed.socket, closed.final, closed.retry_in_s) == (move.second, False, 0.25)
        given.produced(3, 1)
        given.receive(assign(4), on=move.first)
        assert given.sent(move.first) == [output(3, 1)]
        assert [event.assign.lease for event in given.of(events.StartHandler)] == [4]
        assert given.connected(62.75).in_flight == [in_flight(3, "running", 1), in_flight(4, "running")]

    def test_failures_before_a_long_time_with_the_first_do_not_count(self) -> None:
        given = Given()
        for now in range(0, 50, 10):
            given.dialled(now)
            given.lost(now)
        given.connected(60.0)
        given.welcomed(60.0)
        given.receive(goaway(), now=100.0)
        given.dialled(102.0)
        given.quiet().lost(102.0, entropy=1.0)
        [closed] = given.events()
        assert isinstance(closed, events.Closed)
        assert closed.retry_in_s == 0.5

    def test_turned_away_by_the_second_it_waits_as_long_as_it_was_asked_to(self) -> None:
        move = moving(3)
        move.given.receive(goaway(2.0), now=62.5, on=move.second)
        move.given.lost(62.5, on=move.second, code=frames.CLOSE_GOAWAY)
        [closed] = move.given.events()
        assert isinstance(closed, events.Closed)
        assert closed.retry_in_s == 2.0


class TestASocketEnds:
    def test_when_the_first_ends_early_the_second_is_waited_for(self) -> None:
        move = moving(3, outputs=1)
        given = move.given
        given.lost(62.2, on=move.first, code=frames.CLOSE_GOAWAY)
        assert given.events() == []
        given.produced(3, 2)
        assert given.sent(move.second) == []
        given.welcomed(62.5, l3=1)
        assert given.sent(move.second) == [output(3, 1), output(3, 2)]

    def test_when_both_end_it_is_an_ordinary_reconnect(self) -> None:
        move = moving(3)
        move.given.lost(62.2, on=move.first, code=frames.CLOSE_GOAWAY)
        move.given.lost(62.4, on=move.second, entropy=0.5)
        [closed] = move.given.events()
        assert isinstance(closed, events.Closed)
        assert (closed.final, closed.retry_in_s) == (False, 0.25)

    def test_when_the_first_ends_before_the_second_is_opened_the_appointment_stands(self) -> None:
        given = ready()
        given.receive(goaway(2.0), now=60.0)
        given.quiet().lost(61.5, code=frames.CLOSE_GOAWAY)
        closed = events.Closed(socket=given.socket, reason="cut", code=4000, final=False, retry_in_s=0.5)
        assert given.events() == [closed]
        given.dialled(62.0)

    def test_a_first_that_falls_silent_is_given_up_and_the_second_waited_for(self) -> None:
        move = moving(3)
        given = move.given
        given.session.tick(85.0)
        assert [event.socket for event in given.of(events.Abandon)] == [move.first]
        given.welcomed(85.0, l3="continue")
        given.lost(85.1, on=move.first)
        given.quiet().produced(3, 1)
        assert given.sent(move.second) == [output(3, 1)]

    @pytest.mark.parametrize("closes", ["first", "second"])
    def test_a_final_code_is_final_on_either(self, closes: str) -> None:
        move = moving(3)
        move.given.lost(62.5, on=getattr(move, closes), code=frames.CLOSE_BAD_KEY)
        [closed] = move.given.events()
        assert isinstance(closed, events.Closed)
        assert closed.final

    def test_goodbye_is_said_to_both_before_the_welcome_and_to_the_second_after_it(self) -> None:
        goodbye = [frames.Goodbye(reason="told to end")]
        move = moving(3)
        move.given.session.leave("told to end")
        assert move.given.sent(move.first) == move.given.sent(move.second) == goodbye
        move = moved(3)
        move.given.session.leave("told to end")
        assert move.given.sent(move.first) == []
        assert move.given.sent(move.second) == goodbye
