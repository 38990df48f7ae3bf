"""PURE: chains as the log holds them: folded again, and checked against what the read table says."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

from services.contracts import codec
from services.contracts.events import RequestEvent, type_of
from services.contracts.lifecycle import InvalidTransition
from services.contracts.requests import CutChain, RequestState
from services.history.entries import refers_rightly
from services.history.requests import Row, files_of, follow, row_of, state_of


class Logged(NamedTuple):
    """One row of the event log, in the order of the query `all_skeletons`."""

    rid: str
    epoch: int
    seq: int
    at: int
    subject: str
    type: str
    prev_seq: int
    payload_sha: bytes | None
    data: bytes


class Refolded(NamedTuple):
    """What a chain comes to: its row (None when it does not begin), and what is wrong with it."""

    row: Row | None
    faults: list[str]


def refold_chain(chain: Sequence[Logged]) -> Refolded:
    """Fold the events of one request. Each epoch begins a new chain, but for a late `erased`, which goes on with the one
    before; the row is that of the last. Where an event does not fit, the fold ends."""
    row: Row | None = None
    state: RequestState | None = None
    faults: list[str] = []
    for epoch, logged in groupby(chain, key=lambda logged: logged.epoch):
        events = list(logged)
        state = _fold(state if events[0].type == "erased" else None, events, faults)
        row = row if state is None else row_of(state, epoch)
    return Refolded(row, faults)


def _fold(state: RequestState | None, events: Iterable[Logged], faults: list[str]) -> RequestState | None:
    for logged in events:
        try:
            event = codec.requests.decode(logged.data)
            faults.extend(_mislabeled(logged, event))
            state = follow(state, event, logged.seq, logged.at)
        except (codec.UndecodableEvent, InvalidTransition, CutChain) as error:
            faults.append(f"broken chain: at {logged.seq}: {error}")
            break
    return state


def _mislabeled(logged: Logged, event: RequestEvent) -> list[str]:
    labels = (logged.rid, logged.type, logged.prev_seq)
    said = (event.rid, type_of(event), event.prev_seq)
    agrees = labels == said and logged.subject.startswith(f"ws.req.{event.rid[32:]}.{event.rid}.{type_of(event)}.")
    if not agrees:
        return [f"mislabeled event: at {logged.seq} the columns say {labels}, the event {said}"]
    if not refers_rightly(event, logged.payload_sha):
        return [f"mislabeled event: at {logged.seq} the columns name another payload than the event"]
    return []


def difference(expected: Row | None, found: Row | None) -> str | None:
    """How a row of the read table differs from what the log gives; None when it does not."""
    if expected is None:
        return None if found is None else "wrong row: the log does not give it"
    if found is None:
        return f"missing row: the log says {expected.status}"
    columns = [name for name, a, b in zip(Row._fields, expected, found, strict=True) if name != "state" and a != b]
    if not columns and state_of(expected.state) != _state_or_none(found.state):
        columns = ["state"]
    return f"wrong row: {', '.join(columns)}" if columns else None


def files_difference(expected: Row | None, found: Sequence[str]) -> str | None:
    """How the files that the read table has of a request differ from those that its events refer to; None when they do
    not. `found` is in order."""
    files = [] if expected is None else files_of(state_of(expected.state))
    return None if files == list(found) else f"wrong files: {len(files)} are referred to, the table has {len(found)}"


def _state_or_none(column: bytes) -> RequestState | None:
    try:
        return state_of(column)
    except ValueError:
        return None
