"""Wires between processes: what passes is read along, and a trap may spring when something particular is about to pass."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit, urlunsplit

from tests.faults.suite import journal
from tests.faults.suite.observed import Frame
from tests.faults.suite.tap import Tap
from tests.support.proxy import Proxy, Send, Way

When = Literal["instead", "before", "after"]
Act = Callable[["Wire", Any], Awaitable[None]]


@dataclass
class Trap:
    """Springs once, on whichever wire it is first: `act` is called with the wire and what `matches` when that is about to
    get through: instead of that (it is lost), before it, or after it."""

    matches: Callable[[Any], bool]
    act: Act
    when: When
    sprung: bool = False


@dataclass
class Wire:
    """One wire; `traps` are set on it."""

    name: str
    """The service at the one end; at the other is NATS, or are agents."""
    traps: list[Trap] = field(default_factory=list)
    lost: bytes = b""
    """The bytes that the last trap has kept from passing."""
    _proxy: Proxy | None = None

    @property
    def proxy(self) -> Proxy:
        """The proxy that carries it."""
        assert self._proxy is not None
        return self._proxy

    @proxy.setter
    def proxy(self, proxy: Proxy) -> None:
        self._proxy = proxy

    async def pass_on(self, number: int, found: list[Any], data: bytes, send: Send) -> None:
        """Send the bytes that carry these things, unless a trap is before one of them."""
        for trap in self.traps:
            caught = None if trap.sprung else next((one for one in found if trap.matches(one)), None)
            if caught is not None:
                trap.sprung = True
                await self._spring(trap, number, caught, data, send)
                return
        await send(data)

    async def _spring(self, trap: Trap, number: int, caught: Any, data: bytes, send: Send) -> None:
        if trap.when == "after":
            await send(data)
        elif trap.when == "instead":
            self.lost = data
        await trap.act(self, caught)
        if trap.when == "before":
            await send(data)
        elif trap.when == "instead":
            self.proxy.reset(number)  # a connection loses its end, never something in between


class NatsWire(Wire):
    """Between a service and NATS: traps match the subjects that the service publishes."""

    _PUBLISHED = re.compile(rb"H?PUB (\S+) ")

    async def watch(self, number: int, way: Way, data: bytes, send: Send) -> None:
        """Read along, and let through."""
        if not self.traps or way is Way.TO_CLIENT:
            await send(data)
            return
        await self.pass_on(number, [subject.decode() for subject in self._PUBLISHED.findall(data)], data, send)

    def through(self, url: str) -> str:
        """The URL of the server by way of this wire."""
        parts, here = urlsplit(url), urlsplit(self.proxy.url)
        credentials = parts.netloc.rpartition("@")[0]
        return urlunsplit(parts._replace(netloc=f"{credentials}@{here.netloc}"))


class AgentWire(Wire):
    """Between agents and a gateway: `frames` has what has passed; traps match frames."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.frames: list[Frame] = []
        self._taps: dict[tuple[int, Way], Tap] = {}
        self._agents: dict[int, str] = {}
        self._to_gateway: dict[int, Send] = {}

    async def watch(self, number: int, way: Way, data: bytes, send: Send) -> None:
        """Read along, and let through. A frame counts from when it is complete here, also when it is not let through."""
        by_agent = way is Way.TO_SERVER
        tap = self._taps.setdefault((number, way), Tap(by_agent))
        at = journal.now_ns()
        socket = hash((self.name, number))
        frames = [Frame(socket, at, by_agent, _without_payload(data)) for data in tap.receive(data)]
        self.frames += frames
        if by_agent:
            self._to_gateway[socket] = send
        for frame in frames:
            if frame.type == "hello":
                self._agents[socket] = frame.data["agent_id"]
        await self.pass_on(number, frames, data, send)

    def agent_of(self, frame: Frame) -> str:
        """The name of the agent that sends a frame, or gets it."""
        return self._agents[frame.socket]

    async def replay(self, socket: int, data: bytes) -> None:
        """Let the gateway have these bytes, of whole frames that an agent has sent, once more, by this socket."""
        await self._to_gateway[socket](data)


def _without_payload(data: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if key not in ("input", "output", "data")}
