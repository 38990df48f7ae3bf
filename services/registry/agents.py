"""Which agents are connected: a fold of what gateways report. PURE: instants come in as arguments, monotonic seconds."""

from collections.abc import Callable
from dataclasses import dataclass, field

from services.contracts.connections import agent_identity
from services.contracts.reports import FULL_REPORT_S, AgentReport, Report
from services.contracts.rpc import ConnectedAgent, GetAgents

SETTLE_S = 1.5 * FULL_REPORT_S
"""Who listens for this long has heard every gateway that lives."""
SILENT_S = 3 * FULL_REPORT_S
"""A gateway that has not reported for this long is gone, or cut off together with its agents."""


@dataclass(slots=True)
class _Gateway:
    heard_at: float
    number: int = -1
    agents: dict[str, AgentReport] = field(default_factory=dict)


class ConnectedAgents:
    """The connections that gateways have reported last. Not a value: it changes with each report."""

    def __init__(self) -> None:
        self._gateways: dict[str, _Gateway] = {}
        self._newest: dict[str, str] = {}
        """Identity -> the connection that appeared last. The others are about to be closed."""
        self._listening_since: float | None = None

    def listening(self, now: float) -> None:
        """Reports come in from now on; some may have been missed before."""
        self._gateways.clear()
        self._newest.clear()
        self._listening_since = now

    def fold(self, report: Report, now: float) -> None:
        """One report. After a missed one only a full one counts, and never one that a newer one has overtaken."""
        gateway = self._gateways.get(report.gateway)
        if gateway is None:
            self._forget_silent(now)
            gateway = self._gateways[report.gateway] = _Gateway(now)
        gateway.heard_at = now
        if report.number <= gateway.number or (not report.full and report.number != gateway.number + 1):
            return
        gateway.number = report.number
        if report.full:
            for conn in gateway.agents.keys() - {agent.conn for agent in report.agents}:
                self._forget(gateway.agents.pop(conn))
        for agent in report.agents:
            self._update(gateway, agent)

    def settled(self, live: frozenset[str], now: float) -> bool:
        """Whether all of the live gateways have reported in full since we have been listening, or have had the time to."""
        since = self._listening_since
        full = {name for name, gateway in self._gateways.items() if gateway.number >= 0}
        return since is not None and (live <= full or now - since >= SETTLE_S)

    def connected(self, is_lost: Callable[[str], bool], now: float) -> list[ConnectedAgent]:
        """All agents of the gateways that are there, by identity."""
        found = []
        for name, gateway in self._gateways.items():
            if now - gateway.heard_at < SILENT_S and not is_lost(name):
                found += [_connected(name, agent) for agent in gateway.agents.values() if self._is_newest(agent)]
        return sorted(found, key=lambda agent: agent.agent)

    def _update(self, gateway: _Gateway, agent: AgentReport) -> None:
        if agent.gone:
            gateway.agents.pop(agent.conn, None)
            self._forget(agent)
            return
        if agent.conn not in gateway.agents:
            self._newest[agent.agent] = agent.conn
        gateway.agents[agent.conn] = agent

    def _forget_silent(self, now: float) -> None:
        for name in [name for name, gateway in self._gateways.items() if now - gateway.heard_at >= SILENT_S]:
            for agent in self._gateways.pop(name).agents.values():
                self._forget(agent)

    def _forget(self, agent: AgentReport) -> None:
        if self._newest.get(agent.agent) == agent.conn:
            del self._newest[agent.agent]

    def _is_newest(self, agent: AgentReport) -> bool:
        return self._newest.get(agent.agent, agent.conn) == agent.conn


def wanted(question: GetAgents, agent: ConnectedAgent) -> bool:
    """Whether it is asked for."""
    owned = not question.owner or agent.agent.startswith(agent_identity(question.owner, ""))
    return owned and question.agent in ("", agent.agent)


def _connected(gateway: str, agent: AgentReport) -> ConnectedAgent:
    return ConnectedAgent(
        agent=agent.agent,
        conn=agent.conn,
        gateway=gateway,
        spaces=agent.spaces,
        slots=agent.slots,
        state=agent.state,
        running=len(agent.held),
    )
