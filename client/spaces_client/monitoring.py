"""What the gateway tells of connections, and of requests in numbers. Pure. Like `objects`, it need not be of its version."""

from __future__ import annotations

from datetime import datetime

import msgspec

from spaces_client import objects
from spaces_client.objects import NOTHING


class PastConnection(msgspec.Struct, frozen=True, kw_only=True):
    """A connection of an agent. While it lasts, or nobody has recorded its end, `disconnected_at`, `connected_s`, `reason`,
    `cause` (what that comes to) and `code` are None. `code` is that of the WebSocket's close, 0 when there was none."""

    id: str
    agent: str
    gateway: str = ""
    spaces: list[str] = []
    slots: int = 0
    version: str = ""
    address: str = ""
    connected_at: datetime | None = None
    disconnected_at: datetime | None = None
    connected_s: float | None = None
    reason: str | None = None
    cause: str | None = None
    code: int | None = None
    raw: msgspec.Raw = NOTHING


class Percentiles(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds: of a hundred durations so many are no longer than that."""

    p50: float
    p95: float
    p99: float


class Stats(msgspec.Struct, frozen=True, kw_only=True):
    """What requests have come to in the `window_s` seconds up to `until`: how many came in and ended (by status), how many
    ended per second, which part of those that succeeded, failed or expired has succeeded. How long the latest `sampled` of
    them waited for an agent (`queue_s`), and ran (`run_s`); None where there were none."""

    window_s: int
    space: str | None = None
    until: datetime | None = None
    accepted: int = 0
    ended: dict[str, int] = {}
    throughput: float = 0.0
    success_rate: float | None = None
    sampled: int = 0
    queue_s: Percentiles | None = None
    run_s: Percentiles | None = None
    raw: msgspec.Raw = NOTHING


class Warning(msgspec.Struct, frozen=True, kw_only=True):
    """Something that needs somebody: a `rule` that holds, of a `space` or a `subject` (an agent, a service, a stream); None
    where it is of neither. `severity` is `critical` or `warning`; `detail` says what it is, `remedy` what to do."""

    severity: str
    rule: str
    space: str | None = None
    subject: str | None = None
    detail: str = ""
    remedy: str = ""
    raw: msgspec.Raw = NOTHING


def connection(data: bytes | msgspec.Raw) -> PastConnection:
    """The connection in these bytes. Raises InvalidAnswer."""
    return objects.read(data, PastConnection)


def stats(data: bytes | msgspec.Raw) -> Stats:
    """The numbers in these bytes. Raises InvalidAnswer."""
    return objects.read(data, Stats)


def warnings(data: bytes) -> list[Warning]:
    """The warnings in the answer. Raises InvalidAnswer."""
    return objects.listed(data, Warning)
