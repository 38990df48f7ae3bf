"""What the API offers, declared once: the routers take method and path from here, OpenAPI everything."""

from dataclasses import dataclass
from typing import Any

from services.contracts.lists import MAX_LIMIT
from services.gateway.intake import MAX_WAIT_S, SubmitBody
from services.gateway.items import EventsObject
from services.gateway.lists import DEFAULT_LIMIT, STATUSES
from services.gateway.view import AgentsObject, ConnectedAgentObject, RequestObject, RequestsObject


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter in the path, in the query or in a header, with its JSON Schema."""

    name: str
    place: str
    description: str
    schema: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation. `answers` maps a status to its meaning: those below 400 carry `answer`, the others a problem.
    `streamed`: the meaning of a 200 with a stream of events."""

    id: str
    method: str
    path: str
    summary: str
    parameters: tuple[Parameter, ...]
    answer: type
    answers: dict[int, str]
    body: type | None = None
    streamed: str = ""


_STRING = {"type": "string"}
_SPACE = Parameter("space", "path", "The space's name.", {"type": "string", "pattern": "^[a-z0-9][a-z0-9-]{0,47}$"})
_ID = Parameter("id", "path", "The request's id.", {"type": "string", "pattern": "^[0-9a-f]{34}$"})
_PREFER = Parameter("Prefer", "header", f"`wait=n`: wait up to n seconds (at most {MAX_WAIT_S}) for the outcome.", _STRING)
_KEY = Parameter(
    "Idempotency-Key",
    "header",
    "The same key and body within 24 hours is the same request.",
    {"type": "string", "minLength": 1, "maxLength": 255},
)
_ACCEPT = Parameter("Accept", "header", "`text/event-stream` for the stream of its events.", _STRING)
_CURSOR: dict[str, Any] = {"type": "string", "pattern": "^[0-9]+-[0-9]+-[0-9]+$"}
_AFTER = Parameter("after", "query", "The id of the last event seen. Only what follows is shown.", _CURSOR)
_LAST_EVENT_ID = Parameter("Last-Event-ID", "header", "As `after`, and stronger: browsers send it.", _CURSOR)
_OWNER = Parameter("owner", "path", "The id of the user whose agent it is.", _STRING)
_NAME = Parameter("name", "path", "The agent's name.", _STRING)
_TRACE = Parameter("traceparent", "header", "W3C trace context; it is passed on to the handler.", _STRING)
_INSTANT: dict[str, Any] = {"type": "string", "format": "date-time"}
_PAGING = (
    Parameter(
        "limit",
        "query",
        "How many at most; a page may hold fewer although there are more.",
        {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
    ),
    Parameter("cursor", "query", "`next` or `previous` of a page. Repeat the filters beside it.", _STRING),
)

SUBMIT = Operation(
    id="submit",
    method="POST",
    path="/v1/spaces/{space}/requests",
    summary="Submit a request to a space",
    parameters=(_SPACE, _ACCEPT, _PREFER, _KEY, _TRACE),
    body=SubmitBody,
    answer=RequestObject,
    answers={
        201: "Finished, also when it failed.",
        202: "Accepted: look again at Location.",
        400: "Malformed.",
        401: "No valid key.",
        403: "The key is not for this space.",
        404: "No such space.",
        413: "Too large.",
        422: "The input does not fit, or the Idempotency-Key was used for another body.",
        503: "Not possible right now; nothing is wrong with the request.",
    },
    streamed="Accepted: its events, as at its `urls.events`.",
)
LIST = Operation(
    id="list",
    method="GET",
    path="/v1/requests",
    summary="List requests, the newest first: yours, or all for an administrator",
    parameters=(
        Parameter("space", "query", "Only those of this space.", _SPACE.schema),
        Parameter(
            "status",
            "query",
            "Only those with this status; several: repeated, or separated by commas.",
            {"type": "array", "items": {"type": "string", "enum": list(STATUSES)}},
        ),
        Parameter("user", "query", "Only those of this user, by id or e-mail address; others' for administrators.", _STRING),
        Parameter("created_after", "query", "Only those created at this instant or later.", _INSTANT),
        Parameter("created_before", "query", "Only those created before this instant.", _INSTANT),
        *_PAGING,
    ),
    answer=RequestsObject,
    answers={
        200: "A page of requests, without their inputs and outputs.",
        400: "A parameter is not as it should be.",
        401: "No valid key.",
        403: "The key is not for this space, or the user is somebody else.",
        404: "No such space or user.",
        503: "Not possible right now.",
    },
)
READ = Operation(
    id="read",
    method="GET",
    path="/v1/requests/{id}",
    summary="Read a request",
    parameters=(_ID,),
    answer=RequestObject,
    answers={200: "The request.", 401: "No valid key.", 404: "No such request.", 503: "Not possible right now."},
)
CANCEL = Operation(
    id="cancel",
    method="POST",
    path="/v1/requests/{id}/cancel",
    summary="Cancel a request that has not ended",
    parameters=(_ID,),
    answer=RequestObject,
    answers={
        200: "Canceled: nobody waits for its outcome any more. Its agent is told, and its slot is free when it has stopped.",
        401: "No valid key.",
        404: "No such request.",
        409: "The request has ended in another way.",
        503: "Not possible right now.",
    },
)
RETRY = Operation(
    id="retry",
    method="POST",
    path="/v1/requests/{id}/retry",
    summary="Submit the input of a request that has ended again, as a new request",
    parameters=(_ID, _ACCEPT, _PREFER, _KEY, _TRACE),
    answer=RequestObject,
    answers=SUBMIT.answers
    | {404: "No such request.", 409: "The request has not ended.", 410: "The request's input has been erased."},
    streamed=SUBMIT.streamed,
)
EVENTS = Operation(
    id="events",
    method="GET",
    path="/v1/requests/{id}/events",
    summary="Follow a request: what happens to it and what its handler says, as it comes",
    parameters=(_ID, _ACCEPT, _AFTER, _LAST_EVENT_ID),
    answer=EventsObject,
    answers={
        200: "As JSON, with `Accept: application/json` or with `after`: what there is now.",
        204: "There is nothing more: the cursor is at the outcome.",
        400: "The cursor is no id of an event.",
        401: "No valid key.",
        404: "No such request.",
        503: "Not possible right now.",
    },
    streamed="By default: the events so far, then each as it comes, until `completed`. To resume send the last id.",
)
AGENTS = Operation(
    id="agents",
    method="GET",
    path="/v1/agents",
    summary="List the agents that are connected: yours, or all for an administrator",
    parameters=(),
    answer=AgentsObject,
    answers={200: "The agents, by id.", 401: "No valid key.", 503: "Not possible right now."},
)
DRAIN = Operation(
    id="drain",
    method="POST",
    path="/v1/agents/{owner}/{name}/drain",
    summary="Let an agent finish what it runs, and end",
    parameters=(_OWNER, _NAME),
    answer=ConnectedAgentObject,
    answers={
        202: "The agent has been told.",
        401: "No valid key.",
        404: "No such agent is connected.",
        503: "Not possible right now.",
    },
)
OPERATIONS = (SUBMIT, LIST, READ, EVENTS, CANCEL, RETRY, AGENTS, DRAIN)
