"""The history checker is proved: what is broken in a copy of the tree it names, and of the tree as it is it says nothing."""

import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.faults.suite.platform import ROOT, Shape
from tests.faults.suite.run import violations
from tests.faults.suite.scenarios import PAIR, SCENARIOS, SHORT_KEEP, alone, one_after_the_other

MUTATIONS = sorted((Path(__file__).parent / "mutations").glob("*.patch"))
COPIED = ("services", "agent", "client", "tests")
_CAUGHT_S = 300


class Mutation(NamedTuple):
    """A patch. Its head says what it breaks, which scenario shows that, and which rule is to say so."""

    patch: Path
    scenario: str
    rule: str

    @classmethod
    def read(cls, patch: Path) -> "Mutation":
        """The mutation in a file."""
        said = dict(line.split(": ", 1) for line in patch.read_text().splitlines()[1:4] if ": " in line)
        return cls(patch, said["Scenario"], said["Rule"])


def copy_of_the_tree(to: Path) -> Path:
    """What the processes of a platform run from."""
    for name in COPIED:
        shutil.copytree(ROOT / name, to / name, ignore=shutil.ignore_patterns("*.egg-info"))
    return to


def apply(patch: Path, tree: Path) -> None:
    """Patch the tree; fail when the patch is not about it any more."""
    # Not as a part of whichever repository the directory may be in.
    environment = {"GIT_CEILING_DIRECTORIES": str(tree.parent), "PATH": "/usr/local/bin:/usr/bin:/bin"}
    command = ["git", "apply", "--verbose", str(patch)]
    applied = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)
    if applied.returncode != 0:
        pytest.fail(f"{patch.name} does not apply to the tree any more; make it anew:\n{applied.stderr}", pytrace=False)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("shape", [PAIR, SHORT_KEEP], ids=["pair", "short_keep"])
async def test_the_tree_as_it_is_passes_all_scenarios(shape: Shape) -> None:
    found = await violations(one_after_the_other(shape), seed=1, shape=shape)
    assert found == [], "\n".join(map(str, found))


@pytest.mark.timeout(_CAUGHT_S)
@pytest.mark.parametrize("patch", MUTATIONS, ids=lambda patch: patch.stem)
async def test_the_checker_notices(patch: Path, tmp_path: Path) -> None:
    mutation = Mutation.read(patch)
    apply(patch, copy_of_the_tree(tmp_path / "tree"))
    targeted = SCENARIOS[mutation.scenario]
    found = await violations(
        alone(mutation.scenario),
        seed=1,
        shape=targeted.shape,
        root=tmp_path / "tree",
        settle_s=targeted.settle_s,
        verify=mutation.rule == "rebuilt_is_live",
    )
    assert mutation.rule in {violation.rule for violation in found}, "\n".join(map(str, found)) or "nothing was noticed"
