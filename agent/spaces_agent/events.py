"""What the session tells the process around it. Past tense where something happened, imperative where it must act."""

from __future__ import annotations

import msgspec

from spaces_agent import frames


class Connect(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Open a socket, which from now on has this number: to a gateway with no open one, if there is such a gateway."""

    socket: int


class StartHandler(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Run the handler for this assignment."""

    assign: frames.Assign


class StopHandler(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Stop the handler of this lease, for good when it has not ended after `grace_s`, and report when it has ended."""

    lease: int
    reason: str
    grace_s: float


class Keep(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Keep this frame until it is stored, or its lease forgotten."""

    frame: frames.Output | frames.Result


class OutputStored(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The output of this lease is stored up to this index."""

    lease: int
    index: int


class ForgetLease(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The lease has ended: whatever is kept for it may go."""

    lease: int


class Ready(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The gateway at this socket has welcomed the agent."""

    socket: int
    welcome: frames.Welcome


class Moving(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The gateway is going away: a second socket is opened in `connect_in_s`, and this one is kept until then."""

    reason: str
    connect_in_s: float


class EndAgent(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """An operator wants this agent to end: drain, then leave."""

    reason: str


class Refused(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The gateway has refused a frame."""

    code: str
    message: str
    request_id: str


class Abandon(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Close this socket."""

    socket: int
    reason: str


class Closed(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """This socket has ended and no other takes its place yet. Unless `final`, the next is opened in `retry_in_s` seconds."""

    socket: int
    reason: str
    code: int | None
    final: bool
    retry_in_s: float


SessionEvent = (
    Connect
    | StartHandler
    | StopHandler
    | Keep
    | OutputStored
    | ForgetLease
    | Ready
    | Moving
    | EndAgent
    | Refused
    | Abandon
    | Closed
)
