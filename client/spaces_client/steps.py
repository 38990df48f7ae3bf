"""What there is to be done, and what comes of it, as values. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

from spaces_client.errors import Unreachable


class Sink(Protocol):
    """Where the body of an answer goes as it comes."""

    def opened(self, status: int, headers: Mapping[str, str]) -> None:
        """An answer has begun, with this success. Raises ClientError."""

    def write(self, piece: bytes) -> None:
        """The next bytes. They may come in another thread, one after the other. Raises ClientError, and what writes does."""


class Exchange(NamedTuple):
    """To be done: send this, and take the whole answer, which may take so long; of a body that is an iterator, and of an
    answer that goes into a `sink`, each piece. The body of a success goes into the sink alone. `moved` is told how many
    bytes have passed, piece by piece."""

    method: str
    path: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes | Iterator[bytes] | None
    answer_s: float
    sink: Sink | None = None
    moved: Callable[[int], None] = lambda _: None


class Pause(NamedTuple):
    """To be done: wait."""

    seconds: float


class Work(NamedTuple):
    """To be done: this, where it holds up nobody else. What it raises ends the operation; what it returns is its outcome."""

    do: Callable[[], Any]


class Again(NamedTuple):
    """To be done: wait as long as is fit after so many failures in a row (from 0), and as the gateway has asked for."""

    failures: int
    asked_s: float


class Answer(NamedTuple):
    """What came of an exchange."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Lost(NamedTuple):
    """No answer came of an exchange, or not all of it. `arrived`: the gateway may have got what was sent."""

    failure: Unreachable
    arrived: bool


Step = Exchange | Pause | Work
"""What a driver does."""
