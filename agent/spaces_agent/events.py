"""What the session tells the process around it. Past tense where something happened, imperative where it must act."""

from __future__ import annotations

import msgspec

from spaces_agent import frames


class StartHandler(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Run the handler for this assignment."""

    assign: frames.Assign


class StopHandler(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Stop the handler of this lease and report when it has ended."""

    lease: int
    reason: str
    grace_s: float


class ForgetResult(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The lease has ended: whatever is kept for it may go."""

    lease: int


class Ready(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The gateway has welcomed this agent."""

    welcome: frames.Welcome


class Refused(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The gateway has refused a frame."""

    code: str
    message: str
    request_id: str


class Abandon(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Close this socket and connect again."""

    reason: str


class Closed(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The connection has ended. Unless `final`, connect again in `retry_in_s` seconds."""

    reason: str
    code: int | None
    final: bool
    retry_in_s: float


SessionEvent = StartHandler | StopHandler | ForgetResult | Ready | Refused | Abandon | Closed
