"""Signing in, to make a key for a program: with an e-mail address and a password, and no key."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Generator, Mapping
from typing import Any

import msgspec

from spaces_client import account_calls
from spaces_client.accounts import MadeKey
from spaces_client.call import Call, nothing
from spaces_client.connection import Connection
from spaces_client.errors import ClientError, InvalidAnswer

ALL_SCOPES = ("submit", "read", "manage")


def sign_in(url: str, email: str, password: str, *, name: str, expires_in_s: float | None = None) -> MadeKey:
    """Make a key, called `name`, that may do all that the user may. The session in which it is made has ended then. Raises
    ClientError, with `unauthenticated` for a wrong address or password and `locked_out` after too many of these."""
    connection = Connection(url, None)
    try:
        return connection.perform(_key(email, password, name, expires_in_s))
    finally:
        connection.close()


def _key(email: str, password: str, name: str, expires_in_s: float | None) -> Generator[Call[Any], Any, MadeKey]:
    credentials = msgspec.json.encode({"email": email, "password": password})
    token: str = yield Call(method="POST", path="/v1/session", body=credentials, read=_csrf_token)
    session = {"X-CSRF-Token": token}  # the cookie goes along by itself
    wanted = account_calls.create_key(name, scopes=ALL_SCOPES, expires_in_s=expires_in_s)
    try:
        made: MadeKey = yield dataclasses.replace(wanted, headers=session)
    except ClientError:
        yield from _signed_out(session)
        raise
    yield from _signed_out(session)
    return made


def _signed_out(session: Mapping[str, str]) -> Generator[Call[None], None, None]:
    with contextlib.suppress(ClientError):  # it ends by itself; what became of the key must be told
        yield Call(method="DELETE", path="/v1/session", headers=session, read=nothing)


class _Session(msgspec.Struct, frozen=True):
    csrf_token: str


def _csrf_token(data: bytes) -> str:
    try:
        return msgspec.json.decode(data, type=_Session).csrf_token
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise InvalidAnswer(f"the answer is no session: {error}") from error
