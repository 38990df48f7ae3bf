"""The HTTP exchanges of one transfer: at any of the gateways, again and again, until it is stopped or out of time."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from spaces_agent.address import file_url
from spaces_agent.stopping import Stop
from spaces_agent.transfer_steps import Again, Answer, Interrupted, Patience

if TYPE_CHECKING:
    from spaces_agent.http_client import HttpClient

T = TypeVar("T")


class Wire:
    """Exchanges with gateways at these WebSocket addresses, the first of which is tried first. To be closed."""

    def __init__(self, addresses: Sequence[str], deadline_at: float, stop: Stop) -> None:
        self._addresses = list(addresses)
        self._patience = Patience(deadline_at)
        self._stop = stop
        self._client: HttpClient | None = None

    def close(self) -> None:
        """Close the connection; the next exchange opens another."""
        if self._client is not None:
            self._client.close()
            self._client = None
        self._stop.forget(id(self))

    def until_done(self, step: Callable[[], T]) -> T:
        """Try this step until it is done. Raises FileFailed."""
        while True:
            try:
                return step()
            except Interrupted as interrupted:
                self.wait(interrupted.again)

    def wait(self, again: Again) -> None:
        """Wait before the next try, which goes to the next gateway. Raises FileFailed: out of time, stopped."""
        self._stop.check()
        self._stop.wait(self._patience.pause_s(again, time.monotonic(), random.random()))
        self.close()
        self._addresses.append(self._addresses.pop(0))

    def progressed(self) -> None:
        """Bytes have got through: the next trouble is the first one. Raises FileFailed: out of time, stopped."""
        self._patience.progressed()
        self.check()

    def check(self) -> None:
        """Raises FileFailed: out of time, stopped."""
        self._stop.check()
        if not self._patience.remaining_s(time.monotonic()):
            raise self._patience.over()

    def ask(self, method: str, url: str, headers: Mapping[str, str], content: Iterator[bytes] | None = None) -> Answer:
        """One exchange whose answer has no body that matters. Raises Interrupted, FileFailed."""
        with self.exchange(method, url, headers, content) as (answer, body):
            for _ in body:  # only then the connection is good for the next exchange
                self.check()
            return answer

    @contextmanager
    def exchange(
        self, method: str, url: str, headers: Mapping[str, str], content: Iterator[bytes] | None = None
    ) -> Iterator[tuple[Answer, Iterator[bytes]]]:
        """One exchange; where it has succeeded, the body of the answer is still to be read. Raises Interrupted, also in the
        block, FileFailed."""
        self.check()
        if self._client is None:
            self._client = self._open()
        target = file_url(self._addresses[0], url)
        with self._client.exchange(
            method, target, headers, content, self._patience.remaining_s(time.monotonic())
        ) as exchanged:
            yield exchanged

    def _open(self) -> HttpClient:
        # The one place that imports it, see there.
        from spaces_agent.http_client import HttpClient

        return HttpClient(self._addresses[0], lambda opened: self._stop.watch(id(self), opened))
