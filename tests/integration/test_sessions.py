"""The shell and the interpreter that run the blocks of a document: real processes."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import sessions
from tests.support.sessions import Interpreter, Session, Shell
from tests.support.stack import eventually, running


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    with Shell(tmp_path, os.environ) as shell:
        yield shell


@pytest.fixture
def interpreter(tmp_path: Path) -> Iterator[Interpreter]:
    with Interpreter(tmp_path, os.environ) as interpreter:
        yield interpreter


def test_blocks_of_the_shell_share_variables_functions_and_directory(shell: Shell, tmp_path: Path) -> None:
    assert shell.run('WHERE=$PWD\nf() { echo "$1"; }\nexport X=1\n') == ""
    assert shell.run('f "$WHERE"; echo wrong >&2') == f"{tmp_path}\nwrong\n"
    assert shell.exported()["X"] == "1"


def test_blocks_of_the_interpreter_share_names(interpreter: Interpreter) -> None:
    assert interpreter.run("import json\nx = [1]") == ""
    assert interpreter.run("print(json.dumps(x))") == "[1]\n"


@pytest.mark.parametrize(
    "text", ["false; echo on", "false | cat", "f() { false; true; }; f", "x=$(false)", "no-such-command"]
)
def test_a_block_of_the_shell_fails_with_any_of_its_commands_and_the_next_one_runs(shell: Shell, text: str) -> None:
    failing(shell, text)
    assert shell.run("until true; do :; done; echo on") == "on\n"


def test_a_block_of_the_interpreter_that_raises_fails_and_the_next_one_runs(interpreter: Interpreter) -> None:
    assert "ZeroDivisionError" in failing(interpreter, "print(1)\n1 / 0")
    failing(interpreter, "not Python")
    assert interpreter.run("print(2)") == "2\n"


def test_a_block_that_ends_its_process_fails(shell: Shell, interpreter: Interpreter) -> None:
    assert "ended" in failing(shell, "exit 0")
    assert "ended" in failing(interpreter, "import os; os._exit(0)")


def test_a_block_that_does_not_end_fails_in_time(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "BLOCK_S", 0.2)
    assert "not within" in failing(shell, "sleep 60")


def test_what_a_block_has_left_running_ends_with_the_shell(tmp_path: Path) -> None:
    with Shell(tmp_path, os.environ) as shell:
        shell.run(f"sleep 60 & tail -f {tmp_path}/nothing --retry >/dev/null 2>&1 &")
        eventually(lambda: running(tmp_path), "it runs")
    eventually(lambda: not running(tmp_path), "nothing is left")


def failing(session: Session, text: str) -> str:
    with pytest.raises(AssertionError) as failed:
        session.run(text)
    return str(failed.value)
