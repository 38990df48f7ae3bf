"""The history checker is proved: what is broken in a copy of the tree it names, and of the tree as it is it says nothing."""

from pathlib import Path

import pytest

from tests.faults.suite.mutation import MUTATIONS, Mutation, copy_of_the_tree
from tests.faults.suite.run import violations
from tests.faults.suite.scenarios import PAIR, SCENARIOS, SHORT_KEEP, alone, one_after_the_other
from tests.faults.suite.shape import Shape


@pytest.mark.timeout(600)
@pytest.mark.parametrize("shape", [PAIR, SHORT_KEEP], ids=["pair", "short_keep"])
async def test_the_tree_as_it_is_passes_all_scenarios(shape: Shape) -> None:
    found = await violations(one_after_the_other(shape), seed=1, shape=shape)
    assert found == [], "\n".join(map(str, found))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("patch", MUTATIONS, ids=lambda patch: patch.stem)
async def test_the_checker_notices(patch: Path, tmp_path: Path) -> None:
    mutation = Mutation.read(patch)
    tree = copy_of_the_tree(tmp_path / "tree")
    mutation.apply(tree)
    targeted = SCENARIOS[mutation.scenario]
    found = await violations(
        alone(mutation.scenario),
        seed=1,
        shape=targeted.shape,
        root=tree,
        settle_s=targeted.settle_s,
        verify=mutation.rule == "rebuilt_is_live",
    )
    assert mutation.rule in {violation.rule for violation in found}, "\n".join(map(str, found)) or "nothing was noticed"
