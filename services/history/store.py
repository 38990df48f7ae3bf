"""Writing one batch: position, events, payloads, read rows and conflicts in one transaction."""

import logging
from collections.abc import Collection, Iterable, Sequence
from itertools import groupby

from services.contracts import subjects
from services.contracts.codec import UndecodableEvent
from services.contracts.events import Erased
from services.contracts.requests import RequestState
from services.history.chains import Logged, refold_chain
from services.history.database import Connection
from services.history.entries import Conflict, Entry, conflict, connection_entry, directory_entry
from services.history.erasing import erase
from services.history.metrics import CONFLICTS, RECORDED, count_end
from services.history.positions import Position, Stamp
from services.history.requests import (
    Decoded,
    Message,
    Row,
    decode_batch,
    files_of,
    fold_batch,
    refold,
    row_of,
    state_of,
    unfitting,
)
from services.history.statements import sql
from services.runtime.errors import Retryable

log = logging.getLogger("services.history.store")

_NONE: frozenset[int] = frozenset()
ENDS = frozenset({"succeeded", "failed", "canceled", "expired"})
Written = tuple[list[Conflict], list[RequestState]]
"""What a batch holds that contradicts the log, and the requests that it ends."""


class PositionMoved(Retryable):
    """Another recorder has recorded what we were about to: read the position again."""


class _Rejected(Exception):
    """The log refused some events of the batch."""

    def __init__(self, seqs: frozenset[int]) -> None:
        super().__init__(seqs)
        self.seqs = seqs


async def read_position(connection: Connection, stream: str) -> Position | None:
    """How far the stream is recorded; None when it never was."""
    row = await connection.fetchrow(sql("position"), stream)
    return None if row is None else Position(*row)


async def begin_position(connection: Connection, stream: str, epoch: int, first_seq: int) -> None:
    """The log of this stream begins at `first_seq`, unless it has begun already."""
    await connection.execute(sql("begin_position"), stream, epoch, first_seq)


async def recorded_stamp(connection: Connection, stream: str, position: Position) -> Stamp | None:
    """What was recorded at the position."""
    row = await connection.fetchrow(sql("recorded_message"), stream, position.epoch, position.seq)
    return None if row is None else Stamp(*row)


async def skip_to(connection: Connection, stream: str, position: Position, first_seq: int) -> None:
    """Go on at `first_seq` although what is before it was never recorded. Raises PositionMoved."""
    await _advance(connection, stream, position.epoch, position.seq, first_seq - 1)


async def write_batch(connection: Connection, stream: str, position: Position, messages: Sequence[Message]) -> Position:
    """Record the messages that follow the position; the new position. Raises PositionMoved, asyncpg errors: then nothing
    of the batch is recorded."""
    write = _write_requests if stream == subjects.REQUESTS else _write_others
    rejected = _NONE
    while True:
        try:
            async with connection.transaction():
                await _advance(connection, stream, position.epoch, position.seq, messages[-1][0])
                conflicts, ended = await write(connection, stream, position.epoch, messages, rejected)
            break
        except _Rejected as error:
            rejected |= error.seqs
    for found in conflicts:
        log.error("%s %d (%s) contradicts the log: %s", stream, found.seq, found.subject, found.reason)
    CONFLICTS.labels(stream).inc(len(conflicts))
    RECORDED.labels(stream).inc(len(messages) - len(conflicts))
    for state in ended:
        count_end(state)
    return position._replace(seq=messages[-1][0])


async def _advance(connection: Connection, stream: str, epoch: int, before: int, after: int) -> None:
    if await connection.execute(sql("advance_position"), stream, epoch, before, after) != "UPDATE 1":
        raise PositionMoved(f"{stream} is no longer recorded up to {before} of epoch {epoch}")


async def _write_requests(
    connection: Connection, stream: str, epoch: int, messages: Sequence[Message], rejected: frozenset[int]
) -> Written:
    decoded, undecodable = decode_batch(messages)
    folded = fold_batch(await _states(connection, epoch, decoded), decoded, rejected)
    if folded.payloads:
        await connection.execute(sql("insert_payloads"), list(folded.payloads), list(folded.payloads.values()))
    await _insert_entries(connection, stream, epoch, folded.entries)
    await upsert_requests(connection, [row_of(state, epoch) for state in folded.states.values()])
    await _insert_files(connection, folded.states.values())
    await erase(connection, {entry.rid: entry for entry in folded.entries if entry.type == "erased"}.values())
    conflicts = undecodable + folded.conflicts
    await _insert_conflicts(connection, stream, epoch, conflicts)
    return conflicts, [folded.states[entry.rid] for entry in folded.entries if entry.type in ENDS and entry.rid]


async def _write_others(
    connection: Connection, stream: str, epoch: int, messages: Sequence[Message], rejected: frozenset[int]
) -> Written:
    entry_of = connection_entry if stream == subjects.CONNECTIONS else directory_entry
    entries: list[Entry] = []
    conflicts: list[Conflict] = []
    for message in messages:
        try:
            entries.append(entry_of(*message))
        except UndecodableEvent as error:
            conflicts.append(conflict(*message, reason=f"undecodable: {error}"))
    await _insert_entries(connection, stream, epoch, entries)
    if stream == subjects.DIRECTORY and epoch > 1:
        await connection.execute(sql("mark_repeated"), epoch, [entry.seq for entry in entries])
    await _insert_conflicts(connection, stream, epoch, conflicts)
    return conflicts, []


async def _states(connection: Connection, epoch: int, decoded: Sequence[Decoded]) -> dict[str, RequestState]:
    """The states before the batch: from the read table, and where it does not fit the batch, from the log. A request that is
    erased may have ended in an epoch before."""
    rids = list({event.rid for _, event in decoded})
    rows = await connection.fetch(sql("states"), rids, epoch)
    states = {state.rid: state for state in (state_of(row["state"]) for row in rows)}
    doubtful = unfitting(states, decoded)
    if not doubtful:
        return states
    former = {event.rid for _, event in decoded if isinstance(event, Erased)}.intersection(doubtful).difference(states)
    skeletons = await connection.fetch(sql("skeletons"), doubtful, epoch)
    certain = {rid: state for rid, state in states.items() if rid not in doubtful}
    return await _former_states(connection, former) | certain | refold(map(tuple, skeletons))


async def _former_states(connection: Connection, rids: Collection[str]) -> dict[str, RequestState]:
    """The states of requests whatever the epoch of their chains."""
    if not rids:
        return {}
    logged = [Logged(*record) for record in await connection.fetch(sql("whole_skeletons"), list(rids))]
    rows = [refold_chain(list(chain)).row for _, chain in groupby(logged, key=lambda event: event.rid)]
    return {row.rid: state_of(row.state) for row in rows if row is not None}


async def _insert_entries(connection: Connection, stream: str, epoch: int, entries: Sequence[Entry]) -> None:
    """Raises _Rejected when the log's constraints do not admit some of them."""
    if not entries:
        return
    columns = (
        [entry.seq for entry in entries],
        [entry.at for entry in entries],
        [entry.subject for entry in entries],
        [entry.rid for entry in entries],
        [entry.type for entry in entries],
        [entry.prev_seq for entry in entries],
        [entry.payload_sha for entry in entries],
        [entry.data for entry in entries],
    )
    if await connection.execute(sql("insert_events"), stream, epoch, *columns) == f"INSERT 0 {len(entries)}":
        return
    inserted = {row["seq"] for row in await connection.fetch(sql("inserted"), stream, epoch, columns[0])}
    raise _Rejected(frozenset(columns[0]) - inserted)


async def _insert_conflicts(connection: Connection, stream: str, epoch: int, conflicts: Sequence[Conflict]) -> None:
    if conflicts:
        columns = zip(*((c.seq, c.at, c.subject, c.data, c.reason) for c in conflicts), strict=True)
        await connection.execute(sql("insert_conflicts"), stream, epoch, *map(list, columns))


async def _insert_files(connection: Connection, states: Iterable[RequestState]) -> None:
    found = [(file, state.rid) for state in states for file in files_of(state)]
    if found:
        await connection.execute(sql("insert_request_files"), *map(list, zip(*found, strict=True)))


async def upsert_requests(connection: Connection, rows: Sequence[Row], statement: str = "upsert_requests") -> None:
    """Write rows of the read table; older ones never replace newer ones."""
    if rows:
        await connection.execute(sql(statement), *map(list, zip(*rows, strict=True)))
