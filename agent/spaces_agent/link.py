"""The process that owns the sockets, the heartbeats and the spool (agent protocol, rule 4), apart from the handler:
a handler that holds the interpreter lock for seconds would starve heartbeats in its own process.

Run as `python -m spaces_agent.link FD`, where FD is its end of the socket pair. When the other end is gone it says
goodbye, so that the gateway frees its leases at once. Its parent starts it with signals blocked: it alone decides when
the link ends."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar, assert_never

from spaces_agent import events, frames, messages
from spaces_agent.channel import Channel
from spaces_agent.connection import Connection
from spaces_agent.dial import Addresses, Unreachable, dial
from spaces_agent.outstanding import Outstanding
from spaces_agent.session import AgentSession
from spaces_agent.spool import Loaded, Spool, WriteBehind
from spaces_agent.waiting import happens

_LOOK_FOR_PARENT_S = 1.0
_LAST_ACKS_S = 1.0
"""How long an orphaned link waits for the acknowledgement of results under way, before it says goodbye."""

_F = TypeVar("_F", frames.Output, frames.Result)


class Link:
    """Keeps one session going over whichever sockets there are, between gateways and the handler process."""

    def __init__(self, setup: messages.Setup, channel: Channel, spool: WriteBehind) -> None:
        self._key = setup.key
        self._addresses = Addresses(setup.urls)
        self._channel = channel
        found = spool.load()
        for name in found.unusable:
            self._notice(f"a file kept on disk is damaged, or belongs to one that is, and was set aside: {name}")
        self._session = _session(setup, found)
        self._outstanding = Outstanding(spool, self._notice)
        self._tasks = asyncio.TaskGroup()
        self._sockets: dict[int, asyncio.Task[None]] = {}
        self._urls: dict[int, str] = {}
        self._connections: dict[int, Connection] = {}
        self._wake = asyncio.Event()
        self._sleeps_until = 0.0
        self._ending = asyncio.Event()

    async def run(self) -> None:
        """Connect, serve, connect again, until told to leave or closed for good."""
        async with self._tasks:
            ticking = self._tasks.create_task(self._tick())
            await self._ending.wait()
            ticking.cancel()
            for number, serving in self._sockets.items():
                if number in self._connections:
                    self._connections[number].finish()
                else:
                    serving.cancel()

    def receive(self, message: messages.ToLink) -> None:
        """A message from the handler process."""
        match message:
            case messages.Started():
                self._session.handler_started(message.lease)
            case messages.Produced():
                self._session.handler_produced(_decoded(message.frame, frames.Output))
            case messages.Finished():
                self._session.handler_finished(_decoded(message.frame, frames.Result))
            case messages.Stopped():
                self._session.handler_stopped(message.lease)
            case messages.Loaded():
                self._session.loaded()
            case messages.Drain():
                self._session.drain()
            case messages.Leave():
                self._leave(message.reason)
            case messages.Setup():
                raise ValueError("setup came twice")
            case _:
                assert_never(message)
        self._pump()

    async def orphaned(self) -> None:
        """The handler process is gone: wait a moment for acknowledgements under way, by whose end the results that got
        none are on disk, and leave."""
        self._session.drain()
        self._pump()
        await self._outstanding.settled(_LAST_ACKS_S)
        self._leave("the handler process ended")

    def _leave(self, reason: str) -> None:
        self._session.leave(reason)
        self._ending.set()

    async def _serve(self, number: int) -> None:
        """Open a socket and serve over it to its end."""
        url = self._urls[number] = self._addresses.next(self._urls.values())
        reason, code = await self._converse(number, url)
        del self._sockets[number]
        if not self._ending.is_set():
            self._session.disconnected(number, time.monotonic(), random.random(), reason, code)
            self._pump()
        del self._urls[number]

    async def _converse(self, number: int, url: str) -> tuple[str, int | None]:
        try:
            websocket = await dial(url, self._key)
        except Unreachable as error:
            return str(error), None
        connection = Connection(websocket, partial(self._session.frames_to_send, number), partial(self._received, number))
        self._connections[number] = connection
        self._session.connected(number, time.monotonic())
        self._pump()
        try:
            return await connection.serve()
        finally:
            del self._connections[number]

    def _received(self, number: int, frame: frames.GatewayFrame) -> None:
        self._session.receive(number, frame, time.monotonic())
        self._pump()

    async def _tick(self) -> None:
        while True:
            self._session.tick(time.monotonic())
            self._pump()
            wakeup = self._session.wakeup()
            self._sleeps_until = float("inf") if wakeup is None else wakeup
            self._wake.clear()
            await happens(self._wake, max(0.0, self._sleeps_until - time.monotonic()))

    def _pump(self) -> None:
        """Act on what the session says, and let the writers see what it wants to send."""
        for event in self._session.events():
            self._act(event)
        for connection in self._connections.values():
            connection.wake()
        wakeup = self._session.wakeup()
        if wakeup is not None and wakeup < self._sleeps_until:
            self._wake.set()

    def _act(self, event: events.SessionEvent) -> None:
        match event:
            case events.Connect():
                self._sockets[event.socket] = self._tasks.create_task(self._serve(event.socket))
            case events.StartHandler():
                frame = frames.encode(event.assign)
                self._channel.send(messages.Start(frame=frame, received_at=time.monotonic()))
            case events.StopHandler():
                self._channel.send(messages.Stop(lease=event.lease, grace_s=event.grace_s))
            case events.Keep():
                self._outstanding.keep(event.frame)
            case events.OutputStored():
                self._outstanding.stored(event.lease, event.index)
                self._channel.send(messages.Stored(lease=event.lease, index=event.index))
            case events.ForgetLease():
                self._outstanding.forget(event.lease)
                self._channel.send(messages.Forget(lease=event.lease))
            case events.EndAgent():
                self._channel.send(messages.EndAgent(reason=event.reason))
            case events.Abandon():
                self._connections[event.socket].give_up(event.reason)
            case events.Ready() | events.Moving() | events.Refused() | events.Closed():
                self._tell(event)
            case _:
                assert_never(event)

    def _tell(self, event: events.Ready | events.Moving | events.Refused | events.Closed) -> None:
        """Tell the agent's owner how its connections are doing."""
        match event:
            case events.Ready():
                self._welcomed(self._urls[event.socket], event.welcome)
            case events.Moving():
                self._notice(f"the gateway is going away: {event.reason}; moving in {event.connect_in_s:.1f} s")
            case events.Refused():
                about = f" about request {event.request_id}" if event.request_id else ""
                self._notice(f"the gateway refused a frame{about}: {event.message} ({event.code})")
            case events.Closed():
                self._closed(event)
            case _:
                assert_never(event)

    def _welcomed(self, url: str, welcome: frames.Welcome) -> None:
        self._channel.send(
            messages.Connected(
                url=url,
                gateway_id=welcome.gateway_id,
                spaces=welcome.spaces,
                max_inline_bytes=welcome.max_inline_bytes,
                window=welcome.window,
            )
        )

    def _closed(self, event: events.Closed) -> None:
        if event.final:
            self._channel.send(messages.Ended(code=event.code or 0, reason=event.reason))
            self._ending.set()
        else:
            url = self._urls[event.socket]
            self._channel.send(messages.Disconnected(url=url, reason=event.reason, retry_in_s=event.retry_in_s))

    def _notice(self, text: str) -> None:
        self._channel.send(messages.Notice(text=text))


def _session(setup: messages.Setup, found: Loaded) -> AgentSession:
    """A session that goes on where others ended: the handler process says what of its own leases is left, the disk what an
    agent that has died has left of others."""
    results = [_decoded(frame, frames.Result) for frame in setup.pending]
    outputs = [_decoded(frame, frames.Output) for frame in setup.outputs]
    own = {work.lease for work in setup.running} | {result.lease for result in results}
    return AgentSession(
        setup.profile,
        running=setup.running,
        pending=[*(result for result in found.pending if result.lease not in own), *results],
        outputs=[*(output for output in found.outputs if output.lease not in own), *outputs],
        loading=setup.loading,
    )


def _decoded(data: bytes, kind: type[_F]) -> _F:
    frame = frames.decode_agent_frame(data)
    if not isinstance(frame, kind):
        raise ValueError(f"the handler process sent {type(frame).__name__}, not {kind.__name__}")
    return frame


async def _parent_gone(parent_pid: int, pair_closed: asyncio.Event) -> None:
    """Return when the handler process has ended. Its process id is watched too: a process that the handler has forked
    may hold the other end of the pair open beyond its death."""
    while os.getppid() == parent_pid and not await happens(pair_closed, _LOOK_FOR_PARENT_S):
        pass


async def _main(pair: socket.socket) -> None:
    inbox: asyncio.Queue[messages.ToLink | None] = asyncio.Queue()
    receive: Callable[[messages.ToLink], None] = inbox.put_nowait
    pair_closed = asyncio.Event()

    def on_end() -> None:
        pair_closed.set()
        inbox.put_nowait(None)

    channel = await Channel.open(pair, messages.ToLink, lambda message: receive(message), on_end)
    setup = await inbox.get()
    if setup is None:
        return
    if not isinstance(setup, messages.Setup):
        raise ValueError("the first message must be setup")
    try:
        link = Link(setup, channel, WriteBehind(Spool(Path(setup.spool_directory))))
    except OSError as error:
        channel.send(messages.Ended(code=0, reason=f"the results kept on disk cannot be read: {error}"))
        channel.close()
        return
    receive = link.receive
    while not inbox.empty():
        early = inbox.get_nowait()
        if early is not None:
            link.receive(early)
    running = asyncio.create_task(link.run())
    gone = asyncio.create_task(_parent_gone(setup.parent_pid, pair_closed))
    await asyncio.wait({running, gone}, return_when=asyncio.FIRST_COMPLETED)
    if not running.done():
        await link.orphaned()
    await running
    gone.cancel()
    channel.close()


def main() -> None:
    """Serve the agent whose end of the socket pair is the file descriptor given as the only argument."""
    asyncio.run(_main(socket.socket(fileno=int(sys.argv[1]))))


if __name__ == "__main__":
    main()
