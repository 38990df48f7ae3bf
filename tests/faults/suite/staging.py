"""What targeted scenarios are made of: one request at a time, a moment to wait for, and what is to happen at that moment."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from itertools import count
from typing import Any

import asyncpg

from tests.faults.suite.observed import Event, Frame
from tests.faults.suite.run import World
from tests.faults.suite.wires import Act, AgentWire, Trap, When, Wire
from tests.faults.suite.workload import Client

COMES_WITHIN_S = 30.0
"""What a scenario waits for comes also when the product is broken: it is what goes before that matters."""
FREEZE_LOG = "LOCK TABLE event_log IN SHARE MODE"


async def until(condition: Callable[[], bool], what: str) -> None:
    """Wait until the condition holds. Fails when it does not in time."""
    try:
        async with asyncio.timeout(COMES_WITHIN_S):
            while not condition():
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"not within {COMES_WITHIN_S:g} s: {what}") from None


class Stage:
    """One platform with one agent, in the hands of one scenario."""

    def __init__(self, world: World, name: str) -> None:
        self.world, self.name = world, name
        self._keys = count(1)

    # Requests

    def client(self, only: int | None = None) -> Client:
        """The scenario's client; `only`: it asks the gateway of this index."""
        return Client(self.name, self.world.workload, only)

    async def submit(self, *, only: int | None = None, **how: Any) -> str:
        """Submit something; its id."""
        return str((await self.told(only=only, **how))["id"])

    async def told(self, *, only: int | None = None, **how: Any) -> dict[str, Any]:
        """Submit something; what the client is told."""
        request = await self.client(only).submit(**{"key": f"{self.name}-{next(self._keys)}"} | how)
        assert request is not None, "nothing was accepted"
        return request

    # What has come about

    def chain(self, rid: str, *types: str) -> list[Event]:
        """The events of a request of these types, as far as they have come."""
        return [event for event in self.world.history.events if event.rid == rid and event.type in types]

    def frames(self, type: str, rid: str) -> list[Frame]:
        """The frames of a type about a request, in order."""
        frames = [frame for wire in self.world.platform.agent_wires for frame in wire.frames]
        about = [frame for frame in frames if frame.type == type and frame.data.get("request_id") == rid]
        return sorted(about, key=lambda frame: frame.at)

    async def happens(self, rid: str, *types: str) -> Event:
        """Wait for an event of a request; its last of these types."""
        await until(lambda: bool(self.chain(rid, *types)), f"{' or '.join(types)} of {rid}")
        return self.chain(rid, *types)[-1]

    async def begins(self, rid: str) -> None:
        """Wait until a handler of the request has been started."""
        await until(lambda: bool(self.frames("accept", rid)), f"an agent has begun {rid}")

    async def ends(self, rid: str) -> Event:
        """Wait for the outcome of a request."""
        return await self.happens(rid, "succeeded", "failed", "canceled", "expired")

    async def agents_gateway(self) -> int:
        """The index of the gateway at which the agent is, once it is at one and everybody knows."""
        await until(self._agent_is_known, "the agent is reported")
        return max(self._welcomes())[1]

    def _agent_is_known(self) -> bool:
        return bool(welcomes := self._welcomes()) and max(welcomes)[2] in self.world.observer.connected

    def _welcomes(self) -> list[tuple[int, int, str]]:
        welcomes = []
        for index, wire in enumerate(self.world.platform.agent_wires):
            welcomes += [(frame.at, index, frame.data["session_id"]) for frame in wire.frames if frame.type == "welcome"]
        return welcomes

    async def logged(self, event: Event) -> None:
        """Wait until the log has an event."""
        connection = await asyncpg.connect(self.world.platform.servers.database_url)

        async def there() -> bool:
            return bool(
                await connection.fetchval("SELECT count(*) FROM event_log WHERE stream = 'REQUESTS' AND seq = $1", event.seq)
            )

        try:
            await self.world.platform.until(there, f"{event.type} is in the log", COMES_WITHIN_S)
        finally:
            await connection.close()

    # The moment

    @contextlib.asynccontextmanager
    async def at(self, wires: Sequence[Wire], matches: Callable[[Any], bool], when: When, act: Act) -> AsyncIterator[None]:
        """Act as soon as something like this is about to pass; the block brings it about, and ends when that is over."""
        over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def once(wire: Wire, caught: Any) -> None:
            try:
                await act(wire, caught)
            except Exception as error:
                over.set_exception(error)
                raise
            over.set_result(None)

        trap = Trap(matches, once, when)
        for wire in wires:
            wire.traps.append(trap)
        try:
            yield
            async with asyncio.timeout(COMES_WITHIN_S):
                await over
        finally:
            trap.sprung = True
            for wire in wires:
                wire.traps.remove(trap)

    def services(self) -> list[Wire]:
        """The wires between services and NATS."""
        return [*self.world.platform.nats_wires.values()]

    def agents(self) -> list[Wire]:
        """The wires between agents and gateways."""
        return [*self.world.platform.agent_wires]

    @contextlib.asynccontextmanager
    async def agents_cut_off(self, *gateways: int) -> AsyncIterator[None]:
        """No agent reaches the gateways of these indexes within the block."""
        proxies = [self.world.platform.agent_wires[index].proxy for index in gateways]
        for proxy in proxies:
            proxy.cut()
        try:
            yield
        finally:
            for proxy in proxies:
                await proxy.restore()

    @contextlib.asynccontextmanager
    async def log_frozen(self) -> AsyncIterator[Callable[[], Awaitable[bool]]]:
        """Nothing can be written to the log within the block, but it can be read. What the block is given tells whether
        somebody wants to write."""
        url = self.world.platform.servers.database_url
        connection, looking = await asyncpg.connect(url), await asyncpg.connect(url)

        async def wanted() -> bool:
            query = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'event_log'::regclass"
            return bool(await looking.fetchval(query))

        try:
            async with connection.transaction():
                await connection.execute(FREEZE_LOG)
                yield wanted
        finally:
            await connection.close()
            await looking.close()


def published(type: str) -> Callable[[Any], bool]:
    """A subject under which a request event of this type is published."""

    def matches(subject: Any) -> bool:
        tokens = str(subject).split(".")
        return tokens[:2] == ["ws", "req"] and tokens[4] == type

    return matches


def is_output(subject: Any) -> bool:
    """A subject under which an output record is published."""
    return str(subject).startswith("ws.out.")


def frame_of(type: str) -> Callable[[Any], bool]:
    """A frame of this type."""
    return lambda frame: isinstance(frame, Frame) and frame.type == type


def request_of(subject: str) -> str:
    """The request that an event is about, by its subject."""
    return subject.split(".")[3]


def agent_wire(wire: Wire) -> AgentWire:
    """The wire, known to be one of agents."""
    assert isinstance(wire, AgentWire)
    return wire
