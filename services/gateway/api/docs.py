"""The API's own description: for programs, and for people."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.gateway.api.operations import OPERATIONS
from services.gateway.openapi import built
from services.gateway.web import pages

_PAGE_HEADERS = {
    "Content-Security-Policy": pages.POLICY,
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
_STYLE_HEADERS = {"Cache-Control": "public, max-age=86400"}  # the page names it together with its digest


def routes() -> list[Route]:
    """OpenAPI, the page that shows it, and the page's stylesheet; made once."""
    document = built(OPERATIONS)
    openapi, page = msgspec.json.encode(document), pages.documentation(document)

    async def show_openapi(_: Request) -> Response:
        return Response(openapi, media_type="application/json")

    async def show_page(_: Request) -> Response:
        return Response(page, media_type="text/html", headers=_PAGE_HEADERS)

    async def show_stylesheet(_: Request) -> Response:
        return Response(pages.STYLESHEET, media_type="text/css", headers=_STYLE_HEADERS)

    return [Route("/openapi.json", show_openapi), Route("/docs", show_page), Route("/docs.css", show_stylesheet)]
