"""The programs that tests run beside ours."""

import os
import shutil
from pathlib import Path

import pytest

BIN = Path(__file__).resolve().parents[2] / ".tools" / "bin"
"""Where `make tools` and its like put them."""


def which(name: str) -> str | None:
    """Where a program is: among those that were made for this project, else on PATH, or where only root looks."""
    return shutil.which(name, path=os.pathsep.join([str(BIN), os.environ.get("PATH", os.defpath), "/usr/sbin"]))


def tool(name: str, made_by: str) -> str:
    """Where it is. Without it the test is skipped; with CI=true that is a failure."""
    found = which(name)
    if found is None:
        missing = f"{name} is missing: run `make {made_by}`"
        assert os.environ.get("CI") != "true", missing
        pytest.skip(missing)
    return found
