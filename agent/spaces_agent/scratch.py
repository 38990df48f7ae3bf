"""Temporary files of attempts: a directory for each, below one that belongs to the agent's identity and so to its lock."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from spaces_agent.errors import FileFailed


def directory_of(root: Path, lease: int) -> Path:
    """Where the files of this lease are."""
    return root / str(lease)


def remove(directory: Path) -> None:
    """Remove a directory with all that is in it. What cannot be removed now is at the agent's next start."""
    shutil.rmtree(directory, ignore_errors=True)


def remove_later(directory: Path) -> None:
    """Remove it in a thread: large files take their time, and an event loop has none."""
    threading.Thread(target=remove, args=(directory,), name="remove-files").start()


class Scratch:
    """The directory of one attempt. It is made when it is needed, and removed when the run has ended and with it every
    transfer that still writes there: whoever is the last."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._users = 1
        self._made = False

    @contextmanager
    def use(self) -> Iterator[Path]:
        """The directory, which stays until the end of the block. Raises FileFailed when the run has ended, OSError."""
        with self._lock:
            if not self._users:
                raise FileFailed("the run has ended", retryable=False)
            self._users += 1
            if not self._made:
                self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._made = True
        try:
            yield self._path
        finally:
            self.release()

    def release(self) -> None:
        """One who used it is done; the run itself is the first."""
        with self._lock:
            self._users -= 1
            last = self._made and not self._users
        if last:
            remove_later(self._path)
