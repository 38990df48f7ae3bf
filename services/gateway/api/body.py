"""Bodies as they come in."""

import asyncio

from starlette.requests import ClientDisconnect, Request

from services.gateway import intake
from services.gateway.problems import ApiProblem

BODY_S = 60.0
"""A body that takes longer is not waited for."""
_CLOSE = {"Connection": "close"}


async def whole(request: Request, headers: dict[bytes, bytes]) -> bytes:
    """The whole body. Raises ApiProblem as soon as it is known to be too large, ClientDisconnect."""
    if int(headers.get(b"content-length", b"0")) > intake.MAX_BODY_BYTES:
        raise intake.too_large()
    try:
        async with asyncio.timeout(BODY_S):
            return await _received(request)
    except TimeoutError:
        raise ApiProblem("invalid_request", f"The body did not come within {BODY_S:g} s.", headers=_CLOSE) from None


async def _received(request: Request) -> bytes:
    chunks: list[bytes] = []
    size, more = 0, True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > intake.MAX_BODY_BYTES:
            raise intake.too_large()
        more = message.get("more_body", False)
    return b"".join(chunks)
