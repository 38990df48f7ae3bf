"""Feeds from NATS: follows a request's chain, its output and its place in the queue for one reader, and hands over what is
to be shown. What NATS cannot tell right now is waited for."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from nats.aio.client import Client

from services.contracts import codec, output, subjects
from services.contracts.rpc import QueuePlace
from services.gateway.cursor import Cursor
from services.gateway.delivery import again
from services.gateway.feed import Feed
from services.gateway.items import Item, PingEvent, PositionEvent
from services.gateway.reading import Link, Reader, epoch_of, ignored
from services.gateway.values import Values
from services.gateway.view import RequestObject, request_object
from services.runtime.errors import NatsUnavailable
from services.runtime.jetstream import Stored, stream_info
from services.runtime.loops import cancel
from services.runtime.tail import Tail, TailAhead, TailTrimmed

PING_S = 15.0
PLACE_S = 2.0
PULL = 16
"""Messages of each stream that may be on their way to a reader: it may be slow."""
PAGE_ITEMS, PAGE_BYTES = 1000, 1024 * 1024
PAGE_S = 5.0
_BATCHES = 2
_LAST_S = 1.0

Show = Callable[[list[Item]], Awaitable[None]]


class NewEpoch(NatsUnavailable):
    """The stream was replaced while it was read: begin again."""


class Following:
    """One reader of one request, from a cursor on. `opening` is what there was to show at once."""

    def __init__(
        self,
        nc: Client,
        reader: Reader,
        values: Values,
        rid: str,
        epoch: int,
        start: Cursor | None,
        links: list[Link],
    ) -> None:
        self._nc, self._reader, self._values, self._rid, self._epoch = nc, reader, values, rid, epoch
        self._feed = Feed(epoch, start, ignored)
        self.opening = self._feed.events(links)
        self._arrived: asyncio.Queue[Callable[[], list[Item]]] = asyncio.Queue(_BATCHES)
        self._room, self._queued, self._finishing = asyncio.Event(), asyncio.Event(), asyncio.Event()

    @property
    def over(self) -> bool:
        """Whether there is nothing to show and never will be: the reader has seen the outcome."""
        return self._feed.ended and not self.opening

    async def run(self, show: Show) -> None:
        """Show everything until the request has ended. However long `show` takes, only that much is kept for it.

        Raises SpacesError, UndecodableEvent, msgspec.MsgspecError."""
        items = self.opening + await self._at_end()
        await show(await self._filled(items))
        if self._feed.ended:
            return
        self._steer()
        followed = [self._follow_output(), self._look_for_end()]
        if not self._feed.finishing:
            followed += [self._follow_chain(), self._watch_place()]
        showing = asyncio.create_task(self._show(show))
        tasks = [showing, *(asyncio.create_task(each) for each in followed)]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await cancel(tasks)
        (showing if showing in done else done.pop()).result()

    async def page(self) -> tuple[list[Item], Cursor, bool]:
        """What there is now, or as much of it as fits in an answer; the cursor after it; and whether that is all that will
        ever be. Raises NatsUnavailable."""
        items = list(self.opening)
        try:
            async with asyncio.timeout(PAGE_S):
                last = await self._last_output()
                if last > self._feed.cursor.output:
                    items += await self._output_up_to(last, PAGE_ITEMS - len(items))
                if self._feed.finishing:
                    items += self._feed.stored(last)
        except TimeoutError as error:
            raise NatsUnavailable(f"the output of {self._rid} cannot be read right now") from error
        return await self._filled(items), self._feed.cursor, self._feed.ended

    # What comes in

    async def _follow_chain(self) -> None:
        start = self._feed.seq + 1
        while True:
            tail = Tail(self._nc, subjects.REQUESTS, [subjects.chain(self._rid)], start, pull=PULL, name="events")
            try:
                async for batch in tail.batches():
                    await self._arrived.put(partial(self._feed.events, [_link(stored) for stored in batch.messages]))
            except TailTrimmed:
                start = await self._read_again()

    async def _read_again(self) -> int:
        """Read the chain, since the stream was trimmed while it could not be followed; where to follow it from."""
        info = await again(lambda: stream_info(self._nc, subjects.REQUESTS))
        if epoch_of(info) != self._epoch:
            raise NewEpoch(f"{self._rid}: the stream was replaced")
        links = await again(lambda: self._reader.chain(self._rid))
        await self._arrived.put(partial(self._feed.events, links))
        return info.state.last_seq + 1

    async def _follow_output(self) -> None:
        start = self._feed.cursor.output + 1
        while True:
            try:
                async for batch in self._output(start).batches():
                    await self._arrived.put(partial(self._records, batch.messages))
                    await self._room.wait()
            except TailAhead:
                await self._arrived.put(self._feed.renumbered)
                start = 1
            except TailTrimmed as trimmed:
                start = trimmed.first  # what came before has aged out

    async def _look_for_end(self) -> None:
        """Once there is an outcome, look again and again which record is the last: it may age out while it is waited for."""
        await self._finishing.wait()
        while True:
            last = await again(self._last_output)
            await self._arrived.put(partial(self._feed.stored, last))
            await asyncio.sleep(_LAST_S)

    async def _watch_place(self) -> None:
        shown: QueuePlace | None = None
        while True:
            if not self._queued.is_set():
                shown = None
                await self._queued.wait()
            place = await self._reader.place(self._rid)
            if (
                place is not None
                and place.reason
                and (shown is None or (place.position, place.reason) != (shown.position, shown.reason))
            ):
                shown = place
                await self._arrived.put(partial(self._place, place))
            await asyncio.sleep(PLACE_S)

    # What goes out

    async def _show(self, show: Show) -> None:
        clock = asyncio.get_running_loop()
        ping_at = clock.time() + PING_S
        while not self._feed.ended:
            items = await self._next(ping_at)
            if clock.time() >= ping_at:
                ping_at = clock.time() + PING_S
                items = [*items, Item(PingEvent())]
            self._steer()
            if items:
                await show(await self._filled(items))

    async def _filled(self, items: list[Item]) -> list[Item]:
        """The same items, with the input and the output of the request where they are too large for its events."""
        state = self._feed.state
        if state is None or not (state.input_file or state.output_file):
            return items
        return [
            Item(request_object(await self._values.filled(state)), item.id) if isinstance(item.data, RequestObject) else item
            for item in items
        ]

    async def _next(self, until: float) -> list[Item]:
        try:
            async with asyncio.timeout_at(until):
                arrived = await self._arrived.get()
        except TimeoutError:
            return []
        return arrived()

    def _steer(self) -> None:
        """Tell who follows something what the feed needs now."""
        for event, wanted in (
            (self._room, not self._feed.crowded),
            (self._queued, self._feed.queued),
            (self._finishing, self._feed.finishing),
        ):
            event.set() if wanted else event.clear()

    def _records(self, messages: list[Stored]) -> list[Item]:
        return self._feed.records((output.decode(stored.data), stored.seq) for stored in messages)

    def _place(self, place: QueuePlace) -> list[Item]:
        return (
            [Item(PositionEvent(position=place.position, reason=place.reason, eta_s=place.eta_s))]
            if self._feed.queued
            else []
        )

    # The output that is stored already

    async def _at_end(self) -> list[Item]:
        """What there is to show of a request that has its outcome, without following anything, when no output is left."""
        return self._feed.stored(await self._last_output()) if self._feed.finishing else []

    async def _last_output(self) -> int:
        erased = self._feed.state is not None and self._feed.state.erased
        return 0 if erased else await self._reader.last_output(self._rid)

    async def _output_up_to(self, last: int, room: int) -> list[Item]:
        items: list[Item] = []
        size, start = 0, self._feed.cursor.output + 1
        while True:
            try:
                async for batch in self._output(start).batches():
                    for stored in batch.messages:
                        items += self._records([stored])
                        size += len(stored.data)
                        full = len(items) >= room or size >= PAGE_BYTES or self._feed.crowded
                        if full or stored.seq >= last:
                            return items
                    if batch.pending == 0:
                        return items
            except TailTrimmed as trimmed:
                start = trimmed.first

    def _output(self, start: int) -> Tail:
        return Tail(self._nc, subjects.OUTPUT, [subjects.output(self._rid)], start, pull=PULL, name="events")


def _link(stored: Stored) -> Link:
    return codec.requests.decode(stored.data), stored.seq, stored.time_ns
