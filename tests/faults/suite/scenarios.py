"""Targeted scenarios: each provokes one particular fault, every time. A platform that keeps its promises takes all of them;
a mutation of it is named together with the scenario that shows it."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from tests.faults.suite import scenes_agents, scenes_log, scenes_outcomes
from tests.faults.suite.run import Scenario, World
from tests.faults.suite.shape import Shape
from tests.faults.suite.staging import Stage

Scene = Callable[[Stage], Awaitable[None]]

PAIR = Shape(registries=1, dispatchers=1, histories=1, agents=("blocking",), slots=2)
"""Two gateways, and one of everything else."""
SHORT_KEEP = Shape(gateways=1, registries=1, dispatchers=1, histories=1, agents=("blocking",), slots=2, keep_s=2.0)
"""Closed requests leave the stream within seconds."""


class Targeted(NamedTuple):
    """A scenario on the platform that it needs. `settle_s`: so long after it whatever it has begun has ended, unless
    something is broken."""

    scene: Scene
    shape: Shape = PAIR
    settle_s: float = 8.0


_SCENES = (
    Targeted(scenes_outcomes.cancel_before_outcome),
    Targeted(scenes_outcomes.outcome_before_cancel),
    Targeted(scenes_outcomes.result_lost),
    Targeted(scenes_outcomes.former_result_replayed),
    Targeted(scenes_outcomes.output_unheard_of, settle_s=12.0),
    Targeted(scenes_outcomes.output_overtaken, settle_s=15.0),
    Targeted(scenes_outcomes.reader_comes_back),
    Targeted(scenes_outcomes.same_key_twice),
    Targeted(scenes_outcomes.fails_again_and_again),
    Targeted(scenes_agents.agent_away_for_a_moment),
    Targeted(scenes_agents.gateway_paused),
    Targeted(scenes_agents.canceled_while_running),
    Targeted(scenes_agents.canceled_while_deaf),
    Targeted(scenes_log.log_stands_still),
    Targeted(scenes_log.recorder_dies),
    Targeted(scenes_log.two_recorders),
    Targeted(scenes_log.trimmed_while_open, SHORT_KEEP, 18.0),
)

SCENARIOS = {targeted.scene.__name__: targeted for targeted in _SCENES}


def alone(name: str) -> Scenario:
    """The scenario, on a platform of its own."""

    async def scenario(world: World) -> None:
        stage = Stage(world, name)
        await stage.agents_gateway()
        async with world.fault(name):
            await SCENARIOS[name].scene(stage)

    return scenario


def one_after_the_other(shape: Shape) -> Scenario:
    """All scenarios of a shape on one platform."""

    async def scenario(world: World) -> None:
        for name, targeted in SCENARIOS.items():
            if targeted.shape is shape:
                await alone(name)(world)
                await world.settle()

    return scenario
