"""Sign in and out, passwords, sign-up."""

import secrets

from fastapi import APIRouter
from nats.aio.client import Client
from starlette.requests import Request
from starlette.responses import Response

from services.contracts.ids import secret_hash
from services.contracts.instants import rfc3339
from services.contracts.sign_in import (
    ChangePassword,
    CheckPassword,
    MakePasswordReset,
    PasswordChecked,
    ResetPassword,
    SignUp,
)
from services.contracts.subjects import registry_rpc
from services.gateway import intake
from services.gateway.api import sign_in_operations as operations
from services.gateway.api.access import Access
from services.gateway.api.requests import body_of
from services.gateway.api.responses import NO_STORE, json_response
from services.gateway.auth import Caller
from services.gateway.commands import command, refused
from services.gateway.granting import UserObject, user_object
from services.gateway.outside import base_url, is_secure
from services.gateway.problems import ApiProblem, unauthenticated
from services.gateway.sessions import Session, Sessions
from services.gateway.signing_in import (
    PasswordBody,
    PasswordResetObject,
    ResetBody,
    SessionBody,
    SessionObject,
    SignUpBody,
)
from services.gateway.web_sessions import cookie, csrf_token
from services.runtime import rpc
from services.runtime.clock import ServerClock
from services.runtime.directory import DirectoryFollower

RESET_S = 24 * 3600
RESET_PAGE = "/password-reset"
TOKEN_BYTES = 20
_NS = 1_000_000_000


def router(
    nc: Client, access: Access, follower: DirectoryFollower, sessions: Sessions, clock: ServerClock, sign_up: str
) -> APIRouter:
    """The routes of sessions and passwords; `sign_up`: open or closed."""

    async def sign_in(request: Request) -> Response:
        checked = await _checked(nc, intake.parsed(await body_of(request), SessionBody))
        await follower.catch_up()  # the user may have been made at another gateway just now
        session = await sessions.begin(checked.user, checked.seq, clock.now_ns())
        headers = {"Set-Cookie": cookie(session.token, secure=_secure(request))}
        return json_response(shown(session), 201, headers)

    async def show(_: Request, caller: Caller) -> Response:
        return json_response(shown(_of(caller)))

    async def sign_out(request: Request, caller: Caller) -> Response:
        await sessions.end(_of(caller))
        return Response(status_code=204, headers={**NO_STORE, "Set-Cookie": cookie("", secure=_secure(request))})

    async def change(request: Request, caller: Caller) -> Response:
        body = intake.parsed(await body_of(request), PasswordBody)
        asked = ChangePassword(
            user=caller.user.user,
            current_password=body.current_password,
            new_password=body.new_password,
            actor=caller.actor,
        )
        recorded = await command(nc, follower, "change_password", asked)
        if caller.session is not None:
            await sessions.renew(caller.session, recorded.seq, clock.now_ns())
        return Response(status_code=204, headers=NO_STORE)

    async def make_reset(request: Request, caller: Caller) -> Response:
        await follower.catch_up()
        user = follower.directory.users.get(request.path_params["id"])
        if user is None:
            raise ApiProblem("not_found", "There is no such user.")
        token, expires_at = f"wsr_{secrets.token_hex(TOKEN_BYTES)}", rfc3339(clock.now_ns() + RESET_S * _NS)
        asked = MakePasswordReset(user=user.user, token_hash=secret_hash(token), expires_at=expires_at, actor=caller.actor)
        await command(nc, follower, "make_password_reset", asked)
        # In the fragment, which no browser sends: it must not come to stand in a log.
        url = f"{base_url(request.scope)}{RESET_PAGE}#{token}"
        return json_response(PasswordResetObject(user=user_object(user), token=token, url=url, expires_at=expires_at), 201)

    async def reset(request: Request) -> Response:
        body = intake.parsed(await body_of(request), ResetBody)
        asked = ResetPassword(token_hash=secret_hash(body.token), password=body.password)
        await command(nc, follower, "reset_password", asked)
        return Response(status_code=204, headers=NO_STORE)

    async def join(request: Request) -> Response:
        if sign_up == "closed":
            raise ApiProblem("forbidden", "Sign-up is closed here: ask an administrator for a user.")
        body = intake.parsed(await body_of(request), SignUpBody)
        made = await command(nc, follower, "sign_up", SignUp(email=body.email, password=body.password))
        return json_response(UserObject(id=made.id, email=body.email, role="member", disabled=False), 201)

    def shown(session: Session) -> SessionObject:
        return SessionObject(
            user=user_object(follower.directory.users[session.record.user]),
            csrf_token=csrf_token(session.token),
            expires_at=rfc3339(session.expires_at),
        )

    routes = APIRouter()
    for operation, endpoint in (
        (operations.SESSION, show),
        (operations.SIGN_OUT, sign_out),
        (operations.CHANGE_PASSWORD, change),
        (operations.MAKE_PASSWORD_RESET, make_reset),
    ):
        access.add(routes, operation, endpoint)
    for operation, open_endpoint in (
        (operations.SIGN_IN, sign_in),
        (operations.RESET_PASSWORD, reset),
        (operations.SIGN_UP, join),
    ):
        access.add_open(routes, operation, open_endpoint)
    return routes


async def _checked(nc: Client, body: SessionBody) -> PasswordChecked:
    asked = CheckPassword(email=body.email, password=body.password)
    try:
        return await rpc.call(nc, registry_rpc("check_password"), asked, PasswordChecked)
    except rpc.Refused as error:
        problem = refused(error)
        raise (problem if error.code == "locked_out" else unauthenticated(problem.detail)) from error


def _of(caller: Caller) -> Session:
    assert caller.session is not None, "these operations are for sessions alone"
    return caller.session


def _secure(request: Request) -> bool:
    return is_secure(request.scope)
