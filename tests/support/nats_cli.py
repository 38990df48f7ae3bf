"""The real `nats` command, in the way that documents say, with a home of its own."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.support.stack import ROOT, eventually
from tests.support.tools import tool

DEADLINE_S = 60.0
OPERATIONS = ROOT / "docs" / "operations.md"


def documented(heading: str) -> list[str]:
    """The commands in the fenced blocks of a chapter of docs/operations.md, without their comments."""
    _, _, text = OPERATIONS.read_text().partition(f"\n## {heading}\n")
    chapter = text.partition("\n## ")[0]
    blocks = re.findall(r"^```sh\n(.*?)^```", chapter, re.MULTILINE | re.DOTALL)
    commands, begun = list[str](), ""
    for line in "".join(blocks).replace("\\\n", " ").splitlines():
        begun = " ".join((begun + re.sub(r"\s+# .*$", "", line)).split())
        if begun.count("'") % 2 == 0 and begun:
            commands.append(begun)
            begun = ""
    return commands


class Ran(NamedTuple):
    """What a command came to; `said` is both its outputs."""

    status: int
    said: str


class Shell:
    """Runs command lines with `nats`, `spaces` and `python3` on PATH, and configuration in a directory of its own."""

    def __init__(self, directory: Path, home: Path, **variables: str) -> None:
        self.directory = directory
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("WS_", "NATS_"))}
        path = [
            str(Path(tool("nats", "tools")).parent),
            str(Path(sys.executable).parent),
            os.environ.get("PATH", os.defpath),
        ]
        self._environment = inherited | {
            "PATH": os.pathsep.join(path), "HOME": str(directory), "XDG_CONFIG_HOME": str(directory),
            "WS_HOME": str(home), **variables,
        }  # fmt: skip

    def run(self, line: str) -> Ran:
        """Run it to its end."""
        with self._started(line) as process:
            try:
                said, _ = process.communicate(timeout=DEADLINE_S)
            finally:
                _end(process)
        return Ran(process.returncode, said)

    def watch(self, line: str, cause: Callable[[], None], enough: Callable[[list[str]], bool]) -> list[str]:
        """Start what does not end by itself, cause something once it says that it listens, and end it when it has said
        enough. Returns all lines. With `--raw` it does not say so: what is caused is caused again until it has heard."""
        lines: list[str] = []

        def heard() -> bool:
            if enough(lines):
                return True
            if "--raw" in line:
                cause()
            return False

        with self._started(line) as process:
            reader = threading.Thread(target=_read, args=(process, lines.append))
            reader.start()
            try:
                if "--raw" not in line:
                    eventually(lambda: "Subscribing" in "".join(lines), f"{line} listens", DEADLINE_S)
                    cause()
                eventually(
                    heard,
                    f"{line} has shown what it should, but only {lines}",
                    DEADLINE_S,
                )
            finally:
                _end(process)
                reader.join()
        return lines

    def _started(self, line: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            ["sh", "-c", line], env=self._environment, cwd=self.directory, text=True, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip


def _read(process: "subprocess.Popen[str]", keep: Callable[[str], None]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        keep(line)


def _end(process: "subprocess.Popen[str]") -> None:
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
