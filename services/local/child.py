"""Server programs as child processes: start, wait until ready, stop, and end what a killed parent left running.

Everything here blocks; from asyncio, call it in a thread.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from services.local.account import Account
from services.local.errors import ServerFailed

_POLL_S = 0.02


class Child:
    """One program under its name. Its output is appended to `log`."""

    def __init__(self, name: str, log: Path) -> None:
        self.name, self.log = name, log
        self._process: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    @property
    def pid(self) -> int:
        """The process id. Raises ServerFailed when it was never started."""
        if self._process is None:
            raise ServerFailed(self.name, "it was never started")
        return self._process.pid

    def poll(self) -> int | None:
        """None while it runs, else its exit status (negative: the signal that ended it)."""
        return None if self._process is None else self._process.poll()

    def start(self, command: Sequence[str], env: Mapping[str, str], account: Account | None = None) -> None:
        """Run the command. It gets a session of its own, so that Ctrl-C reaches only us, who stop it in order."""
        log = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            self._log_start = os.fstat(log).st_size
            # "/": the current directory may be one that the account cannot enter.
            self._process = subprocess.Popen(
                command,
                env=dict(env),
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
            )
        except OSError as error:
            raise ServerFailed(self.name, f"cannot run {command[0]}: {error.strerror}") from error
        finally:
            os.close(log)

    def wait_ready(self, ready: Callable[[], bool], timeout_s: float) -> None:
        """Wait until `ready()` is true. Raises ServerFailed when it ends first, or takes too long."""
        deadline = time.monotonic() + timeout_s
        while not ready():
            if self.poll() is not None:
                raise ServerFailed(self.name, self.last_words(), self.log)
            if time.monotonic() > deadline:
                raise ServerFailed(self.name, f"not ready within {timeout_s:g} s", self.log)
            time.sleep(_POLL_S)

    def stop(self, *signals: signal.Signals, timeout_s: float) -> None:
        """Send the signals one after the other, waiting `timeout_s` after each, and SIGKILL at last."""
        if self._process is None:
            return
        for number in (*signals, signal.SIGKILL):
            if self._process.poll() is not None:
                return
            self._process.send_signal(number)
            try:
                self._process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                continue

    def output(self) -> str:
        """What it has said since it was started last."""
        with self.log.open("rb") as file:
            if self._log_start <= os.fstat(file.fileno()).st_size:  # else the log has been put aside since
                file.seek(self._log_start)
            return file.read().decode(errors="replace")

    def last_words(self) -> str:
        """The line that most likely tells why it ended."""
        lines = [line.strip() for line in self.output().splitlines() if line.strip()]
        telling = [line for line in lines if "FATAL" in line or "[FTL]" in line or "error" in line.lower()]
        return (telling or lines or ["it ended without a word"])[-1]


def stop_leftover(pid: int, marker: str, number: signal.Signals, timeout_s: float = 20) -> None:
    """End a process that outlived a killed parent: only if `marker` is one of its arguments, for ids are reused."""
    deadline = time.monotonic() + timeout_s
    while runs_with(pid, marker):
        with contextlib.suppress(ProcessLookupError):  # it has ended this moment
            os.kill(pid, number if time.monotonic() < deadline else signal.SIGKILL)
        pause_until = time.monotonic() + 1
        while runs_with(pid, marker) and time.monotonic() < pause_until:
            time.sleep(_POLL_S)


def exists(pid: int) -> bool:
    """Whether there is a process of that id, be it somebody else's, or one that has ended and was not waited for."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def runs_with(pid: int, marker: str) -> bool:
    """Whether a process of that id runs and `marker` is one of its arguments."""
    try:
        return marker.encode() in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        if Path("/proc/self").exists():
            return False
    shown = subprocess.run(["ps", "-ww", "-o", "args=", "-p", str(pid)], capture_output=True, check=False)
    return marker.encode() in shown.stdout
