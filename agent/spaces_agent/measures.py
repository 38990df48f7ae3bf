"""What an agent counts of itself, and how Prometheus reads that (text format 0.0.4). Needs no library: agents have few
dependencies. Pure but for the clock of the process; label values come from closed sets."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from spaces_agent.version import __version__

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS_S = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3600.0)
Status = Literal["succeeded", "failed", "stopped"]


class Family(NamedTuple):
    """A metric with its samples: what follows its name (suffix and labels), and the value."""

    name: str
    type: Literal["counter", "gauge", "histogram"]
    help: str
    samples: list[tuple[str, float]]


@dataclass
class Measures:
    """Counts of one process."""

    slots: int
    connected: bool = False
    connects: int = 0
    disconnects: int = 0
    link_restarts: int = 0
    started: int = 0
    ended: dict[Status, int] = field(default_factory=lambda: {"succeeded": 0, "failed": 0, "stopped": 0})
    _runs: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS_S) + 1))
    _run_s: float = 0.0

    def welcomed(self) -> None:
        """A gateway has let the agent in."""
        self.connected = True
        self.connects += 1

    def cut_off(self) -> None:
        """No gateway is connected, or one could not be reached."""
        self.disconnects += self.connected
        self.connected = False

    def has_ended(self, status: Status, run_s: float = 0.0) -> None:
        """A handler has ended: after so many seconds with a result, or because it was told to stop."""
        self.ended[status] += 1
        if status != "stopped":
            self._runs[bisect_left(BUCKETS_S, run_s)] += 1
            self._run_s += run_s

    def families(self) -> list[Family]:
        """What is counted here."""
        return [
            Family("spaces_agent_build_info", "gauge", "1; the version of the agent", [(f'{{version="{__version__}"}}', 1)]),
            _one("spaces_agent_connected", "gauge", "1 while a gateway has let the agent in", self.connected),
            _one("spaces_agent_connects_total", "counter", "Times that a gateway has let the agent in", self.connects),
            _one("spaces_agent_disconnects_total", "counter", "Times that the last connection ended", self.disconnects),
            _one("spaces_agent_link_restarts_total", "counter", "Ends of the connection process", self.link_restarts),
            _one("spaces_agent_slots", "gauge", "Requests that it runs at a time", self.slots),
            _one("spaces_agent_started_total", "counter", "Requests begun", self.started),
            Family(
                "spaces_agent_results_total",
                "counter",
                "Requests whose handler has ended, by how; `stopped` ones have no result",
                [(f'{{status="{status}"}}', count) for status, count in self.ended.items()],
            ),
            Family("spaces_agent_run_seconds", "histogram", "Time in the handler, of results", list(self._histogram())),
        ]

    def _histogram(self) -> Iterator[tuple[str, float]]:
        below = 0
        for bound, count in zip((*BUCKETS_S, float("inf")), self._runs, strict=True):
            below += count
            yield f'_bucket{{le="{_number(bound)}"}}', below
        yield "_sum", self._run_s
        yield "_count", below


def gauge(name: str, help: str, value: float) -> Family:
    """A value of now."""
    return _one(name, "gauge", help, value)


def text(families: Iterable[Family]) -> str:
    """All of them as Prometheus reads it."""
    lines = []
    for family in families:
        lines += [f"# HELP {family.name} {family.help}", f"# TYPE {family.name} {family.type}"]
        lines += [f"{family.name}{rest} {_number(value)}" for rest, value in family.samples]
    return "\n".join(lines) + "\n"


def _one(name: str, type: Literal["counter", "gauge"], help: str, value: float) -> Family:
    return Family(name, type, help, [("", value)])


def _number(value: float) -> str:
    return "+Inf" if value == float("inf") else repr(float(value))
