"""Recovery in PostgreSQL: the turn to a new epoch, and what the log has to begin it with."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import NamedTuple

import asyncpg

from services.contracts import codec
from services.contracts.directory import DirectoryEvent
from services.contracts.epochs import first_sequence
from services.contracts.events import Erased, RequestEvent
from services.history.database import Connection, connect
from services.history.entries import whole
from services.history.epochs import Anew, Held, Latest
from services.history.restoring import Link, Unrestorable, erasure, restoration
from services.history.statements import sql
from services.runtime.jetstream import Stored

PAGE = 200
_COLUMNS = ("stream", "epoch", "seq", "at", "subject", "data", "begun")

Leftovers = Mapping[str, AsyncIterator[list[Stored]]]
"""By stream: what it still holds that the log does not have."""


class Restoration(NamedTuple):
    """What becomes of one open request: the events with which it stands in the new epoch, or why there are none."""

    rid: str
    events: list[RequestEvent]
    problem: str = ""


async def latest_recovery(connection: Connection) -> Latest | None:
    """The recovery that was begun last."""
    row = await connection.fetchrow(sql("latest_recovery"))
    return None if row is None else Latest(*row)


async def unfinished_recovery(database_url: str) -> int | None:
    """The epoch of a recovery that has not come to its end. Raises OSError, asyncpg.PostgresError."""
    connection = await connect(database_url)
    try:
        latest = await latest_recovery(connection)
    finally:
        await connection.close()
    return None if latest is None or latest.complete else latest.epoch


async def begin(connection: Connection, anew: Anew, held: Mapping[str, Held], leftovers: Leftovers) -> None:
    """Turn the log of these streams to the new epoch and keep what is left of the old ones: all of it, or nothing."""
    async with connection.transaction():
        for stream in anew.streams:
            last = await connection.fetchval(sql("keep_former_position"), stream)
            last = max(last, held[stream].last_seq if stream in held else 0)
            await connection.execute(sql("turn_to_epoch"), stream, anew.epoch, first_sequence(last))
            if stream in leftovers:
                async for messages in leftovers[stream]:
                    records = [
                        (stream, held[stream].epoch, m.seq, m.time_ns, m.subject, m.data, anew.epoch) for m in messages
                    ]
                    await connection.copy_records_to_table("leftovers", records=records, columns=_COLUMNS)
        await connection.execute(sql("begin_recovery"), anew.epoch)


async def complete(connection: Connection, epoch: int) -> None:
    """The recovery has come to its end. What it has found of requests that are erased is not kept."""
    await connection.execute(sql("scrub_erased_leftovers"))
    await connection.execute(sql("complete_recovery"), epoch)


async def unknown(connection: Connection, stream: str, epoch: int, messages: Sequence[Stored]) -> list[Stored]:
    """Those of a stream's messages, from the first one on that the log does not have in that epoch."""
    rows = await connection.fetch(sql("stamps"), stream, epoch, [message.seq for message in messages])
    recorded = {(row["seq"], row["at"], row["subject"]) for row in rows}
    for number, message in enumerate(messages):
        if (message.seq, message.time_ns, message.subject) not in recorded:
            return list(messages[number:])
    return []


async def directory_events(connection: Connection) -> list[DirectoryEvent]:
    """All events of the directory that log and leftovers have, in order. Raises UndecodableEvent."""
    rows = await connection.fetch(sql("directory_events")) + await connection.fetch(sql("leftovers"), "DIRECTORY")
    return [codec.directory.decode(row["data"]) for row in rows]


async def first_events(connection: Connection, since: int) -> list[tuple[RequestEvent, int]]:
    """First events of the requests that came in since an instant, each with its own instant."""
    rows = await connection.fetch(sql("first_events_since"), since)
    left = [row for row in await connection.fetch(sql("leftovers"), "REQUESTS") if ".accepted." in row["subject"]]
    return [(event, row["at"]) for row in [*rows, *left] if (event := _decoded(row["data"])) is not None]


class OpenRequests:
    """Requests without an outcome in the log, in the order in which they were accepted, and after them those that only the
    leftovers know."""

    def __init__(self, rids: Sequence[str], closed: Sequence[str], left: Mapping[str, list[Link]], diverged_at: int) -> None:
        self._rids, self._closed, self._left, self._diverged_at = rids, closed, left, diverged_at

    def __len__(self) -> int:
        return len(self._rids)

    @classmethod
    async def read(cls, connection: Connection) -> "OpenRequests":
        """As log and leftovers have them now."""
        rids = [row["rid"] for row in await connection.fetch(sql("open_in_log"))]
        left: dict[str, list[Link]] = {}
        rows = await connection.fetch(sql("leftovers"), "REQUESTS")
        for row in rows:
            event = _decoded(row["data"])
            if event is not None:
                left.setdefault(event.rid, []).append(Link(event, row["epoch"], row["seq"], row["at"]))
        closed = [row["rid"] for row in await connection.fetch(sql("closed_in_log"), list(left))]
        known = set(rids)
        return cls(
            rids=[*rids, *(rid for rid in left if rid not in known.union(closed))],
            closed=closed,
            left=left,
            diverged_at=min((row["seq"] for row in rows), default=0),
        )

    async def restorations(self, connection: Connection, epoch: int, now: int) -> AsyncIterator[list[Restoration]]:
        """What becomes of them in the new epoch, page by page. Those that the log has there already are left out, unless
        there is an outcome to keep: it may not have come after them."""
        for first in range(0, len(self._rids), PAGE):
            rids = self._rids[first : first + PAGE]
            rows: dict[str, list[asyncpg.Record]] = {rid: [] for rid in rids}
            for row in await connection.fetch(sql("chains_of"), rids):
                rows[row["rid"]].append(row)
            pending = [rid for rid in rids if not rows[rid] or rows[rid][-1]["epoch"] < epoch or rid in self._left]
            yield [self._restoration(rid, rows[rid], epoch, now) for rid in pending]

    async def erasures(self, connection: Connection, epoch: int) -> list[Erased]:
        """Of requests that have ended in the log: which of them only the leftovers say to be erased."""
        chains: dict[str, list[Link]] = {rid: [] for rid in self._closed}
        for row in await connection.fetch(sql("whole_skeletons"), self._closed):
            link = Link(codec.requests.decode(row["data"]), row["epoch"], row["seq"], row["at"])
            chains[row["rid"]].append(link)
        found = (erasure(logged, self._left[rid], epoch) for rid, logged in chains.items())
        return [event for event in found if event is not None]

    def _restoration(self, rid: str, rows: Iterable[asyncpg.Record], epoch: int, now: int) -> Restoration:
        try:
            logged = [_link(row) for row in rows]
            return Restoration(rid, restoration(logged, self._left.get(rid, []), self._diverged_at, epoch, now))
        except (Unrestorable, codec.UndecodableEvent) as error:
            return Restoration(rid, [], str(error))


def _link(row: asyncpg.Record) -> Link:
    if row["type"] in ("accepted", "restored") and row["payload_sha"] is not None and row["payload"] is None:
        raise Unrestorable("its input is not in the log")
    data = whole(row["data"], row["payload_sha"], row["payload"])
    return Link(codec.requests.decode(data), row["epoch"], row["seq"], row["at"])


def _decoded(data: bytes) -> RequestEvent | None:
    """What a stream or the log holds may be of a version that we do not know: it begins no request that we could run."""
    try:
        return codec.requests.decode(data)
    except codec.UndecodableEvent:
        return None
