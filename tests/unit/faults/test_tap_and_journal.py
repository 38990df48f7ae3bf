"""How the fault suite reads along: frames of a WebSocket, and what handlers write down."""

from pathlib import Path

import pytest
from websockets.frames import Frame, Opcode

from tests.faults.suite import journal
from tests.faults.suite.tap import Tap

HEAD = b"GET /v1/agents/connect HTTP/1.1\r\nHost: here\r\n\r\n"


def _text(data: bytes, by_agent: bool = True) -> bytes:
    return Frame(Opcode.TEXT, data).serialize(mask=by_agent)


@pytest.mark.parametrize("by_agent", [True, False])
def test_a_tap_reads_the_frames_after_the_head(by_agent: bool) -> None:
    tap = Tap(by_agent)
    assert tap.receive(HEAD + _text(b'{"type":"hello"}', by_agent)) == [{"type": "hello"}]


def test_a_tap_reads_bytes_in_whatever_pieces_they_come() -> None:
    tap, found = Tap(by_agent=True), []
    for byte in HEAD + _text(b'{"type":"hello"}') + _text(b'{"type":"goodbye"}'):
        found += tap.receive(bytes([byte]))
    assert [frame["type"] for frame in found] == ["hello", "goodbye"]


def test_several_frames_at_once_are_several() -> None:
    tap = Tap(by_agent=True)
    tap.receive(HEAD)
    assert tap.receive(_text(b'{"a":1}') + _text(b'{"a":2}')) == [{"a": 1}, {"a": 2}]


def test_a_frame_counts_when_it_is_complete() -> None:
    tap, whole = Tap(by_agent=True), _text(b'{"a":1}')
    assert tap.receive(HEAD + whole[:-1]) == []
    assert tap.receive(whole[-1:]) == [{"a": 1}]


def test_what_is_no_text_is_no_frame_of_the_protocol() -> None:
    tap = Tap(by_agent=True)
    assert tap.receive(HEAD + Frame(Opcode.PING, b"").serialize(mask=True) + _text(b'{"a":1}')) == [{"a": 1}]


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(journal.ENVIRONMENT, str(tmp_path / "journal"))
    return tmp_path / "journal"


def test_a_journal_nobody_has_written_tells_of_nothing(path: Path) -> None:
    assert journal.read(path) == []


def test_a_run_that_has_ended_has_an_end(path: Path) -> None:
    journal.write("agent-1", "r1", 1, ended=False)
    journal.write("agent-1", "r1", 1, ended=True)
    (run,) = journal.read(path)
    assert (run.agent, run.rid, run.attempt) == ("agent-1", "r1", 1)
    assert 0 < run.began <= run.ended


def test_a_run_that_has_not_ended_has_none(path: Path) -> None:
    journal.write("agent-1", "r1", 1, ended=False)
    assert [run.ended for run in journal.read(path)] == [0]


def test_an_attempt_that_is_started_twice_is_two_runs(path: Path) -> None:
    for _ in range(2):
        journal.write("agent-1", "r1", 1, ended=False)
    journal.write("agent-1", "r1", 1, ended=True)
    first, second = journal.read(path)
    assert (bool(first.ended), bool(second.ended)) == (False, True)
