"""The bytes of an upload, gone on with where the gateway says (tus 1.0.0, https://tus.io/protocols/resumable-upload). Pure:
what reads them is an argument."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import Any

from spaces_client import answers
from spaces_client.call import ANSWER_S, Yielded
from spaces_client.errors import ClientError, InvalidAnswer, Unreachable
from spaces_client.file_calls import TUS, path
from spaces_client.files import File
from spaces_client.steps import Again, Answer, Exchange, Lost

TRIES = 8
"""How often in a row nothing may get through."""
PIECE_TYPE = "application/offset+octet-stream"
Progress = Callable[[int, int], None]
"""Told how many bytes have passed, and how many there are in all."""
_ELSEWHERE = 409


def sent(
    file: File, size: int, pieces: Callable[[int], Iterator[bytes]], progress: Progress
) -> Generator[Yielded, Any, None]:
    """Send all bytes of a file that was begun; `pieces` has those from an offset on. Raises ClientError."""
    at, known, failures = 0, True, 0
    while at < size:
        exchange = _append(file, at, size, pieces(at), progress) if known else _ask(file)
        outcome: Answer | Lost = yield exchange
        stored = _stored(outcome, size)
        if stored is not None and (not known or stored > at):
            failures = 0 if stored > at else failures
            at, known = stored, True
            continue
        failures += 1
        if failures >= TRIES:
            raise failure(outcome, "the gateway does not take the bytes of the file")
        known = False
        yield Again(failures - 1, asked_s(outcome))


def failure(outcome: Answer | Lost, otherwise: str) -> ClientError:
    """What to raise when it was tried often enough."""
    if isinstance(outcome, Lost):
        return outcome.failure
    return Unreachable(otherwise) if outcome.status < 300 else answers.problem(*outcome)


def asked_s(outcome: Answer | Lost) -> float:
    """How many seconds the gateway wants to be left alone."""
    return 0.0 if isinstance(outcome, Lost) else answers.retry_after_s(outcome.headers)


def _append(file: File, at: int, size: int, pieces: Iterator[bytes], progress: Progress) -> Exchange:
    passed = at

    def moved(count: int) -> None:
        nonlocal passed
        passed += count
        progress(passed, size)

    headers = {**TUS, "Upload-Offset": str(at), "Content-Type": PIECE_TYPE, "Content-Length": str(size - at)}
    return Exchange("PATCH", path(file.id), headers, {}, pieces, ANSWER_S, moved=moved)


def _ask(file: File) -> Exchange:
    return Exchange("HEAD", path(file.id), TUS, {}, None, ANSWER_S)


def _stored(outcome: Answer | Lost, size: int) -> int | None:
    """How many bytes the gateway has; None when it has not said so. Raises ClientError when it refuses."""
    if isinstance(outcome, Lost) or outcome.status in answers.TRY_AGAIN or outcome.status == _ELSEWHERE:
        return None
    answers.check(*outcome)
    offset = outcome.headers.get("upload-offset", "")
    if not (offset.isascii() and offset.isdigit() and len(offset) < 16 and int(offset) <= size):
        raise InvalidAnswer("it did not say how much of the file it has")
    return int(offset)
