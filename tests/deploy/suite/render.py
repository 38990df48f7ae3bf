"""Overlays rendered by kustomize, with examples in place of secrets."""

import shutil
import subprocess
import tempfile
from pathlib import Path

import yaml

from tests.deploy.suite.objects import Object, Stack
from tests.support.tools import which

ROOT = Path(__file__).resolve().parents[3]
OVERLAYS = Path("deploy/k8s/overlays")
PRODUCTION = {"prod"}
TIMEOUT_S = 60.0


class CannotRender(Exception):
    """kustomize is missing, or refuses the overlay; the message is its own."""


def kustomize() -> str:
    """Where it is. Raises CannotRender."""
    found = which("kustomize")
    if found is None:
        raise CannotRender("kustomize is missing: run `make tools`")
    return found


def overlays(root: Path = ROOT) -> list[str]:
    """The names of all overlays."""
    return sorted(each.parent.name for each in (root / OVERLAYS).glob("*/kustomization.yaml"))


def rendered(overlay: str, root: Path = ROOT) -> Stack:
    """What an overlay renders to. Raises CannotRender."""
    # A copy: the examples must not come to lie where people keep their secrets.
    with tempfile.TemporaryDirectory() as copy:
        shutil.copytree(root / "deploy", Path(copy) / "deploy", ignore=shutil.ignore_patterns("secrets", "images"))
        directory = Path(copy) / OVERLAYS / overlay
        if (directory / "secrets.example").is_dir():
            shutil.copytree(directory / "secrets.example", directory / "secrets")
        done = subprocess.run(
            [kustomize(), "build", str(directory)], capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    if done.returncode or done.stderr.strip():
        raise CannotRender(f"overlay {overlay}: {done.stderr.strip()}")
    objects = tuple(each for each in yaml.safe_load_all(done.stdout) if each)
    return Stack(objects, tuple(promised(root / OVERLAYS / overlay)), overlay in PRODUCTION)


def promised(overlay: Path) -> list[Object]:
    """The Secrets that the overlay's examples show."""
    file = overlay / "secrets.example.yaml"
    whole = [each for each in yaml.safe_load_all(file.read_text()) if each] if file.exists() else []
    directory = overlay / "secrets.example"
    return whole + [
        {
            "kind": "Secret",
            "metadata": {"name": each.stem},
            "stringData": dict(line.split("=", 1) for line in each.read_text().splitlines() if "=" in line),
        }
        for each in (sorted(directory.glob("*.env")) if directory.is_dir() else [])
    ]
