"""`spaces up` as a process, for one test or for many, with HTTP clients for it."""

import asyncio
import contextlib
import errno
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx
import msgspec

from tests.support.own_ports import own_port

ROOT = Path(__file__).resolve().parents[2]
START_S, STOP_S = 60.0, 40.0
ANSWER_S = 70.0
"""A client may ask to wait for a minute; and the machine may have much else to do."""
_POLL_S = 0.05
T = TypeVar("T")


class Admin(msgspec.Struct, frozen=True):
    email: str
    password: str


class Ready(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `spaces up --json` prints, nothing more and nothing less."""

    url: str
    urls: list[str]
    public_url: str
    api_key: str
    agent_key: str
    admin: Admin
    space: str
    nats_url: str
    database_url: str
    pids: dict[str, list[int]]


def eventually(condition: Callable[[], T | None], what: str, timeout_s: float = 30.0) -> T:
    """The first true value of the condition. Fails after the deadline."""
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{what}: not within {timeout_s:g} s"
        time.sleep(_POLL_S)
    return value


@contextlib.contextmanager
def fresh_home() -> Iterator[Path]:
    """A directory for a home, which every user may enter, so that PostgreSQL's own account reaches it."""
    directory = Path(tempfile.mkdtemp(prefix="spaces-e2e-"))
    directory.chmod(0o755)
    try:
        yield directory / "home"
    finally:
        for line in running(directory):  # of a test that failed
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(line.split()[0]), signal.SIGKILL)
        shutil.rmtree(directory, ignore_errors=True)


def spaces(
    *arguments: str, timeout_s: float = START_S, stdin: str = "", **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run the command `spaces` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "services.cli", *arguments],
        env=stack_environment(variables), input=stdin, capture_output=True, text=True, check=False, timeout=timeout_s,
    )  # fmt: skip


class Stack:
    """`spaces up --json` on a home; a context manager that starts it, stops it by SIGINT, and checks that nothing runs
    afterwards. In between `stop`, `kill` and `start` are the test's to call."""

    def __init__(self, home: Path, *options: str, port: int | None = None, **variables: str) -> None:
        """`port` 0: any; None: one that no other test comes to, and none of another stack that is being started."""
        self.home, self._variables = home, variables
        self._options = ["--port", str(own_port() if port is None else port), *options]
        self._process: subprocess.Popen[str] | None = None
        self._ready: Ready | None = None
        self.errors = ""
        """What it said on standard error, complete once it has ended."""
        self.exit_code: int | None = None

    @property
    def ready(self) -> Ready:
        """What it printed when it was ready last."""
        assert self._ready is not None, "it was never ready"
        return self._ready

    @property
    def pid(self) -> int:
        """The process id of `spaces up` itself."""
        assert self._process is not None, "it was never started"
        return self._process.pid

    def pids(self, kind: str) -> list[int]:
        """The processes of a kind that run now: nats, postgres, history, registry, dispatcher, gateway, agent."""
        pids: list[int] = json.loads((self.home / "pids.json").read_text())[kind]
        return pids

    def start(self) -> Ready:
        """Start it and wait until it is ready."""
        self.launch()
        assert self._process is not None
        process, lines = self._process, self._lines
        eventually(lambda: lines or process.poll() is not None, "ready line", START_S)
        if not lines:
            self._ended(process.wait())
            raise AssertionError(f"it did not start: {self.errors}")
        self._ready = msgspec.json.decode(lines[0], type=Ready)
        return self._ready

    def launch(self) -> None:
        """Start it without waiting."""
        command = [sys.executable, "-m", "services.cli", "up", "--json", "--home", str(self.home), *self._options]
        self._process = subprocess.Popen(
            command, env=stack_environment(self._variables), text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        self._lines: list[str] = []
        self._readers = [
            threading.Thread(target=self._read, args=(self._process.stdout, self._lines.append)),
            threading.Thread(target=self._read, args=(self._process.stderr, self._keep_error)),
        ]
        for reader in self._readers:
            reader.start()

    def stop(self, *numbers: signal.Signals) -> int:
        """Stop it by the signals (SIGINT), wait, and return its exit status. Nothing may be running then."""
        assert self._process is not None
        for number in numbers or (signal.SIGINT,):
            self._process.send_signal(number)
        try:
            self._ended(self._process.wait(STOP_S))
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"it did not stop within {STOP_S:g} s: {self.errors}") from None
        left = running(self.home)
        assert not left, f"left running: {left}"
        assert self.exit_code is not None
        return self.exit_code

    def kill(self) -> None:
        """SIGKILL `spaces up` itself, and nothing else."""
        assert self._process is not None
        self._process.kill()
        self._ended(self._process.wait())

    @contextlib.contextmanager
    def without_postgres(self) -> Iterator[None]:
        """PostgreSQL is down, and refuses connections, until the block ends. `spaces up` sleeps meanwhile, or it would start
        it again at once; so nothing else that dies is started either."""
        port = urlsplit(self.ready.database_url).port
        assert port is not None
        (pid,) = self.pids("postgres")
        os.kill(self.pid, signal.SIGSTOP)
        try:
            os.kill(pid, signal.SIGQUIT)
            eventually(lambda: _refuses(port), "PostgreSQL refuses connections")
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)
        eventually(lambda: self.pids("postgres") not in ([], [pid]), "PostgreSQL serves again")

    def client(self, gateway: int = 0, timeout_s: float = ANSWER_S) -> httpx.AsyncClient:
        """An HTTP client of a gateway with the API key. Close it, or use it as a context manager."""
        headers = {"Authorization": f"Bearer {self.ready.api_key}"}
        return httpx.AsyncClient(base_url=self.ready.urls[gateway], headers=headers, timeout=timeout_s)

    def calls(self, gateway: int = 0) -> httpx.Client:
        """The same for tests that are not asynchronous."""
        headers = {"Authorization": f"Bearer {self.ready.api_key}"}
        return httpx.Client(base_url=self.ready.urls[gateway], headers=headers, timeout=ANSWER_S)

    def submit(self, input: dict[str, Any], *, space: str = "", wait: int = 30, gateway: int = 0) -> dict[str, Any]:
        """Submit a request, wait for its end up to `wait` seconds, and return the request as it then is."""
        headers = {"Prefer": f"wait={wait}"} if wait else {}
        path = f"/v1/spaces/{space or self.ready.space}/requests"
        with self.calls(gateway) as client:
            return _request(client.post(path, json={"input": input}, headers=headers))

    def get(self, rid: str, *, gateway: int = 0) -> dict[str, Any]:
        """Read a request."""
        with self.calls(gateway) as client:
            return _request(client.get(f"/v1/requests/{rid}"))

    def show_logs(self, lines: int = 15) -> None:
        """Print the end of every log, for whoever reads a failed test."""
        print(f"--- standard error\n{self.errors[-5000:]}")
        for log in sorted((self.home / "logs").glob("*.log")):
            print(f"--- {log.name}\n" + "\n".join(log.read_text(errors="replace").splitlines()[-lines:]))

    def __enter__(self) -> "Stack":
        try:
            self.start()
        except BaseException:
            self.show_logs()
            self._end()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self.show_logs()
        self._end()

    def _end(self) -> None:
        if self._process is not None and self._process.poll() is None:
            assert self.stop() == 0, self.errors

    def _ended(self, exit_code: int) -> None:
        self.exit_code = exit_code
        for reader in self._readers:
            reader.join()

    def _read(self, stream: Any, keep: Callable[[str], None]) -> None:
        with stream:
            for line in stream:
                keep(line)

    def _keep_error(self, line: str) -> None:
        self.errors += line


@contextlib.asynccontextmanager
async def running_stack(*options: str) -> AsyncIterator[Stack]:
    """A stack on a fresh home, for asyncio: starting and stopping do not block the loop."""
    with fresh_home() as home:
        stack = Stack(home, *options)
        await asyncio.to_thread(stack.__enter__)
        try:
            yield stack
        except BaseException:
            stack.show_logs()
            raise
        finally:
            await asyncio.to_thread(stack._end)


def _refuses(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == errno.ECONNREFUSED


def running(home: Path) -> list[str]:
    """The command lines of all processes that name the home in an argument, except ourselves."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                if str(home) in line:
                    found.append(f"{entry.name} {line.strip()}")
    return found


def _request(response: httpx.Response) -> dict[str, Any]:
    assert response.is_success, f"{response.status_code} {response.text}"
    request: dict[str, Any] = response.json()
    return request


def stack_environment(variables: dict[str, str]) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("WS_")}
    return {**inherited, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "agent"), str(ROOT / "client")]), **variables}
