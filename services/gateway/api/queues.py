"""The queues of spaces, and the agents that serve them."""

from fastapi import APIRouter
from nats.aio.client import Client
from starlette.requests import Request
from starlette.responses import Response

from services.contracts import subjects
from services.contracts.ids import part_of_space
from services.contracts.lists import GetStats, Stats
from services.contracts.rpc import GetSpaceOverview, SpaceOverview
from services.gateway.agent_view import AgentsObject, agent_object
from services.gateway.api.access import Access
from services.gateway.api.queue_operations import SPACE_AGENTS, SPACE_HEALTH, SPACE_QUEUE
from services.gateway.api.responses import json_response
from services.gateway.auth import Caller, visible
from services.gateway.health import WINDOW_S, health_object
from services.gateway.queue_view import queue_object
from services.gateway.reading import Reader
from services.gateway.seen_agents import SeenAgents
from services.runtime import rpc
from services.runtime.directory import DirectoryFollower
from services.runtime.errors import NatsUnavailable

ANSWER_S = 2.0
_NS = 1_000_000_000


def router(nc: Client, access: Access, follower: DirectoryFollower, reader: Reader) -> APIRouter:
    """The routes of queues."""
    seen_agents = SeenAgents(nc)

    async def queue(request: Request, caller: Caller) -> Response:
        space = visible(follower, caller, request.path_params["space"])
        seen = await overview(space.space)
        user = None if caller.user.role == "admin" else caller.user.user
        return json_response(queue_object(space.space, space.paused, seen, user))

    async def health(request: Request, caller: Caller) -> Response:
        space = visible(follower, caller, request.path_params["space"])
        try:
            seen = await overview(space.space)
        except NatsUnavailable:
            seen = None
        return json_response(health_object(space, seen, await latest(space.space)))

    async def overview(slug: str) -> SpaceOverview:
        subject = subjects.dispatcher_rpc(part_of_space(slug), "overview")
        return await rpc.call(nc, subject, GetSpaceOverview(space=slug), SpaceOverview, ANSWER_S)

    async def latest(slug: str) -> Stats | None:
        """What the space's requests came to lately, as far as it is recorded; None when history is silent."""
        try:
            end = await reader.end_of_stream()
            wanted = GetStats(since=end.at - WINDOW_S * _NS, until=end.at, spaces=[slug])
            return await rpc.call(nc, subjects.history_rpc("stats"), wanted, Stats, ANSWER_S)
        except NatsUnavailable:
            return None

    async def agents(request: Request, caller: Caller) -> Response:
        slug = visible(follower, caller, request.path_params["space"]).space
        there = [agent for agent in await seen_agents.of(caller) if slug in agent.spaces]
        details = await seen_agents.details(there)
        return json_response(AgentsObject(results=[agent_object(each, details.get(each.conn)) for each in there]))

    routes = APIRouter()
    for operation, endpoint in ((SPACE_QUEUE, queue), (SPACE_AGENTS, agents), (SPACE_HEALTH, health)):
        access.add(routes, operation, endpoint)
    return routes
