"""HTTP as the client speaks it: calls that are sent again, streams that are opened again. What it decides is in the pure
modules beside it."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Generator, Iterator, Mapping

import httpx
import httpx_sse

from spaces_client import answers, backoff
from spaces_client.address import api_key, base_url
from spaces_client.errors import ClientError, InvalidAnswer, Unreachable
from spaces_client.events import Completed, Event
from spaces_client.reading import EventReader
from spaces_client.version import __version__

TRIES = 5
"""How often a call is sent, when no answer comes or the gateway cannot answer for the moment."""
FIRST_DELAY_S = 0.25
ANSWER_S = 30.0
"""How long an answer may take, beside what the call itself waits for."""
CONNECT_S = 5.0
SILENCE_S = 45.0
"""A stream that has said nothing for so long is given up: the gateway sends a ping every 15 s."""

_ERRNO = re.compile(r"^\[Errno -?[0-9]+\] ")
_ON_THIS_MACHINE = ("all://127.0.0.1", "all://localhost", "all://[::1]")
"""What no proxy of the environment (HTTP_PROXY and the like) would reach."""

Waiting = Callable[[str, float], None]
"""Told why a stream was interrupted, and in how many seconds it will be opened again."""


class Connection:
    """One gateway and one key. Threads may share it."""

    def __init__(self, url: str, key: str) -> None:
        """Nothing is sent yet. Raises ConfigError when URL or key cannot be one."""
        self.url = base_url(url)
        headers = {"Authorization": f"Bearer {api_key(key)}", "User-Agent": f"spaces-client/{__version__}"}
        self._http = httpx.Client(base_url=self.url, headers=headers, mounts=dict.fromkeys(_ON_THIS_MACHINE))

    def close(self) -> None:
        """Close the sockets."""
        self._http.close()

    def call(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        content: bytes | None = None,
        wait_s: float = 0,
        repeatable: bool = True,
    ) -> bytes:
        """The body of the answer; `wait_s` is how long the gateway may wait for an outcome before it answers. It is sent
        again when no answer comes; one that is not `repeatable` only when it cannot have arrived. Raises ClientError."""
        deadline = time.monotonic() + wait_s
        for failures in range(TRIES):
            left_s = max(0, round(deadline - time.monotonic()))
            wanted = {**(headers or {}), **({"Prefer": f"wait={left_s}"} if left_s else {})}
            request = self._http.build_request(
                method, path, headers=wanted, params=params, content=content, timeout=_timeout(ANSWER_S + left_s)
            )
            arrived = True
            try:
                response = self._http.send(request)
                if response.status_code not in answers.TRY_AGAIN:
                    answers.check(response.status_code, response.headers, response.content)
                    return response.content
                failure: ClientError = answers.problem(response.status_code, response.headers, response.content)
                asked_s = answers.retry_after_s(response.headers)
            except httpx.RequestError as error:
                failure, asked_s = Unreachable(f"cannot reach {self.url}: {_reason(error)}"), 0.0
                arrived = not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
            if arrived and not repeatable:
                break
            if failures + 1 < TRIES:
                time.sleep(_delay_s(failures, asked_s))
        raise failure

    def events(self, path: str, reader: EventReader, waiting: Waiting | None) -> Generator[Event, None, None]:
        """The events at a path until the last one, over as many connections as it takes. Raises ClientError when the
        gateway refuses it."""
        while True:
            asked_s = 0.0
            try:
                with self._http.stream("GET", path, headers=reader.headers(), timeout=_timeout(SILENCE_S)) as response:
                    if response.status_code == 204:
                        return
                    reason, asked_s = _refusal(response)
                    for event in () if reason else _received(reader, response):
                        yield event
                        if isinstance(event, Completed):
                            return
            except httpx.RequestError as error:
                reason = _reason(error)
            delay_s = reader.delay_s(asked_s=asked_s, entropy=random.random())
            if waiting is not None:
                waiting(reason or reader.broken_off or "the stream ended", delay_s)
            time.sleep(delay_s)


def _timeout(read_s: float) -> httpx.Timeout:
    return httpx.Timeout(read_s, connect=CONNECT_S, pool=None)


def _delay_s(failures: int, asked_s: float) -> float:
    return backoff.delay_s(failures, first_s=FIRST_DELAY_S, asked_s=asked_s, entropy=random.random())


def _refusal(response: httpx.Response) -> tuple[str, float]:
    """Why no stream came this time, empty when one did, and for how many seconds the gateway asks us to wait. Raises
    ClientError when another time will be no better."""
    if response.status_code == 200:
        if response.headers.get("content-type", "").partition(";")[0].strip() != "text/event-stream":
            raise InvalidAnswer("it answered, but not with a stream of events: is the URL right?")
        return "", 0.0
    body = response.read()
    if response.status_code < 500:
        answers.check(response.status_code, response.headers, body)
        raise InvalidAnswer(f"it answered {response.status_code} where a stream of events was to come")
    return str(answers.problem(response.status_code, response.headers, body)), answers.retry_after_s(response.headers)


def _received(reader: EventReader, response: httpx.Response) -> Iterator[Event]:
    """The events of one connection."""
    for told in httpx_sse.EventSource(response).iter_sse():
        event = reader.receive(told.event, told.id, told.data, told.retry)
        if event is not None:
            yield event
        if reader.broken_off:
            return


def _reason(error: httpx.RequestError) -> str:
    """One line: the deepest text that the libraries give, without the number of an error."""
    if isinstance(error, httpx.RemoteProtocolError):
        return "the connection was closed before the answer was complete"
    return _ERRNO.sub("", str(error)) or type(error).__name__
