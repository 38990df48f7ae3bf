"""A call of the API as a value: what is sent, and how the answer is read. Pure.

Whatever a client can do is a function that makes an `Operation`; the clients, blocking and asynchronous, only perform it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from spaces_client.steps import Again, Exchange, Work

T = TypeVar("T")

ANSWER_S = 30.0
"""How long an answer may take, beside what the call itself waits for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Call(Generic[T]):
    """One call. `read` makes the result of the body of the answer, and raises InvalidAnswer. `body` is of the `media_type`;
    empty: it is not said. `wait_s`: so long the gateway may wait for an outcome before it answers. One that is not
    `repeatable` is sent again only when it cannot have arrived. `idempotency_key`: empty for a random one, None for none."""

    method: str
    path: str
    read: Callable[[bytes], T]
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    media_type: str = "application/json"
    wait_s: float = 0
    answer_s: float = ANSWER_S
    repeatable: bool = True
    idempotency_key: str | None = None


Yielded = Call[Any] | Exchange | Again | Work
Operation = Call[T] | Generator[Yielded, Any, T]
"""One call, or several: a generator of calls is sent the result of each, and returns its own. A bare exchange is done once,
and its outcome sent, whatever it is."""


def segment(text: str) -> str:
    """One segment of a path, whatever the text: never two of them, nor one that means the parent."""
    return quote(text, safe="").replace(".", "%2E")


def nothing(_: bytes) -> None:
    """Reads an answer that says nothing."""
