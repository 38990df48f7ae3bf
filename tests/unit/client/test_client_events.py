"""Following a request over connections that are cut, against a scripted server on a real socket."""

from typing import Any

import pytest

from spaces_client import InvalidAnswer, ProblemError
from spaces_client.events import Assigned, Completed, Log, Output, OutputReset, Position, Progress, Queued, Requeued
from tests.support.clients import Connect
from tests.unit.client.scripted_server import (
    RID,
    STREAM,
    ScriptedServer,
    Step,
    answer,
    chunk,
    cut,
    event,
    no_content,
    problem,
    request,
    stream,
)

AT = "2025-01-01T10:00:00.000000Z"
DONE = event("completed", request(), "1-9-9")


def text(number: int) -> str:
    return event("output", {"index": number, "attempt": 1, "data": f"{number};"}, f"1-2-{number}")


def read(connect: Connect, server: ScriptedServer, after: str = "") -> list[Any]:
    with connect(server.url, "wsk_k") as client:
        return list(client.events(RID, after=after))


def test_every_event_is_typed_and_has_the_cursor_that_stands_after_it(connect: Connect) -> None:
    told = [
        event("queued", {"attempt": 0, "at": AT}, "1-1-0"),
        event("position", {"position": 2, "reason": "agents_busy"}),
        event("assigned", {"attempt": 1, "at": AT, "agent": {"id": "ada/gpu"}}, "1-2-0"),
        event("progress", {"index": 1, "attempt": 1, "fraction": 0.5, "message": "half"}, "1-2-1"),
        event("ping", {}),
        event("log", {"index": 2, "attempt": 1, "lines": ["a", "b"]}, "1-2-2"),
        event("output", {"index": 3, "attempt": 1, "data": [1, {"x": 2}]}, "1-2-3"),
        event("requeued", {"attempt": 1, "at": AT, "reason": "agent_lost", "detail": "gone"}, "1-3-3"),
        event("output_reset", {"attempt": 1}, "1-3-3"),
        event("novelty", {"a": 1}, "1-4-3"),
        DONE,
    ]
    with ScriptedServer(stream(*told)) as server:
        events = read(connect, server)
    kinds = [Queued, Position, Assigned, Progress, Log, Output, Requeued, OutputReset, Completed]
    assert [type(each) for each in events if each.name != "novelty"] == kinds
    assert [each.cursor for each in events][:4] == ["1-1-0", "1-1-0", "1-2-0", "1-2-1"]
    assert (events[1].position, events[2].agent.id, events[3].fraction) == (2, "ada/gpu", 0.5)
    assert (events[4].lines, events[5].data, events[6].detail) == (["a", "b"], [1, {"x": 2}], "gone")
    assert (events[8].name, bytes(events[8].raw)) == ("novelty", b'{"a": 1}')
    assert events[9].request.status == "succeeded"
    sent = server.received[0]
    assert (sent.path, sent.headers["accept"]) == (f"/v1/requests/{RID}/events", "text/event-stream")
    assert "last-event-id" not in sent.headers


def test_a_stream_that_is_cut_again_and_again_is_read_without_gap_or_repeat(connect: Connect) -> None:
    script: list[Step] = [
        stream(text(1), text(2), end=text(3)[:-1]),  # the whole event but its last byte
        cut,
        stream(text(3), end="id: 1-2-4\n"),
        stream(),  # ended properly, before the end
        stream(text(4), event("error", {"code": "unavailable", "detail": "draining"}), text(99)),
        stream(text(5), DONE, text(99)),
    ]
    with ScriptedServer(*script) as server:
        events = read(connect, server)
    assert "".join(each.data for each in events[:-1]) == "1;2;3;4;5;"
    resumed = [sent.headers.get("last-event-id") for sent in server.received]
    assert resumed == [None, "1-2-2", "1-2-2", "1-2-3", "1-2-3", "1-2-4"]


def test_characters_that_end_a_line_elsewhere_do_not_end_one_here(connect: Connect) -> None:
    awkward = "a\u2028b\u0085c\x0bd\u2029é…"
    with ScriptedServer(stream(event("output", {"index": 1, "attempt": 1, "data": awkward}, "1-2-1"), DONE)) as server:
        assert read(connect, server)[0].data == awkward


def test_a_gateway_that_cannot_answer_is_asked_until_it_can(connect: Connect, delays: list[float]) -> None:
    waits: list[tuple[str, float]] = []
    troubles = [problem(503, "unavailable", "It stops.", Retry_After=7), problem(500, "internal"), answer("", 502), cut]
    with ScriptedServer(*troubles * 3, stream(DONE)) as server, connect(server.url, "wsk_k") as client:
        events = list(client.events(RID, waiting=lambda reason, delay_s: waits.append((reason, delay_s))))
    assert [each.name for each in events] == ["completed"]
    assert len(waits) == len(delays) == 12
    assert waits[0][0] == "unavailable: It stops."
    assert 7 <= waits[0][1] <= 10.5
    assert all(30 <= delay_s <= 45 for _, delay_s in waits[6:]), "at most half a minute, and as much as half of it more"


def test_the_delay_that_the_gateway_names_is_kept(connect: Connect) -> None:
    waits: list[float] = []
    with ScriptedServer(stream(text(1), retry_ms=40), stream(DONE)) as server, connect(server.url, "wsk_k") as client:
        list(client.events(RID, waiting=lambda _, delay_s: waits.append(delay_s)))
    assert 0.04 <= waits[0] <= 0.06


def test_after_a_connection_that_brought_something_it_begins_with_the_shortest_delay(
    connect: Connect,
    delays: list[float],
) -> None:
    with ScriptedServer(cut, cut, cut, stream(event("ping", {})), stream(DONE)) as server:
        read(connect, server)
    assert delays[:3] == sorted(delays[:3])
    assert delays[3] <= 0.015


def test_a_delay_of_nothing_makes_no_storm(connect: Connect, delays: list[float]) -> None:
    with ScriptedServer(*[stream(retry_ms=0)] * 13, stream(DONE)) as server:
        read(connect, server)
    assert delays[0] > 0
    assert delays[-1] > 10


def test_a_refusal_ends_it_and_is_told(connect: Connect) -> None:
    with ScriptedServer(stream(text(1)), problem(401, "unauthenticated")) as server, pytest.raises(ProblemError) as raised:
        read(connect, server)
    assert raised.value.code == "unauthenticated"


@pytest.mark.parametrize("strange", [answer("<h1>Sign in</h1>", 200, "text/html"), answer("", 302, Location="/login")])
def test_what_is_no_stream_of_a_gateway_is_told_as_such(connect: Connect, strange: Step) -> None:
    with ScriptedServer(strange) as server, pytest.raises(InvalidAnswer):
        read(connect, server)


def test_an_event_that_cannot_be_read_is_told_as_such(connect: Connect) -> None:
    with ScriptedServer(stream(event("output", {"data": 5}, "1-2-1"))) as server, pytest.raises(InvalidAnswer):
        read(connect, server)


def test_after_the_end_there_is_nothing(connect: Connect) -> None:
    with ScriptedServer(no_content) as server:
        assert read(connect, server, after="1-9-9") == []
    assert server.received[0].headers["last-event-id"] == "1-9-9"


def test_who_stops_reading_hangs_up(connect: Connect) -> None:
    hung_up: list[bytes] = []

    def patient(exchange: Any) -> None:
        exchange.send(STREAM)
        exchange.send(chunk(text(1)))
        hung_up.append(exchange.rest())

    with ScriptedServer(patient) as server, connect(server.url, "wsk_k") as client:
        events = client.events(RID)
        assert isinstance(next(events), Output)
        events.close()
    assert hung_up == [b""]
