"""The mutations that prove the history checker are about the tree as it is. They are run in `tests/faults`."""

from pathlib import Path

import pytest

from tests.faults.suite.check import RULES
from tests.faults.suite.mutation import MUTATIONS, Mutation
from tests.faults.suite.platform import ROOT
from tests.faults.suite.scenarios import SCENARIOS


@pytest.mark.parametrize("patch", MUTATIONS, ids=lambda patch: patch.stem)
def test_a_mutation_applies_and_names_its_scenario_and_its_rule(patch: Path) -> None:
    mutation = Mutation.read(patch)
    mutation.apply(ROOT, only_try=True)
    assert mutation.breaks.endswith("."), "the first line says in a sentence what is broken"
    assert mutation.scenario in SCENARIOS
    assert mutation.rule in {rule.__name__ for rule in RULES}


def test_each_scenario_shows_a_mutation() -> None:
    assert {Mutation.read(patch).scenario for patch in MUTATIONS} == set(SCENARIOS)


def test_a_patch_that_does_not_apply_says_so(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="does not apply any more"):
        Mutation.read(MUTATIONS[0]).apply(tmp_path)
