"""One process of a platform, in the hands of a test."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from services.local.launch import command, environment

SKEW = "TEST_CLOCK_SKEW_S"
"""How far the wall clock of a process is off, in seconds: see `skew/sitecustomize.py`."""
_SKEWED = Path(__file__).resolve().parent / "skew"


class Member:
    """A process that can be killed, paused and started again. `settings` are asked for at each start."""

    def __init__(
        self,
        kind: str,
        name: str,
        module: str,
        settings: Callable[[], Mapping[str, str]],
        *,
        root: Path,
        log: Path,
        arguments: tuple[str, ...] = (),
    ) -> None:
        self.kind, self.name = kind, name
        self.skew_s = 0.0
        """How far its clock is off from its next start on."""
        self._command, self._settings, self._root, self._log = [*command(module), *arguments], settings, root, log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None, f"{self.name} was never started"
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it, in a session of its own, from the tree that is under test."""
        path = [str(self._root), str(self._root / "agent"), str(self._root / "client")]
        settings = dict(self._settings())
        if self.skew_s:
            path.insert(0, str(_SKEWED))
            settings[SKEW] = str(self.skew_s)
        env = environment(settings) | {"PYTHONPATH": os.pathsep.join(path)}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, env=env, cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def send(self, number: signal.Signals) -> None:
        """Send it, and it alone, a signal; harmless when it has ended."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL it and its children, as a power cut would."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def send_all(self, number: signal.Signals) -> None:
        """Send it and its children a signal: SIGSTOP is a machine that is suspended."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def terminate(self, timeout_s: float) -> None:
        """SIGTERM it and wait for its end. Blocks; raises TimeoutExpired."""
        self.send(signal.SIGTERM)
        assert self._process is not None
        self._process.wait(timeout_s)

    def last_line(self) -> str:
        """What it said last."""
        lines = self._log.read_text(errors="replace").splitlines()
        return lines[-1] if lines else ""

    def wait(self) -> None:
        """Wait for its end. Blocks."""
        assert self._process is not None
        self._process.wait()

    def children(self) -> list[int]:
        """Its child processes."""
        text = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        return [int(word) for word in text.split()]


assert sys.platform == "linux", "the fault suite reads /proc and stops processes by signals"
