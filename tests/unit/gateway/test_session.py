"""The gateway's session: sockets, hello, heartbeats, garbage."""

import pytest

from services.contracts.events import Requeued
from services.gateway.decisions import Append, Close, RecordRefused
from services.gateway.members import Member
from services.gateway.refusals import AT_ONCE
from spaces_agent import frames
from tests.unit.gateway.agent_session import Given, assigned, hello, names, result


def test_a_hello_asks_to_join() -> None:
    given = Given()
    given.session.receive(hello(), 0.0)
    assert given.session.phase == "joining"
    assert given.session.hello == hello()
    given.frames()
    given.decisions()


def test_the_welcome_says_who_and_what() -> None:
    given = Given()
    given.session.receive(hello(), 0.0)
    member = Member(agent="u1/a1", boot_id="b1", slots=2, spaces=["demo"], revision=7)
    given.session.welcome(member, [frames.SpaceVerdict(space="demo", accepted=True)], [], 0.0)
    (welcome,) = given.frames(frames.Welcome)
    assert (welcome.session_id, welcome.gateway_id, welcome.verdicts) == ("c1", "gateway-b", [])
    assert given.session.take_changed()
    assert not given.session.take_changed()


@pytest.mark.parametrize("frame", [frames.Heartbeat(), frames.Goodbye(), frames.Accept(**names(1))])
def test_any_other_first_frame_is_fatal(frame: frames.AgentFrame) -> None:
    given = Given()
    given.session.receive(frame, 0.0)
    assert given.frames(frames.Error)[0].fatal
    assert given.closed() == 1008


def test_garbage_instead_of_a_hello_is_fatal() -> None:
    given = Given()
    given.session.receive_garbage("no frame", 0.0)
    assert given.frames(frames.Error)[0].fatal
    assert given.closed() == 1008


def test_a_version_that_we_do_not_speak_is_final() -> None:
    given = Given()
    given.session.receive(hello(protocol_min=2, protocol_max=9), 0.0)
    assert given.frames(frames.Error)[0].code == "unsupported_version"
    assert given.closed() == frames.CLOSE_UNSUPPORTED


def test_a_range_of_versions_that_includes_ours_is_welcome() -> None:
    given = Given()
    given.session.receive(hello(protocol_min=0, protocol_max=9), 0.0)
    assert given.session.phase == "joining"


def test_no_hello_in_time_closes() -> None:
    given = Given(now=100.0)
    given.session.tick(109.9)
    given.decisions()
    given.session.tick(110.0)
    assert given.closed() == 1008


def test_silence_closes_and_any_frame_breaks_it() -> None:
    given = Given().ready()
    given.session.receive(frames.Heartbeat(), 20.0)
    given.session.tick(44.9)
    given.decisions()
    given.session.tick(45.0)
    assert given.closed() == frames.CLOSE_HEARTBEAT_TIMEOUT


def test_a_heartbeat_is_acknowledged() -> None:
    given = Given().ready()
    given.session.receive(frames.Heartbeat(), 1.0)
    assert given.frames(frames.HeartbeatAck)[0].routable


def test_an_unroutable_session_says_so_at_once_and_on_each_heartbeat() -> None:
    given = Given().ready()
    given.session.unroutable()
    given.session.receive(frames.Heartbeat(), 1.0)
    assert [ack.routable for ack in given.frames(frames.HeartbeatAck, frames.HeartbeatAck)] == [False, False]


def test_some_garbage_is_forgiven_but_not_for_ever() -> None:
    given = Given().ready()
    for _ in range(5):
        given.session.receive_garbage("no frame", 0.0)
        assert not given.frames(frames.Error)[0].fatal
        given.decisions()
    given.session.receive(hello(), 0.0)
    assert given.frames(frames.Error)[0].fatal
    assert given.closed() == 1008


def test_after_the_close_nothing_is_answered() -> None:
    given = Given().ready()
    given.session.close(1000, "done")
    given.decisions(Close)
    given.session.receive(frames.Heartbeat(), 1.0)
    given.session.receive_garbage("no frame", 1.0)
    given.session.close(1001, "again")
    given.session.tick(1000.0)
    given.frames()
    given.decisions()
    assert given.session.report(1.0) is None
    assert given.session.deliver(assigned(), 9) == "no_connection"


def test_a_welcome_that_comes_after_the_close_changes_nothing() -> None:
    given = Given()
    given.session.receive(hello(), 0.0)
    given.session.close(4500, "revoked")
    given.session.welcome(Member(agent="u1/a1", boot_id="b1", slots=1, spaces=[], revision=1), [], [], 0.0)
    given.frames()
    assert given.session.member is None


def test_goaway_stops_deliveries_and_shows_in_reports() -> None:
    given = Given().running(5)
    given.session.goaway("stopping", 0.5)
    assert given.frames(frames.Goaway)[0].reconnect_after_s == 0.5
    report = given.session.report(0.0)
    assert report is not None
    assert report.state == "draining"
    assert given.session.deliver(assigned(), 6) == "no_connection"


def test_a_goodbye_gives_everything_back_and_closes() -> None:
    given = Given().running(5, 6)
    given.session.receive(result(6), 1.0)
    given.session.events_to_append()
    given.session.receive(frames.Goodbye(reason="bye"), 1.0)
    append, close = given.decisions(Append, Close)
    assert isinstance(append.event, Requeued)
    assert (append.event.prev_seq, append.event.reason, append.event.started) == (5, "agent_lost", True)
    assert close.code == 1000


def test_a_flood_of_refused_frames_is_not_all_recorded() -> None:
    given = Given().ready()
    for _ in range(AT_ONCE + 20):
        given.session.receive(result(99), 0.0)
    recorded = given.decisions(*[RecordRefused] * AT_ONCE)
    assert len({decision.event.id for decision in recorded}) == AT_ONCE
    assert given.session.unsent == 2 * (AT_ONCE + 20)
    given.session.receive(result(99), 3.0)
    given.decisions(RecordRefused)


def test_a_loading_agent_is_reported_as_such_and_given_nothing_until_it_says_ready() -> None:
    given = Given().ready(said=hello(state="loading"))
    report = given.session.report(0.0)
    assert report is not None
    assert report.state == "loading"
    assert given.session.deliver(assigned(), 11) == "busy"
    given.session.take_changed()
    given.session.receive(frames.Heartbeat(state="ready"), 1.0)
    given.frames(frames.HeartbeatAck)
    assert given.session.take_changed(), "a changed state is reported at once"
    report = given.session.report(1.0)
    assert report is not None
    assert report.state == "ready"
    assert given.session.deliver(assigned(), 12) == "held"


def test_an_agent_that_is_to_drain_is_told_so_and_reported_at_once() -> None:
    given = Given().running(5)
    given.session.take_changed()
    assert given.session.drain("an operator wants it")
    assert given.frames(frames.Drain)[0].reason == "an operator wants it"
    assert given.session.take_changed()
    assert given.session.deliver(assigned(), 6) == "no_connection"
    given.session.receive(frames.Heartbeat(state="ready"), 1.0)
    report = given.session.report(1.0)
    assert report is not None
    assert (report.state, [held.lease for held in report.held]) == ("draining", [5])


def test_who_has_not_joined_or_has_gone_cannot_be_told_to_drain() -> None:
    given = Given()
    assert not given.session.drain("")
    given.ready()
    given.session.close(1000, "done")
    assert not given.session.drain("")
    given.frames()


@pytest.mark.parametrize("said", [hello(state="draining"), hello()])
def test_an_agent_that_says_it_is_draining_gets_nothing(said: frames.Hello) -> None:
    given = Given().ready(said=said)
    given.session.receive(frames.Heartbeat(state="draining"), 1.0)
    report = given.session.report(1.0)
    assert report is not None
    assert report.state == "draining"
    assert given.session.deliver(assigned(), 6) == "no_connection"
