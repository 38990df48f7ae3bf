"""The guard: a process that outlives `spaces up`, whatever ends it, and ends what it has left running.

It is told by a pipe that the kernel closes when `spaces up` is gone, be it by SIGKILL. The alternative, a signal upon the
parent's death, exists on Linux only, hangs on the thread that started the child, and is dropped when a process that root
started changes its user, as PostgreSQL must.
"""

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from services.local.errors import HomeInUse
from services.local.home import Home
from services.local.launch import command, environment
from services.local.leftovers import end_leftovers

_FORMER_TIMEOUT_S = 60.0
_EXIT_TIMEOUT_S = 60.0
_POLL_S = 0.02


@contextlib.contextmanager
def guarded(home: Home) -> Iterator[None]:
    """Nothing of this home runs when the block begins, nor after it has ended, however it ends. The caller has locked
    the home. Raises HomeInUse when a former guard does not come to its end."""
    with _guard_lock(home) as lock:
        end_leftovers(home)
        guard, pipe = _start(home, lock)
    try:
        yield
    finally:
        os.close(pipe)
        guard.wait(_EXIT_TIMEOUT_S)


def _start(home: Home, lock: int) -> tuple[subprocess.Popen[bytes], int]:
    """The guard, which inherits the lock, and our end of its pipe."""
    theirs, ours = os.pipe()  # no other child inherits them
    try:
        guard = subprocess.Popen(
            [*command("services.local.guard"), str(theirs), str(home.path)],
            env=environment({}),
            cwd="/",
            pass_fds=[theirs, lock],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    finally:
        os.close(theirs)
    return guard, ours


@contextlib.contextmanager
def _guard_lock(home: Home) -> Iterator[int]:
    """The lock that one guard after the other holds, so that none ends what a later stack has started."""
    fd = os.open(home.path / "guard.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        deadline = time.monotonic() + _FORMER_TIMEOUT_S
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() > deadline:
                    raise HomeInUse(home.path) from error
                time.sleep(_POLL_S)
        yield fd
    finally:
        os.close(fd)


def main(pipe: int, home: Home) -> None:
    """Wait until the pipe is closed, and then end what is left."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.read(pipe, 1)
    end_leftovers(home)


if __name__ == "__main__":
    main(int(sys.argv[1]), Home(Path(sys.argv[2])))
