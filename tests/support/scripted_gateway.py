"""A real WebSocket server that plays the gateway for an agent under test, and does nothing by itself but welcome it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

import msgspec
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from spaces_agent import frames

DEADLINE_S = 60.0

_F = TypeVar("_F", bound=frames.Frame)
Welcome = Callable[[frames.Hello], frames.Welcome]


def request_id(number: int) -> str:
    return f"{number:032x}00"


def welcome(hello: frames.Hello, **changes: Any) -> frames.Welcome:
    """Every space accepted, everything in flight goes on."""
    answer = frames.Welcome(
        session_id="s-1",
        gateway_id="gw-1",
        spaces=[frames.SpaceVerdict(space=space, accepted=True) for space in hello.spaces],
        verdicts=[
            frames.LeaseVerdict(request_id=work.request_id, lease=work.lease, verdict="continue") for work in hello.in_flight
        ],
    )
    return msgspec.structs.replace(answer, **changes)


def resend_from(index: int) -> Callable[[frames.Hello], frames.Welcome]:
    """A welcome by a gateway that has all output below this index."""

    def welcomes(hello: frames.Hello) -> frames.Welcome:
        answer = welcome(hello)
        verdicts = [msgspec.structs.replace(verdict, resend_from=index) for verdict in answer.verdicts]
        return msgspec.structs.replace(answer, verdicts=verdicts)

    return welcomes


class Session:
    """One socket of the agent, as the gateway sees it."""

    def __init__(self, connection: ServerConnection, hello: frames.Hello) -> None:
        self.hello = hello
        self.key = connection.request.headers.get("Authorization", "") if connection.request else ""
        self.heartbeats = 0
        self.closed = asyncio.Event()
        self._connection = connection
        self._received: list[frames.AgentFrame] = []
        self._changed = asyncio.Condition()

    async def ready(self) -> None:
        """Wait until the agent takes work."""
        state = self.hello.state
        while state == "loading":
            state = (await self.expect(frames.Heartbeat)).state

    async def send(self, frame: frames.Frame) -> None:
        await self._connection.send(frames.encode(frame).decode())

    async def assign(self, lease: int, value: Any, **changes: Any) -> frames.Assign:
        assign = frames.Assign(
            request_id=request_id(lease),
            attempt=1,
            lease=lease,
            space=self.hello.spaces[0],
            deadline_s=60.0,
            input=msgspec.Raw(msgspec.json.encode(value)),
        )
        assign = msgspec.structs.replace(assign, **changes)
        await self.send(assign)
        return assign

    async def store(self, lease: int, index: int) -> None:
        """Say that the output is stored up to this index."""
        await self.send(frames.OutputAck(request_id=request_id(lease), attempt=1, lease=lease, index=index))

    async def acknowledge(self, result: frames.Result) -> None:
        await self.send(
            frames.ResultAck(request_id=result.request_id, attempt=result.attempt, lease=result.lease, outcome="accepted")
        )

    async def expect(self, kind: type[_F], lease: int | None = None) -> _F:
        """The next frame of this kind (about this lease); it is taken out of what was received."""

        def found() -> _F | None:
            for frame in self._received:
                if isinstance(frame, kind) and (lease is None or getattr(frame, "lease", None) == lease):
                    self._received.remove(frame)
                    return frame
            return None

        async with asyncio.timeout(DEADLINE_S), self._changed:
            while True:
                frame = found()
                if frame is not None:
                    return frame
                await self._changed.wait()

    def received(self, *kinds: type[frames.Frame]) -> list[frames.AgentFrame]:
        """All frames of these kinds that have come and were not expected, in order."""
        return [frame for frame in self._received if isinstance(frame, kinds)]

    async def close(self, code: int, reason: str = "") -> None:
        await self._connection.close(code, reason)

    def cut(self) -> None:
        """Lose the socket without a close frame, as a network does."""
        self._connection.transport.abort()

    async def read(self) -> None:
        try:
            async for data in self._connection:
                frame = frames.decode_agent_frame(data)
                if isinstance(frame, frames.Heartbeat):
                    self.heartbeats += 1
                    with suppress(ConnectionClosed):  # what came before the close is still to be read
                        await self.send(frames.HeartbeatAck())
                async with self._changed:
                    self._received.append(frame)
                    self._changed.notify_all()
        except ConnectionClosed:
            pass
        finally:
            self.closed.set()


class ScriptedGateway:
    """Welcomes each agent as `self.welcome` says, and hands its sessions to the test one by one."""

    def __init__(self) -> None:
        self.welcome: Welcome = welcome
        self.refuse_with: tuple[int, str] | None = None
        self.answers_hello = True
        """Else its sessions are handed out without a welcome."""
        self.url = ""
        self._sessions: asyncio.Queue[Session] = asyncio.Queue()

    async def session(self) -> Session:
        """The next session, welcomed unless `answers_hello` is false."""
        async with asyncio.timeout(DEADLINE_S):
            return await self._sessions.get()

    async def _serve(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        assert connection.request.path == frames.CONNECT_PATH
        hello = frames.decode_agent_frame(await connection.recv())
        assert isinstance(hello, frames.Hello)
        if self.refuse_with is not None:
            await connection.close(*self.refuse_with)
            return
        session = Session(connection, hello)
        if self.answers_hello:
            await session.send(self.welcome(hello))
        self._sessions.put_nowait(session)
        await session.read()


@asynccontextmanager
async def scripted_gateway() -> AsyncIterator[ScriptedGateway]:
    gateway = ScriptedGateway()
    async with serve(
        gateway._serve, "127.0.0.1", 0, subprotocols=[Subprotocol(frames.SUBPROTOCOL)], ping_interval=None
    ) as server:
        gateway.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield gateway
