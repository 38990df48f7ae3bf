"""What the API offers, declared once: the routers take method and path from here, OpenAPI and documentation everything.

A new operation is an `Operation` here, in OPERATIONS, with examples of the wire types in `examples`; its problems are
KEY_PROBLEMS and what else it raises as ApiProblem."""

import dataclasses
from typing import Any

from services.gateway.api import examples
from services.gateway.api.account_operations import ACCOUNT_OPERATIONS
from services.gateway.api.agent_operations import AGENT_OPERATIONS, AGENTS_TAG, NAMED, NOT_CONNECTED
from services.gateway.api.audit_operations import AUDIT_OPERATIONS
from services.gateway.api.discovery_operations import DISCOVERY_OPERATIONS
from services.gateway.api.file_operations import FILE_OPERATIONS
from services.gateway.api.member_operations import MEMBER_OPERATIONS
from services.gateway.api.operation import KEY_PROBLEMS, RETRY_AFTER, Answer, Header, Operation, Parameter, Tag
from services.gateway.api.paging import LIST_PROBLEMS, PAGING, USERS_LIST_PROBLEMS
from services.gateway.api.predecessor_operations import PREDECESSOR_OPERATIONS
from services.gateway.api.queue_operations import QUEUE_OPERATIONS
from services.gateway.api.sign_in_operations import SIGN_IN_OPERATIONS
from services.gateway.api.space_operations import SPACE_OPERATIONS, SPACE_PARAMETER
from services.gateway.api.watching_operations import WATCHING_OPERATIONS
from services.gateway.intake import MAX_WAIT_S
from services.gateway.lists import STATUSES
from services.gateway.monitoring import DEFAULT_WINDOW, WINDOWS

_STRING = {"type": "string"}
_ID = Parameter("id", "path", "The request's id.", {"type": "string", "pattern": "^[0-9a-f]{34}$"}, examples.ID)
_PREFER = Parameter(
    "Prefer",
    "header",
    f"`wait=n`: wait up to n seconds (at most {MAX_WAIT_S}, as `wait` alone) for the outcome.",
    _STRING,
    "wait=30",
)
_KEY = Parameter(
    "Idempotency-Key",
    "header",
    "The same key and body within 24 hours is the same request.",
    {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
    "order-4711",
)
_ACCEPT = Parameter("Accept", "header", "`text/event-stream` for the stream of its events.", _STRING, "application/json")
_CURSOR: dict[str, Any] = {"type": "string", "pattern": "^[0-9]+-[0-9]+-[0-9]+$"}
_AFTER = Parameter("after", "query", "The id of the last event seen. Only what follows is shown.", _CURSOR, examples.CURSOR)
_LAST_EVENT_ID = Parameter(
    "Last-Event-ID", "header", "As `after`, and stronger: browsers send it.", _CURSOR, examples.CURSOR
)
_TRACE = Parameter("traceparent", "header", "W3C trace context; it is passed on to the handler.", _STRING, examples.TRACE)

_INSTANT: dict[str, Any] = {"type": "string", "format": "date-time"}
_LOCATION = Header("Location", "The path of the request.", _STRING, f"/v1/requests/{examples.ID}")
_REPLAYED = Header(
    "Idempotent-Replayed",
    "There when an earlier submission with the same Idempotency-Key had made the request.",
    {"type": "string", "const": "true"},
    "true",
    required=False,
)
_MADE = (_LOCATION, _REPLAYED)

REQUESTS_TAG = Tag("Requests", "What users ask of a space, and what becomes of it.")

_NO_REQUEST = {"not_found": "There is no such request, or it is not the caller's."}
_SUBMISSION = {
    "invalid_request": "The body is no JSON in UTF-8, or the Idempotency-Key is none.",
    "forbidden": "The key is an agent's, or lacks a scope, or is not for this space.",
    "queue_full": "As many requests of the space wait as its `queue_limit` allows.",
    "space_disabled": "The space is disabled.",
    "no_agent_online": "No agent of the space is connected, and it is one that then refuses (`on_no_agent`).",
    "feature_disabled": "The input has `prompt`, `audio`, `video` or `file`, and the space has that switched off.",
    "idempotency_mismatch": "The Idempotency-Key came with another body before.",
    "data_expired": "A file that the input refers to is no longer kept.",
}

SUBMIT = Operation(
    id="submit",
    scopes=("submit",),
    method="POST",
    path="/v1/spaces/{space}/requests",
    tag=REQUESTS_TAG,
    summary="Submit a request to a space",
    description="An accepted request is never lost and gets exactly one outcome. Hanging up cancels nothing. With "
    "`Accept: text/event-stream` the answer is the stream of its events, at once.",
    parameters=(SPACE_PARAMETER, _ACCEPT, _PREFER, _KEY, _TRACE),
    body=examples.BODY,
    answers={
        201: Answer("Finished, also when it failed.", examples.SUCCEEDED, _MADE),
        202: Answer("Accepted: look again at Location.", examples.QUEUED, (*_MADE, RETRY_AFTER)),
    },
    streamed=Answer("Accepted: its events, as at its `urls.events`.", headers=_MADE),
    problems={
        **KEY_PROBLEMS,
        **_SUBMISSION,
        "not_found": "There is no such space.",
        "payload_too_large": "The body or its metadata are too large.",
        "data_expired": "The input refers to a file that is no longer kept.",
        "input_invalid": "The body does not fit, or its input does not fit the space's schema; `errors` says where.",
    },
)
_STATUS = "|".join(STATUSES)
LIST = Operation(
    id="list",
    scopes=("read",),
    method="GET",
    path="/v1/requests",
    tag=REQUESTS_TAG,
    summary="List requests, the newest first: yours, or all for an administrator",
    description="Without inputs and outputs. Pages stay in place while requests arrive: no gap, no repeat. Shown is all "
    "that happened before, unless it takes longer than two seconds to be recorded.",
    parameters=(
        dataclasses.replace(SPACE_PARAMETER, place="query", description="Only those of this space."),
        Parameter(
            "status",
            "query",
            "Only those with this status; several: repeated, or separated by commas.",
            {"type": "string", "pattern": f"^({_STATUS})(,({_STATUS}))*$"},
            "failed,expired",
        ),
        Parameter(
            "user",
            "query",
            "Only those of this user, an id or e-mail address; others': administrators.",
            _STRING,
            examples.OWNER,
        ),
        Parameter(
            "created_after", "query", "Only those created at this instant or later.", _INSTANT, "2026-01-01T00:00:00Z"
        ),
        Parameter("created_before", "query", "Only those created before this instant.", _INSTANT, "2026-02-01T00:00:00Z"),
        *PAGING,
    ),
    answers={200: Answer("A page of requests.", examples.REQUESTS)},
    problems=USERS_LIST_PROBLEMS,
)
READ = Operation(
    id="read",
    scopes=("read",),
    method="GET",
    path="/v1/requests/{id}",
    tag=REQUESTS_TAG,
    summary="Read a request",
    description="Whoever submitted a request reads it, at any gateway, from then on. A queued one tells in `queue` why it "
    "waits. A failed one is a 200 too: its `error` says why.",
    parameters=(_ID,),
    answers={200: Answer("The request.", examples.SUCCEEDED)},
    problems={**KEY_PROBLEMS, **_NO_REQUEST},
)
CANCEL = Operation(
    id="cancel",
    scopes=("submit", "read"),
    method="POST",
    path="/v1/requests/{id}/cancel",
    tag=REQUESTS_TAG,
    summary="Cancel a request that has not ended",
    description="Recorded at once, whatever the request was doing. Canceling a canceled request changes nothing.",
    parameters=(_ID,),
    answers={
        200: Answer(
            "Canceled: nobody waits for its outcome any more. Its agent is told, and its slot is free when it has stopped.",
            examples.CANCELED,
        )
    },
    problems={**KEY_PROBLEMS, **_NO_REQUEST, "already_done": "The request has ended in another way."},
)
RETRY = Operation(
    id="retry",
    scopes=("submit", "read"),
    method="POST",
    path="/v1/requests/{id}/retry",
    tag=REQUESTS_TAG,
    summary="Submit the input of a request that has ended again, as a new request",
    description="The new request has the same input, policy and metadata; its `retry_of` names the old one, which stays as "
    "it is.",
    parameters=(_ID, _ACCEPT, _PREFER, _KEY, _TRACE),
    answers={
        201: Answer("The new request has finished, also when it failed.", examples.RETRIED_TO_ITS_END, _MADE),
        202: Answer("The new request is accepted: look again at Location.", examples.RETRIED, (*_MADE, RETRY_AFTER)),
    },
    streamed=Answer("Accepted: the events of the new request, as at its `urls.events`.", headers=_MADE),
    problems={
        **KEY_PROBLEMS,
        **_SUBMISSION,
        "invalid_request": "The Idempotency-Key is none.",
        "not_found": "There is no such request, or it is not the caller's, or its space is gone.",
        "not_done": "The request has not ended.",
        "data_expired": "The request's input has been erased, or a file that it needs is not kept any more.",
        "input_invalid": "The input does not fit the schema that the space has now; `errors` says where.",
    },
)
ERASE = Operation(
    id="erase",
    scopes=("read", "manage"),
    method="DELETE",
    path="/v1/requests/{id}/data",
    tag=REQUESTS_TAG,
    summary="Erase the data of a request that has ended",
    description="Its input, output, metadata, logs and what its handler said of a failure: from then on nobody is shown "
    "them, and they are removed from everywhere. What happened to it stays. Erasing it again changes nothing.",
    parameters=(_ID,),
    answers={
        200: Answer(
            "Erased, and removed from the database; what NATS holds of it is gone within a minute.", examples.ERASED
        ),
        202: Answer("Erased; its data will be removed once that is recorded. Ask again to learn when.", examples.ERASED),
    },
    problems={**KEY_PROBLEMS, **_NO_REQUEST, "not_done": "The request has not ended: cancel it first."},
)
EVENTS = Operation(
    id="events",
    scopes=("read",),
    method="GET",
    path="/v1/requests/{id}/events",
    tag=REQUESTS_TAG,
    summary="Follow a request: what happens to it and what its handler says, as it comes",
    description="To resume, at any gateway, send the id of the last event: no gap, no repeat. Output is kept an hour for "
    "this; the finished request has all of it for good.",
    parameters=(_ID, _ACCEPT, _AFTER, _LAST_EVENT_ID),
    answers={
        200: Answer("As JSON, with `Accept: application/json` or with `after`: what there is now.", examples.EVENTS),
        204: Answer("There is nothing more: the cursor is at the outcome."),
    },
    streamed=Answer("By default: the events so far, then each as it comes, until `completed`. To resume send the last id."),
    problems={**KEY_PROBLEMS, **_NO_REQUEST, "invalid_cursor": "The cursor is no id of an event."},
)
REQUEST_LOG = Operation(
    id="request_log",
    scopes=("read",),
    method="GET",
    path="/v1/requests/{id}/log",
    tag=REQUESTS_TAG,
    summary="Everything that is recorded of a request: each event, who caused it, and when",
    description="Without input, output and metadata, which the request has. For people who want to know what went on; "
    "programs follow its `urls.events`.",
    parameters=(_ID,),
    answers={200: Answer("The events so far, in order.", examples.LOG)},
    problems={**KEY_PROBLEMS, **_NO_REQUEST},
)
AGENTS = Operation(
    id="agents",
    scopes=("read",),
    method="GET",
    path="/v1/agents",
    tag=AGENTS_TAG,
    summary="List the agents that are connected: yours, or all for an administrator",
    description="As their gateways reported them last; `labels`, `version`, `address` and `round_trip_s` come from these "
    "gateways just now. A key for some spaces shows only agents all of whose spaces are "
    "among these.",
    answers={200: Answer("The agents, by id.", examples.AGENTS)},
    problems=KEY_PROBLEMS,
)
DRAIN = Operation(
    id="drain",
    scopes=("manage",),
    method="POST",
    path="/v1/agents/{owner}/{name}/drain",
    tag=AGENTS_TAG,
    summary="Let an agent finish what it runs, and end",
    description="It ends as on SIGTERM: it takes no more work, finishes what runs, and leaves. Whatever started it may "
    "start it again.",
    parameters=NAMED,
    answers={202: Answer("The agent has been told.", examples.DRAINING)},
    problems={**KEY_PROBLEMS, **NOT_CONNECTED},
)
CONNECTIONS = Operation(
    id="connections",
    scopes=("read",),
    method="GET",
    path="/v1/connections",
    tag=AGENTS_TAG,
    summary="List connections of agents, also those that have ended, the newest first",
    description="With the reason of their end. Those of your agents, or of all for an administrator; a key for some spaces "
    "shows only agents all of whose spaces are among these. Pages stay in place while agents connect.",
    parameters=(
        Parameter("agent", "query", "Only those of this agent, `<owner>/<name>`.", _STRING, examples.CONNECTED.id),
        dataclasses.replace(SPACE_PARAMETER, place="query", description="Only those that were let serve this space."),
        *PAGING,
    ),
    answers={200: Answer("A page of connections.", examples.CONNECTIONS)},
    problems=LIST_PROBLEMS,
)
STATS = Operation(
    id="stats",
    scopes=("read",),
    method="GET",
    path="/v1/stats",
    tag=REQUESTS_TAG,
    summary="How many requests came in and ended, and how long they took: yours, or all for an administrator",
    description="Durations are those of the latest requests that have ended within the window, 5000 at most.",
    parameters=(
        dataclasses.replace(SPACE_PARAMETER, place="query", description="Only those of this space."),
        Parameter(
            "window",
            "query",
            "How far back to look.",
            {"type": "string", "enum": list(WINDOWS), "default": DEFAULT_WINDOW},
            DEFAULT_WINDOW,
        ),
    ),
    answers={200: Answer("The numbers.", examples.STATS)},
    problems={
        **KEY_PROBLEMS,
        "invalid_request": "A parameter is not known, or not as it should be.",
        "forbidden": "The key is an agent's, or lacks a scope, or is not for this space.",
        "not_found": "There is no such space.",
    },
)
OPERATIONS = (
    SUBMIT,
    LIST,
    READ,
    EVENTS,
    REQUEST_LOG,
    CANCEL,
    RETRY,
    ERASE,
    STATS,
    AGENTS,
    DRAIN,
    *AGENT_OPERATIONS,
    CONNECTIONS,
    *ACCOUNT_OPERATIONS,
    *AUDIT_OPERATIONS,
    *SPACE_OPERATIONS,
    *SIGN_IN_OPERATIONS,
    *MEMBER_OPERATIONS,
    *QUEUE_OPERATIONS,
    *PREDECESSOR_OPERATIONS,
    *FILE_OPERATIONS,
    *DISCOVERY_OPERATIONS,
    *WATCHING_OPERATIONS,
)
