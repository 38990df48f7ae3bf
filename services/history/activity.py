"""Numbers over time, from the read table and the log. What they cost is bounded: so many are made at a time, and each is
given up when it takes too long."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import asyncpg

from services.contracts.lists import ListConnections
from services.contracts.series import MAX_BUCKETS, GetSeries, Latency, Series
from services.history.connections import begun_connection, fits
from services.history.database import Connection, Pool
from services.history.lists import Lists, check_whole, one_or_several
from services.history.requests import state_of
from services.history.series import Flow, Outcomes, Presence, agents_online, running_flow, series_of
from services.history.statements import sql
from services.runtime.rpc import Refused

_NS = 1_000_000_000
BUDGET_S = 4.0
"""An answer may take so long. Who asks waits longer, so that it hears why there is none."""
AT_ONCE = 2
"""So many answers are made at a time: the others of the pool's connections are for the recorders and shorter questions."""
MAX_CONNECTIONS = 50_000
"""So many connections of agents, the latest, are looked at."""


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
            flows, outcomes = await _requests(connection, query)
            agents = await _agents(connection, query)
        return series_of(query, flows, outcomes, agents)

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


async def _requests(connection: Connection, query: GetSeries) -> tuple[list[Flow], dict[int | None, Outcomes]]:
    whose = (query.user or None, *one_or_several(query.spaces))
    spans = (query.since, query.bucket_s * _NS)
    ended = await connection.fetch(sql("series_flow"), *spans, *whose)
    waiting = await connection.fetch(sql("series_waiting"), *spans, *whose)
    running = [state_of(row["state"]) for row in await connection.fetch(sql("running"), *whose)]
    outcomes = await connection.fetch(sql("series_outcomes"), *spans, *whose, query.buckets)
    return (
        [
            *(Flow(*row) for row in ended),
            *(Flow(row["came"], None, row["requests"]) for row in waiting),
            *running_flow(query, running),
        ],
        {row["bucket"]: _outcomes(row) for row in outcomes},
    )


def _outcomes(row: asyncpg.Record) -> Outcomes:
    return Outcomes(
        ended={status: row[status] for status in ("succeeded", "failed", "canceled", "expired") if row[status]},
        queue_s=_latency(row["waited_ns"], _NS),
        run_s=_latency(row["ran_s"], 1),
    )


def _latency(given: list[float] | None, unit: int) -> Latency | None:
    if given is None or given[0] is None:
        return None
    p50, p90, p99 = (round(each / unit, 6) for each in given)
    return Latency(p50=p50, p90=p90, p99=p99)


async def _agents(connection: Connection, query: GetSeries) -> list[int | None]:
    wanted = ListConnections(limit=1, owner=query.user, space=query.space, within=query.within)
    end = query.since + query.buckets * query.bucket_s * _NS
    rows = await connection.fetch(sql("series_connections"), query.since, end, MAX_CONNECTIONS)
    there = [
        Presence(row["began_at"], row["ended_at"])
        for row in rows
        if fits(wanted, begun_connection(row["began_at"], "", row["data"]).event)
    ]
    return agents_online(query, there, rows[-1]["began_at"] if len(rows) == MAX_CONNECTIONS else None)
