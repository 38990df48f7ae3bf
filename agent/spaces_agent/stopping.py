"""Stop transfers that wait for the network, from another thread."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

from spaces_agent.errors import FileFailed


class Stop:
    """Says that nobody wants the outcome any more, and wakes whoever waits for a socket."""

    def __init__(self) -> None:
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._sockets: dict[int, socket.socket] = {}

    def stop(self) -> None:
        """End all transfers, and let none begin."""
        self._stopped.set()
        with self._lock:
            sockets = list(self._sockets.values())
        for watched in sockets:
            _shut_down(watched)

    def check(self) -> None:
        """Raises FileFailed when it is stopped."""
        if self._stopped.is_set():
            raise FileFailed("the outcome is no longer wanted", retryable=False)

    def wait(self, seconds: float) -> None:
        """Wait, unless it is stopped. Raises FileFailed then."""
        self._stopped.wait(seconds)
        self.check()

    def watch(self, key: int, opened: socket.socket) -> None:
        """Shut this socket down in case of a stop; it takes the place of the former one of this key."""
        with self._lock:
            self._sockets[key] = opened
        if self._stopped.is_set():
            _shut_down(opened)

    def forget(self, key: int) -> None:
        """The socket of this key is closed."""
        with self._lock:
            self._sockets.pop(key, None)


def _shut_down(opened: socket.socket) -> None:
    # Closing it would not wake a thread that waits for it. Not the method of SSLSocket, which is for its own thread.
    with suppress(OSError):
        socket.socket.shutdown(opened, socket.SHUT_RDWR)
