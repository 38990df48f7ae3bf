"""A shell and a Python interpreter that run one block after the other, as somebody would who types them in."""

import os
import select
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Protocol, Self

BLOCK_S = 60.0
"""How long a block may take."""
_SHELL = """
set -E -o pipefail
trap 'failed=1' ERR
run() { failed=0; . "$1" </dev/null >"$2" 2>&1; printf '%s\\n' "$failed"; }
"""
_INTERPRETER = """
import contextlib, sys, traceback
names = {"__name__": "__main__"}
for line in sys.stdin:
    script, output = line.rstrip("\\n").split("\\t")
    failed = 0
    with open(output, "w") as out, contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try:
            exec(compile(open(script).read(), script, "exec"), names)
        except Exception:
            failed = 1
            traceback.print_exc()
    print(failed, flush=True)
"""


class Session(Protocol):
    """Runs blocks that share their variables."""

    def run(self, text: str) -> str:
        """What the block printed. Raises AssertionError when it failed, or did not end in time."""


class _Process:
    """A process that is asked by lines. It ends with the context, and all that it has started with it."""

    def __init__(self, command: list[str], directory: Path, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            command, cwd=directory, env=environment, text=True, start_new_session=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        self._scripts = tempfile.TemporaryDirectory()
        self._script, self._output = Path(self._scripts.name, "block"), Path(self._scripts.name, "printed")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()
        self._scripts.cleanup()

    def _ask(self, text: str, line: str) -> str:
        self._script.write_text(text)
        self._output.write_text("")  # what there is of it when it does not even begin in time
        self._send(line)
        answer = self._process.stdout
        assert answer is not None
        ended, _, _ = select.select([answer], [], [], BLOCK_S)
        failed = answer.readline() if ended else f"not within {BLOCK_S:g} s"
        printed = self._output.read_text()
        assert failed == "0\n", f"it failed ({failed.strip() or 'its process ended'}) and printed:\n{printed}"
        return printed

    def _send(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line)
        self._process.stdin.flush()


class Shell(_Process):
    """Bash. A block has failed when one of its commands has, anywhere in a pipe."""

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        super().__init__(["bash", "--noprofile", "--norc"], directory, environment)
        self._send(_SHELL)

    def run(self, text: str) -> str:
        """See Session."""
        return self._ask(text, f"run {self._script} {self._output}\n")

    def exported(self) -> dict[str, str]:
        """The environment of what it starts now."""
        return dict(entry.split("=", 1) for entry in self.run("env -0").split("\0") if entry)


class Interpreter(_Process):
    """Python, the one that the environment's PATH finds. A block has failed when it raises."""

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        super().__init__(["python", "-c", _INTERPRETER], directory, environment)

    def run(self, text: str) -> str:
        """See Session."""
        return self._ask(text, f"{self._script}\t{self._output}\n")
