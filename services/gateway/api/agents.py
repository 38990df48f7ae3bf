"""The agents that are connected: list them, and let one end."""

import msgspec
import nats.errors
from fastapi import APIRouter
from nats.aio.client import Client
from starlette.requests import Request
from starlette.responses import Response

from services.contracts import reports, subjects
from services.contracts.connections import agent_identity
from services.contracts.rpc import Agents, ConnectedAgent, GetAgents
from services.gateway.api.access import Access
from services.gateway.api.operations import AGENTS, DRAIN
from services.gateway.api.responses import json_response
from services.gateway.auth import Caller, may_see_agent
from services.gateway.problems import ApiProblem
from services.gateway.view import AgentsObject, agent_object
from services.runtime import rpc
from services.runtime.errors import NatsUnavailable

ANSWER_S = 3.0


def router(nc: Client, access: Access) -> APIRouter:
    """The routes of agents."""

    async def listed(_: Request, caller: Caller) -> Response:
        agents = await seen_by(caller)
        return json_response(AgentsObject(results=[agent_object(agent) for agent in agents]))

    async def drain(request: Request, caller: Caller) -> Response:
        path = request.path_params
        identity = agent_identity(path["owner"], path["name"])
        for agent in await seen_by(caller):
            if agent.agent == identity and await _told_to_end(nc, agent):
                return json_response(agent_object(msgspec.structs.replace(agent, state="draining")), 202)
        raise ApiProblem("not_found", "No such agent is connected.")

    async def seen_by(caller: Caller) -> list[ConnectedAgent]:
        known = await rpc.call(nc, subjects.registry_rpc("agents"), GetAgents(), Agents)
        return [agent for agent in known.agents if may_see_agent(caller, agent)]

    routes = APIRouter()
    for operation, endpoint in ((AGENTS, listed), (DRAIN, drain)):
        access.add(routes, operation, endpoint)
    return routes


async def _told_to_end(nc: Client, agent: ConnectedAgent) -> bool:
    """Ask its gateway to tell it; False when it is not connected there any more. Raises NatsUnavailable."""
    question = msgspec.json.encode(reports.DrainAgent(conn=agent.conn))
    try:
        reply = await nc.request(subjects.control(agent.gateway), question, timeout=ANSWER_S)
    except (nats.errors.Error, TimeoutError) as error:
        raise NatsUnavailable(f"{agent.gateway} does not answer") from error
    return msgspec.json.decode(reply.data, type=reports.ControlAnswer).answer == "draining"
