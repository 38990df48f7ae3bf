"""The agents that are connected: look at them, let one end, disconnect one."""

import msgspec
import nats.errors
from fastapi import APIRouter
from nats.aio.client import Client
from starlette.requests import Request
from starlette.responses import Response

from services.contracts import reports, subjects
from services.contracts.agent_details import HeldRequest
from services.contracts.connections import agent_identity
from services.contracts.rpc import ConnectedAgent
from services.gateway.agent_view import AgentsObject, agent_at_work, agent_object
from services.gateway.api.access import Access
from services.gateway.api.agent_operations import AGENT, DISCONNECT
from services.gateway.api.operations import AGENTS, DRAIN
from services.gateway.api.responses import json_response
from services.gateway.auth import Caller, may_read_of
from services.gateway.problems import ApiProblem
from services.gateway.seen_agents import SeenAgents
from services.runtime.errors import NatsUnavailable

ANSWER_S = 3.0


def router(nc: Client, access: Access) -> APIRouter:
    """The routes of agents."""
    seen = SeenAgents(nc)

    async def listed(_: Request, caller: Caller) -> Response:
        agents = await seen.of(caller)
        details = await seen.details(agents)
        return json_response(AgentsObject(results=[agent_object(each, details.get(each.conn)) for each in agents]))

    async def shown(request: Request, caller: Caller) -> Response:
        agent = await named(request, caller)
        details = await seen.details([agent], held=True)

        def readable(held: HeldRequest) -> bool:
            return may_read_of(caller, held.user, held.space)

        return json_response(agent_at_work(agent, details.get(agent.conn), readable))

    async def drain(request: Request, caller: Caller) -> Response:
        agent = await named(request, caller)
        details = await seen.details([agent])
        await _told(nc, agent, reports.DrainAgent(conn=agent.conn))
        draining = msgspec.structs.replace(agent, state="draining")
        return json_response(agent_object(draining, details.get(agent.conn)), 202)

    async def disconnect(request: Request, caller: Caller) -> Response:
        agent = await named(request, caller)
        details = await seen.details([agent])
        await _told(nc, agent, reports.DisconnectAgent(conn=agent.conn))
        return json_response(agent_object(agent, details.get(agent.conn)), 202)

    async def named(request: Request, caller: Caller) -> ConnectedAgent:
        path = request.path_params
        for agent in await seen.of(caller, agent_identity(path["owner"], path["name"])):
            return agent
        raise _not_connected()

    routes = APIRouter()
    for operation, endpoint in ((AGENTS, listed), (AGENT, shown), (DRAIN, drain), (DISCONNECT, disconnect)):
        access.add(routes, operation, endpoint)
    return routes


async def _told(nc: Client, agent: ConnectedAgent, order: reports.DrainAgent | reports.DisconnectAgent) -> None:
    """Give its gateway an order. Raises ApiProblem when it is not connected there any more, NatsUnavailable."""
    try:
        reply = await nc.request(subjects.control(agent.gateway), msgspec.json.encode(order), timeout=ANSWER_S)
    except (nats.errors.Error, TimeoutError) as error:
        raise NatsUnavailable(f"{agent.gateway} does not answer") from error
    if msgspec.json.decode(reply.data, type=reports.ControlAnswer).answer == "no_connection":
        raise _not_connected()


def _not_connected() -> ApiProblem:
    return ApiProblem("not_found", "No such agent is connected.")
