"""Attach and detach: claims are taken and given back, and each connection's beginning and end is recorded once.

Both may be repeated. The beginning is appended expecting that nothing is recorded of the connection, so a connection that
has been detached meanwhile cannot begin any more; the end is appended expecting that no end is.
"""

import asyncio
import random

from nats.aio.client import Client

from services.contracts import codec, subjects
from services.contracts.connections import Connected, Disconnected
from services.contracts.directory import Policy
from services.contracts.events import type_of
from services.contracts.rpc import Attach, Attached, Detach, Recorded
from services.registry import connections
from services.registry.connections import AttachPlan
from services.registry.gateways import Gateways
from services.registry.kv import Claims
from services.runtime.append import Record, Superseded, append
from services.runtime.directory import DirectoryFollower
from services.runtime.errors import NatsUnavailable
from services.runtime.kv import Conflict
from services.runtime.rpc import Refused

TRIES = 20
PAUSE_S = 0.02
APPEND_S = 4.0
"""Less than a caller waits for its answer."""


class Attaching:
    """The claims and the events of connections."""

    def __init__(self, nc: Client, follower: DirectoryFollower, gateways: Gateways) -> None:
        self._nc, self._follower, self._gateways = nc, follower, gateways
        self._claims = Claims(nc)

    async def attach(self, request: Attach) -> Attached:
        """Claim what the connection may have and record it. Raises Refused, InvalidToken, NatsUnavailable, Undecided."""
        connections.check(request)
        policies = await self._policies(request.spaces)
        for _ in range(TRIES):
            plan = await self._plan(request, policies)
            if not plan.accepted:
                return plan.attached(0)
            try:
                revision = await self._take(plan)
            except Conflict:
                # Others are after the same claim: look again, but not all at once.
                await asyncio.sleep(random.uniform(0.0, PAUSE_S))
                continue
            await self._begin(request, plan)
            return plan.attached(revision)
        raise NatsUnavailable(f"too many connections at once claim {request.agent} or its spaces")

    async def detach(self, request: Detach) -> Recorded:
        """Give back what the connection still holds and record its end. Raises InvalidToken, NatsUnavailable, Undecided."""
        connections.check(request)
        await self._release(request.agent, request.conn, request.spaces)
        try:
            return Recorded(seq=await self._record(connections.disconnected(request)))
        except Superseded as error:
            return Recorded(seq=error.by.seq)

    async def _policies(self, spaces: list[str]) -> dict[str, Policy]:
        directory = self._follower.directory
        if not all(directory.serviceable(space) for space in spaces):
            await self._follower.catch_up()
        found = {space: directory.serviceable(space) for space in spaces}
        return {space: there.connections for space, there in found.items() if there is not None}

    async def _plan(self, request: Attach, policies: dict[str, Policy]) -> AttachPlan:
        exclusive = connections.exclusive_spaces(request.spaces, policies)
        identity, *held = await self._claims.read(connections.claim_keys(request.agent, exclusive))
        return connections.attach(
            request, policies, identity, dict(zip(exclusive, held, strict=True)), self._gateways.is_lost
        )

    async def _take(self, plan: AttachPlan) -> int:
        revision = plan.identity.revision
        for entry in plan.writes:
            written = await self._claims.write(entry, plan.claim)
            revision = written if entry is plan.identity else revision
        return revision

    async def _begin(self, request: Attach, plan: AttachPlan) -> None:
        try:
            await self._record(connections.connected(request, plan.accepted))
        except Superseded as error:
            await self._release(request.agent, request.conn, plan.accepted)
            raise Refused("conflict", "the connection has ended already") from error

    async def _release(self, agent: str, conn: str, spaces: list[str]) -> None:
        # Of every space that there is: its policy may have been another when the claim was taken.
        keys = connections.claim_keys(agent, await self._policies(spaces))
        for _ in range(TRIES):
            try:
                for entry in connections.to_release(conn, await self._claims.read(keys)):
                    await self._claims.release(entry)
            except Conflict:
                continue  # Somebody has taken it over, or another replica has released it: look again.
            return
        raise NatsUnavailable(f"the claims of connection {conn} change all the time")

    async def _record(self, event: Connected | Disconnected) -> int:
        subject = subjects.connection_event(event.conn, type_of(event))
        chain = subjects.connection_chain(event.conn) if isinstance(event, Connected) else subject
        data = codec.connections.encode(event)
        return await append(self._nc, Record(subjects.CONNECTIONS, subject, chain, 0, event.id, data), APPEND_S)
