"""What each fault costs, measured: one fault after the other under a steady load, and a table of it for people.

python -m tests.faults.suite.matrix docs/faults.md
"""

import asyncio
import random
import statistics
import sys
from itertools import pairwise
from pathlib import Path

import msgspec

from tests.faults.suite import journal
from tests.faults.suite.chains import SECOND, TERMINAL, chains_of
from tests.faults.suite.check import RULES, check
from tests.faults.suite.faults import FAULTS
from tests.faults.suite.observed import Event, Fault, History
from tests.faults.suite.platform import Platform
from tests.faults.suite.run import World, observe
from tests.faults.suite.workload import polls, waits, watches

CLIENTS = 8
QUIET_S = 3.0
"""Between two faults, so that one does not pay for the other."""
SEED = 7
NO_FAULT = "(none)"


class Cost(msgspec.Struct, frozen=True):
    """What one fault did. `stall_s`: the longest time without an outcome, from its beginning on; `told`: what clients were
    told instead of an answer, which each of them got over by asking again; `lost`: requests without exactly one outcome;
    `twice`: requests that were started again although their handler had not asked for it."""

    fault: str
    lasted_s: float
    stall_s: float
    told: dict[str, int]
    lost: int
    twice: int


async def _one_by_one(world: World, told: dict[str, dict[str, int]]) -> None:
    world.workload.stories = [waits, waits, polls, watches]
    async with world.load(CLIENTS, pause_s=0.1):
        await asyncio.sleep(QUIET_S)
        faults = {NO_FAULT: _nothing, **FAULTS}
        for number, (name, fault) in enumerate(faults.items(), 1):
            print(f"{number} of {len(faults)}: {name}", file=sys.stderr, flush=True)
            before = dict(world.workload.troubles)
            async with world.fault(name):
                await fault(world.platform, random.Random(f"{world.seed}/{name}"))
            await _flowing(world)
            after = world.workload.troubles
            told[name] = {what: after[what] - before.get(what, 0) for what in after if after[what] > before.get(what, 0)}


async def _nothing(_: Platform, __: random.Random) -> None:
    """What there is to see without any fault."""
    await asyncio.sleep(5.0)


async def _flowing(world: World) -> None:
    """Wait until nothing is open that was there before, and some quiet has passed."""
    await world.platform.ready()
    left = set(world.observer.open)
    async with asyncio.timeout(120):
        while left & world.observer.open:
            await asyncio.sleep(0.1)
    await asyncio.sleep(QUIET_S)


def cost(history: History, fault: Fault, until: int, told: dict[str, int]) -> Cost:
    """What a fault did between its beginning and `until`, when the next one begins."""
    outcomes = sorted(event.at for event in history.events if event.type in TERMINAL)
    during = [at for at in outcomes if fault.began <= at <= until]
    times = [fault.began, *during]
    concerned = [chain for chain in chains_of(history).values() if chain[0].at <= until and chain[-1].at >= fault.began]
    return Cost(
        fault.name,
        (fault.ended - fault.began) / SECOND,
        max((after - before for before, after in pairwise(times)), default=until - fault.began) / SECOND,
        told,
        sum(1 for chain in concerned if sum(event.type in TERMINAL for event in chain) != 1),
        sum(1 for chain in concerned if _started_again(chain, fault.began, until)),
    )


def _started_again(chain: list[Event], began: int, until: int) -> bool:
    return any(
        event.data.get("started") and event.data["reason"] == "agent_lost" and began <= event.at <= until for event in chain
    )


def table(costs: list[Cost], usual_s: float, requests: int) -> str:
    """The document. `usual_s`: how long a request takes as a rule."""
    rows = [
        f"| {one.fault} | {one.lasted_s:.1f} | {one.stall_s:.1f} | {_told(one.told)} | {one.lost} | {one.twice} |"
        for one in costs
    ]
    load = f"{CLIENTS} clients, {requests:,} requests, of which half took less than {usual_s:.2f} s"
    return "\n".join([_HEAD.format(load=load), *rows, _RULES, *_rules(), ""])


def _told(told: dict[str, int]) -> str:
    words = {
        "ConnectError": "connection refused",
        "RemoteProtocolError": "connection closed",
        "ReadError": "connection reset",
        "ReadTimeout": "no answer for 20 s",
    }
    return ", ".join(f"{words.get(what, what)} ({times})" for what, times in sorted(told.items())) or "nothing"


def _rules() -> list[str]:
    return [f"- `{rule.__name__}`: {' '.join((rule.__doc__ or '').split())}" for rule in RULES]


async def measure() -> str:
    """Do it all; the document. Raises AssertionError when a promise was not kept."""
    told: dict[str, dict[str, int]] = {}

    async def scenario(world: World) -> None:
        await _one_by_one(world, told)

    history = await observe(scenario, seed=SEED)
    found = check(history)
    assert not found, "\n".join(map(str, found))
    ends = [fault.began for fault in history.faults[1:]] + [journal.now_ns()]
    costs = [cost(history, fault, end, told[fault.name]) for fault, end in zip(history.faults, ends, strict=True)]
    return table(costs, _usual_s(history), len(chains_of(history)))


def _usual_s(history: History) -> float:
    """How long a request takes as a rule."""
    return statistics.median((chain[-1].at - chain[0].at) / SECOND for chain in chains_of(history).values())


_HEAD = """# Faults, as measured

Written by `make faults-matrix`, which runs every fault of `tests/faults/suite/faults.py` once, one after the other, on
one machine: two gateways, registries, dispatchers and histories, three agents with four slots each, one NATS, one
PostgreSQL, and {load}.

- *lasted*: seconds from the first blow until everything that was hit is ready again; how long something stays away is
  chosen at random, from a fixed seed.
- *stall*: the longest time in seconds in which no request at all got its outcome, from the first blow on.
- *clients were told*: what came instead of an answer, and how often. Each client got over it by asking again, at any
  gateway, with the same idempotency key.
- *lost*: requests without exactly one recorded outcome.
- *twice*: requests that were started a second time although no handler had asked for it, because their agent, or what it
  knew, was gone.

| fault | lasted | stall | clients were told | lost | twice |
|---|---:|---:|---|---:|---:|"""
_RULES = """
## What is checked

After each run the history checker (`tests/faults/suite/check.py`) compares what stream, log, clients, readers, handlers
and the wires between agents and gateways have seen. That it notices is tested: each of the patches in
`tests/faults/mutations` breaks one promise, and has to be found out.
"""


if __name__ == "__main__":
    document = asyncio.run(measure())
    Path(sys.argv[1]).write_text(document, encoding="utf-8")
