"""The bytes of files."""

from collections.abc import AsyncIterator, Mapping

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from services.contracts.files import File
from services.gateway.api.access import Access
from services.gateway.api.bodies import headers_of
from services.gateway.api.file_operations import CONTENT
from services.gateway.api.files import visible_file
from services.gateway.api.responses import file_gone
from services.gateway.auth import Caller
from services.gateway.downloads import headers_of as headers_of_file
from services.gateway.downloads import is_known, part, tag
from services.gateway.files import Files
from services.gateway.problems import ApiProblem
from services.gateway.signing import DownloadGrant

NOTHING: Mapping[str, str] = {}


def router(access: Access, files: Files) -> APIRouter:
    """The routes of files' bytes."""

    async def content(request: Request, caller: Caller) -> Response:
        return await sent(request, await visible_file(files, caller, request.path_params["id"]))

    async def signed(request: Request, grant: DownloadGrant) -> Response:
        if grant.file != request.path_params["id"]:
            raise ApiProblem("forbidden", "This link is for another file.")
        file = await files.find(grant.file)
        if file is None:
            raise file_gone()
        # Whoever made the link may show the file in a page of another host.
        return await sent(request, file, {"Cross-Origin-Resource-Policy": "cross-origin"})

    async def sent(request: Request, file: File, more: Mapping[str, str] = NOTHING) -> Response:
        if file.state == "uploading":
            raise ApiProblem("not_done", "The file has not been uploaded to its end.")
        opened = await files.opened(file.id)
        asked, headers = headers_of(request), {**headers_of_file(opened), **more}
        if is_known(_text(asked, b"if-none-match"), opened):
            return Response(status_code=304, headers={name: headers[name] for name in ("ETag", "Cache-Control")})
        start, stop, partial = part(opened.size, _text(asked, b"range"), _text(asked, b"if-range"), tag(opened))
        headers["Content-Length"] = str(stop - start)
        if partial:
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{opened.size}"
        status = 206 if partial else 200
        if request.method == "HEAD":
            return Response(status_code=status, headers=headers)
        return StreamingResponse(_closing(files.read(opened, start, stop)), status, headers)

    routes = APIRouter()
    access.add_signed(routes, CONTENT, content, lambda token: files.grant(token, DownloadGrant), signed)
    return routes


async def _closing(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """What follows the stream is ended as soon as the client has left, not when it is found to be garbage."""
    try:
        async for piece in body:
            yield piece
    finally:
        await body.aclose()  # type: ignore[attr-defined]


def _text(headers: dict[bytes, bytes], name: bytes) -> str:
    return headers.get(name, b"").decode("latin-1")
