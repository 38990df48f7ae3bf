"""A gateway that says what the test wants, for real agents."""

from collections.abc import AsyncIterator

import pytest

from tests.support.scripted_gateway import ScriptedGateway, scripted_gateway


@pytest.fixture
async def gateway() -> AsyncIterator[ScriptedGateway]:
    async with scripted_gateway() as running:
        yield running
