"""A gateway in this process on a real nats-server, with a directory."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp
import msgspec
from nats.aio.client import Client

from services.contracts import ids, subjects
from services.contracts.directory import (
    AgentKeyCreated,
    ApiKeyCreated,
    KeyRevoked,
    SpaceCreated,
    UserCreated,
)
from services.gateway.api.server import listen
from services.gateway.main import start_on
from services.registry.attaching import Attaching
from services.registry.gateways import Gateways
from services.registry.reporting import Reporting
from services.registry.service import DirectoryCommands, serve_registry
from services.registry.signing_in import SigningIn
from services.runtime.clock import ServerClock
from services.runtime.directory import DirectoryFollower
from services.runtime.live import Liveness
from services.runtime.process import Process, new_process_id
from services.runtime.settings import Settings
from tests.support.bus import Bus, until
from tests.support.declared import check_declared
from tests.support.entries import append_entry, last_seq, made
from tests.support.proxy import Proxy

ADA, BOB, ADMIN, ONLY_OTHER, AGENT = "wsk_ada", "wsk_bob", "wsk_admin", "wsk_only_other", "wsa_agent"
SCOPES = ("submit", "read", "manage")
Body = bytes | AsyncIterator[bytes] | None


async def fill_directory(bus: Bus) -> None:
    """Users ada, bob and the admin root; spaces demo and other; a key of each kind."""
    nc = await bus.connect("registry")
    for user, role in (("ada", "member"), ("bob", "member"), ("root", "admin")):
        email = f"{user}@example.org"
        await append_entry(nc, UserCreated(**made(), user=user, email=email, role=role, password_hash="x"))  # type: ignore[arg-type]
    for space in ("demo", "other"):
        await append_entry(nc, SpaceCreated(**made(), space=space, owner="root", max_attempts=2))
    keys = [(ADA, "ada", []), (BOB, "bob", []), (ADMIN, "root", []), (ONLY_OTHER, "ada", ["other"])]
    for secret, user, spaces in keys:
        await add_key(nc, secret, user, spaces=spaces)
    hashed = ids.secret_hash(AGENT)
    await append_entry(nc, AgentKeyCreated(**made(), key_id=AGENT, user="ada", key_hash=hashed, name="a", spaces=["demo"]))


async def add_key(nc: Client, secret: str, user: str, **limits: Any) -> None:
    """An API key whose id is its secret, with all scopes unless `limits` says otherwise; `nc` is a registry's."""
    limits = {"scopes": SCOPES, **limits}
    key = ApiKeyCreated(**made(), key_id=secret, user=user, key_hash=ids.secret_hash(secret), name=secret, **limits)
    await append_entry(nc, key)


async def revoke(bus: Bus, key_id: str) -> None:
    """Make a key worthless."""
    nc = await bus.connect("registry")
    await append_entry(nc, KeyRevoked(**made(await last_seq(nc, "key", key_id)), key_id=key_id))


async def change_space(bus: Bus, event: type[Any], space: str = "demo", **fields: Any) -> None:
    """Append an event of a space that is there."""
    nc = await bus.connect("registry")
    await append_entry(nc, event(**made(await last_seq(nc, "space", space)), space=space, **fields))


class Gateway:
    """A running gateway and an HTTP client of it. Without `key` in a call, ada's key is sent."""

    def __init__(self, process: Process, url: str, http: aiohttp.ClientSession) -> None:
        self.process, self.url, self.http = process, url, http

    async def call(self, method: str, path: str, body: Body = None, /, *, key: str = ADA, **headers: str) -> "HttpAnswer":
        """One HTTP request; header names with underscores. An empty key: no Authorization. What the operation does not
        declare as an answer is a failure."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if key:
            sent["Authorization"] = f"Bearer {key}"
        async with self.http.request(method, self.url + path, data=body, headers=sent) as answer:
            body_of_answer = await answer.read()
        check_declared(method, path, answer.status, answer.content_type, body_of_answer)
        return HttpAnswer(answer.status, answer.headers, body_of_answer)

    async def submit(
        self, body: Body = b'{"input":{"n":1}}', /, *, space: str = "demo", key: str = ADA, **headers: str
    ) -> "HttpAnswer":
        """Submit to a space."""
        return await self.call("POST", f"/v1/spaces/{space}/requests", body, key=key, **headers)

    async def read(self, rid: str, *, key: str = ADA) -> "HttpAnswer":
        """Read a request."""
        return await self.call("GET", f"/v1/requests/{rid}", key=key)


class HttpAnswer(msgspec.Struct, frozen=True):
    """Status, headers and body of an answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return msgspec.json.decode(self.body)


async def send(gateway: Gateway, method: str, path: str, body: Any = None, key: str = ADA) -> HttpAnswer:
    """One HTTP request with a JSON body, if there is one."""
    return await gateway.call(method, path, None if body is None else msgspec.json.encode(body), key=key)


async def serve_registry_at(bus: Bus) -> None:
    """A registry in this process, until the bus is gone."""
    nc = await bus.connect("registry")
    follower, liveness = DirectoryFollower(nc), Liveness(nc, "registry", "test")
    gateways = Gateways(nc, liveness)
    attaching, reporting = Attaching(nc, follower, gateways), Reporting(nc, liveness, gateways)
    for loop in (follower.follow(), liveness.watch(), reporting.follow()):
        bus.spawn(loop)
    await asyncio.wait_for(asyncio.gather(follower.caught_up.wait(), liveness.caught_up.wait()), 30)
    commands, clock = DirectoryCommands(nc, follower), ServerClock(subjects.DIRECTORY)
    await clock.measure(nc)
    signing_in = SigningIn(nc, follower, commands, clock)
    await serve_registry(nc, commands, attaching, reporting, signing_in.operations())


@contextlib.asynccontextmanager
async def running_gateway(bus: Bus, through: Proxy | None = None, **settings: Any) -> AsyncIterator[Gateway]:
    """A gateway as `main` wires it, ready, with these settings; its way to NATS may go through a proxy."""
    nc = await bus.connect("gateway", through=through)
    process = Process("gateway", Settings(**settings), nc, new_process_id("gateway"))
    listener = listen("127.0.0.1", 0)
    port = listener.getsockname()[1]
    try:
        await start_on(process, listener, await bus.connect("gateway", through=through))
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(60)) as http:
            gateway = Gateway(process, f"http://127.0.0.1:{port}", http)
            await until(lambda: not process.not_ready(), "the gateway is ready")
            yield gateway
        assert process.failure is None
    finally:
        process.stopping.set()
        await process.close()
