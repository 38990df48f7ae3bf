"""Start and end a worker, a process that runs the handler (see worker.py)."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress

from spaces_agent import messages
from spaces_agent.channel import Channel
from spaces_agent.spawning import in_words, spawn
from spaces_agent.waiting import happens
from spaces_agent.worker_messages import FromWorker

_LAST_WORDS_S = 1.0
"""How long to read on after the end of the process: one that its handler has started may keep the pair open."""


class WorkerProcess:
    """A running worker and the channel to it."""

    def __init__(self, process: subprocess.Popen[bytes], channel: Channel, pair_closed: asyncio.Event) -> None:
        self._process = process
        self._channel = channel
        self._pair_closed = pair_closed
        self._exited = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        threading.Thread(target=self._wait, name="worker-wait", daemon=True).start()

    @classmethod
    async def start(cls, receive: Callable[[WorkerProcess, FromWorker], None]) -> WorkerProcess:
        """Start a worker, whose messages go to `receive`. It says nothing before it has been prepared. Raises OSError."""
        pair_closed = asyncio.Event()
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                process = spawn("spaces_agent.worker", theirs, own_group=True)
        except OSError:
            ours.close()
            raise
        channel = await Channel.open(ours, FromWorker, lambda message: receive(worker, message), pair_closed.set)
        worker = cls(process, channel, pair_closed)
        return worker

    def send(self, message: messages.Message) -> None:
        """Queue a message to the worker."""
        self._channel.send(message)

    def close(self) -> None:
        """Close the channel, upon which a worker ends that has nothing to do."""
        self._channel.close()

    def kill(self) -> None:
        """End the worker at once, with all that its handler has started."""
        # PermissionError is how some systems say that only the dead are left in the group.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    async def ended(self) -> str:
        """Wait for the end of the process, and read what it said before; how it has ended, in words."""
        await self._exited.wait()
        self.kill()
        await happens(self._pair_closed, _LAST_WORDS_S)
        self._channel.close()
        return in_words(self._process.returncode)

    def _wait(self) -> None:
        self._process.wait()
        with suppress(RuntimeError):  # the loop is closed: the agent has ended without waiting for this
            self._loop.call_soon_threadsafe(self._exited.set)
