"""Which requests of a space are open? History is asked, once it has recorded everything that the stream holds: so nothing
that was accepted before the question is missing from the answer."""

from collections.abc import AsyncGenerator

from nats.aio.client import Client

from services.contracts import subjects
from services.contracts.lifecycle import Status
from services.contracts.lists import MAX_LIMIT, ListRequests, Place, RequestsPage
from services.contracts.requests import RequestState
from services.contracts.rpc import GetPositions, Positions
from services.gateway.reading import End, Reader
from services.runtime import rpc
from services.runtime.errors import NatsUnavailable

OPEN: tuple[Status, ...] = ("queued", "processing")


class Inventory:
    """Finds the open requests of spaces."""

    def __init__(self, nc: Client, reader: Reader) -> None:
        self._nc, self._reader = nc, reader

    async def any_open(self, space: str) -> bool:
        """Whether a request of the space is queued or processing. Raises NatsUnavailable."""
        await self._recorded()
        return bool((await self._page(space, OPEN, 1, 0, None)).requests)

    async def queued(self, space: str) -> AsyncGenerator[list[RequestState], None]:
        """What was accepted before the call and waits, the newest first, page by page. Raises NatsUnavailable."""
        end = await self._recorded()
        beside, more = None, True
        while more:
            page = await self._page(space, ("queued",), MAX_LIMIT, end.at + 1, beside)
            if page.requests:
                beside = Place(page.requests[-1].accepted_at, page.requests[-1].rid)
                yield page.requests
            more = page.more

    async def _recorded(self) -> End:
        end = await self._reader.end_of_stream()
        if not end.position.seq:
            return end  # there never was a request, so history has no position either
        wanted = GetPositions(wanted=end.position)
        answer = await rpc.call(self._nc, subjects.history_rpc("positions"), wanted, Positions)
        known = [(each.epoch, each.seq) for each in answer.positions if each.stream == end.position.stream]
        if max(known, default=(0, 0)) < (end.position.epoch, end.position.seq):
            raise NatsUnavailable("history has not recorded all requests yet")
        return end

    async def _page(
        self, space: str, statuses: tuple[Status, ...], limit: int, until: int, beside: Place | None
    ) -> RequestsPage:
        wanted = ListRequests(limit=limit, spaces=[space], statuses=list(statuses), until=until, beside=beside)
        return await rpc.call(self._nc, subjects.history_rpc("requests"), wanted, RequestsPage)
