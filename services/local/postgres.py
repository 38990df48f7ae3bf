"""One real PostgreSQL server with the database `spaces` and its owner `history`, as a child process."""

import hashlib
import os
import shutil
import signal
import time
from pathlib import Path
from urllib.parse import quote

from services.local.account import SHARED, make_shared, owner_account, private_directory, unprivileged_account
from services.local.child import Child, exists, stop_leftover
from services.local.cluster import DATABASE, ROLE, create_cluster
from services.local.errors import HomeDamaged, LocalError, PortInUse, ServerFailed
from services.local.ports import is_free
from services.local.postgres_install import find_postgres

_START_TIMEOUT_S = 60.0  # it replays its log before it serves
_STOP_TIMEOUT_S = 20.0
_ORPHANS_TIMEOUT_S = 20.0
# A killed server still loses nothing; a machine that loses power may.
_FAST = {"fsync": "off", "full_page_writes": "off"}


class PostgresServer:
    """A PostgreSQL on 127.0.0.1 that belongs to `directory`.

    When we are root it runs as an unprivileged account, and when that account cannot reach `directory` its data is
    below `/var/lib/websocket-spaces`; a file `location` in `directory` says so. No parent's permissions are changed.
    `durable=False` survives a kill but no power loss, for tests. Methods block; from asyncio, call them in a thread.
    """

    host = "127.0.0.1"

    def __init__(self, directory: Path, port: int, password: str, log: Path, *, durable: bool = True) -> None:
        self.directory, self.port, self.durable = directory.absolute(), port, durable
        self._password = password
        self._location = self.directory / "location"
        self._child = Child("PostgreSQL", log)

    @property
    def url(self) -> str:
        """The URL, with its password, of the database."""
        return f"postgresql://{ROLE}:{quote(self._password)}@{self.host}:{self.port}/{DATABASE}"

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

    def start(self) -> None:
        """Start it, also again after it ended, and wait until it serves; a fresh one is created. Raises LocalError."""
        self.stop()
        try:
            data = self._find_or_create()
            self._clear_leftover(data)
            self._run(data)
        except OSError as error:
            raise ServerFailed("PostgreSQL", str(error)) from error

    def stop(self) -> None:
        """Stop it in order, within a bound; harmless when it does not run."""
        # INT ends connections and writes a checkpoint, QUIT only the former.
        self._child.stop(signal.SIGINT, signal.SIGQUIT, timeout_s=_STOP_TIMEOUT_S)

    def stop_leftover(self) -> None:
        """End a server of this directory whose parent was killed."""
        self._clear_leftover(self._base() / "data")

    def destroy(self) -> None:
        """Stop it and delete its data, wherever that is."""
        self.stop()
        for path in (self._base(), self._elsewhere(), self.directory):
            shutil.rmtree(path, ignore_errors=True)

    def _base(self) -> Path:
        """The directory that belongs to the server's account."""
        if self._location.exists():
            return Path(self._location.read_text().strip())
        return self.directory / "cluster"

    def _find_or_create(self) -> Path:
        self.directory.mkdir(parents=True, exist_ok=True)
        data = self._base() / "data"
        if (data / "PG_VERSION").exists():
            return data
        if self._location.exists():
            raise HomeDamaged(self._location, f"the data that it names, {data}, is gone")
        account = unprivileged_account()
        base = self.directory / "cluster"
        if not private_directory(base, account):
            base.rmdir()
            make_shared()
            base = self._elsewhere()
            self._forget(base)  # of a home at this path that was deleted, or of a start that was killed
            if not private_directory(base, account):
                raise ServerFailed("PostgreSQL", f"no unprivileged user can write to {base}")
        create_cluster(base / "data", find_postgres(account), account, self._password, durable=self.durable)
        if base.parent == SHARED:
            self._location.write_text(f"{base}\n")
        return base / "data"

    def _elsewhere(self) -> Path:
        return SHARED / hashlib.sha256(os.fsencode(self.directory)).hexdigest()[:16]

    def _forget(self, base: Path) -> None:
        self._clear_leftover(base / "data")
        if base.exists():
            shutil.rmtree(base)

    def _run(self, data: Path) -> None:
        account = owner_account(data)
        install = find_postgres(account, (data / "PG_VERSION").read_text().strip())
        command = [install.postgres, "-D", str(data)]
        for name, value in self._settings().items():
            command += ["-c", f"{name}={value}"]
        deadline = time.monotonic() + _ORPHANS_TIMEOUT_S
        while True:
            self._child.start(command, {"PATH": os.defpath, "LC_ALL": "C"}, account)
            try:
                return self._child.wait_ready(lambda: self._serves(data), _START_TIMEOUT_S)
            except ServerFailed as error:
                self.stop()
                said = self._child.output()
                # After a SIGKILL its own children take a moment to notice; it refuses to start beside them.
                if "still in use" in said and time.monotonic() < deadline:
                    time.sleep(0.2)
                    continue
                raise self._explained(error, said) from error

    def _explained(self, error: ServerFailed, said: str) -> LocalError:
        if "could not create any TCP/IP sockets" in said and not is_free(self.host, self.port):
            return PortInUse(self.host, self.port)
        return error

    def _settings(self) -> dict[str, str]:
        settings = {
            "listen_addresses": self.host,
            "port": str(self.port),
            "unix_socket_directories": "",
            "timezone": "UTC",
            "log_timezone": "UTC",
        }
        return settings if self.durable else settings | _FAST

    def _serves(self, data: Path) -> bool:
        """Whether the server's own lock file says so: the first line is its process, the eighth its state."""
        try:
            lines = (data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[0] == str(self.pid) and lines[7].strip() == "ready"

    def _clear_leftover(self, data: Path) -> None:
        """End a server whose parent was killed, and forget one that was killed itself."""
        lock = data / "postmaster.pid"
        try:
            pid = int(lock.read_text().split("\n", 1)[0])
        except (FileNotFoundError, ValueError):
            return
        stop_leftover(pid, str(data), signal.SIGINT)
        if exists(pid):  # as another process, or not yet reaped: PostgreSQL would think that it is the server
            lock.unlink(missing_ok=True)
