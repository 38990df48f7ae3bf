"""What all gateways report, folded: who is connected, with how many free slots, holding which leases.

Pure: reports, events and instants (nanoseconds of JetStream's clock) come in as arguments. One fleet serves all partitions
of a dispatcher.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from services.contracts.ids import part_of_request
from services.contracts.reports import AgentReport, AgentState, Held, Report

REMEMBERED = 8192
"""So many leases that ended lately are remembered: a report that was on its way may still list them."""
DELISTED_NS = 60 * 1_000_000_000
"""So long is remembered when a lease was taken off a list: longer than the grace, after which it makes no difference."""


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
    heard_at: int = 0
    conns: set[str] = field(default_factory=set)


class Fleet:
    """Agents, leases and gateways as reported."""

    def __init__(self) -> None:
        self.agents: dict[str, Agent] = {}
        self.listed: dict[int, Listing] = {}
        self.delisted: dict[int, int] = {}
        """lease -> when it was taken off a list (in that order), for leases that are on none now."""
        self._over: dict[int, None] = {}
        self.barrier = 0
        """Nothing is decided before every gateway that lived then has reported in full after this instant."""
        self._awaited: frozenset[str] = frozenset()
        self._gateways: dict[str, _Gateway] = {}
        self._by_space: dict[str, set[str]] = {}
        self._by_identity: dict[str, str] = {}
        """Identity -> its newest connection. The others are about to be closed, or their gateway has died unnoticed."""

    # Reports

    def fold(self, report: Report, now: int) -> set[str]:
        """One report; the spaces that may have gained capacity by it. After a missed report only a full one counts, and
        never one that a newer one has overtaken."""
        gateway = self._gateways.setdefault(report.gateway, _Gateway())
        gateway.heard_at = now
        if report.number <= gateway.number or (not report.full and report.number != gateway.number + 1):
            return set()
        gateway.number = report.number
        if report.full:
            self._awaited -= {report.gateway}
            reported = {agent.conn for agent in report.agents}
            for conn in gateway.conns - reported:
                self._drop(conn, now)
        spaces: set[str] = set()
        for agent in report.agents:
            if agent.gone:
                if agent.conn not in self.agents:  # it came and went unseen: what we know of the agent is older
                    self._by_identity.pop(agent.agent, None)
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
        self._awaited &= live
        return not self._awaited

    def raise_barrier(self, now: int, live: frozenset[str]) -> None:
        """We may have missed something (takeover, reconnect, pause): count from here, and hear all of `live` first."""
        self.barrier, self._awaited = now, live

    # Slots

    def pick(self, space: str, now: int) -> Agent | None:
        """The ready agent of a space with the most free slots."""
        best: Agent | None = None
        for conn in self._by_space.get(space, ()):
            agent = self.agents[conn]
            blocked = agent.number <= agent.blocked_number or now < agent.blocked_until
            if agent.report.state != "ready" or blocked or not self._current(conn) or agent.free <= 0:
                continue
            if best is None or agent.free > best.free:
                best = agent
        return best

    def slots(self, space: str) -> tuple[int, int]:
        """All slots of the ready agents of a space, which may serve others as well, and how many are believed to be free."""
        agents = [self.agents[conn] for conn in self._by_space.get(space, ()) if self._current(conn)]
        ready = [agent for agent in agents if agent.report.state == "ready"]
        return sum(agent.report.slots for agent in ready), sum(max(agent.free, 0) for agent in ready)

    def states(self, space: str) -> set[AgentState]:
        """The states of the agents of a space that are connected."""
        return {self.agents[conn].report.state for conn in self._by_space.get(space, ())}

    def connected(self, space: str) -> dict[AgentState, int]:
        """How many agents of a space are connected, by state."""
        return Counter(self.agents[conn].report.state for conn in self._by_space.get(space, ()) if self._current(conn))

    def everybody(self) -> list[Agent]:
        """All agents that are connected, each by its newest connection."""
        return [agent for conn, agent in self.agents.items() if self._current(conn)]

    def reserve(self, conn: str, rid: str, lease: int) -> None:
        """We assigned (or are about to assign, lease 0) a request to this connection."""
        agent = self.agents.get(conn)
        if agent is not None and lease not in agent.held:
            agent.reserved[rid] = lease

    def release(self, conn: str, rid: str, lease: int, confirmed: bool) -> None:
        """The lease (0: the attempt to assign) is over. `confirmed`: its gateway said so, the slot is free although a report
        may still list it."""
        agent = self.agents.get(conn)
        if confirmed:
            self._over[lease] = None
            if len(self._over) > REMEMBERED:
                del self._over[next(iter(self._over))]
        if agent is not None:
            if agent.reserved.get(rid) == lease:
                del agent.reserved[rid]
            if confirmed and lease in agent.held:
                agent.released.add(lease)

    def block(self, conn: str, until: int) -> None:
        """It would not take work: wait for a newer report, and at least until `until`."""
        agent = self.agents.get(conn)
        if agent is not None:
            agent.blocked_number, agent.blocked_until = agent.number, until

    def conn_of(self, identity: str) -> str:
        """The newest connection of an agent identity, empty when it is not connected."""
        return self._by_identity.get(identity, "")

    def let_go(self, part: int) -> None:
        """A partition is no longer ours, or is built anew: what we reserved for its requests is not ours to count."""
        for agent in self.agents.values():
            agent.reserved = {rid: lease for rid, lease in agent.reserved.items() if part_of_request(rid) != part}

    def _current(self, conn: str) -> bool:
        return self._by_identity.get(self.agents[conn].report.agent) == conn

    def _upsert(self, report: Report, new: AgentReport, gateway: _Gateway, now: int) -> None:
        held = {h.lease: h for h in new.held}
        agent = self.agents.get(new.conn)
        if agent is None:
            agent = self.agents[new.conn] = Agent(report.gateway, new, report.number, held)
            gateway.conns.add(new.conn)
            self._by_identity[new.agent] = new.conn
        else:
            self._unlist(agent, [lease for lease in agent.held if lease not in held], now)
            self._unindex(agent)
            agent.report, agent.number, agent.held = new, report.number, held
        agent.released = {lease for lease in held if lease in self._over}
        self._by_identity.setdefault(new.agent, new.conn)
        for lease, entry in held.items():
            agent.reserved.pop(entry.rid, None)
            listing = self.listed.get(lease)
            # A former connection whose end was not noticed yet must not take the lease along when it is.
            if listing is None or listing.conn == new.conn or self._current(new.conn):
                self.listed[lease] = Listing(new.conn, entry, now)
                self.delisted.pop(lease, None)
        self._index(agent)

    def _drop(self, conn: str, now: int) -> None:
        agent = self.agents.pop(conn, None)
        if agent is None:
            return
        self._unlist(agent, list(agent.held), now)
        self._unindex(agent)
        if self._by_identity.get(agent.report.agent) == conn:
            del self._by_identity[agent.report.agent]
        if agent.gateway in self._gateways:
            self._gateways[agent.gateway].conns.discard(conn)

    def _unlist(self, agent: Agent, leases: Iterable[int], now: int) -> None:
        for lease in leases:
            listing = self.listed.get(lease)
            if listing is not None and listing.conn == agent.report.conn:
                del self.listed[lease]
                self.delisted[lease] = now
        while self.delisted and now - self.delisted[oldest := next(iter(self.delisted))] > DELISTED_NS:
            del self.delisted[oldest]

    def _index(self, agent: Agent) -> None:
        for space in agent.report.spaces:
            self._by_space.setdefault(space, set()).add(agent.report.conn)

    def _unindex(self, agent: Agent) -> None:
        for space in agent.report.spaces:
            conns = self._by_space.get(space, set())
            conns.discard(agent.report.conn)
            if not conns:
                self._by_space.pop(space, None)
