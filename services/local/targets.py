"""Where Prometheus reads the metrics of an embedded stack: a file of targets for its file_sd_configs."""

import contextlib
import threading
from pathlib import Path

from services.local.home import write_json


class Targets:
    """Keeps `prometheus.json` in the home, which Prometheus reads again whenever it changes."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "prometheus.json"
        self._addresses: dict[str, tuple[str, str]] = {}
        self._changing = threading.Lock()

    def put(self, kind: str, name: str, host: str, port: int) -> None:
        """A process shows its metrics there from now on. May be called in any thread."""
        with self._changing:
            self._addresses[name] = (kind, f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
            with contextlib.suppress(OSError):  # on a full disk the processes are started all the same
                write_json(self._path, self._groups())

    def _groups(self) -> list[dict[str, object]]:
        return [
            {"targets": [address], "labels": {"service": kind, "process": name}}
            for name, (kind, address) in sorted(self._addresses.items())
        ]
