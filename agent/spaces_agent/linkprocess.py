"""Start and end the link, the agent's second process (see link.py)."""

from __future__ import annotations

import asyncio
import os
import signal
import site
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from spaces_agent import messages
from spaces_agent.channel import Channel

_BLOCKED = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
_PACKAGE_ROOT = str(Path(__file__).resolve().parent.parent)


class LinkProcess:
    """A running link and the channel to it."""

    def __init__(self, process: subprocess.Popen[bytes], channel: Channel, ended: asyncio.Event) -> None:
        self._process = process
        self._channel = channel
        self.ended = ended
        """Set when the link has closed its end of the pair: it is gone, or about to go."""

    @classmethod
    async def start(cls, receive: Callable[[messages.FromLink], None]) -> LinkProcess:
        """Start a link, whose messages go to `receive`."""
        ended = asyncio.Event()
        ours, theirs = socket.socketpair()
        with theirs:
            process = _spawn(theirs)
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
            status = await asyncio.to_thread(self._process.wait, timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = await asyncio.to_thread(self._process.wait)
        return f"exit status {status}" if status >= 0 else f"signal {-status}"


def _spawn(theirs: socket.socket) -> subprocess.Popen[bytes]:
    """A new interpreter, not a fork: the handler's process may have threads and a GPU in use."""
    env = dict(os.environ)
    if _PACKAGE_ROOT not in site.getsitepackages():  # a source tree, found perhaps only by this process
        env["PYTHONPATH"] = os.pathsep.join(filter(None, [_PACKAGE_ROOT, env.get("PYTHONPATH")]))
    # Ctrl-C and a service manager's SIGTERM reach the whole process group; the blocked mask is inherited, so that
    # there is no moment at which they could end the link before the handler's process has decided.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _BLOCKED)
    try:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "spaces_agent.link", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            env=env,
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
