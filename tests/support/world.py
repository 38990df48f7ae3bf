"""What end-to-end tests need around a running stack: agents as processes, and the events as stream and log have them."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import httpx
import msgspec

from services.contracts import subjects
from services.runtime import bus
from services.runtime.tail import Tail
from tests.support.stack import ROOT, Stack

DEADLINE_S = 40.0


class Event(NamedTuple):
    """One event, from wherever it was read."""

    seq: int
    type: str
    data: dict[str, Any]


async def until(condition: Callable[[], Awaitable[Any]], what: str, deadline_s: float = DEADLINE_S) -> Any:
    """The first true value of the condition. Fails after the deadline."""
    end = time.monotonic() + deadline_s
    while not (value := await condition()):
        assert time.monotonic() < end, f"{what}: not within {deadline_s:g} s"
        await asyncio.sleep(0.05)
    return value


async def ready(stack: Stack) -> None:
    """Wait until every gateway can do its work."""

    async def all_ready() -> bool:
        async with httpx.AsyncClient() as http:
            try:
                return all([(await http.get(f"{url}/readyz")).status_code == 200 for url in stack.ready.urls])
            except httpx.TransportError:
                return False

    await until(all_ready, "every gateway is ready")


async def marker(path: Path, what: str) -> None:
    """Wait for a file that a handler leaves."""

    async def exists() -> bool:
        return path.exists()

    await until(exists, what)


@contextlib.contextmanager
def agent(
    stack: Stack,
    handler: str,
    *,
    module: str = "tests.e2e.handlers",
    slots: int = 4,
    gateways: list[int] | None = None,
    urls: list[str] | None = None,
    name: str = "agent-1",
    setup: str = "",
    isolate: bool = False,
    spaces: list[str] | None = None,
    key: str = "",
) -> Iterator[subprocess.Popen[bytes]]:
    """`spaces-agent run` with a handler of this module, in a session of its own; ended by SIGKILL if need be. It
    connects to these gateways, or through these URLs, and serves the stack's space, or these with this key."""
    urls = urls or ([stack.ready.urls[i] for i in gateways] if gateways else stack.ready.urls)
    command = [sys.executable, "-m", "spaces_agent", "run", "--key", key or stack.ready.agent_key]
    command += ["--engine", f"python:{module}:{handler}", "--slots", str(slots), "--name", name]
    command += ["--state-dir", str(stack.home / "agents" / name)]
    for url in urls:
        command += ["--url", url]
    for space in spaces or [stack.ready.space]:
        command += ["--space", space]
    if setup:
        command += ["--setup", setup]
    if isolate:
        command += ["--isolate"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "agent")])}
    (stack.home / "logs").mkdir(exist_ok=True)
    with (stack.home / "logs" / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(command, env=environment, stderr=log, stdout=log, start_new_session=True)
    try:
        yield process
    finally:
        kill_group(process)


def spool(stack: Stack, name: str) -> dict[str, bytes]:
    """The files in which the agent of this name keeps what no gateway has acknowledged, with their content."""
    found = {}
    for path in sorted((stack.home / "agents" / name).rglob("spool/*")):
        with contextlib.suppress(FileNotFoundError):  # acknowledged just now
            found[path.name] = path.read_bytes()
    return found


def link_pid(process: subprocess.Popen[bytes]) -> int:
    """The process of an agent that owns its socket."""
    return int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[0])


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL the agent with its child process, as a power cut would."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


class Client:
    """An API client of one gateway."""

    def __init__(self, stack: Stack, gateway: int = 0) -> None:
        self._stack = stack
        self.http = stack.client(gateway)

    async def submit(self, input: dict[str, Any], *, wait: int = 0, **options: Any) -> dict[str, Any]:
        """Submit, and wait for the end if asked to."""
        headers = {"Prefer": f"wait={wait}"} if wait else {}
        headers |= options.pop("headers", {})
        path = f"/v1/spaces/{self._stack.ready.space}/requests"
        response = await self.http.post(path, json={"input": input, **options}, headers=headers)
        assert response.is_success, f"{response.status_code} {response.text}"
        request: dict[str, Any] = response.json()
        return request

    async def get(self, rid: str) -> dict[str, Any]:
        """Read a request."""
        response = await self.http.get(f"/v1/requests/{rid}")
        assert response.is_success, f"{response.status_code} {response.text}"
        request: dict[str, Any] = response.json()
        return request

    async def unserved(self) -> None:
        """Wait until the dispatchers know that no agent is connected any more."""

        async def known() -> bool:
            health = await self.http.get(f"/v1/spaces/{self._stack.ready.space}/health")
            return bool(health.json()["status"] == "no_agent")

        await until(known, "the agents of other tests are gone")

    async def queue_of(self, rid: str) -> dict[str, Any]:
        """Where a request waits and why, once its dispatcher knows of it."""

        async def placed() -> dict[str, Any] | None:
            queue = (await self.get(rid))["queue"]
            return queue if queue and "position" in queue else None

        queue: dict[str, Any] = await until(placed, f"{rid} waits")
        return queue

    async def act(self, rid: str, action: str, *, wait: int = 0) -> dict[str, Any]:
        """`cancel` or `retry` a request."""
        headers = {"Prefer": f"wait={wait}"} if wait else {}
        response = await self.http.post(f"/v1/requests/{rid}/{action}", headers=headers)
        assert response.is_success, f"{response.status_code} {response.text}"
        request: dict[str, Any] = response.json()
        return request

    async def finished(self, rid: str, deadline_s: float = DEADLINE_S) -> dict[str, Any]:
        """The request once it is done; a gateway that is just away is asked again."""

        async def done() -> dict[str, Any] | None:
            try:
                request = await self.get(rid)
            except (httpx.TransportError, AssertionError):
                return None
            return request if request["done"] else None

        request: dict[str, Any] = await until(done, f"{rid} is done", deadline_s)
        return request


@contextlib.asynccontextmanager
async def client(stack: Stack, gateway: int = 0) -> AsyncIterator[Client]:
    """A `Client` that is closed at the end."""
    here = Client(stack, gateway)
    try:
        yield here
    finally:
        await here.http.aclose()


async def in_stream(stack: Stack) -> dict[str, list[Event]]:
    """Every request's events as the stream has them now."""
    chains: dict[str, list[Event]] = {}
    nc = await bus.connect(stack.ready.nats_url, "operator", "test")
    try:
        async for batch in Tail(nc, subjects.REQUESTS, [subjects.ALL_REQUESTS]).batches():
            for message in batch.messages:
                data = msgspec.json.decode(message.data)
                chains.setdefault(data["rid"], []).append(Event(message.seq, data["type"], data))
            if batch.pending == 0:
                break
    finally:
        await nc.close()
    return chains


async def refused(stack: Stack, rid: str) -> list[Event]:
    """The refusals of agents' frames about a request, as the stream has them now."""
    found = []
    nc = await bus.connect(stack.ready.nats_url, "operator", "test")
    try:
        async for batch in Tail(nc, subjects.CONNECTIONS, [subjects.ALL_CONNECTIONS]).batches():
            for message in batch.messages:
                data = msgspec.json.decode(message.data)
                if data["type"] == "refused" and data["rid"] == rid:
                    found.append(Event(message.seq, data["type"], data))
            if batch.pending == 0:
                return found
    finally:
        await nc.close()
    raise AssertionError("the stream has an end")


async def in_log(stack: Stack, rids: set[str] | None = None) -> dict[str, list[Event]]:
    """Every request's events as the log has them now."""
    chains: dict[str, list[Event]] = {}
    connection = await asyncpg.connect(stack.ready.database_url)
    try:
        rows = await connection.fetch("SELECT seq, type, rid, data FROM event_log WHERE stream = 'REQUESTS' ORDER BY seq")
    finally:
        await connection.close()
    for row in rows:
        if rids is None or row["rid"] in rids:
            event = Event(row["seq"], row["type"], msgspec.json.decode(row["data"]))
            chains.setdefault(row["rid"], []).append(event)
    return chains


async def recorded(stack: Stack, rids: set[str], deadline_s: float = DEADLINE_S) -> dict[str, list[Event]]:
    """The log's chains of these requests once each has its outcome there."""

    async def all_closed() -> dict[str, list[Event]] | None:
        chains = await in_log(stack, rids)
        closed = {"succeeded", "failed", "expired", "canceled"}
        return chains if chains.keys() == rids and all(c[-1].type in closed for c in chains.values()) else None

    chains: dict[str, list[Event]] = await until(all_closed, "the log has every outcome", deadline_s)
    return chains


def types(chain: list[Event]) -> list[str]:
    """The types of a chain's events, in order."""
    return [event.type for event in chain]


def most_at_once(chains: dict[str, list[Event]]) -> dict[str, int]:
    """For each agent, the largest number of attempts that were assigned to it at one time."""
    changes: list[tuple[int, str, int]] = []
    for chain in chains.values():
        holder = ""
        for event in chain:
            if holder:
                changes.append((event.seq, holder, -1))
                holder = ""
            if event.type == "assigned":
                holder = event.data["agent"]
                changes.append((event.seq, holder, 1))
    now: dict[str, int] = {}
    most: dict[str, int] = {}
    for _, holder, change in sorted(changes):
        now[holder] = now.get(holder, 0) + change
        most[holder] = max(most.get(holder, 0), now[holder])
    return most
