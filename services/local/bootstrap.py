"""What a fresh home is given: an administrator, the space `demo`, a key to submit and a key for agents."""

import asyncio
import secrets
import time
from typing import Any

import msgspec
from nats.aio.client import Client

from services.contracts.ids import secret_hash
from services.contracts.rpc import CreateKey, CreateSpace, CreateUser, Recorded
from services.contracts.subjects import registry_rpc
from services.local.errors import HomeDamaged
from services.local.home import Home
from services.runtime.errors import NatsUnavailable
from services.runtime.rpc import call

SPACE = "demo"
_EMAIL = "admin@localhost"
_TIMEOUT_S = 20.0
_RETRY_S = 0.1


class Admin(msgspec.Struct, frozen=True):
    """Who signs in."""

    email: str
    password: str


class Credentials(msgspec.Struct, frozen=True):
    """All that is needed to use the stack, as it stands in `credentials.json`: `url` on this machine, `public_url` elsewhere
    (empty: there is none)."""

    url: str
    api_key: str
    agent_key: str
    admin: Admin
    space: str
    public_url: str = ""


def keep_credentials(home: Home, url: str, public_url: str = "") -> Credentials:
    """The home's credentials, made on the first call, with the URLs of now. They are written before anything is created
    by them, so that a start which is cut off can be completed by the next one. Raises HomeDamaged, HomeUnwritable."""
    kept = home.credentials()
    credentials = _fresh(url) if kept is None else _typed(home, kept)
    credentials = msgspec.structs.replace(credentials, url=url, public_url=public_url)
    if (values := msgspec.to_builtins(credentials)) != kept:
        home.write_credentials(values)
    return credentials


async def bootstrap(home: Home, nc: Client, credentials: Credentials) -> None:
    """Create what the credentials name, once in a home's life: later it is its users who decide. `nc` is the
    operator's. Raises Refused, NatsUnavailable."""
    done = home.path / "bootstrapped"
    if done.exists():
        return
    admin = credentials.admin
    user = await _ask(nc, "create_user", CreateUser(email=admin.email, password=admin.password, role="admin"))
    await _ask(nc, "create_space", CreateSpace(space=credentials.space, owner=user.id, title="Demo"))
    await _ask(nc, "create_key", _api_key(credentials, user.id))
    await _ask(nc, "create_key", _agent_key(credentials, user.id))
    done.touch(mode=0o600)


def _fresh(url: str) -> Credentials:
    return Credentials(
        url=url,
        api_key=f"wsk_{secrets.token_hex(20)}",
        agent_key=f"wsa_{secrets.token_hex(20)}",
        admin=Admin(_EMAIL, secrets.token_urlsafe(16)),
        space=SPACE,
    )


def _typed(home: Home, kept: dict[str, Any]) -> Credentials:
    try:
        return msgspec.convert(kept, Credentials)
    except msgspec.ValidationError as error:
        raise HomeDamaged(home.credentials_file, str(error)) from error


def _api_key(credentials: Credentials, user: str) -> CreateKey:
    """The administrator's: it is limited in nothing, since whoever has it makes all others."""
    key = _key("api", credentials.api_key, credentials.space, user, "first API key")
    return msgspec.structs.replace(key, spaces=[], scopes=("submit", "read", "manage"))


def _agent_key(credentials: Credentials, user: str) -> CreateKey:
    return _key("agent", credentials.agent_key, credentials.space, user, "first agent key")


def _key(kind: Any, secret: str, space: str, user: str, name: str) -> CreateKey:
    """The id comes from the secret: the same command again, after a crash, is recognised."""
    digest = secret_hash(secret)
    return CreateKey(kind=kind, key_id=f"{kind}-{digest[:16]}", user=user, key_hash=digest, name=name, spaces=[space])


async def _ask(nc: Client, operation: str, command: msgspec.Struct) -> Recorded:
    """The registry's answer. A registry that dies meanwhile is started again, so ask again; to repeat is harmless."""
    deadline = time.monotonic() + _TIMEOUT_S
    while True:
        try:
            return await call(nc, registry_rpc(operation), command, Recorded)
        except NatsUnavailable:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(_RETRY_S)
