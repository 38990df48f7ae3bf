"""A fault at each step of the agents' protocol, one after the other on one platform; then the history is checked."""

import pytest

from tests.faults.suite.run import violations
from tests.faults.suite.steps import FRAMES, STEPS, steps_of


@pytest.mark.timeout(1200)
async def test_a_fault_at_a_frame_loses_and_doubles_nothing() -> None:
    found = await violations(steps_of([step for step in STEPS if step.at in FRAMES]), seed=1)
    assert found == [], "\n".join(map(str, found[:50]))
