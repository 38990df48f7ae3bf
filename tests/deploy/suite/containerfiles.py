"""hadolint over the files that images are built from."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.deploy.suite.findings import Finding
from tests.deploy.suite.render import ROOT

TIMEOUT_S = 60.0


class LinterMissing(Exception):
    """hadolint is neither beside this Python nor on the PATH."""


def containerfiles(root: Path = ROOT) -> list[Path]:
    """The files that images are built from."""
    found = {each for name in ("*Containerfile*", "*Dockerfile*") for each in (root / "deploy" / "images").rglob(name)}
    return sorted(each for each in found if each.suffix not in (".md", ".dockerignore", ".containerignore"))


def linting_findings(files: list[Path]) -> Iterator[Finding]:
    """What hadolint, with .hadolint.yaml beside the file, has to say of them. Raises LinterMissing."""
    linter = shutil.which("hadolint", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if linter is None:
        raise LinterMissing("hadolint is missing: run `make setup`")
    for file in files:
        configuration = file.parent / ".hadolint.yaml"
        options = ["--config", str(configuration)] if configuration.exists() else []
        done = subprocess.run(
            [linter, "--format", "json", *options, str(file)], capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
        for each in json.loads(done.stdout):
            where = f"{file.name}:{each['line']}"
            yield Finding(f"hadolint-{each['code']}", where, each["message"], f"See hadolint's wiki on {each['code']}.")
