"""The process that owns the socket, the heartbeats and the spool (agent protocol, rule 4), apart from the handler:
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
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import assert_never

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from spaces_agent import events, frames, messages
from spaces_agent.channel import Channel
from spaces_agent.dial import Unreachable, close_reason, dial
from spaces_agent.outstanding import Outstanding
from spaces_agent.session import AgentSession
from spaces_agent.spool import Spool, WriteBehind
from spaces_agent.waiting import happens

_LOOK_FOR_PARENT_S = 1.0
_LAST_ACKS_S = 1.0
"""How long an orphaned link waits for the acknowledgement of results under way, before it says goodbye."""


class Link:
    """Keeps one session going over whichever socket there is, between the gateway and the handler process."""

    def __init__(self, setup: messages.Setup, channel: Channel, spool: WriteBehind) -> None:
        self._setup = setup
        self._channel = channel
        pending = {result.lease: result for result in spool.load()}
        pending.update((result.lease, result) for result in map(_result, setup.pending))
        self._session = AgentSession(setup.profile, running=setup.running, pending=pending.values(), loading=setup.loading)
        self._outstanding = Outstanding(spool, list(pending.values()), self._notice)
        self._url = ""
        self._abandoned: str | None = None
        self._outgoing = asyncio.Event()
        self._wake = asyncio.Event()
        self._sleeps_until = 0.0
        self._leaving = asyncio.Event()

    async def run(self) -> None:
        """Connect, serve, connect again, until told to leave or closed for good."""
        for url in _in_random_order(self._setup.urls):
            self._url = url
            reason, code = await self._one_connection()
            if self._leaving.is_set():
                return
            self._session.disconnected(time.monotonic(), random.random(), reason, code)
            for closed in self._session.events():
                assert isinstance(closed, events.Closed)
                if closed.final:
                    self._channel.send(messages.Ended(code=closed.code or 0, reason=closed.reason))
                    return
                self._channel.send(messages.Disconnected(url=url, reason=reason, retry_in_s=closed.retry_in_s))
                await happens(self._leaving, closed.retry_in_s)

    def receive(self, message: messages.ToLink) -> None:
        """A message from the handler process."""
        match message:
            case messages.Started():
                self._session.handler_started(message.lease)
            case messages.Finished():
                result = _result(message.frame)
                self._outstanding.keep(result)
                self._session.handler_finished(result)
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
        await self._outstanding.settled(_LAST_ACKS_S)
        self._leave("the handler process ended")

    def _leave(self, reason: str) -> None:
        self._session.leave(reason)
        self._leaving.set()
        self._outgoing.set()

    async def _one_connection(self) -> tuple[str, int | None]:
        """Serve over one socket to its end: why it ended, and the close code if the gateway sent one."""
        dialling = asyncio.create_task(dial(self._url, self._setup.key))
        leaving = asyncio.create_task(self._leaving.wait())
        await asyncio.wait({dialling, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not dialling.done():
            await _cancel(dialling)
            return "leaving", None
        await _cancel(leaving)
        try:
            connection = dialling.result()
        except Unreachable as error:
            return str(error), None
        self._abandoned = None
        self._session.connected(time.monotonic())
        self._pump()
        return await self._serve(connection)

    async def _serve(self, connection: ClientConnection) -> tuple[str, int | None]:
        """Read, write and tick until one of them ends, which ends all."""
        tasks = [
            asyncio.create_task(self._read(connection)),
            asyncio.create_task(self._write(connection)),
            asyncio.create_task(self._tick()),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        except ConnectionClosed as error:
            return close_reason(error)
        finally:
            await _cancel(*tasks)
            await connection.close()
        return self._abandoned or "leaving", None

    async def _read(self, connection: ClientConnection) -> None:
        while self._abandoned is None:
            data = await connection.recv(decode=False)
            try:
                frame = frames.decode_gateway_frame(data)
            except frames.BadFrame as error:
                self._abandoned = f"the gateway sent something that is no frame of this protocol: {error}"
                return
            self._session.receive(frame, time.monotonic())
            self._pump()
            if (self._session.wakeup() or 0.0) < self._sleeps_until:
                self._wake.set()

    async def _write(self, connection: ClientConnection) -> None:
        while True:
            await self._outgoing.wait()
            self._outgoing.clear()
            for frame in self._session.frames_to_send():
                await connection.send(frames.encode(frame), text=True)
            if self._leaving.is_set():
                return

    async def _tick(self) -> None:
        while (wakeup := self._session.wakeup()) is not None:
            self._sleeps_until = wakeup
            self._wake.clear()
            await happens(self._wake, max(0.0, wakeup - time.monotonic()))
            self._session.tick(time.monotonic())
            self._pump()

    def _pump(self) -> None:
        """Act on what the session says, and let the writer see what it wants to send."""
        for event in self._session.events():
            self._act(event)
        self._outgoing.set()

    def _act(self, event: events.SessionEvent) -> None:
        match event:
            case events.StartHandler():
                frame = frames.encode(event.assign)
                self._channel.send(messages.Start(frame=frame, received_at=time.monotonic()))
            case events.StopHandler():
                self._channel.send(messages.Stop(lease=event.lease))
            case events.ForgetResult():
                self._outstanding.forget(event.lease)
                self._channel.send(messages.Forget(lease=event.lease))
            case events.Ready():
                self._welcomed(event.welcome)
            case events.Refused():
                about = f" about request {event.request_id}" if event.request_id else ""
                self._notice(f"the gateway refused a frame{about}: {event.message} ({event.code})")
            case events.Abandon():
                self._abandoned = event.reason
            case events.Closed():
                raise ValueError("a session closes only after its socket")
            case _:
                assert_never(event)

    def _welcomed(self, welcome: frames.Welcome) -> None:
        self._channel.send(
            messages.Connected(
                url=self._url,
                gateway_id=welcome.gateway_id,
                spaces=welcome.spaces,
                max_inline_bytes=welcome.max_inline_bytes,
            )
        )

    def _notice(self, text: str) -> None:
        self._channel.send(messages.Notice(text=text))


def _result(frame: bytes) -> frames.Result:
    result = frames.decode_agent_frame(frame)
    if not isinstance(result, frames.Result):
        raise ValueError(f"the handler process sent {type(result).__name__}, not a result")
    return result


def _in_random_order(urls: list[str]) -> Iterator[str]:
    """All addresses, again and again, each round in another order."""
    while True:
        yield from random.sample(urls, len(urls))


async def _cancel(*tasks: asyncio.Task[object]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


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
    await _cancel(gone)
    channel.close()


def main() -> None:
    """Serve the agent whose end of the socket pair is the file descriptor given as the only argument."""
    asyncio.run(_main(socket.socket(fileno=int(sys.argv[1]))))


if __name__ == "__main__":
    main()
