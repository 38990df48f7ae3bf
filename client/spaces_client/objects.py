"""What the gateway tells of requests and agents. Pure. Unknown fields are ignored, and what an older gateway leaves out has
a default, so that client and gateway need not be of the same version."""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypeVar

import msgspec

from spaces_client.errors import InvalidAnswer

NOTHING = msgspec.Raw(b"null")


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Why a request ended without an output. `code` is for programs, `detail` for people."""

    code: str
    detail: str = ""
    retryable: bool = False


class AgentRef(msgspec.Struct, frozen=True):
    """The agent that runs a request, or ran it last."""

    id: str


class Queue(msgspec.Struct, frozen=True, kw_only=True):
    """Why a request waits. `position`: 1 is the next to go, None is not known. `reason`: waiting_turn, no_agent_online,
    agents_busy, agent_loading, agent_draining, retry_delay, space_paused or quota; empty when nobody can tell.
    `eta_s`: it is assigned in about so many seconds, None when nobody can tell."""

    position: int | None = None
    reason: str = ""
    eta_s: float | None = None


class LatestProgress(msgspec.Struct, frozen=True, kw_only=True):
    """What the handler said last of how far it is: a fraction from 0 to 1."""

    fraction: float
    message: str = ""


class Metrics(msgspec.Struct, frozen=True, kw_only=True):
    """Durations in seconds, None while unknown. `queue_s`, `first_output_s` and `total_s` begin at the acceptance; `run_s`
    is the handler's time."""

    queue_s: float | None = None
    run_s: float | None = None
    total_s: float | None = None
    first_output_s: float | None = None


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One request. Test `done`, not `status`: there may be new statuses. Today it is queued, processing, succeeded, failed,
    canceled or expired. One that is `erased` has no data any more. `raw` is the whole JSON as the gateway sent it."""

    id: str
    status: str
    done: bool
    space: str = ""
    user: str = ""
    created_at: datetime | None = None
    assigned_at: datetime | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    input: Any = None
    output: Any = None
    error: Problem | None = None
    attempt: int = 0
    max_attempts: int = 0
    agent: AgentRef | None = None
    queue: Queue | None = None
    progress: LatestProgress | None = None
    metrics: Metrics = Metrics()
    metadata: dict[str, Any] = {}
    retry_of: str | None = None
    erased: bool = False
    raw: msgspec.Raw = NOTHING


class ConnectedAgent(msgspec.Struct, frozen=True, kw_only=True):
    """An agent that is connected. `running`: how many requests it holds; `state`: loading, ready or draining. From
    `connected_at` on None: its gateway was silent; `round_trip_s` also while that was not measured."""

    id: str
    spaces: list[str] = []
    slots: int = 0
    running: int = 0
    state: str = ""
    gateway: str = ""
    connection: str = ""
    connected_at: datetime | None = None
    version: str | None = None
    labels: dict[str, str] | None = None
    address: str | None = None
    round_trip_s: float | None = None
    raw: msgspec.Raw = NOTHING


class HeldRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request that an agent holds. `state`: sent, running or stopping; `running_s`: since its handler began. `url` is None
    when the caller may not read it."""

    id: str
    space: str | None = None
    attempt: int = 0
    state: str = ""
    running_s: float = 0.0
    url: str | None = None


class AgentAtWork(ConnectedAgent, frozen=True, kw_only=True):
    """An agent that is connected, and the requests that it holds; None: its gateway was silent."""

    requests: list[HeldRequest] | None = None


class _Listed(msgspec.Struct, frozen=True):
    results: list[msgspec.Raw]


_Object = TypeVar("_Object", bound=msgspec.Struct)


def read(data: bytes | msgspec.Raw, kind: type[_Object]) -> _Object:
    """The object in these bytes, which has them as its `raw`. Raises InvalidAnswer."""
    try:
        return msgspec.structs.replace(msgspec.json.decode(data, type=kind), raw=msgspec.Raw(data))
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise InvalidAnswer(f"the answer is not what it should be, a {kind.__name__}: {error}") from error


def listed(data: bytes, kind: type[_Object]) -> list[_Object]:
    """The objects in the answer to a list. Raises InvalidAnswer."""
    try:
        found = msgspec.json.decode(data, type=_Listed).results
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise InvalidAnswer(f"the answer is no list: {error}") from error
    return [read(raw, kind) for raw in found]


def request(data: bytes | msgspec.Raw) -> Request:
    """The request in these bytes. Raises InvalidAnswer."""
    return read(data, Request)


def agent(data: bytes | msgspec.Raw) -> ConnectedAgent:
    """The agent in these bytes. Raises InvalidAnswer."""
    return read(data, ConnectedAgent)


def agent_at_work(data: bytes | msgspec.Raw) -> AgentAtWork:
    """The agent in these bytes, with what it holds. Raises InvalidAnswer."""
    return read(data, AgentAtWork)


def agents(data: bytes) -> list[ConnectedAgent]:
    """The agents in the answer to a list. Raises InvalidAnswer."""
    return listed(data, ConnectedAgent)
