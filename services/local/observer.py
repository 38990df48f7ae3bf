"""What goes on in the stack, for its status line: seen as the NATS user `operator`, never relied upon."""

import time
from collections import Counter
from collections.abc import Callable

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg

from services.contracts import subjects
from services.contracts.reports import FULL_REPORT_S, Report

_FORGOTTEN_S = 3 * FULL_REPORT_S
_decoder = msgspec.json.Decoder(Report)


class Observer:
    """Counts agents and requests. `on_change` is told each time that a number may have changed."""

    def __init__(self, on_change: Callable[[], None]) -> None:
        self._on_change = on_change
        self._connections: dict[str, tuple[float, set[str]]] = {}
        self.events: Counter[str] = Counter()
        """How many request events of each type were seen since the start."""

    @property
    def agents(self) -> int:
        """Agents connected now."""
        oldest = time.monotonic() - _FORGOTTEN_S
        return sum(len(connections) for heard, connections in self._connections.values() if heard > oldest)

    async def listen(self, nc: Client) -> None:
        """Begin to count agents."""
        await nc.subscribe(subjects.ALL_REPORTS, cb=self._on_report)

    async def listen_to_requests(self, nc: Client) -> None:
        """Begin to count requests as well: that costs something for each of their events."""
        await nc.subscribe(subjects.ALL_FOR_PEOPLE, cb=self._on_event)

    async def _on_report(self, message: Msg) -> None:
        report = _decoder.decode(message.data)
        connections = set() if report.full else self._connections.get(report.gateway, (0.0, set[str]()))[1]
        connections |= {agent.conn for agent in report.agents if not agent.gone}
        connections -= {agent.conn for agent in report.agents if agent.gone}
        self._connections[report.gateway] = (time.monotonic(), connections)
        self._on_change()

    async def _on_event(self, message: Msg) -> None:
        self.events[message.subject.split(".")[3]] += 1
        self._on_change()
