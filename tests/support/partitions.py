"""Which dispatcher owns which partition of a running stack, and what it assigns there, by the server's own clock."""

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator
from typing import NamedTuple

import msgspec
from nats.aio.client import Client

from services.contracts import subjects
from services.contracts.ids import PARTS, part_of_request
from services.runtime import bus
from services.runtime.jetstream import stream_info
from services.runtime.kv import Bucket
from services.runtime.loops import cancel
from services.runtime.tail import Tail
from tests.support.stack import Stack
from tests.support.world import until

_STARTED = re.compile(r'"message": "(dispatcher-\w+) started"')


class Taken(NamedTuple):
    """A dispatcher took a partition's lease."""

    at_ns: int
    part: int
    owner: str


class Assigned(NamedTuple):
    """A dispatcher assigned a request."""

    at_ns: int
    part: int
    owner: str


class Partitions:
    """Follows leases and assignments while the block of `watching` runs. Instants are JetStream's."""

    def __init__(self) -> None:
        self.owners: dict[int, str] = dict.fromkeys(range(PARTS), "")
        """Empty: nobody."""
        self.taken: list[Taken] = []
        self.assigned: list[Assigned] = []

    def of(self, owner: str) -> set[int]:
        """The partitions of a dispatcher."""
        return {part for part, by in self.owners.items() if by == owner}

    def shares(self) -> dict[str, set[int]]:
        """The partitions of each owner, whoever it is."""
        return {owner: self.of(owner) for owner in set(self.owners.values())}

    async def shared_by(self, stack: Stack, count: int) -> None:
        """Wait until so many dispatchers share all partitions: those that run, each as many as the others or one more."""

        async def settled() -> bool:
            running = dispatcher_pids(stack).keys()
            sizes = [len(self.of(each)) for each in running]
            return len(running) == count and sum(sizes) == PARTS and max(sizes) - min(sizes) <= 1

        await until(settled, f"{count} dispatchers share the partitions")

    async def taken_from(self, owner: str, parts: set[int]) -> None:
        """Wait until all these partitions have another owner than this one."""

        async def moved() -> bool:
            return all(self.owners[part] not in ("", owner) for part in parts)

        await until(moved, "all partitions have another owner")

    async def assigned_in(self, parts: set[int], after_ns: int, former: str = "") -> dict[int, int]:
        """Wait until there was an assignment in each of these partitions after an instant, by another dispatcher than the
        former one: when the first one was."""

        async def all_assigned() -> dict[int, int] | None:
            first: dict[int, int] = {}
            for one in self.assigned:
                if one.part in parts and one.at_ns > after_ns and one.owner != former:
                    first.setdefault(one.part, one.at_ns)
            return first if first.keys() == parts else None

        found: dict[int, int] = await until(all_assigned, "something is assigned in each partition")
        return found

    async def follow_leases(self, nc: Client) -> None:
        """Fold the leases for ever."""
        prefix = f"$KV.{subjects.LEASES}.part."
        tail = Tail(nc, f"KV_{subjects.LEASES}", [f"{prefix}>"], last_per_subject=True)
        async for batch in tail.batches():
            for stored in batch.messages:
                part = int(stored.subject.removeprefix(prefix), 16)
                owner = msgspec.json.decode(stored.data)["owner"] if stored.data else ""
                if owner not in ("", self.owners[part]):
                    self.taken.append(Taken(stored.time_ns, part, owner))
                self.owners[part] = owner

    async def follow_assignments(self, nc: Client, from_seq: int) -> None:
        """Remember the assignments for ever."""
        async for batch in Tail(nc, subjects.REQUESTS, ["ws.req.*.*.assigned.>"], from_seq).batches():
            for stored in batch.messages:
                event = msgspec.json.decode(stored.data)
                owner = event["actor"].removeprefix("dispatcher:")
                self.assigned.append(Assigned(stored.time_ns, part_of_request(event["rid"]), owner))


@contextlib.asynccontextmanager
async def watching(stack: Stack) -> AsyncIterator[Partitions]:
    """What happens to partitions while the block runs."""
    partitions = Partitions()
    nc = await bus.connect(stack.ready.nats_url, "operator", "test")
    from_seq = (await stream_info(nc, subjects.REQUESTS)).state.last_seq + 1
    loops = [partitions.follow_leases(nc), partitions.follow_assignments(nc, from_seq)]
    tasks = [asyncio.create_task(loop) for loop in loops]
    try:
        yield partitions
        for task in tasks:
            if task.done():
                task.result()
    finally:
        await cancel(tasks)
        await nc.close()


async def pid_of(stack: Stack, owner: str) -> int:
    """The process of a dispatcher, once all that are being started run."""

    async def found() -> int | None:
        return dispatcher_pids(stack).get(owner)

    pid: int = await until(found, f"{owner} runs")
    return pid


def dispatcher_pids(stack: Stack) -> dict[str, int]:
    """The process of each dispatcher, by its id; none while one is being started again."""
    pids = stack.pids("dispatcher")
    logs = sorted((stack.home / "logs").glob("dispatcher-*.log"))
    if len(pids) != len(logs):
        return {}
    started = [_STARTED.findall(log.read_text()) for log in logs]
    return {ids[-1]: pid for ids, pid in zip(started, pids, strict=True) if ids}


async def owner_of(stack: Stack, part: int) -> str:
    """Which dispatcher has the lease of a partition; empty while none has."""
    nc = await bus.connect(stack.ready.nats_url, "operator", "test")
    try:
        entry = await Bucket(nc, subjects.LEASES).get(subjects.lease_key(part))
    finally:
        await nc.close()
    owner: str = msgspec.json.decode(entry.value)["owner"] if entry.value else ""
    return owner


def now_ns() -> int:
    """This machine's clock, which is the server's here."""
    return time.time_ns()
