"""What all gateways report, folded: who is connected, with how many free slots, holding which leases.

Pure: reports, events and instants (nanoseconds of JetStream's clock) come in as arguments. One fleet serves all partitions
of a dispatcher.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from services.contracts.reports import AgentReport, Held, Report

REMEMBERED = 8192
"""So many leases that ended lately are remembered: a report that was on its way may still list them."""


@dataclass(slots=True)
class Agent:
    """One connection as last reported. A slot is taken by what the report lists and by what we assigned since."""

    gateway: str
    report: AgentReport
    number: int
    held: dict[int, Held]
    reserved: dict[str, int] = field(default_factory=dict)
    """rid -> lease (0 while the assignment is being appended) of what we assigned and no report has listed yet."""
    released: set[int] = field(default_factory=set)
    """Leases that it holds by its report, though their outcome is recorded: reports and events overtake each other."""
    blocked_number: int = -1
    """It said busy when its report number was this: wait for a newer one."""
    blocked_until: int = 0
    """It turned work down: leave it alone until then."""

    @property
    def free(self) -> int:
        """Slots that we believe to be free."""
        return self.report.slots - (len(self.held) - len(self.released)) - len(self.reserved)


@dataclass(slots=True)
class Listing:
    """A lease as last listed by the gateway that holds its agent."""

    conn: str
    held: Held
    at: int


@dataclass(slots=True)
class _Gateway:
    number: int = -1
    full_at: int = 0
    heard_at: int = 0
    conns: set[str] = field(default_factory=set)


class Fleet:
    """Agents, leases and gateways as reported."""

    def __init__(self) -> None:
        self.agents: dict[str, Agent] = {}
        self.listed: dict[int, Listing] = {}
        self.delisted: dict[int, int] = {}
        """lease -> when it was last taken off a list, for leases that are on none now."""
        self._over: dict[int, None] = {}
        self.barrier = 0
        """Nothing is decided before every gateway that lived then has reported in full after this instant."""
        self._awaited: frozenset[str] = frozenset()
        self._gateways: dict[str, _Gateway] = {}
        self._by_space: dict[str, set[str]] = {}
        self._by_identity: dict[str, str] = {}

    # Reports

    def fold(self, report: Report, now: int) -> set[str]:
        """One report; the spaces that may have gained capacity by it. After a missed report only a full one counts."""
        gateway = self._gateways.setdefault(report.gateway, _Gateway())
        gateway.heard_at = now
        if not report.full and report.number != gateway.number + 1:
            return set()
        gateway.number = report.number
        if report.full:
            gateway.full_at = now
            reported = {agent.conn for agent in report.agents}
            for conn in gateway.conns - reported:
                self._drop(conn, now)
        spaces: set[str] = set()
        for agent in report.agents:
            if agent.gone:
                self._drop(agent.conn, now)
            else:
                self._upsert(report, agent, gateway, now)
                spaces.update(agent.spaces)
        return spaces

    def gateway_gone(self, gateway: str, now: int) -> None:
        """The gateway is not there any more: whatever it listed is delisted."""
        gone = self._gateways.pop(gateway, None)
        for conn in gone.conns if gone else ():
            self._drop(conn, now)

    def gateways(self) -> Iterable[str]:
        """Gateways that have been heard of and not declared gone."""
        return list(self._gateways)

    def silent_since(self, gateway: str) -> int:
        """When the gateway was last heard of; 0: never."""
        known = self._gateways.get(gateway)
        return known.heard_at if known else 0

    def complete(self, live: frozenset[str]) -> bool:
        """Whether every gateway that lived at the barrier, and still does, has reported in full since."""
        waiting = self._awaited & live
        self._awaited = frozenset(g for g in waiting if g not in self._gateways or self._gateways[g].full_at <= self.barrier)
        return not self._awaited

    def raise_barrier(self, now: int, live: frozenset[str]) -> None:
        """We may have missed something (takeover, reconnect, pause): count from here, and hear all of `live` first."""
        self.barrier, self._awaited = now, live
        for lease in self.delisted:
            self.delisted[lease] = now

    # Slots

    def pick(self, space: str, now: int) -> Agent | None:
        """The ready agent of a space with the most free slots."""
        best: Agent | None = None
        for conn in self._by_space.get(space, ()):
            agent = self.agents[conn]
            blocked = agent.number <= agent.blocked_number or now < agent.blocked_until
            if agent.report.state != "ready" or blocked or agent.free <= 0:
                continue
            if best is None or agent.free > best.free:
                best = agent
        return best

    def online(self, space: str) -> bool:
        """Whether any agent of the space is connected."""
        return bool(self._by_space.get(space))

    def reserve(self, conn: str, rid: str, lease: int) -> None:
        """We assigned (or are about to assign, lease 0) a request to this connection."""
        agent = self.agents.get(conn)
        if agent is not None and lease not in agent.held:
            agent.reserved[rid] = lease

    def release(self, conn: str, rid: str, lease: int, confirmed: bool) -> None:
        """The lease is over. `confirmed`: its gateway said so, the slot is free although a report may still list it."""
        agent = self.agents.get(conn)
        if confirmed:
            self._over[lease] = None
            if len(self._over) > REMEMBERED:
                del self._over[next(iter(self._over))]
        if agent is not None:
            agent.reserved.pop(rid, None)
            if confirmed and lease in agent.held:
                agent.released.add(lease)

    def block(self, conn: str, until: int) -> None:
        """It would not take work: wait for a newer report, and at least until `until`."""
        agent = self.agents.get(conn)
        if agent is not None:
            agent.blocked_number, agent.blocked_until = agent.number, until

    def boot(self, conn: str) -> str:
        """The boot id behind a connection, empty when it is not connected."""
        return self.agents[conn].report.boot_id if conn in self.agents else ""

    def conn_of(self, identity: str) -> str:
        """The newest connection of an agent identity, empty when it is not connected."""
        return self._by_identity.get(identity, "")

    def forget(self, lease: int) -> None:
        """The lease is over: nobody asks for it any more."""
        self.delisted.pop(lease, None)

    def _upsert(self, report: Report, new: AgentReport, gateway: _Gateway, now: int) -> None:
        held = {h.lease: h for h in new.held}
        agent = self.agents.get(new.conn)
        if agent is None:
            agent = self.agents[new.conn] = Agent(report.gateway, new, report.number, held)
            gateway.conns.add(new.conn)
        else:
            self._unlist(agent, [lease for lease in agent.held if lease not in held], now)
            self._unindex(agent)
            agent.report, agent.number, agent.held = new, report.number, held
        agent.released = {lease for lease in held if lease in self._over}
        for lease, entry in held.items():
            self.listed[lease] = Listing(new.conn, entry, now)
            self.delisted.pop(lease, None)
            agent.reserved.pop(entry.rid, None)
        self._index(agent)

    def _drop(self, conn: str, now: int) -> None:
        agent = self.agents.pop(conn, None)
        if agent is None:
            return
        self._unlist(agent, list(agent.held), now)
        self._unindex(agent)
        if agent.gateway in self._gateways:
            self._gateways[agent.gateway].conns.discard(conn)

    def _unlist(self, agent: Agent, leases: Iterable[int], now: int) -> None:
        for lease in leases:
            listing = self.listed.get(lease)
            if listing is not None and listing.conn == agent.report.conn:
                del self.listed[lease]
                self.delisted[lease] = now

    def _index(self, agent: Agent) -> None:
        for space in agent.report.spaces:
            self._by_space.setdefault(space, set()).add(agent.report.conn)
        self._by_identity[agent.report.agent] = agent.report.conn

    def _unindex(self, agent: Agent) -> None:
        for space in agent.report.spaces:
            conns = self._by_space.get(space, set())
            conns.discard(agent.report.conn)
            if not conns:
                self._by_space.pop(space, None)
        if self._by_identity.get(agent.report.agent) == agent.report.conn:
            del self._by_identity[agent.report.agent]
