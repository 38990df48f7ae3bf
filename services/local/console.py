"""Lines for people, and one that is kept up to date."""

import contextlib
import shutil
from typing import TextIO

_ERASE_LINE = "\r\x1b[K"


class Console:
    """Lines, and below them on a terminal one line that is kept up to date; elsewhere that one is printed on change."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._terminal = stream.isatty()
        self._live = ""

    @property
    def pause_s(self) -> float:
        """How long a status should stand before the next one."""
        return 0.2 if self._terminal else 5.0

    def line(self, text: str) -> None:
        """Print a line."""
        self._write(f"{_ERASE_LINE}{text}\n{_fitting(self._live)}" if self._terminal else f"{text}\n")

    def status(self, text: str) -> None:
        """Show the status, if it is another than the last one."""
        if text != self._live:
            self._live = text
            self._write(f"{_ERASE_LINE}{_fitting(text)}" if self._terminal else f"{text}\n")

    def end_status(self) -> None:
        """Leave the last status standing."""
        if self._terminal and self._live:
            self._write("\n")
        self._live = ""

    def _write(self, text: str) -> None:
        with contextlib.suppress(BrokenPipeError):  # nobody reads any more: no reason to stop
            self._stream.write(text)
            self._stream.flush()


def _fitting(text: str) -> str:
    """As much as fits into one row of the terminal: no more than that can be erased again."""
    room = shutil.get_terminal_size().columns - 1
    return text if len(text) <= room else f"{text[: room - 1]}…"
