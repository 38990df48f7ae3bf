"""An answer that goes on as long as its request does: server-sent events."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from services.gateway.api.responses import NO_STORE
from services.gateway.auth import Caller
from services.gateway.feeds import Show
from services.gateway.items import BEGIN, EVENT_STREAM, Item, sse
from services.gateway.problems import ApiProblem
from services.gateway.streams import Stream, Streams
from services.runtime.errors import Retryable
from services.runtime.loops import cancel
from services.runtime.telemetry import request_id

log = logging.getLogger("services.gateway.streaming")

STUCK_S = 60.0
"""A reader that takes nothing for so long is not there any more."""
END_S = 1.0
"""How long a reader may take for the end of its stream before the connection is broken off."""
HEADERS = {"Content-Type": EVENT_STREAM, "X-Accel-Buffering": "no", **NO_STORE}

Run = Callable[[Show], Awaitable[None]]


class EventStream(Response):
    """Shows a request's events, as `run` brings them, to one reader until it has seen the last, hangs up, or must go."""

    def __init__(self, streams: Streams, caller: Caller, run: Run, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(headers={**HEADERS, **(headers or {})})
        del self.headers["content-length"]
        self._streams, self._caller, self._run = streams, caller, run

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer (ASGI 3)."""
        with self._streams.open(self._caller) as stream:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            if scope["method"] != "HEAD":
                await self._serve(stream, receive, send)
            try:
                async with asyncio.timeout(END_S):
                    await send(_body(_error(stream.why) if stream.why else b"", more=False))
            except TimeoutError:
                scope["state"]["abort"]()
                await _hung_up(receive)

    async def _serve(self, stream: Stream, receive: Receive, send: Send) -> None:
        tasks = [asyncio.create_task(self._show(stream, send)), asyncio.create_task(_hung_up(receive))]
        try:
            await asyncio.wait([*tasks, stream.ending], return_when=asyncio.FIRST_COMPLETED)
        finally:
            await cancel(tasks)

    async def _show(self, stream: Stream, send: Send) -> None:
        begin = BEGIN

        async def show(items: list[Item]) -> None:
            nonlocal begin
            async with asyncio.timeout(STUCK_S):
                await send(_body(begin + b"".join(map(sse, items)), more=True))
            begin = b""

        try:
            await self._run(show)
        except TimeoutError:
            return  # the reader is stuck, and will not take the end either
        except Retryable as error:
            log.warning("a stream ended early: %s", error)
            stream.why = ApiProblem("unavailable", "A service that is needed did not answer. Try again.")
        except Exception as error:
            log.error("a stream failed: %s", error, exc_info=error)
            stream.why = ApiProblem("internal", "Something went wrong on our side; the id above finds it in our log.")


def _body(data: bytes, *, more: bool) -> Message:
    return {"type": "http.response.body", "body": data, "more_body": more}


def _error(why: ApiProblem) -> bytes:
    return sse(Item(why.body(request_id.get())))


async def _hung_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
