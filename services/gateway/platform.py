"""How the platform is, as administrators see it: the wire types. Pure."""

from collections.abc import Mapping, Sequence
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from services.contracts.instants import rfc3339
from services.contracts.platform import Alive, Record, RecordedStream
from services.gateway.view import Instant

KINDS = ("gateway", "registry", "dispatcher", "history")
"""The services of which at least one process must run."""
FULL = 0.8
"""The share of the byte limit of the stream of requests at which admission stops."""
CURRENT_S = 9.0
"""A process that was not heard for so long has missed two of its signs of life, each 4 s after the one before."""


class InstanceObject(msgspec.Struct, frozen=True, kw_only=True):
    """A process. It says itself since when it runs, its `version` and its `host`; null while it is of a version that does
    not. `current`: it was heard within the last 9 seconds, `heard_s` ago; after 15 it counts as gone."""

    id: str
    since: Instant | None
    version: str | None
    host: str | None
    heard_s: float
    current: bool


class ServiceObject(msgspec.Struct, frozen=True, kw_only=True):
    """A service, with those of its processes that are alive."""

    service: str
    instances: list[InstanceObject]


class StreamObject(msgspec.Struct, frozen=True, kw_only=True):
    """A stream or bucket of NATS. `max_bytes` null: it has no limit of its own. `missing`: so many of its `replicas` are
    away or behind. `behind`: so many of its messages are not in PostgreSQL yet, the oldest for `behind_s`; null where
    it is not recorded, or nobody can tell."""

    name: str
    messages: int
    bytes: int
    max_bytes: int | None
    replicas: int
    missing: int
    behind: int | None
    behind_s: float | None


class NatsObject(msgspec.Struct, frozen=True, kw_only=True):
    """NATS as this gateway sees it: whether it is `connected`, to which `server` of which `version`, and which `servers` it
    knows; how much the streams take of storage (`storage_bytes`), and how much they may (null: what the disk has)."""

    connected: bool
    server: str | None
    version: str | None
    servers: list[str]
    storage_bytes: int | None
    storage_max_bytes: int | None
    streams: list[StreamObject]


class DatabaseObject(msgspec.Struct, frozen=True, kw_only=True):
    """PostgreSQL as history sees it: whether it is `reachable`, null while history itself is silent; its size; `conflicts`:
    so many events contradict the log; `whole`: no row is missing from the tables that lists are read from."""

    reachable: bool | None
    version: str | None
    size_bytes: int | None
    conflicts: int | None
    whole: bool | None


class PlatformObject(msgspec.Struct, frozen=True, kw_only=True):
    """How the platform is. `gateway` is the one that answers, of this `version`. `halted`: nothing is admitted or decided
    before a recovery. `full_at`: the share of its limit at which a stream stops submissions."""

    gateway: str
    version: str
    halted: bool
    full_at: Annotated[float, Meta(ge=0, le=1)]
    services: list[ServiceObject]
    nats: NatsObject
    database: DatabaseObject


class Process(NamedTuple):
    """A process that is alive, and how long ago it was heard."""

    id: str
    said: Alive
    heard_s: float


class Nats(NamedTuple):
    """What the client knows of NATS; `storage`: used bytes, and how many may be (-1: any number), None when nobody says."""

    connected: bool
    server: str
    version: str
    servers: list[str]
    storage: tuple[int, int] | None


def services_of(alive: Mapping[str, Sequence[Process]]) -> list[ServiceObject]:
    """All services, also those without a process, and others that have any."""
    kinds = [*KINDS, *sorted(set(alive) - set(KINDS))]
    return [
        ServiceObject(service=kind, instances=[_instance(each) for each in sorted(alive.get(kind, ()), key=_since)])
        for kind in kinds
        if kind in KINDS or alive[kind]
    ]


def nats_of(found: Nats, streams: Sequence[RecordedStream], record: Record | None) -> NatsObject:
    """NATS, with the streams that this gateway may look at, and those that history records."""
    recorded = {each.stream: each for each in (record.streams if record is not None else ())}
    known = {each.stream: each for each in streams} | recorded
    used, limit = found.storage or (None, None)
    return NatsObject(
        connected=found.connected,
        server=found.server or None,
        version=found.version or None,
        servers=found.servers,
        storage_bytes=used,
        storage_max_bytes=None if limit is None or limit < 0 else limit,
        streams=[_stream(known[name]) for name in sorted(known, key=lambda name: ("_" in name, name))],
    )


def database_of(record: Record | None) -> DatabaseObject:
    """PostgreSQL; None: history is silent."""
    if record is None or not record.reachable:
        reachable = None if record is None else False
        return DatabaseObject(reachable=reachable, version=None, size_bytes=None, conflicts=None, whole=None)
    return DatabaseObject(
        reachable=True,
        version=record.version,
        size_bytes=record.size_bytes,
        conflicts=record.conflicts,
        whole=record.whole,
    )


def _since(process: Process) -> tuple[int, str]:
    return process.said.since, process.id


def _instance(process: Process) -> InstanceObject:
    id, said, heard_s = process
    return InstanceObject(
        id=id,
        since=rfc3339(said.since) if said.since else None,
        version=said.version or None,
        host=said.host or None,
        heard_s=round(heard_s, 1),
        current=heard_s < CURRENT_S,
    )


def _stream(found: RecordedStream) -> StreamObject:
    return StreamObject(
        name=found.stream,
        messages=found.messages,
        bytes=found.bytes,
        max_bytes=found.max_bytes if found.max_bytes > 0 else None,
        replicas=found.replicas,
        missing=found.missing,
        behind=found.behind,
        behind_s=None if found.behind_s is None else round(found.behind_s, 3),
    )
