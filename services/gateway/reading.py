"""Reading a request: the chain from the stream's leader first, so that clients read their own writes; what the stream no
longer holds is asked of history."""

import logging
from typing import NamedTuple

from nats.aio.client import Client

from services.contracts import codec, output, subjects
from services.contracts.connections import Refused
from services.contracts.erasure import without_words
from services.contracts.events import Erased, RequestEvent
from services.contracts.ids import part_of_request
from services.contracts.instants import nanoseconds
from services.contracts.lifecycle import InvalidTransition
from services.contracts.output import Progress
from services.contracts.requests import RequestState, fold
from services.contracts.rpc import Chain, GetChain, GetQueue, Position, QueuePlace
from services.runtime import rpc
from services.runtime.errors import NatsUnavailable
from services.runtime.jetstream import StreamInfo, get, stream_info
from services.runtime.topology import EPOCH

HISTORY_TIMEOUT_S = 5.0
REFUSED_TIMEOUT_S = 1.0
PLACE_TIMEOUT_S = PROGRESS_TIMEOUT_S = 0.5

Link = tuple[RequestEvent, int, int]
"""An event with its sequence and its instant."""

log = logging.getLogger("services.gateway.reading")


class End(NamedTuple):
    """Where the stream of requests ends, at an instant of the server's clock (nanoseconds since 1970)."""

    position: Position
    at: int


class Reader:
    """Reads requests, whoever accepted them."""

    def __init__(self, nc: Client) -> None:
        self._nc = nc

    async def read(self, rid: str) -> RequestState | None:
        """The state of a request; None when neither the stream nor history knows it. Raises NatsUnavailable, also when
        history would have to be asked and does not answer."""
        return fold(await self.chain(rid), ignored)

    async def read_again(self, rid: str) -> RequestState:
        """The state of a request that there is. Raises NatsUnavailable, also when nobody knows of it just now."""
        state = await self.read(rid)
        if state is None:
            raise NatsUnavailable(f"{rid} cannot be read just now")
        return state

    async def chain(self, rid: str) -> list[Link]:
        """All events of a request; none when neither the stream nor history knows it. Raises NatsUnavailable as `read`
        does."""
        links, whole = await self._from_stream(rid)
        if not whole:
            recorded = _links(await self._from_history(rid, HISTORY_TIMEOUT_S))
            last = recorded[-1][1] if recorded else 0
            links = recorded + [link for link in links if link[1] > last]
        if any(isinstance(event, Erased) for event, _, _ in links):
            return [(without_words(event), seq, at) for event, seq, at in links]  # the stream may still have them
        return links

    async def refused(self, rid: str) -> list[tuple[Refused, int]] | None:
        """The refused frames about a request with their instants; None when history is silent."""
        try:
            answer = await self._from_history(rid, REFUSED_TIMEOUT_S)
        except NatsUnavailable:
            return None
        decoded = [(codec.connections.decode(bytes(logged.data)), logged.at) for logged in answer.refused]
        return [(event, at) for event, at in decoded if isinstance(event, Refused)]

    async def end_of_stream(self) -> End:
        """How far the stream of requests goes now, as its leader says. Raises NatsUnavailable."""
        info = await stream_info(self._nc, subjects.REQUESTS)
        position = Position(stream=subjects.REQUESTS, epoch=epoch_of(info), seq=info.state.last_seq)
        return End(position, nanoseconds(info.ts))

    async def last_output(self, rid: str) -> int:
        """The sequence of the last output record that is stored of a request, 0 without any. Raises NatsUnavailable."""
        stored = await get(self._nc, subjects.OUTPUT, last=subjects.output(rid))
        return 0 if stored is None else stored.seq

    async def progress(self, state: RequestState) -> Progress | None:
        """What the handler of a processing request said last of its progress; None when it said nothing, or when that
        cannot be read just now."""
        try:
            stored = await get(self._nc, subjects.OUTPUT, last=subjects.output(state.rid), timeout_s=PROGRESS_TIMEOUT_S)
        except NatsUnavailable:
            return None
        record = None if stored is None else output.decode(stored.data)
        return record.progress if record is not None and record.lease == state.lease else None

    async def place(self, rid: str) -> QueuePlace | None:
        """Where in the queue it is, as the partition's dispatcher says; None when there is none to ask."""
        subject = subjects.dispatcher_rpc(part_of_request(rid), "place")
        try:
            return await rpc.call(self._nc, subject, GetQueue(rid=rid), QueuePlace, PLACE_TIMEOUT_S)
        except (NatsUnavailable, rpc.Refused):
            return None

    async def _from_stream(self, rid: str) -> tuple[list[Link], bool]:
        """The end of the chain that the stream holds, and whether that is the whole chain: walked from its last event
        backwards, since each event names the one before it."""
        links: list[Link] = []
        stored = await get(self._nc, subjects.REQUESTS, last=subjects.chain(rid))
        while stored is not None:
            event = codec.requests.decode(stored.data)
            links.insert(0, (event, stored.seq, stored.time_ns))
            if event.prev_seq == 0:
                return links, True
            stored = await get(self._nc, subjects.REQUESTS, seq=event.prev_seq)
        return links, False

    async def _from_history(self, rid: str, timeout_s: float) -> Chain:
        return await rpc.call(self._nc, subjects.history_rpc("chain"), GetChain(rid=rid), Chain, timeout_s=timeout_s)


def epoch_of(info: StreamInfo) -> int:
    """The epoch of a stream."""
    return int(info.config.metadata.get(EPOCH, "1"))


def _links(answer: Chain) -> list[Link]:
    return [(codec.requests.decode(bytes(logged.data)), logged.seq, logged.at) for logged in answer.events]


def ignored(event: RequestEvent, seq: int, error: InvalidTransition) -> None:
    """Dispatcher and recorder leave it out as well."""
    log.error("event %d was ignored: %s", seq, error, extra={"request_id": event.rid})
