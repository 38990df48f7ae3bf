"""A fault at each step of the protocols, one after the other on one platform; then the history of all that is checked."""

from itertools import islice

import pytest

from tests.faults.suite.run import World, violations
from tests.faults.suite.steps import EVENTS, STEPS, Step, take_step

OF_EVENTS = [step for step in STEPS if step.at in EVENTS]
OF_FRAMES = [step for step in STEPS if step.at not in EVENTS]


@pytest.mark.timeout(1500)
@pytest.mark.parametrize("steps", [OF_EVENTS, OF_FRAMES], ids=["events", "frames"])
async def test_a_fault_at_this_step_loses_and_doubles_nothing(steps: list[Step]) -> None:
    async def scenario(world: World) -> None:
        for step in steps:
            await take_step(world, step)

    found = await violations(scenario, seed=1)
    assert found == [], "\n".join(map(str, islice(found, 50)))
