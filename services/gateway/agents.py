"""The agents' side of the gateway: who may connect, how they join, and the loops that serve them."""

import asyncio
import contextlib
import random
import secrets
import time
from collections.abc import Callable, Mapping

from nats.aio.client import Client
from starlette.websockets import WebSocket, WebSocketDisconnect

from services.contracts import ids
from services.contracts.accounts import Key, KeyFlaw
from services.contracts.connections import agent_identity
from services.contracts.directory import (
    DirectoryEvent,
    KeyRevoked,
    SpaceEdited,
    SpaceMemberRemoved,
    SpaceMemberSet,
    UserDisabled,
    UserRoleSet,
)
from services.contracts.standing import may_have_agents
from services.gateway import endings
from services.gateway.adopted import Adopted
from services.gateway.claims import Claims
from services.gateway.connections import Connections
from services.gateway.control import Control
from services.gateway.delivery import Delivery
from services.gateway.files import Files
from services.gateway.grants import Grants
from services.gateway.joining import Joined, Joining
from services.gateway.leases import LeaseTable
from services.gateway.members import Member
from services.gateway.session import GatewaySession
from services.gateway.socket import Connection
from services.gateway.vetting import Vetting
from services.runtime.clock import ServerClock
from services.runtime.directory import DirectoryFollower
from services.runtime.errors import NatsUnavailable
from services.runtime.jetstream import ApiError
from services.runtime.live import Liveness
from services.runtime.process import Process
from services.runtime.rpc import Refused
from spaces_agent import frames

TICK_S = 1.0
NATS_GONE_S = 10.0
"""Cut off from NATS for this long, the gateway sends its agents elsewhere."""
DRAIN_SOCKETS_S, DRAIN_OUTPUT_S, DRAIN_OUTCOMES_S, DRAIN_REGISTRY_S = 6.0, 3.0, 3.0, 2.0
"""How long a drain waits for agents to leave, for the output and the outcomes that they left behind, and for the registry.
With what the HTTP side and the liveness key may take, all of it fits into the process's own bound."""
DRAIN_SPREAD_S = 2.0
"""Agents that are sent away leave within this time, not all at once."""
TURN_AWAY_S = 1.0
BEARER = "bearer "
_WORTHLESS: Mapping[KeyFlaw, str] = {
    "revoked": "the key was revoked",
    "expired": "the key has expired",
    "disabled": "the key's user is disabled",
}


class Agents:
    """Everything between agents' WebSockets and NATS. It keeps the clock measured."""

    def __init__(
        self,
        process: Process,
        directory: DirectoryFollower,
        liveness: Liveness,
        clock: ServerClock,
        key_used: Callable[[str], None],
        files: Files,
    ) -> None:
        """`key_used` is told the id of each connection's key, again and again while it is connected."""
        self._process, self._directory, self._liveness, self._key_used = process, directory, liveness, key_used
        nc: Client = process.nc
        keep_s = process.settings.stream_keep
        self._nc = nc
        self._clock = clock
        self._table = LeaseTable()
        self._connections = Connections(nc, process.id, self._table, Vetting(files).vet, process.fail)
        self._joining = Joining(nc, process.id, directory.directory, self._clock)
        self._claims = Claims(nc, self._claim_moved)
        self._delivery = Delivery(
            nc,
            process.id,
            self._table,
            self._connections.sessions,
            self._clock,
            keep_s,
            Grants(files),
            after=self._connections.act,
            submit=self._connections.outcomes.submit,
            fail=process.fail,
        )
        self._adopted = Adopted(nc, self._table, self._delivery, keep_s)
        self._control = Control(nc, process.id, self._delivery, self._connections, process.fail)
        self._draining = False
        self._connected_at = time.monotonic()

    async def start(self) -> None:
        """Start all loops and return when the gateway can serve agents. Raises NatsUnavailable."""
        await self._clock.measure(self._nc)
        self._hear_of_revocations()
        await self._control.start()
        spawn = self._process.spawn
        spawn("clock", self._clock.keep_measuring(self._nc))
        spawn("delivery", self._delivery.run())
        spawn("adopted", self._adopted.run())
        spawn("claims", self._claims.run())
        spawn("reports", self._connections.reports.run())
        spawn("agents", self._tick())
        await self._delivery.caught_up.wait()
        await self._claims.caught_up.wait()

    def connection_count(self) -> int:
        """How many agents are connected and have joined."""
        return self._connections.ready_count()

    async def drain(self) -> None:
        """Send all agents away with what they hold, and finish what is under way, within a bound."""
        self._draining = True
        for connection in self._connections:
            connection.session.goaway(endings.STOPPING, random.uniform(0.0, DRAIN_SPREAD_S))
            self._connections.act(connection.session)
        await self._connections.reports.publish_changes()
        if list(self._connections):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._connections.empty.wait(), DRAIN_SOCKETS_S)
        for connection in self._connections:
            connection.session.close(frames.CLOSE_GOAWAY, endings.STOPPING)
            self._connections.act(connection.session)
        await self._connections.outputs.settle(DRAIN_OUTPUT_S)
        await self._connections.outcomes.settle(DRAIN_OUTCOMES_S)
        await self._connections.registration.settle(DRAIN_REGISTRY_S)

    # Sockets

    async def socket(self, websocket: WebSocket) -> None:
        """Serve one agent's WebSocket to its end."""
        try:
            key = await self._admit(websocket)
        except WebSocketDisconnect:
            return
        if key is None:
            return
        session = GatewaySession(secrets.token_hex(8), self._process.id, self._table, time.monotonic())
        connection = Connection(websocket, session, key, self._clock.now_ns())
        self._connections.opened(connection)
        code = 0
        try:
            code = await connection.serve(self._step)
        finally:
            self._connections.ended(connection, code, "the socket was closed")

    async def _admit(self, websocket: WebSocket) -> Key | None:
        """Accept the socket; the key that opened it, or None when it was closed. A refusal is a close code, since proxies
        answer with HTTP errors of their own (protocol, rule 3)."""
        offered = frames.SUBPROTOCOL in websocket.scope.get("subprotocols", [])
        await websocket.accept(subprotocol=frames.SUBPROTOCOL if offered else None)
        if not offered:
            message = f"the subprotocol {frames.SUBPROTOCOL} is needed"
            await _reject(websocket, frames.CLOSE_UNSUPPORTED, "unsupported_version", message)
            return None
        if self._draining or self._liveness.halted or not self._directory.fresh:
            goaway = frames.Goaway(reason="the gateway cannot serve agents now", reconnect_after_s=TURN_AWAY_S)
            await websocket.send_text(frames.encode(goaway).decode())
            await websocket.close(frames.CLOSE_GOAWAY, "not ready")
            return None
        authorization = websocket.headers.get("authorization", "")
        secret = authorization[len(BEARER) :].strip() if authorization.lower().startswith(BEARER) else ""
        key = self._directory.directory.key_by_hash(ids.secret_hash(secret))
        if key is None or key.kind != "agent" or self._directory.directory.flaw(key, self._clock.now_ns()):
            await _reject(websocket, frames.CLOSE_BAD_KEY, "bad_key", "a valid agent key is needed")
            return None
        return key

    async def _step(self, connection: Connection) -> None:
        self._connections.act(connection.session)
        if connection.session.phase == "joining":
            await self._join(connection)
            self._connections.act(connection.session)

    # Joining

    async def _join(self, connection: Connection) -> None:
        session, hello = connection.session, connection.session.hello
        assert hello is not None
        joined: Joined | None = None
        try:
            joined = await self._joining.attach(hello, connection.key, session.conn, connection.address)
            if joined.member.spaces:
                await self._welcome(connection, joined, hello)
            else:
                refused = ", ".join(f"{space.space} ({space.reason})" for space in joined.spaces)
                session.refuse("no_space", f"no space to serve: {refused}", frames.CLOSE_NO_SPACE)
        except NatsUnavailable:
            session.turn_away("the registry does not answer", TURN_AWAY_S)
        except Refused as error:
            session.refuse(error.code, error.message, frames.CLOSE_RESYNC)
        finally:
            # An attach without an answer may have been carried out, or still be: what has ended cannot begin any more.
            if session.member is None and (joined is None or joined.member.revision):
                agent = agent_identity(connection.key.user, hello.agent_id)
                self._connections.detach(connection, 0, endings.NEVER_JOINED, agent=agent, spaces=hello.spaces)

    async def _welcome(self, connection: Connection, joined: Joined, hello: frames.Hello) -> None:
        session, member = connection.session, joined.member
        self._make_way(member)
        try:
            works = await self._joining.judge(hello.in_flight, member.agent)
        except (NatsUnavailable, ApiError, Refused):
            session.turn_away("what is in flight cannot be judged now", TURN_AWAY_S)
            return
        newer = self._claims.contrary(member.agent, session.conn, member.revision)
        newer_boot_id = newer.boot_id if newer is not None else self._make_way(member)
        if newer_boot_id is not None:
            session.close(*_superseded_by(member.boot_id, newer_boot_id))
            return
        session.welcome(member, joined.spaces, works, time.monotonic())
        if session.member is None:
            return  # closed while it was joining
        for work in works:
            if work.verdict == "continue":
                self._adopted.follow(work.claimed.request_id, work.claimed.lease)
        self._connections.joined(connection)

    def _make_way(self, member: Member) -> str | None:
        """End the connection that the agent had here before; the boot id of one that is newer than this member's."""
        former = self._connections.of_agent(member.agent)
        if former is None or former.session.member is None:
            return None
        if former.session.member.revision > member.revision:
            return former.session.member.boot_id
        self._supersede(former, member.boot_id)
        return None

    def _supersede(self, connection: Connection, boot_id: str) -> None:
        assert connection.session.member is not None
        connection.session.close(*_superseded_by(connection.session.member.boot_id, boot_id))
        self._connections.act(connection.session)

    def _claim_moved(self, key: str) -> None:
        connection = self._connections.of_claim(key)
        if connection is None or (member := connection.session.member) is None:
            return
        newer = self._claims.contrary(member.agent, connection.session.conn, member.revision)
        if newer is not None:
            self._supersede(connection, newer.boot_id)
        elif self._claims.withdrawn(member.agent, member.revision):
            connection.session.turn_away(endings.WITHDRAWN, TURN_AWAY_S)
            self._connections.act(connection.session)

    # What changes by itself

    def _hear_of_revocations(self) -> None:
        before = self._directory.on_event

        def on_event(event: DirectoryEvent) -> None:
            before(event)
            if isinstance(
                event, KeyRevoked | UserDisabled | UserRoleSet | SpaceEdited | SpaceMemberSet | SpaceMemberRemoved
            ):
                self._close_worthless()

        self._directory.on_event = on_event

    def _close_worthless(self) -> None:
        directory, now = self._directory.directory, self._clock.now_ns()
        for connection in self._connections:
            if flaw := directory.flaw(connection.key, now):
                connection.session.refuse("bad_key", _WORTHLESS[flaw], frames.CLOSE_BAD_KEY)
                self._connections.act(connection.session)
            elif self._is_shut_out(connection):
                # It comes back at once, and is told which of its spaces it still has.
                connection.session.close(frames.CLOSE_GOAWAY, endings.SHUT_OUT)
                self._connections.act(connection.session)

    def _is_shut_out(self, connection: Connection) -> bool:
        directory, member = self._directory.directory, connection.session.member
        user = directory.users.get(connection.key.user)
        served = [directory.serviceable(space) for space in (member.spaces if member else [])]
        return any(space is not None and not may_have_agents(space, user) for space in served)

    async def _tick(self) -> None:
        while True:
            self._connections.count_slots()
            await asyncio.sleep(TICK_S)
            now = time.monotonic()
            self._table.expire(now)
            lost = self._lost_nats(now)
            self._close_worthless()
            for connection in self._connections:
                self._key_used(connection.key.key_id)
                connection.session.tick(now)
                connection.tick(now)
                if lost and connection.session.routable:
                    connection.session.unroutable()
                self._connections.act(connection.session)

    def _lost_nats(self, now: float) -> bool:
        if self._nc.is_connected:
            self._connected_at = now
        return now - self._connected_at >= NATS_GONE_S


def _superseded_by(boot_id: str, newer_boot_id: str) -> tuple[int, str]:
    if newer_boot_id == boot_id:
        return frames.CLOSE_GOAWAY, endings.NEWER
    return frames.CLOSE_SUPERSEDED, endings.OTHER_PROCESS


async def _reject(websocket: WebSocket, close_code: int, code: str, message: str) -> None:
    error = frames.Error(code=code, message=message, fatal=True)
    await websocket.send_text(frames.encode(error).decode())
    await websocket.close(close_code, code)
