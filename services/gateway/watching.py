"""What goes on, looked at: numbers over time, the platform, and what needs somebody. For the API and for the console."""

import asyncio
import contextlib
import time

from nats.aio.client import Client

from services.contracts import subjects
from services.contracts.platform import Attention, GetAttention, GetRecord, Record, RecordedStream
from services.contracts.rpc import Agents, ConnectedAgent, GetAgents
from services.contracts.series import Series
from services.gateway.api.access import Access
from services.gateway.auth import Caller
from services.gateway.platform import FULL, Nats, PlatformObject, Process, database_of, nats_of, services_of
from services.gateway.problems import ApiProblem
from services.gateway.reading import End, Reader
from services.gateway.rules import (
    CONNECTIONS_S,
    DEPTHS_S,
    OUTCOMES,
    OUTCOMES_S,
    Finding,
    of_platform,
    of_spaces,
    ordered,
)
from services.gateway.series import SeriesObject, Window, series_object, series_query
from services.runtime import rpc
from services.runtime.directory import DirectoryFollower
from services.runtime.errors import NatsUnavailable
from services.runtime.jetstream import ApiError, account_usage, stream_info
from services.runtime.live import Liveness, own_version

_NS = 1_000_000_000
SERIES_S = 10.0
"""Longer than history takes before it gives up."""
LOOK_S = 3.0
"""So long services may take to say how they are."""
STREAMS = (
    *(subjects.REQUESTS, subjects.OUTPUT, subjects.DIRECTORY, subjects.FILES),
    *(f"KV_{name}" for name in (subjects.LIVE, subjects.CLAIMS, subjects.KEYS, subjects.SESSIONS, subjects.KEY_USES)),
)
"""Those that a gateway may look at; history tells of the others that matter."""


class Watching:
    """Looks at what goes on, as a caller may."""

    def __init__(
        self, nc: Client, id: str, access: Access, follower: DirectoryFollower, liveness: Liveness, reader: Reader
    ) -> None:
        self._nc, self._id, self._access, self._follower = nc, id, access, follower
        self._liveness, self._reader = liveness, reader

    async def series(self, caller: Caller, space: str | None, window: Window) -> SeriesObject:
        """Requests and agents over time. Raises ApiProblem, NatsUnavailable."""
        reach, within = self._access.reach(caller, space, None), self._access.reach(caller, None, None)
        end = await self._reader.end_of_stream()
        query = series_query(
            window,
            end.at,
            user=reach.user,
            spaces=reach.spaces,
            space=space,
            within=within.spaces,
            recorded=end.position,
        )
        try:
            found = await rpc.call(self._nc, subjects.history_rpc("series"), query, Series, SERIES_S)
        except rpc.Refused as refused:
            if refused.code != "too_long":
                raise
            raise ApiProblem("unavailable", "There is too much to count: ask for a shorter window.") from refused
        return series_object(found, query, space, end.at)

    async def platform(self) -> PlatformObject:
        """How the platform is. Whoever is silent is left out."""
        record, usage, streams = await asyncio.gather(self._record(), self._usage(), self._streams())
        alive = {kind: self._alive(kind) for kind in self._liveness.kinds()}
        return PlatformObject(
            gateway=self._id,
            version=own_version(),
            halted=self._liveness.halted,
            full_at=FULL,
            services=services_of(alive),
            nats=nats_of(self._nats(usage), streams, record),
            database=database_of(record),
        )

    async def findings(self, caller: Caller, platform: PlatformObject | None) -> list[Finding]:
        """What needs somebody; of the platform, if there is one to look at, as well. Raises NatsUnavailable when nothing can
        be told."""
        try:
            end = await self._reader.end_of_stream()
            attention, agents = await asyncio.gather(self._attention(caller, end), self._agents())
        except NatsUnavailable:
            if platform is None:
                raise
            return ordered(of_platform(platform))
        of_both = [*of_spaces(attention, self._follower.directory.spaces, agents, end.at)]
        if platform is not None:
            of_both += of_platform(platform)
        return ordered(of_both)

    def administers(self, caller: Caller) -> bool:
        """Whether the caller may see how the platform is."""
        return caller.user.role == "admin" and not caller.key.spaces

    async def _attention(self, caller: Caller, end: End) -> Attention:
        reach = self._access.reach(caller, None, None)
        wanted = GetAttention(
            depths_at=[end.at - round(ago * _NS) for ago in DEPTHS_S],
            outcomes=OUTCOMES,
            outcomes_since=end.at - round(OUTCOMES_S * _NS),
            connections_since=end.at - round(CONNECTIONS_S * _NS),
            user=reach.user,
            spaces=reach.spaces,
            recorded=end.position,
        )
        try:
            return await rpc.call(self._nc, subjects.history_rpc("attention"), wanted, Attention, SERIES_S)
        except rpc.Refused as refused:
            raise NatsUnavailable(refused.message) from refused

    async def _agents(self) -> list[ConnectedAgent] | None:
        with contextlib.suppress(NatsUnavailable):
            return (await rpc.call(self._nc, subjects.registry_rpc("agents"), GetAgents(), Agents, LOOK_S)).agents
        return None

    async def _record(self) -> Record | None:
        with contextlib.suppress(NatsUnavailable):
            return await rpc.call(self._nc, subjects.history_rpc("record"), GetRecord(), Record, LOOK_S)
        return None

    async def _usage(self) -> tuple[int, int] | None:
        with contextlib.suppress(NatsUnavailable, ApiError):
            usage = await account_usage(self._nc, LOOK_S)
            return usage.storage, usage.limits.max_storage
        return None

    async def _streams(self) -> list[RecordedStream]:
        found = await asyncio.gather(*(self._stream(name) for name in STREAMS))
        return [each for each in found if each is not None]

    async def _stream(self, name: str) -> RecordedStream | None:
        with contextlib.suppress(NatsUnavailable, ApiError):
            info = await stream_info(self._nc, name, LOOK_S)
            return RecordedStream(
                stream=name,
                messages=info.state.messages,
                bytes=info.state.bytes,
                max_bytes=info.config.max_bytes,
                replicas=info.config.num_replicas,
                missing=info.missing,
            )
        return None

    def _alive(self, kind: str) -> list[Process]:
        now = time.monotonic()
        return [Process(id, heard.said, now - heard.at) for id, heard in self._liveness.heard(kind).items()]

    def _nats(self, usage: tuple[int, int] | None) -> Nats:
        url = self._nc.connected_url
        server = self._nc.connected_server_version
        return Nats(
            connected=self._nc.is_connected,
            server=f"{url.hostname}:{url.port}" if url is not None and self._nc.is_connected else "",
            version=f"{server.major}.{server.minor}.{server.patch}" if self._nc.is_connected else "",
            servers=sorted({f"{each.hostname}:{each.port}" for each in self._nc.servers}),
            storage=usage,
        )
