"""Compose files as `docker compose` reads them: by the loader that it is made with, which `make tools` builds."""

import json
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support.tools import tool

LOADER = "cmd"
"""The program of compose-go, which has no better name. It puts in defaults of variables, never values."""


def loaded(file: Path, variables: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The project of a compose file, checked for consistency. Raises ValueError with what the loader says. Without the
    loader the test is skipped; with CI=true that is a failure."""
    loader = tool(LOADER, "tools")
    text = file.read_text()
    for name, value in (variables or {}).items():
        text = re.sub(rf"\$\{{{name}(:[?-][^}}]*)?\}}", value.replace("\\", r"\\"), text)
    put_in = file.with_suffix(".put-in.yaml")
    put_in.write_text(text)
    command = [loader, "-format", "json", put_in.name]
    ended = subprocess.run(command, cwd=file.parent, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        raise ValueError(ended.stderr)
    project: dict[str, Any] = json.loads(ended.stdout)
    return project


def seconds(text: str) -> float:
    """A duration such as `40s`."""
    assert re.fullmatch(r"\d+s", text), text
    return float(text[:-1])
