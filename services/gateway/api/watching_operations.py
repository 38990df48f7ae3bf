"""What the API offers to whoever watches the whole; see `operations`."""

import dataclasses

from services.gateway.api.examples import OWNER
from services.gateway.api.operation import KEY_PROBLEMS, Answer, Operation, Parameter, Tag
from services.gateway.api.space_operations import SPACE_PARAMETER
from services.gateway.platform import (
    DatabaseObject,
    InstanceObject,
    NatsObject,
    PlatformObject,
    ServiceObject,
    StreamObject,
)
from services.gateway.rules import Finding
from services.gateway.series import DEFAULT_SERIES_WINDOW, SERIES_WINDOWS, BucketObject, LatencyObject, SeriesObject
from services.gateway.warnings import WarningsObject, warning_object

WATCHING_TAG = Tag("Watching", "How the whole does: numbers over time, the platform, and what needs somebody.")

_SINCE, _UNTIL = "2026-01-01T10:00:00.000000Z", "2026-01-01T10:59:42.250000Z"
_QUEUE_S, _RUN_S = LatencyObject(p50=0.004, p90=0.6, p99=3.2), LatencyObject(p50=1.5, p90=2.2, p99=4.1)
_SERIES = SeriesObject(
    space="demo",
    window_s=3600,
    bucket_s=30,
    until=_UNTIL,
    accepted=130,
    ended={"succeeded": 120, "failed": 5, "canceled": 2, "expired": 0},
    success_rate=0.96,
    sampled=127,
    queue_s=_QUEUE_S,
    run_s=_RUN_S,
    buckets=[
        BucketObject(
            start=_SINCE,
            accepted=3,
            succeeded=2,
            failed=0,
            canceled=0,
            expired=0,
            success_rate=1.0,
            queue_s=_QUEUE_S,
            run_s=_RUN_S,
            waiting=1,
            agents=2,
        )
    ],
)
_INSTANCE = InstanceObject(id="gateway-407b44de", since=_SINCE, version="0.1.0", host="node-1", heard_s=1.5, current=True)
_STREAM = StreamObject(
    name="REQUESTS", messages=391, bytes=181_042, max_bytes=8 * 1024**3, replicas=1, missing=0, behind=0, behind_s=0.0
)
_PLATFORM = PlatformObject(
    gateway=_INSTANCE.id,
    version="0.1.0",
    halted=False,
    full_at=0.8,
    services=[ServiceObject(service="gateway", instances=[_INSTANCE])],
    nats=NatsObject(
        connected=True,
        server="nats-0:4222",
        version="2.12.1",
        servers=["nats-0:4222"],
        storage_bytes=412_331,
        storage_max_bytes=None,
        streams=[_STREAM],
    ),
    database=DatabaseObject(reachable=True, version="18.1", size_bytes=9_812_455, conflicts=0, whole=True),
)
_NO_AGENT = Finding("no_agent", "critical", space="demo", amount=3, for_s=42.0)
_FLAPPING = Finding("agent_flapping", "warning", subject=f"{OWNER}/gpu", amount=7, for_s=600)

STATS_SERIES = Operation(
    id="stats_series",
    scopes=("read",),
    method="GET",
    path="/v1/stats/series",
    tag=WATCHING_TAG,
    summary="Requests and agents over time: yours, or all for an administrator",
    description="For charts: 60 to 120 buckets, which begin at full minutes, hours or days (UTC). A request waits until it "
    "is assigned for the last time, or ends; one that is tried again has waited all the while. Durations are those of about "
    "20000 requests, chosen evenly over the window, when there are more.",
    parameters=(
        dataclasses.replace(
            SPACE_PARAMETER, place="query", description="Only requests of this space, and agents that were let serve it."
        ),
        Parameter(
            "window",
            "query",
            "How far back to look: in buckets of 15 seconds, 30 seconds, 15 minutes, 2 hours or 6 hours.",
            {"type": "string", "enum": list(SERIES_WINDOWS), "default": DEFAULT_SERIES_WINDOW},
            DEFAULT_SERIES_WINDOW,
        ),
    ),
    answers={200: Answer("The numbers.", _SERIES)},
    problems={
        **KEY_PROBLEMS,
        "invalid_request": "A parameter is not known, or not as it should be.",
        "forbidden": "The key is an agent's, or lacks a scope, or is not for this space.",
        "not_found": "There is no such space.",
        "unavailable": "Not possible right now, or too much to count within six seconds: ask for a shorter window.",
    },
)
PLATFORM = Operation(
    id="platform",
    scopes=("read",),
    role="admin",
    whole=True,
    method="GET",
    path="/v1/platform",
    tag=WATCHING_TAG,
    summary="How the platform is: its services, NATS, PostgreSQL",
    description="As this gateway sees it. Whoever does not answer within three seconds is null, or left out.",
    answers={200: Answer("How it is, whatever that is.", _PLATFORM)},
    problems={
        **KEY_PROBLEMS,
        "forbidden": "The key is an agent's, or lacks a scope, or is not for all spaces, or the caller is no administrator.",
    },
)
WARNINGS = Operation(
    id="warnings",
    scopes=("read",),
    method="GET",
    path="/v1/warnings",
    tag=WATCHING_TAG,
    summary="What needs somebody, and what to do about it",
    description="Rules about what is known now: of your own requests and agents, or of all for an administrator, who is "
    "told of the platform as well, with a key for all spaces. None: all is well.",
    answers={
        200: Answer(
            "The warnings, the worst first.", WarningsObject(results=[warning_object(_NO_AGENT), warning_object(_FLAPPING)])
        )
    },
    problems=KEY_PROBLEMS,
)
WATCHING_OPERATIONS = (STATS_SERIES, PLATFORM, WARNINGS)
