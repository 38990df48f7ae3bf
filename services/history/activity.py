"""Numbers over time, from the read table and the log. What they cost is bounded: so many are made at a time, and each is
given up when it takes too long."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator

import asyncpg

from services.contracts.lists import ListConnections
from services.contracts.platform import Attention, GetAttention
from services.contracts.series import MAX_BUCKETS, GetSeries, Latency, Series
from services.history.attention import Judged, Waiting, agents_of, spaces_of, waited_at
from services.history.connections import begun_connection, fits
from services.history.database import Connection, Pool
from services.history.lists import Lists, check_whole, one_or_several
from services.history.requests import state_of
from services.history.series import Durations, Flow, Presence, agents_online, one_in, running_flow, series_of
from services.history.statements import sql
from services.runtime.rpc import Refused

_NS = 1_000_000_000
BUDGET_S = 6.0
"""An answer may take so long. Who asks waits longer, so that it hears why there is none."""
AT_ONCE = 2
"""So many answers are made at a time: the others of the pool's connections are for the recorders and shorter questions."""
MAX_CONNECTIONS = 20_000
"""So many connections of agents, the latest, are looked at ..."""
LOOK_BACK_NS = 90 * 86400 * _NS
"""... and those that began so long before the first bucket: none lasts longer than its gateway and its agent do."""


class Activity:
    """Answers what has gone on."""

    def __init__(self, pool: Pool, lists: Lists) -> None:
        self._pool, self._lists = pool, lists
        self._some = asyncio.Semaphore(AT_ONCE)

    async def series(self, query: GetSeries) -> Series:
        """What became of requests, bucket by bucket. Raises Refused."""
        if not (1 <= query.buckets <= MAX_BUCKETS and query.bucket_s >= 1):
            raise Refused("invalid", f"a series has 1 to {MAX_BUCKETS} buckets of at least one second")
        if query.recorded is not None:
            await self._lists.recorded(query.recorded)
        async with self.looking() as connection:
            flows, durations = await _requests(connection, query)
            agents = await _agents(connection, query)
        return series_of(query, flows, durations, agents)

    async def attention(self, query: GetAttention) -> Attention:
        """What may need somebody. Raises Refused."""
        if query.recorded is not None:
            await self._lists.recorded(query.recorded)
        whose = (query.user or None, *one_or_several(query.spaces))
        async with self.looking() as connection:
            waiting = [Waiting(*row) for row in await connection.fetch(sql("waiting_spaces"), *whose)]
            running = [state_of(row["state"]) for row in await connection.fetch(sql("running"), *whose)]
            depths = []
            for at in query.depths_at:
                rows = await connection.fetch(sql("waited_spaces"), at, *whose)
                depths.append(Counter({row["space"]: row["requests"] for row in rows}) + waited_at(at, running))
            judged = await connection.fetch(sql("judged_spaces"), query.outcomes_since, query.outcomes, *whose)
            began = await connection.fetch(sql("latest_connections"), query.connections_since, MAX_CONNECTIONS)
        wanted = ListConnections(limit=1, owner=query.user, within=query.spaces)
        events = (begun_connection(row["at"], row["subject"], row["data"]).event for row in began)
        return Attention(
            spaces=spaces_of(waiting, depths, [Judged(*row) for row in judged]),
            agents=agents_of(event for event in events if fits(wanted, event)),
        )

    @contextlib.asynccontextmanager
    async def looking(self) -> AsyncIterator[Connection]:
        """A snapshot to look at, for as long as an answer may take. Raises Refused when that is over."""
        try:
            async with (
                asyncio.timeout(BUDGET_S),
                self._some,
                self._pool.acquire() as connection,
                connection.transaction(isolation="repeatable_read", readonly=True),
            ):
                await check_whole(connection)
                await connection.execute(sql("custom_plans"))
                await connection.fetchval(sql("statement_timeout"), f"{BUDGET_S:g}s")
                yield connection
        except (TimeoutError, asyncpg.QueryCanceledError) as error:
            raise Refused("too_long", f"counting takes longer than {BUDGET_S:g} s") from error


async def _requests(connection: Connection, query: GetSeries) -> tuple[list[Flow], dict[int | None, Durations]]:
    whose = (query.user or None, *one_or_several(query.spaces))
    spans = (query.since, query.bucket_s * _NS)
    ended = await connection.fetch(sql("series_flow"), *spans, *whose)
    waiting = await connection.fetch(sql("series_waiting"), *spans, *whose)
    running = [state_of(row["state"]) for row in await connection.fetch(sql("running"), *whose)]
    flows = [
        *(Flow(*row) for row in ended),
        *(Flow(row["came"], None, None, "queued", row["requests"]) for row in waiting),
        *running_flow(query, running),
    ]
    rows = await connection.fetch(sql("series_durations"), *spans, *whose, query.buckets, one_in(flows))
    return flows, {row["bucket"]: _durations(row) for row in rows}


def _durations(row: asyncpg.Record) -> Durations:
    return Durations(sampled=row["sampled"], queue_s=_latency(row["waited_ns"], _NS), run_s=_latency(row["ran_s"], 1))


def _latency(given: list[float] | None, unit: int) -> Latency | None:
    if given is None or given[0] is None:
        return None
    p50, p90, p99 = (round(each / unit, 6) for each in given)
    return Latency(p50=p50, p90=p90, p99=p99)


async def _agents(connection: Connection, query: GetSeries) -> list[int | None]:
    wanted = ListConnections(limit=1, owner=query.user, space=query.space, within=query.within)
    end = query.since + query.buckets * query.bucket_s * _NS
    rows = await connection.fetch(sql("series_connections"), query.since, end, query.since - LOOK_BACK_NS, MAX_CONNECTIONS)
    all_fit = not (wanted.owner or wanted.space) and wanted.within is None
    there = [
        Presence(row["began_at"], row["ended_at"])
        for row in rows
        if all_fit or fits(wanted, begun_connection(row["began_at"], "", row["data"]).event)
    ]
    return agents_online(query, there, rows[-1]["began_at"] if len(rows) == MAX_CONNECTIONS else None)
