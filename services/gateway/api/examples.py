"""Examples of what goes over the API, as values of the wire types: OpenAPI and the page of documentation show them."""

import msgspec

from services.contracts.accounts import Space
from services.contracts.instants import nanoseconds
from services.contracts.lists import Place
from services.gateway.agent_view import AgentAtWorkObject, AgentsObject, ConnectedAgentObject, HeldRequestObject
from services.gateway.intake import PolicyBody, SubmitBody
from services.gateway.items import (
    BEGIN,
    AssignedEvent,
    EventObject,
    EventsObject,
    Item,
    OutputEvent,
    QueuedEvent,
    RefusedObject,
    sse,
)
from services.gateway.lists import cursor
from services.gateway.monitoring import ConnectionObject, ConnectionsObject, PercentilesObject, StatsObject
from services.gateway.problems import ApiProblem, Flaw, ProblemObject
from services.gateway.request_log import LoggedObject, LogObject
from services.gateway.spaces import (
    CreateSpaceBody,
    EditSpaceBody,
    MemberBody,
    MemberObject,
    MembersObject,
    PurgedObject,
    SpacesObject,
    listed_space,
    space_object,
)
from services.gateway.view import (
    AgentObject,
    ListedRequestObject,
    MetricsObject,
    QueueObject,
    RequestObject,
    RequestsObject,
    UrlsObject,
    self_url,
)

ID = "01a2044a439c7146874bdc2036ab095706"
RETRY_ID = "01a2044b1e0275c08a6ff9f3b2d1c0a406"
CURSOR = "1-4711-0"
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
OWNER, NAME = "7ba684f146c94457", "agent-407b44de63fbd1fd"
_AGENT = AgentObject(f"{OWNER}/{NAME}")
_INPUT, _OUTPUT = msgspec.Raw(b'{"prompt":"hello"}'), msgspec.Raw(b'{"answer":"HELLO"}')
_CREATED, _ASSIGNED = "2026-01-01T10:00:00.000000Z", "2026-01-01T10:00:00.004000Z"
_STARTED, _ENDED = "2026-01-01T10:00:00.006000Z", "2026-01-01T10:00:01.506000Z"

BODY = SubmitBody(
    input=_INPUT,
    policy=PolicyBody(execution_timeout_s=20, priority=1),
    metadata=msgspec.Raw(b'{"order":4711}'),
)


def _urls(rid: str) -> UrlsObject:
    return UrlsObject(self_url(rid), f"{self_url(rid)}/events", f"{self_url(rid)}/cancel")


QUEUED = RequestObject(
    id=ID,
    space="demo",
    user=OWNER,
    status="queued",
    done=False,
    created_at=_CREATED,
    assigned_at=None,
    started_at=None,
    completed_at=None,
    input=_INPUT,
    output=msgspec.Raw(b"null"),
    error=None,
    attempt=0,
    max_attempts=1,
    agent=None,
    queue=QueueObject(position=1, reason="agents_busy", eta_s=2.5),
    progress=None,
    metrics=MetricsObject(),
    retry_of=None,
    metadata={"order": 4711},
    erased=False,
    urls=_urls(ID),
)
SUCCEEDED = msgspec.structs.replace(
    QUEUED,
    status="succeeded",
    done=True,
    assigned_at=_ASSIGNED,
    started_at=_STARTED,
    completed_at=_ENDED,
    output=_OUTPUT,
    attempt=1,
    agent=_AGENT,
    queue=None,
    metrics=MetricsObject(queue_s=0.004, run_s=1.498, total_s=1.506),
)
_NULL = msgspec.Raw(b"null")
ERASED = msgspec.structs.replace(SUCCEEDED, input=_NULL, output=_NULL, metadata={}, erased=True)
CANCELED = msgspec.structs.replace(
    QUEUED, status="canceled", done=True, completed_at=_ENDED, queue=None, metrics=MetricsObject(total_s=1.506)
)
_AGAIN = {"id": RETRY_ID, "retry_of": ID, "urls": _urls(RETRY_ID)}
RETRIED, RETRIED_TO_ITS_END = msgspec.structs.replace(QUEUED, **_AGAIN), msgspec.structs.replace(SUCCEEDED, **_AGAIN)

PAGE_CURSOR = cursor("older", Place(nanoseconds(_CREATED), ID))
_LISTED = {name: getattr(SUCCEEDED, name) for name in ListedRequestObject.__struct_fields__}
REQUESTS = RequestsObject(results=[ListedRequestObject(**_LISTED)], next=PAGE_CURSOR, previous=None)

CONNECTED = ConnectedAgentObject(
    id=_AGENT.id,
    spaces=["demo"],
    slots=4,
    running=1,
    state="ready",
    gateway="gateway-1c9d5e",
    connection="8d0f6c2b7a914e35",
    connected_at=_CREATED,
    version="0.1.0",
    labels={"gpu": "a100"},
    address="192.0.2.1",
    round_trip_s=0.0124,
)
AT_WORK = AgentAtWorkObject(
    **msgspec.structs.asdict(CONNECTED),
    requests=[HeldRequestObject(id=ID, space="demo", attempt=1, state="running", running_s=0.731, url=self_url(ID))],
)
AGENTS = AgentsObject(results=[CONNECTED])
DRAINING = msgspec.structs.replace(CONNECTED, state="draining")

CONNECTIONS = ConnectionsObject(
    results=[
        ConnectionObject(
            id=CONNECTED.connection,
            agent=_AGENT.id,
            gateway=CONNECTED.gateway,
            spaces=["demo"],
            slots=4,
            version="0.1.0",
            address="192.0.2.1",
            connected_at=_CREATED,
            disconnected_at=_ENDED,
            connected_s=1.506,
            reason="goodbye",
            cause="goodbye",
            code=1000,
        )
    ],
    next=PAGE_CURSOR,
    previous=None,
)
STATS = StatsObject(
    space="demo",
    window_s=3600,
    until=_ENDED,
    accepted=130,
    ended={"succeeded": 120, "failed": 5, "canceled": 2, "expired": 0},
    throughput=0.035278,
    success_rate=0.96,
    sampled=127,
    queue_s=PercentilesObject(p50=0.004, p95=0.9, p99=3.2),
    run_s=PercentilesObject(p50=1.5, p95=2.4, p99=4.1),
)
_DEMO = Space(
    space="demo",
    title="A demonstration",
    owner=OWNER,
    connections="many",
    start_timeout_s=3600,
    execution_timeout_s=120,
    max_attempts=1,
    queue_limit=1000,
    features=("prompt",),
    example_input={"prompt": "Tell me a story."},
    max_in_flight_per_user=8,
    retention_s=2592000,
)
SPACE = space_object(_DEMO)
SPACES = SpacesObject(results=[listed_space(_DEMO)])
MEMBER = MemberObject(user=OWNER, role="submitter")
MEMBERS = MembersObject(results=[MEMBER])
MEMBER_BODY = MemberBody(role="submitter")
PURGED = PurgedObject(canceled=17, more=False)
CREATE_SPACE = CreateSpaceBody(
    id="demo",
    title="A demonstration",
    queue_limit=1000,
    features=("prompt",),
    example_input={"prompt": "Tell me a story."},
    max_in_flight_per_user=8,
    retention_s=2592000,
)
EDIT_SPACE = EditSpaceBody(title="A demonstration", queue_limit=1000)

_HAPPENED = (
    Item(QueuedEvent(attempt=0, at=_CREATED), "1-4711-0"),
    Item(AssignedEvent(attempt=1, at=_ASSIGNED, agent=_AGENT, gateway=CONNECTED.gateway, lease=4712), "1-4712-0"),
    Item(OutputEvent(index=1, attempt=1, data=msgspec.Raw(b'"HEL"')), "1-4712-1"),
)
EVENTS = EventsObject(
    results=[EventObject(id=item.id, event=item.name, data=item.data) for item in _HAPPENED],
    next="1-4712-1",
    done=False,
    refused=[
        RefusedObject(
            at=_ENDED, frame="result", reason="stale_lease", lease=4708, agent=_AGENT.id, gateway=CONNECTED.gateway
        )
    ],
)
LOG = LogObject(
    results=[
        LoggedObject(
            seq=4712,
            at=_ASSIGNED,
            type="assigned",
            actor="dispatcher:dispatcher-90b1c2",
            attempt=1,
            data={"id": "5f1e9c2b7a914e35", "prev_seq": 4711, "agent": _AGENT.id, "execution_timeout_s": 120.0},
        )
    ],
    refused=EVENTS.refused,
)
STREAM = (BEGIN + b"".join(map(sse, _HAPPENED))).decode()


def problem(code: str, detail: str) -> ProblemObject:
    """The body of an answer with this problem."""
    flaws = [Flaw("/input", "This field is required.")] if code == "input_invalid" else []
    return ApiProblem(code, detail, flaws).body(ID)
