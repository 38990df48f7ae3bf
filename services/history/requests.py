"""PURE: the read table `requests`: what one batch of events makes of its rows."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from services.contracts import codec
from services.contracts.events import Assigned, RequestEvent
from services.contracts.files import is_file_id
from services.contracts.ids import part_of_request
from services.contracts.lifecycle import InvalidTransition
from services.contracts.requests import NULL, CutChain, RequestState, evolve
from services.history.entries import Conflict, Entry, conflict, request_entry, whole
from services.history.retentions import erase_at

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(RequestState)


class Row(NamedTuple):
    """One row of `requests`, in the order of its columns. `state` is the whole RequestState as JSON, with references in
    place of payloads; the other columns are what lists and filters need. `erase_at`: when the data are to be erased because
    the request itself says so, nanoseconds since 1970; None: never, not yet known, or it is done. `waited_ns`: from
    acceptance to its last assignment; `ran_s`: the handler's time; both None while it is open, or where there was none."""

    rid: str
    epoch: int
    part: int
    space: str
    user_id: str
    status: str
    attempt: int
    accepted_seq: int
    accepted_at: int
    completed_at: int | None
    last_seq: int
    state: bytes
    erased: bool
    erase_at: int | None
    waited_ns: int | None
    ran_s: float | None


class Folded(NamedTuple):
    """What a batch comes to: rows for the log, payloads that the log may not have yet, states that changed, conflicts."""

    entries: list[Entry]
    payloads: dict[bytes, bytes]
    states: dict[str, RequestState]
    conflicts: list[Conflict]


Decoded = tuple[Entry, RequestEvent]
Message = tuple[int, int, str, bytes]
"""A message of a stream: (seq, at, subject, data)."""


def row_of(state: RequestState, epoch: int) -> Row:
    """The row of a request whose chain is in `epoch`."""
    return Row(
        rid=state.rid,
        epoch=epoch,
        part=part_of_request(state.rid),
        space=state.space,
        user_id=state.user,
        status=state.status,
        attempt=state.attempt,
        accepted_seq=state.accepted_seq,
        accepted_at=state.accepted_at,
        completed_at=None if state.open else state.completed_at,
        last_seq=state.seq,
        state=_encoder.encode(state),
        erased=state.erased,
        erase_at=erase_at(state),
        waited_ns=None if state.open or not state.assigned_at else state.assigned_at - state.accepted_at,
        ran_s=state.run_s if state.status in {"succeeded", "failed"} and state.assigned_at and state.run_s > 0 else None,
    )


def state_of(column: bytes) -> RequestState:
    """The state in a row's column `state`."""
    return _decoder.decode(column)


def skeleton_of(column: bytes) -> RequestState:
    """The same without what was given to, and came from, its handler."""
    return msgspec.structs.replace(state_of(column), input=NULL, output=NULL, log_tail="")


def files_of(state: RequestState) -> list[str]:
    """The ids of all files that a request's events refer to, in order."""
    said = {*state.files, *state.output_files, state.input_file, state.output_file}
    return sorted(id for id in said if is_file_id(id))


def decode_batch(messages: Iterable[Message]) -> tuple[list[Decoded], list[Conflict]]:
    """The events of a batch, and what are none."""
    decoded: list[Decoded] = []
    conflicts: list[Conflict] = []
    for seq, at, subject, data in messages:
        try:
            decoded.append(request_entry(seq, at, subject, data))
        except codec.UndecodableEvent as error:
            conflicts.append(conflict(seq, at, subject, data, f"undecodable: {error}"))
    return decoded, conflicts


def unfitting(states: Mapping[str, RequestState], batch: Iterable[Decoded]) -> list[str]:
    """Requests whose first event in the batch does not follow their row: the log says whether the row or the event is
    wrong."""
    seen: set[str] = set()
    found: list[str] = []
    for entry, event in batch:
        if event.rid not in seen:
            seen.add(event.rid)
            state = states.get(event.rid)
            if entry.prev_seq != (0 if state is None else state.seq):
                found.append(event.rid)
    return found


def fold_batch(states: Mapping[str, RequestState], batch: Iterable[Decoded], rejected: frozenset[int]) -> Folded:
    """Fold a batch onto the states before it. `rejected`: sequences that the log has already refused."""
    result = Folded([], {}, {}, [])
    for entry, event in batch:
        before = result.states.get(event.rid) or states.get(event.rid)
        reason = "another event has its place in the log" if entry.seq in rejected else ""
        if not reason:
            try:
                result.states[event.rid] = follow(before, event, entry.seq, entry.at)
            except (InvalidTransition, CutChain) as error:
                reason = str(error)
        if reason:
            data = whole(entry.data, entry.payload_sha, entry.payload)
            result.conflicts.append(conflict(entry.seq, entry.at, entry.subject, data, reason))
            continue
        result.entries.append(entry)
        known = isinstance(event, Assigned) and before is not None and event.input == before.input
        if entry.payload_sha is not None and entry.payload is not None and not known:
            result.payloads[entry.payload_sha] = entry.payload
    return result


def follow(before: RequestState | None, event: RequestEvent, seq: int, at: int) -> RequestState:
    """`evolve`, for an event that says itself what it follows. Raises CutChain, InvalidTransition."""
    state = evolve(before, event, seq, at)
    end = 0 if before is None else before.seq
    if event.prev_seq != end:
        raise CutChain(f"the event at {seq} follows {event.prev_seq}, but its chain ends at {end}")
    return state


def refold(skeletons: Iterable[tuple[int, int, bytes]]) -> dict[str, RequestState]:
    """States of the requests whose logged events (seq, at, data) are given in order; without those that do not fold."""
    states: dict[str, RequestState] = {}
    broken: set[str] = set()
    for seq, at, data in skeletons:
        event = codec.requests.decode(data)
        try:
            states[event.rid] = follow(states.get(event.rid), event, seq, at)
        except (InvalidTransition, CutChain):
            broken.add(event.rid)
    return {rid: state for rid, state in states.items() if rid not in broken}
