"""May a space take a submission now? Its settings are known here; how many requests wait, and whether an agent is there, the
dispatcher of its partition is asked, and only about spaces that refuse by it."""

import asyncio
import time
from dataclasses import dataclass

from nats.aio.client import Client

from services.contracts import subjects
from services.contracts.accounts import Space
from services.contracts.ids import part_of_space
from services.contracts.rpc import GetSpaceQueue, SpaceQueue
from services.gateway.problems import ApiProblem
from services.gateway.spaces import refusal
from services.runtime import rpc
from services.runtime.errors import NatsUnavailable

ADMITTING_S = 0.5
"""An answer admits submissions for so long. What other gateways admit meanwhile may exceed a limit."""
REFUSING_S = 0.05
"""None is refused by an answer that is older."""
ANSWER_S = 0.5


@dataclass(slots=True)
class _Seen:
    queue: SpaceQueue | None
    asked_at: float
    admitted: int = 0


class Queues:
    """Looks at the queues of spaces, as seldom as it may."""

    def __init__(self, nc: Client) -> None:
        self._nc = nc
        self._seen: dict[str, _Seen] = {}
        self._asking: dict[str, asyncio.Lock] = {}

    async def check(self, space: Space) -> None:
        """Raises ApiProblem when the space takes no submission. While no dispatcher answers it takes them: the request would
        not run now, but a takeover is over in a second."""
        if not space.enabled:
            raise ApiProblem("space_disabled", f"The space {space.space} is disabled.", headers={"Retry-After": "60"})
        if space.on_no_agent == "queue" and not space.queue_limit:
            return
        seen = await self._look(space.space, ADMITTING_S)
        if refusal(space, seen.queue, seen.admitted) is not None:
            seen = await self._look(space.space, REFUSING_S)
            if (problem := refusal(space, seen.queue, seen.admitted)) is not None:
                raise problem
        seen.admitted += 1

    async def _look(self, slug: str, good_s: float) -> _Seen:
        async with self._asking.setdefault(slug, asyncio.Lock()):
            seen = self._seen.get(slug)
            if seen is None or time.monotonic() - seen.asked_at >= good_s:
                asked_at = time.monotonic()
                seen = self._seen[slug] = _Seen(await self._ask(slug), asked_at)
            return seen

    async def _ask(self, slug: str) -> SpaceQueue | None:
        subject = subjects.dispatcher_rpc(part_of_space(slug), "queue")
        try:
            return await rpc.call(self._nc, subject, GetSpaceQueue(space=slug), SpaceQueue, ANSWER_S)
        except (NatsUnavailable, rpc.Refused):
            return None
