"""docs/api.md is true: every block of it is run against a whole platform, or compared with what the block before printed."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.documents import Step, difference, steps
from tests.support.sessions import Interpreter, Shell
from tests.support.stack import ROOT, Stack, fresh_home

DOCUMENT = ROOT / "docs" / "api.md"


@pytest.fixture
def checkout() -> Iterator[Path]:
    """A directory that looks like a checkout where `make up` runs."""
    with fresh_home() as home:
        directory = home.parent
        (directory / ".venv").symlink_to(sys.prefix)
        with Stack(directory / ".spaces"):
            yield directory


@pytest.mark.timeout(300)
def test_every_block_of_the_walk_through_the_api_does_what_it_says(checkout: Path) -> None:
    assert shutil.which("curl"), "curl is missing: the walk needs it"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WS_")}
    environment["XDG_STATE_HOME"] = str(checkout / "state")
    with Shell(checkout, environment) as shell:
        walk = steps(DOCUMENT.read_text())
        first_python = next(n for n, step in enumerate(walk) if step.block.language == "python")
        for step in walk[:first_python]:
            check(step, shell)
        with Interpreter(checkout, shell.exported()) as interpreter:
            for step in walk[first_python:]:
                check(step, interpreter if step.block.language == "python" else shell)


def check(step: Step, session: Shell | Interpreter) -> None:
    """Run a step, and compare."""
    where = f"{DOCUMENT.name}:{step.block.line}"
    try:
        printed = session.run(step.block.text)
    except AssertionError as error:
        pytest.fail(f"{where}: {error}\n{step.block.text}")
    if found := difference(step.printed, printed):
        pytest.fail(f"{where} does not print what is told:\n{found}\n{step.block.text}")
