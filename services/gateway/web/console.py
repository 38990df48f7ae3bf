"""The pages of the console: each is a handler that makes a view, and a template that shows it."""

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from services.gateway.api.access import Access
from services.gateway.auth import Caller
from services.gateway.outside import is_secure
from services.gateway.problems import ApiProblem, unauthenticated
from services.gateway.sessions import Ended
from services.gateway.web import languages
from services.gateway.web.assets import PREFIX, Assets
from services.gateway.web.layout import THEME_COOKIE, Layout, layout, local_path, person, sign_in_url
from services.gateway.web.refusals import refused_view, shown_as_page
from services.gateway.web.rendering import POLICY, Renderer
from services.gateway.web_sessions import SessionFlaw, csrf_token
from services.runtime.errors import Retryable

_HEADERS = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_REMEMBERED_S = 365 * 86400


class Page(NamedTuple):
    """What a handler answers with: a template, and the view that it shows."""

    template: str
    view: Any


Handler = Callable[[Request, Caller], Awaitable[Page]]
CallHandler = Callable[[Request, Caller], Awaitable[Response]]
OpenHandler = Callable[[Request], Awaitable[Page]]


class Console:
    """What all pages have in common."""

    def __init__(self, access: Access, assets: Assets) -> None:
        self._access, self._assets, self._renderer = access, assets, Renderer(assets)

    def add(self, routes: APIRouter, path: str, handler: Handler) -> None:
        """A page for whoever is signed in; others sign in first, and come back to it."""

        async def answer(request: Request) -> Response:
            caller = await self._access.visitor(request)
            if caller is None:
                back = layout("", "", None, request.url.path, request.url.query).url
                return RedirectResponse(sign_in_url(back), 303, {"Cache-Control": "no-store"})
            return self._shown(request, caller, await handler(request, caller))

        routes.add_route(path, answer, methods=["GET"])

    def add_open(self, routes: APIRouter, path: str, handler: OpenHandler) -> None:
        """A page for signing in; who is signed in goes on to where they wanted to go."""

        async def answer(request: Request) -> Response:
            if await self._access.visitor(request) is not None:
                return RedirectResponse(back_from(request), 303, {"Cache-Control": "no-store"})
            return self._shown(request, None, await handler(request))

        routes.add_route(path, answer, methods=["GET"])

    async def ended(self, request: Request) -> Ended | SessionFlaw:
        """Why whoever comes to sign in has to; empty: there is nothing to say."""
        return await self._access.ended(request)

    def add_for_all(self, routes: APIRouter, path: str, handler: OpenHandler) -> None:
        """A page for everybody, signed in or not."""

        async def answer(request: Request) -> Response:
            return self._shown(request, await self._access.visitor(request), await handler(request))

        routes.add_route(path, answer, methods=["GET"])

    def add_call(self, routes: APIRouter, path: str, handler: CallHandler) -> None:
        """What the script of a page asks the console itself for, by POST: only who is signed in is answered."""

        async def answer(request: Request) -> Response:
            caller = await self._access.visitor(request)
            if caller is None:
                raise unauthenticated("This is for pages of the console: sign in.")
            return await handler(request, caller)

        routes.add_route(path, answer, methods=["POST"])

    def fragment(self, request: Request, caller: Caller, page: Page) -> str:
        """A part of a page, as HTML."""
        return self._renderer.page(page.template, _layout(request, caller), page.view).decode()

    def add_parts(self, routes: APIRouter) -> None:
        """The way in, and what pages load."""

        async def start(_: Request) -> Response:
            return RedirectResponse("/spaces", 303)

        async def static(request: Request) -> Response:
            found = self._assets.get(request.path_params["name"])
            if found is None:
                raise HTTPException(404)
            content, media_type = found
            return Response(content, media_type=media_type, headers=self._assets.headers(request.path_params["digest"]))

        routes.add_route("/", start, methods=["GET"])
        routes.add_route(f"{PREFIX}/{{digest}}/{{name}}", static, methods=["GET"])

    async def refusal(self, request: Request, problem: ApiProblem) -> Response | None:
        """A page that tells a browser what is wrong; None: whoever asks is no browser, and no page was asked for."""
        if not shown_as_page(request.url.path, request.headers.get("accept", "")):
            return None
        try:
            caller = await self._access.visitor(request)
        except (ApiProblem, Retryable):
            caller = None
        shown = self._shown(
            request, caller, Page("refused.html", refused_view(problem.code, problem.headers)), problem.status
        )
        shown.headers.update(problem.headers)
        return shown

    def _shown(self, request: Request, caller: Caller | None, page: Page, status: int = 200) -> Response:
        around = _layout(request, caller)
        response = Response(self._renderer.page(page.template, around, page.view), status, _HEADERS, "text/html")
        if request.query_params.get("lang") == around.language:
            secure = is_secure(request.scope)
            response.set_cookie(
                languages.COOKIE, around.language, _REMEMBERED_S, httponly=True, secure=secure, samesite="lax"
            )
        return response


def back_from(request: Request) -> str:
    """Where whoever signs in goes on to: only ever a page of ours."""
    return local_path(request.query_params.get("next", "/"))


def _layout(request: Request, caller: Caller | None) -> Layout:
    language = languages.chosen(
        request.query_params.get("lang", ""),
        request.cookies.get(languages.COOKIE, ""),
        request.headers.get("accept-language", ""),
    )
    known = None
    if caller is not None and caller.session is not None:
        known = person(caller.user, csrf_token(caller.session.token))
    return layout(language, request.cookies.get(THEME_COOKIE, ""), known, request.url.path, request.url.query)
