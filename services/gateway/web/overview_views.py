"""What the overview shows. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from services.contracts.instants import nanoseconds
from services.gateway.platform import PlatformObject, StreamObject
from services.gateway.rules import Finding
from services.gateway.series import SERIES_WINDOWS, BucketObject, LatencyObject, SeriesObject
from services.gateway.web.charts import Chart, Kind, Measure, Unit, chart, words

EVERY_S = {"15m": 5, "1h": 10, "24h": 30, "7d": 60, "30d": 120}
"""How often charts are looked at anew, by window: counting more takes longer, and changes less."""
_BYTES = ((1024**4, "TiB"), (1024**3, "GiB"), (1024**2, "MiB"), (1024, "KiB"))


@dataclass(frozen=True, slots=True)
class Link:
    """A window that may be chosen."""

    name: str
    url: str
    current: bool


@dataclass(frozen=True, slots=True)
class Numbers:
    """The whole window in numbers, in words that are the same in all languages; empty: there is none."""

    accepted: str
    success: str
    waiting: str
    agents: str
    waited: str
    ran: str


@dataclass(frozen=True, slots=True)
class StreamRow:
    """A stream: how much it holds, and which part (0 to 1) of what it may; None: it has no limit."""

    name: str
    bucket: bool
    messages: str
    bytes: str
    limit: str
    part: float | None
    behind: int | None


@dataclass(frozen=True, slots=True)
class StateView:
    """How things are now. `findings` None: nobody can tell. `platform` None: the visitor is no administrator."""

    findings: Sequence[Finding] | None
    platform: PlatformObject | None
    streams: tuple[StreamRow, ...]
    storage: str
    database_size: str
    full_at: float


@dataclass(frozen=True, slots=True)
class ChartsView:
    """How things were. `nothing`: no request came in, waited or ended in the window."""

    nothing: bool
    numbers: Numbers
    requests: Chart
    success: Chart
    waiting: Chart
    queue: Chart
    run: Chart
    agents: Chart


@dataclass(frozen=True, slots=True)
class OverviewView:
    """The page. `charts` None: nobody can tell. `whole`: of everybody's requests."""

    window: str
    windows: tuple[Link, ...]
    space: str
    spaces: tuple[str, ...]
    every_s: int
    whole: bool
    state: StateView
    charts: ChartsView | None


@dataclass(frozen=True, slots=True)
class StatePart:
    """Only what `StateView` has, for a page that is there already."""

    state: StateView


@dataclass(frozen=True, slots=True)
class ChartsPart:
    """Only the charts, likewise."""

    charts: ChartsView | None


def windows(current: str, space: str) -> tuple[Link, ...]:
    """All windows, with where they lead."""
    chosen = {"space": space} if space else {}
    return tuple(
        Link(name, f"/overview?{urlencode({'window': name, **chosen})}", name == current) for name in SERIES_WINDOWS
    )


def state_view(findings: Sequence[Finding] | None, platform: PlatformObject | None) -> StateView:
    """How things are now."""
    if platform is None:
        return StateView(findings, None, (), "", "", 0.0)
    nats, size = platform.nats, platform.database.size_bytes
    return StateView(
        findings=findings,
        platform=platform,
        streams=tuple(_stream(each) for each in nats.streams),
        storage="" if nats.storage_bytes is None else bytes_words(nats.storage_bytes),
        database_size="" if size is None else bytes_words(size),
        full_at=platform.full_at,
    )


def charts_view(found: SeriesObject) -> ChartsView:
    """How things were."""
    buckets = found.buckets
    since, last = nanoseconds(buckets[0].start), buckets[-1]

    def drawn(id: str, unit: Unit, *measures: Measure) -> Chart:
        return chart(id, unit, since, found.bucket_s, measures)

    def of(name: str, get: Callable[[BucketObject], float | None], kind: Kind = "lines", filled: bool = False) -> Measure:
        return Measure(name, [get(each) for each in buckets], kind, filled)

    return ChartsView(
        nothing=not found.accepted and not any(found.ended.values()) and not any(each.waiting for each in buckets),
        numbers=_numbers(found, last),
        requests=drawn(
            "requests",
            "count",
            of("succeeded", lambda each: each.succeeded, kind="bars"),
            of("failed", lambda each: each.failed, kind="bars"),
            of("expired", lambda each: each.expired, kind="bars"),
            of("canceled", lambda each: each.canceled, kind="bars"),
            of("accepted", lambda each: each.accepted, kind="steps"),
        ),
        success=drawn("success", "share", of("success_rate", lambda each: each.success_rate)),
        waiting=drawn("waiting", "count", of("waiting", lambda each: each.waiting, kind="steps", filled=True)),
        queue=drawn("queue", "seconds", *_latencies([each.queue_s for each in buckets])),
        run=drawn("run", "seconds", *_latencies([each.run_s for each in buckets])),
        agents=drawn("agents", "count", of("agents", lambda each: each.agents, kind="steps", filled=True)),
    )


def bytes_words(count: float) -> str:
    """An amount of bytes as people read it."""
    for unit, name in _BYTES:
        if count >= unit:
            return f"{count / unit:.3g} {name}" if count < 1000 * unit else f"{count / unit:.0f} {name}"
    return f"{count:g} B"


def _latencies(found: Sequence[LatencyObject | None]) -> list[Measure]:
    return [
        Measure(name, [None if each is None else getattr(each, name) for each in found]) for name in ("p99", "p90", "p50")
    ]


def _numbers(found: SeriesObject, last: BucketObject) -> Numbers:
    queue, run = found.queue_s, found.run_s
    return Numbers(
        accepted=words(found.accepted, "count"),
        success=words(found.success_rate, "share"),
        waiting=words(last.waiting, "count"),
        agents=words(last.agents, "count"),
        waited=words(None if queue is None else queue.p50, "seconds"),
        ran=words(None if run is None else run.p50, "seconds"),
    )


def _stream(found: StreamObject) -> StreamRow:
    return StreamRow(
        name=found.name,
        bucket=found.name.startswith("KV_"),
        messages=words(found.messages, "count"),
        bytes=bytes_words(found.bytes),
        limit=bytes_words(found.max_bytes) if found.max_bytes else "",
        part=found.bytes / found.max_bytes if found.max_bytes else None,
        behind=found.behind,
    )
