"""Requests and their timelines as people see them."""

import json
from typing import Any

import msgspec
import pytest

from services.commands import showing, timeline
from spaces_client import objects
from spaces_client.events import parse
from spaces_client.timeline import Refusal, Timeline
from tests.unit.client.scripted_server import RID, request


def at(seconds: float) -> str:
    return f"2025-01-01T10:00:{seconds:09.6f}Z"


def a_timeline(*events: tuple[str, Any], refused: list[Any] | None = None, done: bool = True) -> Timeline:
    typed = [parse(name, f"1-{number}-0", json.dumps(data)) for number, (name, data) in enumerate(events, 1)]
    refusals = None if refused is None else msgspec.convert(refused, list[Refusal])
    return Timeline(events=typed, refused=refusals, done=done, cursor="")


WHOLE = a_timeline(
    ("queued", {"attempt": 0, "at": at(0)}),
    ("assigned", {"attempt": 1, "at": at(0.25), "agent": {"id": "ada/a"}}),
    ("output", {"index": 1, "attempt": 1, "data": "void"}),
    ("requeued", {"attempt": 1, "at": at(20), "reason": "agent_lost", "detail": "silent"}),
    ("output_reset", {"attempt": 1}),
    ("assigned", {"attempt": 2, "at": at(20.5), "agent": {"id": "ada/b"}}),
    ("output", {"index": 1, "attempt": 2, "data": "Hel"}),
    ("progress", {"index": 2, "attempt": 2, "fraction": 0.5, "message": "half\x1b[2J"}),
    ("output", {"index": 3, "attempt": 2, "data": "lo"}),
    ("log", {"index": 4, "attempt": 2, "lines": ["one", "two"]}),
    ("output", {"index": 5, "attempt": 2, "data": [1, 2]}),
    ("novelty", {"x": 1}),
    (
        "completed",
        request(
            completed_at=at(22),
            attempt=2,
            agent={"id": "ada/b"},
            output=["Hello", 1, 2],
            metrics={"run_s": 1.25, "total_s": 22, "first_output_s": 20.75},
        ),
    ),
    refused=[
        {"at": at(23), "frame": "result", "reason": "superseded", "lease": 2, "agent": "ada/a", "gateway": "g-1"},
        {"at": at(21), "frame": "output", "reason": "stale_lease", "lease": 2, "agent": "ada/a", "gateway": "g-1"},
    ],
)


def test_a_timeline_tells_when_who_and_what() -> None:
    assert timeline.lines(WHOLE) == [
        "instant (UTC)          +ms  event        who and what",
        "10:00:00.000000             queued       accepted",
        "10:00:00.250000      250.0  assigned     attempt 1: to ada/a",
        "                            output       1 record: 4 characters of text",
        "10:00:20.000000    19750.0  requeued     attempt 1: agent_lost (silent)",
        "                            output_reset what came of attempt 1 is void",
        "10:00:20.500000      500.0  assigned     attempt 2: to ada/b",
        "                            output       3 records: 5 characters of text, 2 values",
        "                            progress     1 record, the last one 50% half\\u001b[2J",
        "                            log          2 lines, the last one: two",
        '                            novelty      {"x": 1}',
        "10:00:21.000000      500.0  refused      output of ada/a at g-1: stale_lease (lease 2)",
        '10:00:22.000000     1000.0  succeeded    ada/b, ran 1.2 s, first output after 20.8 s, ["Hello",1,2]',
        "10:00:23.000000     1000.0  refused      result of ada/a at g-1: superseded (lease 2)",
    ]


@pytest.mark.parametrize(
    ("data", "said"),
    [("a", "1 character of text"), ([1, 2], "2 values"), ("", "0 characters of text")],
)
def test_a_timeline_counts_what_there_is(data: Any, said: str) -> None:
    told = a_timeline(("output", {"index": 1, "attempt": 1, "data": data}), refused=[])
    assert timeline.lines(told)[-1].endswith(f"1 record: {said}")


def test_a_timeline_names_the_gateway_when_it_is_told() -> None:
    told = a_timeline(("assigned", {"attempt": 1, "at": at(0), "agent": {"id": "ada/a"}, "gateway": "g-1"}), refused=[])
    assert timeline.lines(told)[-1].endswith("attempt 1: to ada/a at g-1")


def test_that_refused_frames_cannot_be_known_is_said() -> None:
    unknown = a_timeline(("queued", {"attempt": 0, "at": at(0)}), refused=None, done=False)
    assert timeline.lines(unknown)[-1].startswith("Whether frames were refused is not known")


def test_a_timeline_for_programs_has_the_form_of_the_api() -> None:
    told = json.loads(timeline.json(WHOLE))
    assert told["done"] is True
    assert told["results"][0] == {"id": "1-1-0", "event": "queued", "data": {"attempt": 0, "at": at(0)}}
    assert told["refused"][0]["reason"] == "superseded"


def test_a_request_is_a_block_of_what_is_known() -> None:
    sent = request("failed", error={"code": "handler_error", "detail": "no\nmodel\x1b[2J"}, metadata={"order": 1})
    assert showing.block(objects.request(msgspec.json.encode(sent))).splitlines() == [
        f"id        {RID}",
        "space     demo",
        "status    failed",
        "error     handler_error: no model\\u001b[2J",
        "created   2025-01-01 10:00:00.000000 UTC",
        "assigned  2025-01-01 10:00:00.000000 UTC",
        "started   2025-01-01 10:00:00.000000 UTC",
        "completed 2025-01-01 10:00:00.000000 UTC",
        "took      600 ms in all, 4.0 ms until it was assigned, 500 ms in the handler",
        "attempt   1",
        "agent     ada/gpu",
        'metadata  {"order":1}',
        'input     {"n":1}',
    ]


def test_an_open_request_tells_why_it_waits_and_how_far_it_is() -> None:
    waiting = request("queued", queue={"position": 2, "reason": "agents_busy"})
    assert "waiting   waiting as number 2: all agents are busy" in showing.block(
        objects.request(json.dumps(waiting).encode())
    )
    running = request("processing", progress={"fraction": 0.4, "message": "step 2"})
    assert "progress  40% step 2" in showing.block(objects.request(json.dumps(running).encode()))


@pytest.mark.parametrize(
    ("queue", "said"),
    [
        ({"reason": ""}, "waiting"),
        ({"position": 1, "reason": "waiting_turn"}, "waiting as number 1: it is next"),
        ({"position": 2, "reason": "waiting_turn"}, "waiting as number 2: others are before it"),
        ({"reason": "retry_delay"}, "waiting: the handler wants to be tried again, a little later"),
        ({"position": 3, "reason": "novelty"}, "waiting as number 3: novelty"),
    ],
)
def test_why_a_request_waits_is_said_in_words(queue: Any, said: str) -> None:
    assert showing.waiting(msgspec.convert(queue, objects.Queue)) == said


@pytest.mark.parametrize(
    ("duration_s", "said"),
    [
        (0.0002, "0.2 ms"),
        (0.00996, "10 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1.0 s"),
        (59.9, "59.9 s"),
        (59.96, "1 min 0 s"),
        (3599.6, "1 h 0 min"),
        (90061, "25 h 1 min"),
        (180000, "2 d 2 h"),
    ],
)
def test_a_duration_is_as_precise_as_its_size_makes_sense(duration_s: float, said: str) -> None:
    assert showing.seconds(duration_s) == said


def test_a_long_output_is_cut_and_says_so() -> None:
    long = request(output="x" * 5000)
    shown = showing.block(objects.request(json.dumps(long).encode()))
    assert shown.endswith("x…")
    assert len(shown) < 3000
