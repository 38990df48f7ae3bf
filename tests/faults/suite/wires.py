"""Wires between processes: what passes is read along, and a trap may spring when something particular is about to pass."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from tests.faults.suite import journal
from tests.faults.suite.observed import Frame
from tests.faults.suite.tap import Tap
from tests.support.proxy import Proxy, Send, Way

Act = Callable[[], Awaitable[None]]


@dataclass
class Trap:
    """Springs once: `act` is called before what `matches` gets through, which is then lost, or `after` it has."""

    matches: Callable[[Any], bool]
    act: Act
    after: bool
    sprung: bool = False


@dataclass
class Wire:
    """One wire; `traps` are set on it."""

    name: str
    traps: list[Trap] = field(default_factory=list)
    _proxy: Proxy | None = None

    @property
    def proxy(self) -> Proxy:
        """The proxy that carries it."""
        assert self._proxy is not None
        return self._proxy

    @proxy.setter
    def proxy(self, proxy: Proxy) -> None:
        self._proxy = proxy

    async def pass_on(self, found: list[Any], data: bytes, send: Send) -> None:
        """Send the bytes that carry these things, unless a trap is before one of them."""
        sprung = [trap for trap in self.traps if any(trap.matches(one) for one in found)]
        for trap in sprung:
            trap.sprung = True
            self.traps.remove(trap)
        for trap in sprung:
            if not trap.after:
                await trap.act()
                return
        await send(data)
        for trap in sprung:
            await trap.act()


class NatsWire(Wire):
    """Between a service and NATS: traps match the subjects that the service publishes, and `+OK`-like answers are not told
    apart."""

    _PUBLISHED = re.compile(rb"H?PUB (\S+) ")

    async def watch(self, _: int, way: Way, data: bytes, send: Send) -> None:
        """Read along, and let through."""
        if not self.traps or way is Way.TO_CLIENT:
            await send(data)
            return
        await self.pass_on([subject.decode() for subject in self._PUBLISHED.findall(data)], data, send)

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

    async def watch(self, number: int, way: Way, data: bytes, send: Send) -> None:
        """Read along, and let through. A frame counts from when it is complete here, also when it is not let through."""
        by_agent = way is Way.TO_SERVER
        tap = self._taps.setdefault((number, way), Tap(by_agent))
        at = journal.now_ns()
        socket = hash((self.name, number))
        frames = [Frame(socket, at, by_agent, _without_payload(data)) for data in tap.receive(data)]
        self.frames += frames
        await self.pass_on(frames, data, send)


def _without_payload(data: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if key not in ("input", "output", "data")}
