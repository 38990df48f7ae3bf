"""The agents' side of one real gateway, in this process, and agents that speak frames over real sockets."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator
from typing import Any, Protocol, TypeVar

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from services.gateway.agents import Agents
from services.gateway.api.protocol import WebSocketConnection
from services.gateway.file_service import GatewayFiles
from services.gateway.file_use import FileUses
from services.gateway.key_uses import KeyUses
from services.gateway.reading import Reader
from services.runtime.clock import ServerClock
from services.runtime.directory import DirectoryFollower
from services.runtime.health import Server
from services.runtime.live import Liveness
from services.runtime.process import Process, new_process_id
from services.runtime.settings import Settings
from spaces_agent import frames
from tests.support.bus import Bus, until

DEADLINE_S = 20.0
SPACE, OTHER_SPACE, EXCLUSIVE_SPACE = "demo", "other", "exclusive"
F = TypeVar("F", bound=frames.Frame)


class Door(Protocol):
    """Where agents connect, and a key that lets them."""

    url: str
    secret: str


class Gateway:
    """One gateway's agents' side behind a real port."""

    def __init__(self, process: Process, agents: Agents, port: int, secret: str) -> None:
        self.process, self.agents, self.id, self.secret = process, agents, process.id, secret
        self.url = f"ws://127.0.0.1:{port}{frames.CONNECT_PATH}"

    async def recheck(self) -> None:
        """Do what the delivery does when its tail may have missed something."""
        await self.agents._delivery.recheck(self.agents._table)


@contextlib.asynccontextmanager
async def running_gateway(bus: Bus, secret: str) -> AsyncIterator[Gateway]:
    """A gateway with its loops; at the end it is stopped without a drain, as if killed."""
    id = new_process_id("gateway")
    nc = await bus.connect("gateway")
    process = Process("gateway", Settings(), nc, id)
    directory, liveness = DirectoryFollower(nc), Liveness(nc, "gateway", id)
    await liveness.announce()
    process.spawn("directory", directory.follow())
    process.spawn("liveness", liveness.watch())
    process.spawn("announcing", liveness.keep_announcing())
    await asyncio.gather(directory.caught_up.wait(), liveness.caught_up.wait())
    clock = ServerClock()
    in_use = FileUses(nc, Reader(nc)).in_use
    files = GatewayFiles(await bus.connect("gateway"), clock, process.settings, directory, in_use).files
    agents = Agents(process, directory, liveness, clock, KeyUses(nc, clock).used, files)
    await agents.start()
    app = Starlette(routes=[WebSocketRoute(frames.CONNECT_PATH, agents.socket)])
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=0,
        ws=WebSocketConnection,
        ws_ping_interval=None,
        ws_ping_timeout=None,
        ws_max_size=frames.MAX_FRAME_BYTES,
        ws_per_message_deflate=False,
        lifespan="off",
        log_config=None,
        access_log=False,
    )
    server = Server(config)
    serving = asyncio.create_task(server.serve())
    await until(lambda: server.started, "the server listens")
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield Gateway(process, agents, port, secret)
        assert process.failure is None, process.failure
    finally:
        server.should_exit = True
        await serving
        process.stopping.set()
        await process.close()


class Agent:
    """A WebSocket client that speaks frames and does nothing by itself."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.welcome: frames.Welcome | None = None

    @property
    def conn(self) -> str:
        assert self.welcome is not None
        return self.welcome.session_id

    async def send(self, frame: frames.Frame) -> None:
        await self.socket.send(frames.encode(frame), text=True)

    async def expect(self, kind: type[F]) -> F:
        """The next frame, which must be of this kind; heartbeat acks are skipped."""
        while True:
            frame = frames.decode_gateway_frame(await asyncio.wait_for(self.socket.recv(decode=False), DEADLINE_S))
            if not isinstance(frame, frames.HeartbeatAck) or kind is frames.HeartbeatAck:
                assert isinstance(frame, kind), frame
                return frame

    async def say(self, assign: frames.RequestFrame, *indexes: int) -> None:
        """Send output."""
        for index in indexes:
            await self.send(chunk(assign, index))

    async def acknowledged(self, index: int) -> None:
        """Return when output up to this index is acknowledged; only such acknowledgements may come before that."""
        while (ack := await self.expect(frames.OutputAck)).index < index:
            pass
        assert ack.index == index

    async def in_sync(self) -> None:
        """Return when the gateway has read everything sent so far; no other frame may come before that."""
        await self.send(frames.Heartbeat())
        await self.expect(frames.HeartbeatAck)

    async def closed(self) -> int:
        """The close code."""
        with contextlib.suppress(ConnectionClosed):
            while True:
                await asyncio.wait_for(self.socket.recv(), DEADLINE_S)
        assert self.socket.close_code is not None
        return self.socket.close_code

    def cut(self) -> None:
        """Lose the socket without a close frame."""
        self.socket.transport.abort()


async def dial(gateway: Door, secret: str = "", subprotocol: str = frames.SUBPROTOCOL) -> Agent:
    """An open socket."""
    socket = await connect(
        gateway.url,
        subprotocols=[Subprotocol(subprotocol)],
        additional_headers={"Authorization": f"Bearer {secret or gateway.secret}"},
        compression=None,
        max_size=None,
        ping_interval=None,
    )
    return Agent(socket)


def hello(name: str = "a1", boot: str = "boot1", slots: int = 2, **changes: Any) -> frames.Hello:
    return msgspec.structs.replace(frames.Hello(agent_id=name, boot_id=boot, spaces=[SPACE], slots=slots), **changes)


async def join(gateway: Door, said: frames.Hello | None = None) -> Agent:
    """An agent that has been welcomed."""
    agent = await dial(gateway)
    await agent.send(said or hello())
    agent.welcome = await agent.expect(frames.Welcome)
    return agent


def result(assign: frames.RequestFrame, output: bytes = b'{"y":2}', **changes: Any) -> frames.Result:
    frame = frames.Result(
        request_id=assign.request_id,
        attempt=assign.attempt,
        lease=assign.lease,
        status="succeeded",
        sha256=hashlib.sha256(output).hexdigest(),
        output=msgspec.Raw(output),
        run_s=0.5,
    )
    return msgspec.structs.replace(frame, **changes)


def chunk(assign: frames.RequestFrame, index: int) -> frames.Output:
    """An output frame with a text that names its index."""
    return frames.Output(**about(assign), index=index, kind="chunk", data=msgspec.Raw(b'"%d "' % index))


def about(frame: frames.RequestFrame) -> dict[str, Any]:
    """The fields that name an attempt."""
    return {"request_id": frame.request_id, "attempt": frame.attempt, "lease": frame.lease}
