"""Mutations: small patches, each a mistake that somebody might make, that are applied to a copy of the tree."""

import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from tests.faults.suite.platform import ROOT

MUTATIONS = sorted((Path(__file__).parents[1] / "mutations").glob("*.patch"))
_COPIED = ("services", "agent", "client", "tests")


class Mutation(NamedTuple):
    """A patch. Its head says what it breaks, which scenario shows that, and which rule of the checker is to say so."""

    patch: Path
    breaks: str
    scenario: str
    rule: str

    @classmethod
    def read(cls, patch: Path) -> "Mutation":
        """The mutation in a file."""
        breaks, *lines = patch.read_text().partition("\n--- ")[0].splitlines()
        said = dict(line.split(": ", 1) for line in lines if line)
        return cls(patch, breaks, said["Scenario"], said["Rule"])

    def apply(self, tree: Path, *, only_try: bool = False) -> None:
        """Patch the tree; fail when the patch is not about it any more."""
        command = ["git", "apply", *(["--check"] if only_try else []), str(self.patch)]
        # Not as a part of whichever repository the directory may be in.
        environment = {"GIT_CEILING_DIRECTORIES": str(tree.parent), "PATH": "/usr/local/bin:/usr/bin:/bin"}
        applied = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)
        assert applied.returncode == 0, f"{self.patch.name} does not apply any more; make it anew:\n{applied.stderr}"


def copy_of_the_tree(to: Path) -> Path:
    """What the processes of a platform run from, in a directory that is made."""
    for name in _COPIED:
        shutil.copytree(ROOT / name, to / name, ignore=shutil.ignore_patterns("*.egg-info"))
    return to
