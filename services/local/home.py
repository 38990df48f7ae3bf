"""The home directory of an embedded stack: one owner at a time, secrets that only that owner can read.

The directory itself can be entered by others, since PostgreSQL may have to run as another user; what is secret in it
has mode 0600 or 0700.
"""

import contextlib
import fcntl
import json
import os
import secrets
import tempfile
import threading
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from services.local.errors import HalfRestored, HomeDamaged, HomeInUse, HomeUnwritable, WrongNumber
from services.local.ports import free_port

RESTORING = "restoring"
"""A file that is in a home until all of a backup is restored there."""

LAST_BACKUP = "last-backup.json"
"""In the home: when the last backup was made, where, and how large."""

_AGAIN_S = 0.02


class Home:
    """Where an embedded stack keeps everything.

    `state.json` holds what a restart needs to be the same again (passwords, ports); `credentials.json` what people need.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.credentials_file = self.path / "credentials.json"
        self._state_file = self.path / "state.json"
        self._changing = threading.Lock()

    @contextlib.contextmanager
    def lock(self, patience_s: float = 0.0) -> Iterator[None]:
        """Own the directory until the block ends, or the process does. Whoever has it may take so long to let go. Raises
        HomeInUse or HomeUnwritable."""
        try:
            self.path.mkdir(mode=0o755, parents=True, exist_ok=True)
            fd = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise HomeUnwritable(self.path, error.strerror or str(error)) from error
        try:
            self._take(fd, time.monotonic() + patience_s)
            self._require_writable()
            yield
        finally:
            os.close(fd)

    def require_whole(self) -> None:
        """Raises HalfRestored when a restore has not come to its end here."""
        if (self.path / RESTORING).exists():
            raise HalfRestored(self.path)

    def directory(self, name: str) -> Path:
        """A subdirectory for the owner alone. Raises HomeUnwritable."""
        path = self.path / name
        try:
            path.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise HomeUnwritable(self.path, error.strerror or str(error)) from error
        return path

    def log_file(self, name: str) -> Path:
        """Where the process of that name writes its log."""
        return self.directory("logs") / f"{name}.log"

    def secret(self, name: str) -> str:
        """The password of that name: made on the first call, the same ever after."""
        with self._changing:
            state = read_json(self._state_file) or {}
            passwords: dict[str, str] = state.setdefault("passwords", {})
            if name not in passwords:
                passwords[name] = secrets.token_urlsafe(24)
                self._write(self._state_file, state)
        return passwords[name]

    def port(self, name: str, host: str = "127.0.0.1", avoid: Collection[int] = ()) -> int:
        """The port of an internal server: the same as last time when it is still free; none to avoid, and none that another
        one has got, which may not listen there yet."""
        with self._changing:
            state = read_json(self._state_file) or {}
            ports: dict[str, int] = state.setdefault("ports", {})
            others = {port for other, port in ports.items() if other != name}
            port = free_port(host, preferred=ports.get(name, 0), avoid=others.union(avoid))
            if ports.get(name) != port:
                ports[name] = port
                self._write(self._state_file, state)
        return port

    def nats_servers(self, wanted: int | None = None) -> int:
        """How many NATS servers the home has: as many as are wanted first (1), the same ever after. Raises WrongNumber."""
        with self._changing:
            state = read_json(self._state_file) or {}
            has: int = state.get("nats_servers", 1 if "nats" in state.get("ports", {}) else wanted or 1)
            if wanted not in (None, has):
                raise WrongNumber(self.path, has)
            if "nats_servers" not in state:
                self._write(self._state_file, state | {"nats_servers": has})
        return has

    def known_port(self, name: str) -> int | None:
        """The port that the server of that name has, or had last; None when it never had one."""
        ports: dict[str, int] = (read_json(self._state_file) or {}).get("ports", {})
        return ports.get(name)

    def credentials(self) -> dict[str, Any] | None:
        """What `write_credentials` stored, or None in a fresh home. Raises HomeDamaged."""
        return read_json(self.credentials_file)

    def write_credentials(self, values: dict[str, Any]) -> None:
        """Replace the credentials, in one step, mode 0600. Raises HomeUnwritable."""
        self._write(self.credentials_file, values)

    def _write(self, path: Path, values: dict[str, Any]) -> None:
        try:
            write_json(path, values)
        except OSError as error:
            raise HomeUnwritable(self.path, error.strerror or str(error)) from error

    def _take(self, fd: int, deadline: float) -> None:
        while True:
            try:
                return fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                if time.monotonic() >= deadline:
                    raise HomeInUse(self.path) from error
            time.sleep(_AGAIN_S)

    def _require_writable(self) -> None:
        try:
            with tempfile.TemporaryFile(dir=self.path):
                return
        except OSError as error:
            raise HomeUnwritable(self.path, error.strerror or str(error)) from error


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in a JSON file, or None when there is no file. Raises HomeDamaged."""
    try:
        values = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise HomeDamaged(path, "cannot be read as JSON") from error
    if not isinstance(values, dict):
        raise HomeDamaged(path, "holds no JSON object")
    return values


def write_json(path: Path, values: Any) -> None:
    """Replace a file in one step, so that a crash leaves the old or the new one, mode 0600. Raises OSError."""
    fd, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mkstemp makes it 0600
    try:
        with os.fdopen(fd, "w") as file:
            json.dump(values, file, indent=2)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
