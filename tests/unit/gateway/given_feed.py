"""Chains and records for tests of feeds: a life is what happened to one request, in the order in which it was stored."""

import random
from typing import Any

import msgspec

from services.contracts.events import (
    Accepted,
    Assigned,
    Canceled,
    Erased,
    Expired,
    Failed,
    Problem,
    RequestEvent,
    Requeued,
    Restored,
    Succeeded,
)
from services.contracts.lifecycle import InvalidTransition
from services.contracts.output import OutputKind, OutputRecord
from services.gateway.cursor import Cursor
from services.gateway.feed import Feed

RID = "0" * 32 + "06"
EPOCH = 3
DATA: dict[OutputKind, bytes] = {"chunk": b'"text"', "progress": b'{"fraction":0.5}', "log": b'["a line"]'}

Link = tuple[RequestEvent, int, int]
Stored = Link | tuple[OutputRecord, int]


def _never(event: RequestEvent, seq: int, error: InvalidTransition) -> None:
    raise AssertionError(f"{event} at {seq}: {error}")


def feed(start: Cursor | None = None) -> Feed:
    """A reader's feed, of a chain in which every event fits."""
    return Feed(EPOCH, start, _never)


class Life:
    """Appends what happens, with the sequences that the two streams would give."""

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)
        self._seq, self._out, self._prev, self.attempt, self.lease = 1000, 5000, 0, 0, 0
        self._index: dict[int, int] = {}
        self.stored: list[Stored] = []

    @property
    def links(self) -> list[Link]:
        return [each for each in self.stored if len(each) == 3]

    @property
    def records(self) -> list[tuple[OutputRecord, int]]:
        return [each for each in self.stored if len(each) == 2]

    def accepted(self) -> "Life":
        return self._event(_accepted(**self._common()))

    def restored(self) -> "Life":
        first = _accepted(**self._common())
        return self._event(Restored(**self._common(), accepted=first, accepted_at="2025-01-01T00:00:00Z"))

    def assigned(self) -> "Life":
        self.attempt += 1
        place: dict[str, Any] = {"agent": "ada/gpu", "conn": "c", "gateway": "g", "user": "ada"}
        self._event(Assigned(**self._common(), **place, input=msgspec.Raw(b"{}"), execution_timeout_s=60))
        self.lease = self._prev
        return self

    def requeued(self) -> "Life":
        return self._event(Requeued(**self._common(), reason="agent_lost", gateway="g", detail="gone"))

    def succeeded(self) -> "Life":
        output: dict[str, Any] = {"output": msgspec.Raw(b'{"n":1}'), "output_sha256": "s"}
        return self._event(Succeeded(**self._common(), agent="ada/gpu", gateway="g", **output))

    def failed(self) -> "Life":
        return self._event(Failed(**self._common(), error=Problem(code="execution_timeout", message="too slow")))

    def canceled(self) -> "Life":
        return self._event(Canceled(**self._common()))

    def expired(self) -> "Life":
        return self._event(Expired(**self._common()))

    def erased(self) -> "Life":
        return self._event(Erased(**self._common()))

    def record(self, kind: OutputKind = "chunk", lease: int = 0, attempt: int = 0) -> "Life":
        """The next record of a lease, the last one by default."""
        lease, attempt = lease or self.lease, attempt or self.attempt
        index = self._index[lease] = self._index.get(lease, 0) + 1
        data = msgspec.Raw(DATA[kind])
        record = OutputRecord(rid=RID, attempt=attempt, lease=lease, index=index, kind=kind, data=data)
        self._out += self._random.randint(1, 3)
        self.stored.append((record, self._out))
        return self

    def random(self) -> "Life":
        """A whole life: some attempts with output, some of it stored after the attempt was void."""
        self.accepted()
        for _ in range(self._random.choice([0, 0, 1, 1, 2, 3])):
            self.assigned()._some_records()
            lease, attempt = self.lease, self.attempt
            self.requeued()
            for _ in range(self._random.choice([0, 0, 1, 2])):
                self.record(lease=lease, attempt=attempt)
        end = self._random.choice(["succeeded", "succeeded", "failed", "canceled", "expired", "canceled early"])
        if end == "expired":
            return self.expired()
        if end == "canceled early":
            return self.canceled()
        self.assigned()._some_records()
        return {"succeeded": self.succeeded, "failed": self.failed, "canceled": self.canceled}[end]()

    def _some_records(self) -> None:
        for _ in range(self._random.choice([0, 1, 3, 6])):
            self.record(self._random.choice(["chunk", "progress", "log"]))

    def _common(self) -> dict[str, Any]:
        return {
            "id": "e",
            "rid": RID,
            "space": "demo",
            "prev_seq": self._prev,
            "attempt": self.attempt,
            "actor": "x",
            "origin": "g",
        }

    def _event(self, event: RequestEvent) -> "Life":
        self._seq += self._random.randint(1, 3)
        self._prev = self._seq
        self.stored.append((event, self._seq, self._seq * 10**9))
        return self


def _accepted(**common: Any) -> Accepted:
    timeouts: dict[str, Any] = {"start_timeout_s": 60, "execution_timeout_s": 60}
    return Accepted(**common, user="ada", key_id="k", input=msgspec.Raw(b"{}"), body_sha256="s", **timeouts)
