"""What must hold of what clients were told and shown. Pure."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from tests.faults.suite.chains import TERMINAL, chains_of
from tests.faults.suite.observed import History, Reading, Shown
from tests.faults.suite.violation import Violation

OUTPUT = ("output", "progress", "log")
Position = tuple[int, int]


def position(request: dict[str, Any]) -> Position:
    """How far a request is: within an attempt it is processed, and then waits again or has ended; before the first one it
    waits."""
    if request["done"]:
        return (request["attempt"], 2)
    return (request["attempt"], 0 if request["status"] == "processing" else 1)


def never_backwards(history: History) -> Iterator[Violation]:
    """No client, asking one gateway after the other, sees a request go back."""
    seen: dict[tuple[str, str], Position] = {}
    for answer in sorted(history.answers, key=lambda answer: answer.began):
        if answer.request is None:
            continue
        about, now = (answer.client, answer.request["id"]), position(answer.request)
        if now < seen.get(about, now):
            told = f"{answer.client} saw attempt {now[0]} as {answer.request['status']} after {seen[about]}"
            yield Violation("never_backwards", answer.request["id"], told)
        seen[about] = now
    for reading in history.readings:
        yield from _cursors_go_on(reading)


def _cursors_go_on(reading: Reading) -> Iterator[Violation]:
    before = (0, 0, 0)
    for shown in reading.shown:
        if not shown.id:
            continue
        epoch, request, output = (int(part) for part in shown.id.split("-"))
        here = (epoch, request, output)
        if shown.event == "output_reset":
            before = (*before[:2], -1)
        if here <= before:
            yield Violation("never_backwards", reading.rid, f"the event {shown.event} {here} came after {before}")
        before = here


def told_as_recorded(history: History) -> Iterator[Violation]:
    """An outcome that a client was told is the one that is recorded."""
    outcomes = {event.rid: event for event in history.events if event.type in TERMINAL}
    told = [answer.request for answer in history.answers if answer.request is not None and answer.request["done"]]
    told += [shown.data for reading in history.readings for shown in reading.shown if shown.event == "completed"]
    for request in told:
        event = outcomes.get(request["id"])
        if event is None or event.type != request["status"]:
            recorded = "nothing" if event is None else event.type
            yield Violation("told_as_recorded", request["id"], f"told {request['status']}, recorded {recorded}")
        elif event.type == "succeeded" and event.data["output"] != request["output"]:
            yield Violation("told_as_recorded", request["id"], "told another output than the recorded one")


def one_request_per_key(history: History) -> Iterator[Violation]:
    """One idempotency key is one request, whatever was answered in between, and however often it was accepted."""
    told: dict[str, set[str]] = defaultdict(set)
    for answer in history.answers:
        if answer.key and answer.request is not None:
            told[answer.key].add(answer.request["id"])
    for key, rids in told.items():
        if len(rids) > 1:
            yield Violation("one_request_per_key", key, f"clients were told {sorted(rids)}")
    accepted: dict[str, set[str]] = defaultdict(set)
    for event in history.events:
        if event.type == "accepted" and event.data.get("key_digest"):
            accepted[event.data["key_digest"]].add(event.rid)
    for digest, rids in accepted.items():
        if len(rids) > 1:
            yield Violation("one_request_per_key", digest, f"accepted as {sorted(rids)}")


def whole_output(history: History) -> Iterator[Violation]:
    """Output has neither gap nor repeat: in its stream, for each of its readers, and in the outcome."""
    yield from _records(history)
    yield from _outcomes(history)
    outputs = {event.rid: event.data["output"] for event in history.events if event.type == "succeeded"}
    for reading in history.readings:
        yield from _reading(reading)
        if reading.whole and reading.rid in outputs and joined(reading.shown) != outputs[reading.rid]:
            yield Violation("whole_output", reading.rid, "what its reader was shown is not its output")


def _records(history: History) -> Iterator[Violation]:
    last: dict[tuple[str, int], int] = {}
    for record in sorted(history.records, key=lambda record: record.seq):
        about = (record.rid, record.lease)
        if record.index != last.get(about, 0) + 1:
            yield Violation(
                "whole_output", record.rid, f"record {record.index} of lease {record.lease} after {last.get(about, 0)}"
            )
        last[about] = record.index


def _outcomes(history: History) -> Iterator[Violation]:
    inputs = {rid: chain[0].data["input"] for rid, chain in chains_of(history).items() if chain[0].type == "accepted"}
    for event in history.events:
        if (
            event.type == "succeeded"
            and event.rid in inputs
            and event.data["output"][1:] != said(inputs[event.rid]["words"])
        ):
            yield Violation("whole_output", event.rid, "the recorded output is not what its handler said")


def _reading(reading: Reading) -> Iterator[Violation]:
    index, attempt = 0, 0
    for shown in reading.shown:
        if shown.event not in OUTPUT:
            continue
        if shown.data["attempt"] != attempt:
            index, attempt = 0, shown.data["attempt"]
        if shown.data["index"] != index + 1:
            yield Violation("whole_output", reading.rid, f"a reader was shown {shown.data['index']} after {index}")
        index = shown.data["index"]


def said(words: int) -> list[str]:
    """What the handler yields after its first value, joined."""
    return ["".join(f"{word} " for word in range(words))] if words else []


def joined(shown: list[Shown]) -> list[Any]:
    """The output as a reader knows it: what was shown since the last reset, texts that follow each other joined."""
    parts: list[Any] = []
    for one in shown:
        if one.event == "output_reset":
            parts = []
        elif one.event == "output":
            for value in [one.data["data"]] if isinstance(one.data["data"], str) else one.data["data"]:
                if isinstance(value, str) and parts and isinstance(parts[-1], str):
                    parts[-1] += value
                else:
                    parts.append(value)
    return parts
