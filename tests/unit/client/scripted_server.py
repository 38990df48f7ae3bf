"""A real HTTP server that plays the gateway for a client under test: each connection is one request, answered by the next
step of the script."""

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

DEADLINE_S = 60.0
Step = Callable[["Exchange"], None]


class Received(NamedTuple):
    """What the client sent; header names in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Exchange:
    """One connection, whose request has been read."""

    def __init__(self, connection: socket.socket, received: Received) -> None:
        self._connection = connection
        self.received = received

    def send(self, data: str | bytes) -> None:
        """Send as it is."""
        self._connection.sendall(data.encode() if isinstance(data, str) else data)

    def rest(self) -> bytes:
        """What else the client sends before it hangs up."""
        return self._connection.recv(100)

    def cut(self) -> None:
        """Lose the connection, as when the gateway is killed."""
        self._connection.close()


class ScriptedServer:
    """Answers each request with the next step of the script, and keeps what was sent."""

    def __init__(self, *steps: Step) -> None:
        self.steps = list(steps)
        self.received: list[Received] = []
        self.failure: BaseException | None = None
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> "ScriptedServer":
        self._thread.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(DEADLINE_S)
        if kind is None:
            assert self.failure is None, f"the server failed: {self.failure!r}"
            assert not self._thread.is_alive(), "the server hangs"
            assert self.steps == [], f"{len(self.steps)} steps were not asked for"

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.settimeout(DEADLINE_S)
            with connection:
                try:
                    self.received.append(received := _read(connection))
                    self.steps.pop(0)(Exchange(connection, received))
                except ConnectionError:
                    continue  # the client needs no more of it
                except BaseException as error:
                    self.failure = error
                    self._listener.close()  # or the client would wait for the next step
                    return


def _read(connection: socket.socket) -> Received:
    with connection.makefile("rb") as file:
        method, path, _ = file.readline().decode().split()
        headers = {}
        while line := file.readline().decode().strip():
            name, _, value = line.partition(": ")
            headers[name.lower()] = value
        return Received(method, path, headers, file.read(int(headers.get("content-length", 0))))


def answer(body: Any, status: int = 200, content_type: str = "application/json", **headers: Any) -> Step:
    """A whole answer: a JSON value, or text as it stands; header names with underscores."""
    content = body if isinstance(body, str) else json.dumps(body)
    head = {"Content-Type": content_type, "Content-Length": len(content.encode()), "Connection": "close"}
    head |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"HTTP/1.1 {status} Scripted", *(f"{name}: {value}" for name, value in head.items()), "", content]
    return lambda exchange: exchange.send("\r\n".join(lines))


def problem(status: int, code: str, detail: str = "Not so.", **headers: Any) -> Step:
    """A refusal as the gateway makes it."""
    body = {"type": "urn:x", "title": "T", "status": status, "code": code, "detail": detail, "request_id": "r-17"}
    return answer(body, status, "application/problem+json", **headers)


def no_content(exchange: Exchange) -> None:
    """204: nothing will come any more."""
    exchange.send("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")


def cut(exchange: Exchange) -> None:
    """No answer at all."""
    exchange.cut()


STREAM = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(text: str) -> bytes:
    """Text as one chunk of a body."""
    data = text.encode()
    return b"%x\r\n%s\r\n" % (len(data), data)


def event(name: str, data: Any, id: str = "") -> str:
    """One server-sent event."""
    return (f"id: {id}\n" if id else "") + f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"


def stream(*events: str, end: str = "", retry_ms: int = 10) -> Step:
    """A stream of events. It ends properly, or with `cut` in the middle of the text that is given as `end`."""

    def serve(exchange: Exchange) -> None:
        exchange.send(STREAM)
        for each in (f"retry: {retry_ms}\n\n", *events):
            exchange.send(chunk(each))
        if end:
            exchange.send(chunk(end)[:-2])
            exchange.cut()
        else:
            exchange.send("0\r\n\r\n")

    return serve


@contextlib.contextmanager
def nowhere() -> Iterator[str]:
    """A URL at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    yield url


RID = "01a2044a439c7146874bdc2036ab095706"


def request(status: str = "succeeded", **changes: Any) -> dict[str, Any]:
    """A request object as the gateway sends it."""
    done = status not in {"queued", "processing"}
    at = "2025-01-01T10:00:00.000000Z"
    return {
        "id": RID, "space": "demo", "status": status, "done": done, "created_at": at, "assigned_at": at,
        "started_at": at if done else None, "completed_at": at if done else None, "input": {"n": 1}, "output": None,
        "error": None, "attempt": 1, "max_attempts": 1, "agent": {"id": "ada/gpu"}, "queue": None, "progress": None,
        "metrics": {"queue_s": 0.004, "run_s": 0.5, "total_s": 0.6, "first_output_s": None}, "metadata": {},
        "retry_of": None, "urls": {"self": f"/v1/requests/{RID}"}, **changes,
    }  # fmt: skip
