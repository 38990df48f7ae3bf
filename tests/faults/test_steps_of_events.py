"""A fault at each step of a request's chain, one after the other on one platform; then the whole history is checked."""

import pytest

from tests.faults.suite.run import violations
from tests.faults.suite.steps import EVENTS, STEPS, steps_of


@pytest.mark.timeout(1200)
async def test_a_fault_at_an_event_loses_and_doubles_nothing() -> None:
    found = await violations(steps_of([step for step in STEPS if step.at in EVENTS]), seed=1)
    assert found == [], "\n".join(map(str, found[:50]))
