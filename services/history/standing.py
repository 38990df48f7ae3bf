"""How the log itself is: PostgreSQL, and how far the recorders have come."""

import asyncio

from nats.aio.client import Client

from services.contracts import subjects
from services.contracts.instants import nanoseconds
from services.contracts.platform import GetRecord, Record, RecordedStream
from services.history.database import TRANSIENT, Pool
from services.history.positions import Position
from services.history.recorder import FILTERS
from services.history.statements import sql
from services.history.store import read_position
from services.runtime.errors import NatsUnavailable
from services.runtime.jetstream import StreamInfo, get, stream_info
from services.runtime.rpc import Operation
from services.runtime.topology import EPOCH

LOOK_S = 2.0
"""A database that does not answer within this time counts as away."""
_NS = 1_000_000_000


class Standing:
    """Answers how the log is, also while PostgreSQL is away."""

    def __init__(self, nc: Client, pool: Pool) -> None:
        self._nc, self._pool = nc, pool

    def operations(self) -> dict[str, Operation]:
        """The endpoint."""
        return {"record": Operation(subjects.history_rpc("record"), GetRecord, self.record)}

    async def record(self, _: GetRecord) -> Record:
        """The state of database and recorders. Raises NatsUnavailable."""
        infos = dict(zip(FILTERS, await asyncio.gather(*(stream_info(self._nc, name) for name in FILTERS)), strict=True))
        try:
            async with asyncio.timeout(LOOK_S), self._pool.acquire() as connection:
                database = await connection.fetchrow(sql("database"))
                positions = {name: await read_position(connection, name) for name in FILTERS}
        except TRANSIENT:
            return Record(reachable=False, streams=[_stream(name, info, None, None) for name, info in infos.items()])
        assert database is not None
        return Record(
            reachable=True,
            version=database["version"],
            size_bytes=database["size_bytes"],
            conflicts=database["conflicts"],
            whole=database["whole"],
            streams=[await self._recorded(name, infos[name], positions[name]) for name in FILTERS],
        )

    async def _recorded(self, name: str, info: StreamInfo, position: Position | None) -> RecordedStream:
        if position is None or position.epoch != int(info.config.metadata.get(EPOCH, "1")):
            return _stream(name, info, None, None)
        behind = max(info.state.last_seq - position.seq, 0)
        return _stream(name, info, behind, await self._behind_s(name, info, position) if behind else 0.0)

    async def _behind_s(self, name: str, info: StreamInfo, position: Position) -> float | None:
        """For how long the first message that is not recorded has been there; None: it is gone, or nobody says."""
        try:
            first = await get(self._nc, name, seq=position.seq + 1, following=FILTERS[name])
        except NatsUnavailable:
            return None
        return None if first is None else max(nanoseconds(info.ts) - first.time_ns, 0) / _NS


def _stream(name: str, info: StreamInfo, behind: int | None, behind_s: float | None) -> RecordedStream:
    return RecordedStream(
        stream=name,
        messages=info.state.messages,
        bytes=info.state.bytes,
        max_bytes=info.config.max_bytes,
        replicas=info.config.num_replicas,
        missing=info.missing,
        behind=behind,
        behind_s=behind_s,
    )
