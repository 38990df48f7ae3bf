"""Standard output for what was asked for, standard error for what is told beside it, and both on one terminal without one
garbling the other."""

import contextlib
import os
import shutil
import stat
import sys
import time
import unicodedata
from typing import Any, TextIO

from services.commands import text

PAUSE_S = 5.0
"""Where a status cannot be kept up to date it is a line of its own; those that soon pass, not more often than this."""
_ERASE_LINE = "\r\x1b[K"


class Screen:
    """What a command says. Text of others is made safe on standard error and on terminals; who reads standard output by a
    pipe gets it as it is."""

    def __init__(self, out: TextIO | None = None, err: TextIO | None = None) -> None:
        self._out, self._err = out or sys.stdout, err or sys.stderr
        self._out_is_terminal, self._err_is_terminal = self._out.isatty(), self._err.isatty()
        # What is piped may well come out on the terminal, in the midst of a line that is kept up to date.
        self._keeps_status = self._err_is_terminal and not _is_pipe(self._out)
        self._inside_line = False
        self._status = ""
        self._passing_at = float("-inf")

    @property
    def keeps_status(self) -> bool:
        """Whether a status is kept up to date in one line of a terminal."""
        return self._keeps_status

    def text(self, part: str) -> None:
        """A part of an output that is text, as it comes."""
        if part:
            self._hide_status()
            self._write(text.safe(part) if self._out_is_terminal else part)
            self._inside_line = not part.endswith("\n")
            self._show_status()

    def value(self, value: Any) -> None:
        """A value of an output, as one line of JSON; a text that was not ended stands before it on a line of its own."""
        self.end_text(always=True)
        self.text(f"{text.json(value)}\n")

    def end_text(self, *, always: bool = False) -> None:
        """The text has ended: what follows on a terminal begins a line. A pipe is given no byte that was not in the text,
        unless `always`."""
        if self._inside_line and (always or self._out_is_terminal):
            self.text("\n")

    def result(self, output: Any) -> None:
        """A whole output: text as it is, any other value as a line of JSON."""
        if isinstance(output, str):
            self.text(output)
            self.end_text()
        else:
            self.value(output)

    def note(self, told: str) -> None:
        """A line on standard error."""
        self._hide_status()
        self._begin_line()
        self._tell(f"{text.safe(told)}\n")
        self._show_status()

    def status(self, told: str, *, passing: bool = False) -> None:
        """How things stand; on a terminal in one line that is kept up to date. `passing`: it soon passes, and may be left
        out elsewhere."""
        told = text.line(told)
        if told == self._status:
            return
        if self._keeps_status:
            self._hide_status()
            self._status = told
            self._show_status()
        elif not passing or time.monotonic() - self._passing_at >= PAUSE_S:
            self._status = told
            self._passing_at = time.monotonic() if passing else self._passing_at
            self._tell(f"{told}\n")

    def end_status(self) -> None:
        """Nothing is under way any more."""
        if self._keeps_status and not (self._inside_line and self._out_is_terminal):
            self._tell(_ERASE_LINE)  # whatever stands there: the status, or the mark of a Ctrl-C
        self._status = ""

    def _begin_line(self) -> None:
        if self._inside_line and self._out_is_terminal and self._err_is_terminal:
            self._tell("\n")
            self._inside_line = False

    def _status_is_shown(self) -> bool:
        return bool(self._status) and self._keeps_status and not (self._inside_line and self._out_is_terminal)

    def _hide_status(self) -> None:
        if self._status_is_shown():
            self._tell(_ERASE_LINE)

    def _show_status(self) -> None:
        if self._status_is_shown():
            self._tell(f"{_ERASE_LINE}{_fitting(self._status)}")

    def _write(self, part: str) -> None:
        # Bytes: a locale that is not UTF-8 must not fail, and a pipe gets no line ends but those of the text.
        encoding = self._out.encoding if self._out_is_terminal else "utf-8"
        self._out.flush()
        self._out.buffer.write(part.encode(encoding, "backslashreplace"))
        self._out.buffer.flush()

    def _tell(self, part: str) -> None:
        with contextlib.suppress(BrokenPipeError):  # nobody reads any more: no reason to stop
            self._err.write(part)
            self._err.flush()


def _is_pipe(stream: TextIO) -> bool:
    try:
        mode = os.fstat(stream.fileno()).st_mode
    except OSError:  # no file at all
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def _fitting(told: str) -> str:
    """As much as fits into one row of the terminal: no more than that can be erased again."""
    room = shutil.get_terminal_size().columns - 1
    if _cells(told) <= room:
        return told
    while told and _cells(told) > room - 1:
        told = told[:-1]
    return f"{told}…"


def _cells(told: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in told)
