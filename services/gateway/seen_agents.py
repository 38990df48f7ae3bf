"""The agents that a caller sees: who is connected, as the registry says, and the rest, as their gateways do."""

import asyncio
import itertools
from collections import defaultdict
from collections.abc import Iterable

import msgspec
import nats.errors
from nats.aio.client import Client

from services.contracts import reports, subjects
from services.contracts.agent_details import AgentDetails, AgentsDetails
from services.contracts.rpc import Agents, ConnectedAgent, GetAgents
from services.gateway.auth import Caller, may_see_agent
from services.runtime import rpc

DETAILS_S = 1.5
"""A gateway that takes longer leaves the rest unsaid."""
AT_ONCE = 200
"""So many agents are asked about in one question, that the answer stays small: labels may be long."""


class SeenAgents:
    """Looks agents up."""

    def __init__(self, nc: Client) -> None:
        self._nc = nc

    async def of(self, caller: Caller, agent: str = "") -> list[ConnectedAgent]:
        """All that the caller may see, or the one of this identity. Raises NatsUnavailable."""
        question = GetAgents(owner="" if caller.user.role == "admin" else caller.user.user, agent=agent)
        known = await rpc.call(self._nc, subjects.registry_rpc("agents"), question, Agents)
        return [each for each in known.agents if agent in ("", each.agent) and may_see_agent(caller, each)]

    async def details(self, agents: Iterable[ConnectedAgent], *, held: bool = False) -> dict[str, AgentDetails]:
        """By connection, of those whose gateway answers; `held`: also what they hold."""
        by_gateway = defaultdict(list)
        for agent in agents:
            by_gateway[agent.gateway].append(agent.conn)
        found = await asyncio.gather(
            *(
                self._asked(gateway, conns[begin : begin + AT_ONCE], held)
                for gateway, conns in by_gateway.items()
                for begin in range(0, len(conns), AT_ONCE)
            )
        )
        return {each.conn: each for each in itertools.chain.from_iterable(found)}

    async def _asked(self, gateway: str, conns: list[str], held: bool) -> list[AgentDetails]:
        question = msgspec.json.encode(reports.DescribeAgents(conns=conns, held=held))
        try:
            reply = await self._nc.request(subjects.control(gateway), question, timeout=DETAILS_S)
            return msgspec.json.decode(reply.data, type=AgentsDetails).agents
        except (nats.errors.Error, TimeoutError):
            return []
