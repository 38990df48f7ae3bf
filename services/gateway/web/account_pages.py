"""Sign in, sign up, set a password by a link, and one's account."""

from fastapi import APIRouter
from starlette.requests import Request

from services.gateway.auth import Caller
from services.gateway.web.account_views import NoView, SigningInView
from services.gateway.web.console import Console, Page, back_from


def router(console: Console, sign_up: str) -> APIRouter:
    """The routes of these pages; `sign_up`: open or closed."""

    async def sign_in(request: Request) -> Page:
        return Page("sign_in.html", SigningInView(back_from(request), sign_up == "open", await console.ended(request)))

    async def joining(request: Request) -> Page:
        return Page("sign_up.html", SigningInView(back_from(request), sign_up == "open"))

    async def reset(_: Request) -> Page:
        return Page("password_reset.html", NoView())

    async def account(_: Request, __: Caller) -> Page:
        return Page("account.html", NoView())

    routes = APIRouter()
    console.add_open(routes, "/sign-in", sign_in)
    console.add_open(routes, "/sign-up", joining)
    console.add_for_all(routes, "/password-reset", reset)
    console.add(routes, "/account", account)
    return routes
