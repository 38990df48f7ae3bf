"""The events of a request: as a stream that goes on, or as JSON of what there is."""

import asyncio
from collections.abc import Iterable

from fastapi import APIRouter
from nats.aio.client import Client
from starlette.requests import Request
from starlette.responses import Response

from services.gateway import cursor, items
from services.gateway.admission import Admission
from services.gateway.api.access import Access
from services.gateway.api.operations import EVENTS
from services.gateway.api.responses import NO_STORE, json_response
from services.gateway.api.streaming import EventStream
from services.gateway.auth import Caller
from services.gateway.feeds import Following, Show
from services.gateway.items import EventsObject, event_object, refused_object
from services.gateway.reading import Reader
from services.gateway.streams import Streams
from services.gateway.values import Values

EVENT_STREAM, JSON = items.EVENT_STREAM.encode(), b"application/json"


class Events:
    """Shows events."""

    def __init__(
        self, nc: Client, access: Access, admission: Admission, reader: Reader, streams: Streams, values: Values
    ) -> None:
        self._nc, self._access, self._admission, self._reader, self._streams = nc, access, admission, reader, streams
        self._values = values

    def router(self) -> APIRouter:
        """The route of events."""
        routes = APIRouter()
        self._access.add(routes, EVENTS, self.show)
        return routes

    async def show(self, request: Request, caller: Caller) -> Response:
        """Answer GET. Raises ApiProblem, NatsUnavailable."""
        rid, after = request.path_params["id"], request.query_params.get("after")
        last_seen = request.headers.get("last-event-id") or after
        start = cursor.parse(last_seen) if last_seen else None
        if _wants_json(request.scope["headers"], after):
            return await self._page(caller, rid, start)
        self._streams.check(caller)
        following = await self._following(caller, rid, start)
        if following.over:
            return Response(status_code=204, headers=NO_STORE)
        self._streams.check(caller)  # others may have been opened while the request was read
        return EventStream(self._streams, caller, following.run)

    def check(self, caller: Caller) -> None:
        """Raises ApiProblem when the caller may open no stream now."""
        self._streams.check(caller)

    def stream(self, caller: Caller, rid: str, headers: dict[str, str]) -> Response:
        """The stream of a request from its beginning, with these headers. What is wrong then is said in the stream."""

        async def run(show: Show) -> None:
            await (await self._following(caller, rid, None)).run(show)

        return EventStream(self._streams, caller, run, headers)

    async def _following(self, caller: Caller, rid: str, start: cursor.Cursor | None) -> Following:
        links = await self._access.chain(caller, rid)
        return Following(self._nc, self._reader, self._values, rid, await self._admission.epoch(), start, links)

    async def _page(self, caller: Caller, rid: str, start: cursor.Cursor | None) -> Response:
        following = await self._following(caller, rid, start)
        (found, reached, done), refused = await asyncio.gather(following.page(), self._reader.refused(rid))
        return json_response(
            EventsObject(
                results=[event_object(item) for item in found],
                next=str(reached),
                done=done,
                refused=None if refused is None else [refused_object(event, at) for event, at in refused],
            )
        )


def wants_stream(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether the client asks for a stream of events."""
    return _accepts(headers, EVENT_STREAM)


def _wants_json(headers: Iterable[tuple[bytes, bytes]], after: str | None) -> bool:
    """Whether a client that may have either is to have JSON."""
    return not wants_stream(headers) and (after is not None or _accepts(headers, JSON))


def _accepts(headers: Iterable[tuple[bytes, bytes]], media_type: bytes) -> bool:
    return any(name == b"accept" and media_type in value.lower() for name, value in headers)
