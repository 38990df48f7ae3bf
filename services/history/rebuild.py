"""Rebuild: the read tables made again from the log, with the recorder running or not.

First the log is folded as one snapshot shows it, beside the running recorder. Then, holding the recorder's position so that
no batch can be recorded, what came meanwhile is folded too and the rows that differ are replaced, in one transaction.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby

from services.history.chains import Logged, refold_chain
from services.history.database import Connection, connect
from services.history.reading import Progress, chains, check_migrated, silent
from services.history.requests import Row, files_of, state_of
from services.history.statements import sql
from services.runtime.errors import Retryable

_LOCK = 0x5350_4143_0003
_CHUNK = 1000
_SHOWN = 100


class RebuildRunning(Retryable):
    """Somebody else is rebuilding the same database."""


@dataclass(slots=True)
class Rebuilt:
    """What was done: rows now in the read table of requests, rows that had differed or been missing (`replaced`) or were
    unfounded (`removed`), also of the files they refer to, and chains that do not fold, at most 100 of them by name."""

    requests: int = 0
    replaced: int = 0
    removed: int = 0
    broken: int = 0
    findings: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether every chain folds. What was replaced is repaired and does not count."""
        return self.broken == 0

    def summary(self) -> str:
        """The result for a person: one line, and one more for each broken chain."""
        line = f"{self.requests} requests rebuilt, {self.replaced} rows replaced, {self.removed} removed"
        return "\n".join([line, *(f"  {finding}" for finding in self.findings)])

    def note(self, rid: str, faults: list[str]) -> None:
        """Remember what is wrong with a chain."""
        if faults:
            self.broken += 1
            if len(self.findings) < _SHOWN:
                self.findings.append(f"{faults[0]} (request {rid})")


async def rebuild(database_url: str, progress: Progress = silent) -> Rebuilt:
    """Make the read tables say what the log says. Raises RebuildRunning, NotMigrated, OSError, asyncpg.PostgresError: then
    nothing has changed."""
    result = Rebuilt()
    reader = await connect(database_url, command_timeout_s=None)
    try:
        writer = await connect(database_url, command_timeout_s=None)
        try:
            await check_migrated(reader)
            if not await writer.fetchval(sql("rebuild_lock"), _LOCK):
                raise RebuildRunning("a rebuild is already running")
            await writer.execute(sql("create_rebuilt"))
            await writer.execute(sql("create_rebuilt_files"))
            epoch, seq = await _fold_snapshot(reader, writer, result, progress)
            async with writer.transaction():
                await writer.fetchrow(sql("lock_position"))
                await _fold_changes(writer, epoch, seq, result)
                await _replace(writer, result)
        finally:
            await writer.close()
    finally:
        await reader.close()
    return result


async def _fold_snapshot(reader: Connection, writer: Connection, result: Rebuilt, progress: Progress) -> tuple[int, int]:
    """Fold the log into the side table; the position that it shows."""
    rows: list[Row] = []
    async with reader.transaction(isolation="repeatable_read", readonly=True):
        position = await reader.fetchrow(sql("position"), "REQUESTS")
        async for chain in chains(reader, progress):
            rows.extend(_row(chain, result))
            if len(rows) >= _CHUNK:
                await _copy(writer, rows)
                rows.clear()
    await _copy(writer, rows)
    return (0, 0) if position is None else (position["epoch"], position["seq"])


async def _fold_changes(writer: Connection, epoch: int, seq: int, result: Rebuilt) -> None:
    """Fold again the requests that have events after the snapshot's position."""
    changed = [record["rid"] for record in await writer.fetch(sql("changed_since"), epoch, seq)]
    for first in range(0, len(changed), _CHUNK):
        rids = changed[first : first + _CHUNK]
        logged = [Logged(*record) for record in await writer.fetch(sql("whole_skeletons"), rids)]
        by_request = groupby(logged, key=lambda event: event.rid)
        rows = [row for _, chain in by_request for row in _row(list(chain), result)]
        await writer.execute(sql("delete_rebuilt"), rids)
        await writer.execute(sql("delete_rebuilt_files"), rids)
        await _copy(writer, rows)


async def _copy(writer: Connection, rows: list[Row]) -> None:
    await writer.copy_records_to_table("rebuilt", records=rows, columns=Row._fields)
    files = [(row.rid, file) for row in rows for file in files_of(state_of(row.state))]
    await writer.copy_records_to_table("rebuilt_files", records=files)


async def _replace(writer: Connection, result: Rebuilt) -> None:
    removed = [await writer.execute(sql(each)) for each in ("delete_unfounded", "delete_unfounded_files")]
    replaced = [await writer.execute(sql(each)) for each in ("replace_requests", "insert_missing_files")]
    result.removed, result.replaced = sum(map(_count, removed)), sum(map(_count, replaced))
    result.requests = await writer.fetchval(sql("count_rebuilt"))
    await writer.execute(sql("make_whole"))


def _row(chain: list[Logged], result: Rebuilt) -> Iterable[Row]:
    row, faults = refold_chain(chain)
    result.note(chain[0].rid, faults)
    return [] if row is None else [row]


def _count(status: str) -> int:
    """How many rows a command says it has changed: `INSERT 0 5`, `DELETE 5`."""
    return int(status.rsplit(" ", 1)[1])
