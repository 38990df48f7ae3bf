"""Faults at random, as told by a seed."""

import asyncio
import random
from collections.abc import Mapping

from tests.faults.suite.faults import FAULTS, Do
from tests.faults.suite.run import Scenario, World

AT_ONCE = 2
"""So many faults may be under way together."""


def random_faults(seconds: float, clients: int = 8, faults: Mapping[str, Do] = FAULTS) -> Scenario:
    """Load for so long, with one fault after the other."""

    async def scenario(world: World) -> None:
        end = asyncio.get_running_loop().time() + seconds
        async with world.load(clients):
            await asyncio.gather(*(_torment(world, faults, end, number) for number in range(AT_ONCE)))

    return scenario


async def _torment(world: World, faults: Mapping[str, Do], end: float, number: int) -> None:
    rng = random.Random(f"{world.seed}/faults/{number}")
    while asyncio.get_running_loop().time() < end:
        await asyncio.sleep(rng.uniform(0.2, 3.0))
        name = rng.choice(list(faults))
        async with world.fault(name):
            await faults[name](world.platform, rng)
