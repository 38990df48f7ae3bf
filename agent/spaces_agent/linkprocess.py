"""Start and end the link, the agent's second process (see link.py)."""

from __future__ import annotations

import asyncio
import socket
import subprocess
from collections.abc import Callable
from functools import partial

from spaces_agent import messages
from spaces_agent.channel import Channel
from spaces_agent.pool import in_thread
from spaces_agent.spawning import in_words, spawn


class LinkProcess:
    """A running link and the channel to it."""

    def __init__(self, process: subprocess.Popen[bytes], channel: Channel, ended: asyncio.Event) -> None:
        self._process = process
        self._channel = channel
        self.ended = ended
        """Set when the link has closed its end of the pair: it is gone, or about to go."""

    @classmethod
    async def start(cls, receive: Callable[[messages.FromLink], None]) -> LinkProcess:
        """Start a link, whose messages go to `receive`. Raises OSError."""
        ended = asyncio.Event()
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                process = spawn("spaces_agent.link", theirs)
        except OSError:
            ours.close()
            raise
        channel = await Channel.open(ours, messages.FromLink, receive, ended.set)
        return cls(process, channel, ended)

    def send(self, message: messages.ToLink) -> None:
        """Queue a message to the link."""
        self._channel.send(message)

    async def close(self, timeout_s: float) -> str:
        """Close the channel, upon which the link ends, and wait for that; kill it when it takes longer. Returns how it
        has ended, in words."""
        self._channel.close()
        try:
            return in_words(await self._exited(timeout_s))
        except subprocess.TimeoutExpired:
            self._process.kill()
            return in_words(await self._exited())

    async def _exited(self, timeout_s: float | None = None) -> int:
        # Not `asyncio.to_thread`: handlers may have taken all of its threads, for as long as they like.
        status: int = await in_thread(partial(self._process.wait, timeout_s), "link-wait")
        return status
