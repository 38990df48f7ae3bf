"""A process that runs the handler for one request at a time, so that it can be killed, or crash, alone.

Run as `python -m spaces_agent.worker FD`, where FD is its end of the socket pair. It ends with the agent."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from typing import assert_never

from spaces_agent import engines, frames, messages
from spaces_agent.channel import Channel
from spaces_agent.errors import AgentError
from spaces_agent.handler import Handler
from spaces_agent.jobs import Jobs
from spaces_agent.logs import log_to_stderr
from spaces_agent.spawning import ENDS_THE_AGENT
from spaces_agent.worker_messages import Broken, Limit, Prepare, ToWorker

logger = logging.getLogger("spaces_agent")

_PR_SET_PDEATHSIG = 1

_forking = threading.local()
"""The signals that are blocked in a thread but for its fork."""


class Worker:
    """Runs the handler, and tells the agent what becomes of it. Raises AgentError when there is no such handler."""

    def __init__(self, prepare: Prepare, channel: Channel) -> None:
        self._channel = channel
        self.loaded = False
        setup = engines.function(prepare.setup) if prepare.setup is not None else None
        self._jobs = Jobs(Handler(engines.function(prepare.handler)), setup, 1, prepare.places, self)

    @property
    def idle(self) -> bool:
        """Whether it could end without taking a handler with it."""
        return self.loaded and not self._jobs.in_flight()

    async def load(self) -> None:
        """Get ready for work."""
        self.loaded = await self._jobs.load()
        if self.loaded:
            self._channel.send(messages.Loaded())

    async def close(self) -> None:
        """Nothing will be asked any more."""
        await self._jobs.close()

    def receive(self, message: ToWorker) -> None:
        """A message from the agent."""
        match message:
            case messages.Start():
                assign = frames.decode_gateway_frame(message.frame)
                assert isinstance(assign, frames.Assign)
                self._jobs.start(assign, message.received_at)
            case messages.Stop():
                self._jobs.stop(message.lease, message.grace_s)
            case messages.Stored():
                self._jobs.stored(message.lease, message.index)
            case Limit():
                self._jobs.limit(message.limits)
            case Prepare():
                raise ValueError("prepare came twice")
            case _:
                assert_never(message)

    def started(self, lease: int) -> None:
        """The handler begins."""
        self._channel.send(messages.Started(lease=lease))

    def produced(self, output: frames.Output) -> None:
        """The handler has something to say."""
        self._channel.send(messages.Produced(frame=frames.encode(output)))

    def ended(self, lease: int, result: frames.Result | None) -> None:
        """The handler has ended."""
        if result is None:
            self._channel.send(messages.Stopped(lease=lease))
        else:
            self._channel.send(messages.Finished(frame=frames.encode(result)))

    def failed(self, error: AgentError) -> None:
        """There is nothing to serve with."""
        self._channel.send(Broken(reason=str(error)))


def _open(prepare: Prepare, channel: Channel) -> Worker | None:
    try:
        return Worker(prepare, channel)
    except AgentError as error:
        reason = str(error)
    except BaseException as error:  # also SystemExit: the user's module may do anything
        logger.error("the handler cannot be imported", exc_info=error)
        reason = f"the handler cannot be imported: {type(error).__name__}: {error}"
    channel.send(Broken(reason=reason))
    return None


async def _main(pair: socket.socket) -> int:
    inbox: asyncio.Queue[ToWorker | None] = asyncio.Queue()
    gone = asyncio.Event()
    receive: Callable[[ToWorker], None] = inbox.put_nowait

    def on_end() -> None:
        gone.set()
        inbox.put_nowait(None)

    channel = await Channel.open(pair, ToWorker, lambda message: receive(message), on_end)
    prepare = await inbox.get()
    if prepare is None:
        return 1
    assert isinstance(prepare, Prepare)
    _end_with(prepare.parent_pid)
    sys.path[:] = prepare.path
    worker = _open(prepare, channel)
    if worker is None:
        channel.close()
        return 1
    receive = worker.receive
    while not inbox.empty():
        early = inbox.get_nowait()
        if early is not None:
            worker.receive(early)
    loading = asyncio.create_task(worker.load())
    await gone.wait()
    if not worker.idle:
        os._exit(1)
    await loading
    await worker.close()
    return 0


def _end_with(parent_pid: int) -> None:
    """End when the agent does, however that ends and whatever the handler does then. Elsewhere than on Linux the end of
    the socket pair has to do, which a handler that holds the interpreter lock keeps from being seen."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:
        os._exit(1)


def _leave_signals_to_the_agent() -> None:
    # With handlers, since what is ignored or blocked would be so for all that the user's handler starts, too.
    for number in ENDS_THE_AGENT:
        signal.signal(number, lambda *_: None)
    os.register_at_fork(before=_hold_signals, after_in_parent=_release_signals, after_in_child=_default_signals)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDS_THE_AGENT)


def _hold_signals() -> None:
    # What is sent to a fork before it has its own handlers would be lost in those of this process.
    _forking.mask = signal.pthread_sigmask(signal.SIG_BLOCK, ENDS_THE_AGENT)


def _release_signals() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, _forking.mask)


def _default_signals() -> None:
    for number in ENDS_THE_AGENT:
        signal.signal(number, signal.SIG_DFL)
    _release_signals()


def main() -> None:
    """Serve the agent whose end of the socket pair is the file descriptor given as the only argument."""
    _leave_signals_to_the_agent()
    log_to_stderr()
    sys.exit(asyncio.run(_main(socket.socket(fileno=int(sys.argv[1])))))


if __name__ == "__main__":
    main()
