"""All agents' sockets of this gateway: carries out what their sessions decide, and ends them properly."""

import asyncio
import logging
import time
from collections.abc import Iterable, Iterator
from typing import assert_never

from nats.aio.client import Client
from prometheus_client import Gauge

from services.contracts import subjects
from services.contracts.agent_details import AgentDetails, AgentsDetails
from services.contracts.reports import DescribeAgents
from services.contracts.rpc import Detach
from services.gateway.background import Fail
from services.gateway.decisions import Append, Close, Decision, RecordRefused, StoreOutput
from services.gateway.endings import DISCONNECTED
from services.gateway.leases import Lease, LeaseTable, Outcome
from services.gateway.metrics import CLOSED, SLOTS, SOCKETS, close_code
from services.gateway.outcomes import Outcomes, Vet
from services.gateway.outputs import Outputs
from services.gateway.registration import Registration
from services.gateway.reports import Reports
from services.gateway.round_trips import measure
from services.gateway.session import GatewaySession
from services.gateway.socket import Connection
from spaces_agent import frames

log = logging.getLogger("services.gateway.agents")

READY = Gauge("ws_agent_connections", "Agents that are connected and ready")


class Connections:
    """The sockets by connection id, and those of agents that have joined by the claim on their identity."""

    def __init__(self, nc: Client, gateway: str, table: LeaseTable, vet: Vet, fail: Fail) -> None:
        self.sessions: dict[str, GatewaySession] = {}
        self.outcomes = Outcomes(nc, vet, self._decided, fail)
        self.outputs = Outputs(nc, self._progressed, fail)
        self.registration = Registration(nc, fail)
        self.reports = Reports(nc, gateway, self.sessions.values)
        self.empty = asyncio.Event()
        self._gateway, self._table = gateway, table
        self._all: dict[str, Connection] = {}
        self._by_claim: dict[str, Connection] = {}

    def __iter__(self) -> Iterator[Connection]:
        return iter(list(self._all.values()))

    def ready_count(self) -> int:
        """How many agents have joined."""
        return len(self._by_claim)

    def of_agent(self, agent: str) -> Connection | None:
        """The connection of an agent identity."""
        return self._by_claim.get(subjects.agent_claim(agent))

    def of_claim(self, key: str) -> Connection | None:
        """The connection of the agent identity that this key in `ws_claims` is about."""
        return self._by_claim.get(key)

    def opened(self, connection: Connection) -> None:
        """A socket with a good key."""
        self._all[connection.session.conn] = connection
        self.sessions[connection.session.conn] = connection.session
        self.empty.clear()
        SOCKETS.set(len(self._all))

    def joined(self, connection: Connection) -> None:
        """Its session has been welcomed."""
        assert connection.session.member is not None
        member = connection.session.member
        self._by_claim[subjects.agent_claim(member.agent)] = connection
        log.info("agent %s joined as %s for %s", member.agent, connection.session.conn, ", ".join(member.spaces))
        READY.set(len(self._by_claim))

    def act(self, session: GatewaySession) -> None:
        """Do what the session wants done now."""
        connection = self._all.get(session.conn)
        if connection is not None:
            connection.wake()
        for decision in session.events_to_append():
            self._carry_out(decision, connection)
        if session.take_changed() and connection is not None:
            self.reports.changed(session)

    def ended(self, connection: Connection, code: int, reason: str) -> None:
        """The socket is gone or about to be closed: delist it now. Harmless when that has been done."""
        session = connection.session
        if self._all.pop(session.conn, None) is None:
            return
        del self.sessions[session.conn]
        session.lost(time.monotonic())
        CLOSED.labels(close_code(code)).inc()
        SOCKETS.set(len(self._all))
        log.info("connection %s ended: %s (%d)", session.conn, reason, code)
        if (report := session.last_report()) is not None:
            self.reports.gone(report)
            self.detach(connection, code, reason)
            if self.of_agent(report.agent) is connection:
                del self._by_claim[subjects.agent_claim(report.agent)]
                READY.set(len(self._by_claim))
        if not self._all:
            self.empty.set()

    def count_slots(self) -> None:
        """Show how many slots are taken."""
        slots = [session.slots() for session in self.sessions.values()]
        used = sum(taken for taken, _ in slots)
        SLOTS.labels("used").set(used)
        SLOTS.labels("free").set(sum(every for _, every in slots) - used)

    def drain_agent(self, conn: str) -> bool:
        """Tell the agent at this connection to end; False when it is not here."""
        session = self.sessions.get(conn)
        if session is None or not session.drain("drained over the API"):
            return False
        self.act(session)
        return True

    def disconnect_agent(self, conn: str) -> bool:
        """Close this connection, so that its agent makes another; False when it is not here. What it holds is kept for
        the grace."""
        connection = self._all.get(conn)
        if connection is None or connection.session.member is None:
            return False
        connection.session.close(frames.CLOSE_GOAWAY, DISCONNECTED)
        self.act(connection.session)
        return True

    async def details(self, question: DescribeAgents) -> AgentsDetails:
        """What is known of these connections."""
        there = [connection for conn in question.conns if (connection := self._all.get(conn)) is not None]
        await measure([connection.round_trip for connection in there], time.monotonic())
        found = [_details(connection, question.held) for connection in there]
        return AgentsDetails(agents=[each for each in found if each is not None])

    def detach(self, connection: Connection, code: int, reason: str, *, agent: str = "", spaces: Iterable[str] = ()) -> None:
        """Tell the registry that the connection has ended; `agent` and `spaces` when its session was never welcomed."""
        member = connection.session.member
        message = Detach(
            conn=connection.session.conn,
            gateway=self._gateway,
            agent=member.agent if member else agent,
            spaces=member.spaces if member else list(spaces),
            reason=reason,
            code=code,
            connected_s=round(time.monotonic() - connection.opened_at, 3),
        )
        self.registration.detach(message)

    def _carry_out(self, decision: Decision, connection: Connection | None) -> None:
        match decision:
            case Append():
                self.outcomes.submit(decision)
            case StoreOutput():
                self.outputs.store(decision.lease)
            case RecordRefused():
                self.registration.record_refused(decision.event)
            case Close():
                if connection is not None:
                    connection.close(decision.code, decision.reason)
                    self.ended(connection, decision.code, decision.reason)
            case _:
                assert_never(decision)

    def _progressed(self, lease: Lease) -> None:
        # The lease's, not the socket's: an outcome that waited is appended also when the agent is gone for the moment.
        if (event := lease.due()) is not None:
            self.outcomes.submit(Append(event=event, traceparent=lease.traceparent, files=lease.files))
        session = self.sessions.get(lease.conn)
        if session is not None and session.holds(lease.lease):
            session.output_stored(lease)
            self.act(session)

    def _decided(self, event: Outcome, recorded: bool) -> None:
        lease = self._table.get(event.prev_seq)
        if lease is None or lease.outcome is None or lease.outcome.id != event.id:
            return  # an assignment that was given back without ever being held
        if recorded:
            self._table.decided(lease.lease, event.id)
        session = self.sessions.get(lease.conn)
        if session is not None and session.holds(lease.lease):
            session.outcome_decided(lease, recorded, time.monotonic())
            self.act(session)
        else:
            self._table.remove(lease)


def _details(connection: Connection, held: bool) -> AgentDetails | None:
    member = connection.session.member
    if member is None:
        return None
    return AgentDetails(
        conn=connection.session.conn,
        connected_at=connection.opened_at_ns,
        version=member.version,
        labels=member.labels,
        address=connection.address,
        round_trip_s=connection.round_trip.last_s,
        held=connection.session.held(time.monotonic()) if held else [],
    )
