"""PURE: what the log knows of open requests, of the directory and of idempotency keys, as events and records of a new epoch.

Ids follow from epoch and request, so that a recovery which is run again appends nothing twice.
"""

import uuid
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from services.contracts.directory import (
    AgentKeyCreated,
    ApiKeyCreated,
    DirectoryEvent,
    KeyRevoked,
    SpaceCreated,
    UserCreated,
    entry_of,
)
from services.contracts.events import Accepted, Assigned, Erased, RequestEvent, Restored, type_of
from services.contracts.idempotency import KeyRecord
from services.contracts.instants import exact, nanoseconds
from services.contracts.lifecycle import InvalidTransition
from services.contracts.requests import CutChain, RequestState
from services.history.requests import follow

ACTOR = "recovery"
_EVENTS = uuid.UUID("0b0c7a52-91f4-5c3e-8a5d-3a3f6c2f9e70")
_FIRST = (UserCreated, SpaceCreated, ApiKeyCreated, AgentKeyCreated)
"""What an entry of the directory begins with."""
_NS = 1_000_000_000


class Unrestorable(ValueError):
    """What is left of the request is not enough to run it."""


class Link(NamedTuple):
    """One event of a request, with the epoch, sequence and instant of the stream that held it."""

    event: RequestEvent
    epoch: int
    seq: int
    at: int


class Step(NamedTuple):
    """An event that could follow, and the state after it."""

    event: RequestEvent
    state: RequestState


class Key(NamedTuple):
    """An idempotency key that still counts, and for how many seconds."""

    digest: str
    record: KeyRecord
    ttl_s: float


def restoration(logged: Sequence[Link], left: Sequence[Link], diverged_at: int, epoch: int, now: int) -> list[RequestEvent]:
    """The events with which a request that the log holds as open stands in the new epoch, in their order; whoever appends
    them sets `prev_seq`. `left`: its events in the replaced stream that the log does not have; from `diverged_at` on that
    stream and the log differ. `now`: the instant that the lost attempt ends.

    The outcome that the replaced stream may have is kept, since somebody may have seen it. Raises Unrestorable."""
    logged = [link for link in logged if link.epoch < epoch]  # what an interrupted recovery has appended says nothing more
    last_epoch = logged[-1].epoch if logged else 0
    steps = _fold([link for link in logged if link.epoch == last_epoch])
    if left and last_epoch <= left[0].epoch:
        before = [link for link in logged if link.epoch == left[0].epoch and link.seq < diverged_at]
        steps = _further(steps, _fold([*before, *left]))
    if not steps:
        raise Unrestorable("its events do not begin with the first one")
    if steps[-1].state.open:
        return [_restored(steps[0].event, steps[-1].state, epoch, now)]
    return _with_outcome(steps, epoch, now)


def erasure(logged: Sequence[Link], left: Sequence[Link], epoch: int) -> Erased | None:
    """The event that erases in the new epoch a request which has ended in the log, when the replaced stream says that it is
    erased and the log does not: somebody was told so."""
    said = [link.event for link in left if isinstance(link.event, Erased)]
    if not said or not logged or any(isinstance(link.event, Erased) for link in logged):
        return None
    return msgspec.structs.replace(said[0], id=_event_id(epoch, said[0].rid, "erased"), prev_seq=logged[-1].seq)


def directory_again(events: Iterable[DirectoryEvent]) -> Iterator[DirectoryEvent]:
    """The directory's events of all epochs, each once, without those that cannot follow what is there: a revocation of a
    key that is revoked already, say. Whoever appends them sets `prev_seq`."""
    seen: set[str] = set()
    live: dict[tuple[str, str], bool] = {}
    for event in events:
        entry = entry_of(event)
        follows = entry not in live if isinstance(event, _FIRST) else live.get(entry, False)
        if event.id not in seen and follows:
            seen.add(event.id)
            live[entry] = not isinstance(event, KeyRevoked)
            yield event


def keys(accepted: Iterable[tuple[RequestEvent, int]], now: int, ttl_s: float) -> list[Key]:
    """The idempotency keys of requests accepted within `ttl_s` seconds before `now`, from their first events with the
    instants of these. Where a key has made several requests, one after the other, the latest counts."""
    found: dict[str, tuple[int, KeyRecord]] = {}
    for event, at in accepted:
        first = _first(event)
        since = nanoseconds(event.accepted_at) if isinstance(event, Restored) else at
        known = found.get(first.key_digest)
        if first.key_digest and (known is None or known[0] < since):
            found[first.key_digest] = since, KeyRecord(rid=first.rid, body_sha256=first.body_sha256)
    left = {digest: ttl_s - (now - since) / _NS for digest, (since, _) in found.items()}
    return [Key(digest, record, left[digest]) for digest, (_, record) in found.items() if left[digest] >= 1.0]


def _fold(links: Iterable[Link]) -> list[Step]:
    """As far as the events follow each other."""
    steps: list[Step] = []
    state: RequestState | None = None
    for link in links:
        try:
            state = follow(state, link.event, link.seq, link.at)
        except (InvalidTransition, CutChain):
            break
        steps.append(Step(link.event, state))
    return steps


def _further(logged: list[Step], left: list[Step]) -> list[Step]:
    """Which of two accounts of an open request counts: an outcome does, and otherwise the later attempt."""
    if not left:
        return logged
    counts = not logged or not left[-1].state.open or left[-1].state.attempt > logged[-1].state.attempt
    return left if counts else logged


def _with_outcome(steps: list[Step], epoch: int, now: int) -> list[RequestEvent]:
    """`restored`, the assignment that led to the outcome, if one did, the outcome, and what came after it."""
    end = next(number for number, step in enumerate(steps) if not step.state.open)
    if steps[end - 1].state.status == "processing":
        end = max(number for number in range(end) if isinstance(steps[number].event, Assigned))
    begun = _restored(steps[0].event, steps[end - 1].state, epoch, now)
    return [begun, *(_again(step.event, begun.accepted.input, epoch) for step in steps[end:])]


def _again(event: RequestEvent, input: msgspec.Raw, epoch: int) -> RequestEvent:
    changes: dict[str, Any] = {"id": _event_id(epoch, event.rid, type_of(event))}
    if isinstance(event, Assigned):
        changes["input"] = input  # the log keeps it with `accepted`
    return msgspec.structs.replace(event, **changes)


def _restored(first: RequestEvent, state: RequestState, epoch: int, now: int) -> Restored:
    since = now if state.status == "processing" else state.waiting_since
    return Restored(
        id=_event_id(epoch, state.rid, "restored"),
        rid=state.rid,
        space=state.space,
        prev_seq=0,
        attempt=state.attempt,
        actor=ACTOR,
        origin=state.origin,
        accepted=_first(first),
        accepted_at=exact(state.accepted_at),
        waiting_since="" if since == state.accepted_at else exact(since),
        failures=state.failures,
        losses=state.losses,
    )


def _first(event: RequestEvent) -> Accepted:
    match event:
        case Accepted():
            return event
        case Restored():
            return event.accepted
        case _:
            raise Unrestorable("its events do not begin with the first one")


def _event_id(epoch: int, rid: str, type: str) -> str:
    return uuid.uuid5(_EVENTS, f"{epoch}/{rid}/{type}").hex
