"""Standard output and standard error on one terminal, on two, and in pipes."""

import io
import os

import pytest

from services.commands.terminal import Screen

ERASE = "\r\x1b[K"


class Stream(io.TextIOWrapper):
    """A stream that is a terminal, or is not, and writes down what reaches it. Two of them may be the same terminal."""

    def __init__(self, *, terminal: bool, buffer: io.BytesIO | None = None) -> None:
        self.written = buffer or io.BytesIO()
        self._terminal = terminal
        super().__init__(self.written, encoding="utf-8", newline="\n")

    def isatty(self) -> bool:
        return self._terminal

    @property
    def shown(self) -> str:
        return self.written.getvalue().decode()


def one_terminal() -> tuple[Screen, Stream]:
    both = io.BytesIO()
    out, err = Stream(terminal=True, buffer=both), Stream(terminal=True, buffer=both)
    return Screen(out, err), out


def pipes() -> tuple[Screen, Stream, Stream]:
    out, err = Stream(terminal=False), Stream(terminal=False)
    return Screen(out, err), out, err


def test_a_pipe_gets_text_byte_for_byte() -> None:
    screen, out, err = pipes()
    for part in ("a\x1b[31m", "\r\n", "", "b\x00é"):
        screen.text(part)
    screen.end_text()
    assert out.written.getvalue() == b"a\x1b[31m\r\nb\x00\xc3\xa9"
    assert err.shown == ""


def test_a_terminal_gets_nothing_that_it_would_obey_and_ends_its_line() -> None:
    screen, out = one_terminal()
    screen.text("a\x1b[31m")
    screen.value({"x": "\x9b\u202e"})
    screen.result("z")
    assert out.shown == 'a\\u001b[31m\n{"x":"\\u009b\\u202e"}\nz\n'


def test_a_value_begins_a_line_also_in_a_pipe() -> None:
    screen, out, _ = pipes()
    screen.text("a")
    screen.value(1)
    screen.text("b\n")
    screen.value([2])
    assert out.shown == "a\n1\nb\n[2]\n"


def test_a_status_never_stands_in_a_line_of_text() -> None:
    screen, out = one_terminal()
    screen.status("waiting")
    screen.text("hel")
    screen.status("half")
    screen.note("logged")
    screen.text("lo")
    screen.end_text()
    screen.end_status()
    screen.note("succeeded")
    assert out.shown == (
        f"{ERASE}waiting{ERASE}"  # gone before the text
        "hel\nlogged\n"
        f"{ERASE}half{ERASE}"  # on a line of its own, until the text goes on
        "lo\n"
        f"{ERASE}half{ERASE}succeeded\n"
    )


def test_what_is_told_is_made_safe_also_in_a_pipe() -> None:
    screen, _, err = pipes()
    screen.note("log\x1b[2J")
    screen.status("50 % \x1b]0;x\x07 of\nit")
    assert err.shown == "log\\u001b[2J\n50 % \\u001b]0;x\\u0007 of it\n"


def test_in_a_pipe_a_passing_status_is_not_told_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("services.commands.terminal.time.monotonic", lambda: now[0])
    screen, _, err = pipes()
    for percent in range(100):
        now[0] += 0.125
        screen.status(f"{percent} %", passing=True)
    screen.status("again")
    assert err.shown.splitlines() == ["0 %", "40 %", "80 %", "again"]


def test_a_pipe_may_end_on_the_terminal_so_nothing_there_is_erased() -> None:
    reads, writes = os.pipe()
    err = Stream(terminal=True)
    with open(reads), open(writes, "w") as out:
        screen = Screen(out, err)
        screen.status("waiting")
        screen.text("a line\n")
        screen.status("half")
        screen.end_status()
    assert err.shown == "waiting\nhalf\n"


@pytest.mark.parametrize("told", ["x" * 100, "你" * 60])
def test_a_status_is_cut_to_the_width_of_the_terminal(monkeypatch: pytest.MonkeyPatch, told: str) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    screen, out = one_terminal()
    screen.status(told)
    shown = out.shown.removeprefix(ERASE)
    assert shown in {"x" * 38 + "…", "你" * 19 + "…"}


def test_a_terminal_that_is_not_utf8_is_no_reason_to_fail() -> None:
    out = Stream(terminal=True)
    latin = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    latin.isatty = lambda: True  # type: ignore[method-assign]
    Screen(latin, out).text("é…")
    assert latin.buffer.getvalue() == b"\xe9\\u2026"
