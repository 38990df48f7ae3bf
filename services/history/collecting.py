"""PURE: until when a file is kept, and what becomes of it then.

A file is deleted only when its own record says that it has expired, by a record that expects that one. Who needs a file,
writes a later `expires_at` first. So one that may go before that is let expire some seconds later, and deleted when it then
has: what took it up meanwhile has been recorded by then, and keeps it.
"""

from typing import Literal, NamedTuple

import msgspec

from services.contracts.files import File
from services.contracts.requests import RequestState

_NS = 1_000_000_000
LOST_NS = 3600 * _NS
"""So long are files kept of which nobody will ever hear: those of attempts that came to nothing, and of requests that there
are not (or not yet)."""

GRACE_NS = 10 * _NS
"""So long after that was decided does a file expire that is let expire."""

Reason = Literal["unfinished", "in_use", "unused", "retention", "erased", "lost_attempt", "unknown_request"]
"""What decides how long a file is kept: its upload has not come to its end; a request that has not ended needs it; no
request has ever referred to it; so long after the end of its requests it is kept; all that it belongs to are erased; it is
of an attempt that is not the one that succeeded; there is no such request."""
Step = Literal["keep", "let expire", "delete"]


class Maker(NamedTuple):
    """The request that a file was made for. `ended_at`: 0 while it has not; `lease`: the one that succeeded, 0 for none."""

    ended_at: int
    erased: bool
    lease: int

    @classmethod
    def of(cls, state: RequestState) -> "Maker":
        """The request in this state."""
        lease = state.lease if state.status == "succeeded" else 0
        return cls(0 if state.open else state.completed_at, state.erased, lease)


class Uses(NamedTuple):
    """The requests whose events refer to a file: whether any of them is open, and when the last of those ended that are not
    erased (0: there are none)."""

    open: bool
    ended_at: int


class Due(NamedTuple):
    """From when on a file need not be kept, in nanoseconds since 1970 (None: that is not known yet), and why."""

    at: int | None
    reason: Reason


def due(file: File, maker: Maker | None, uses: Uses | None, keep_ns: int) -> Due:
    """How long a file is to be kept that is not deleted. `maker`: the request that it names, None when there is no such
    request; `uses`: None when no event refers to it; `keep_ns`: so long after the end of requests of its space."""
    if (maker is not None and maker.ended_at == 0 and file.state == "complete") or (uses is not None and uses.open):
        return Due(None, "in_use")
    by_itself = _of_request(file, maker, keep_ns) if file.rid else _of_upload(file, uses)
    by_uses = uses.ended_at + keep_ns if uses is not None and uses.ended_at else 0
    if by_itself.at is None or by_itself.at >= by_uses:
        return by_itself
    return Due(by_uses, "retention")


def step(file: File, due: Due, now: int) -> Step:
    """What to do with a file at an instant."""
    if due.at is None or now < due.at:
        return "keep"
    if file.state == "uploading" or file.expires_at <= now:
        return "delete"
    return "let expire" if file.expires_at > now + GRACE_NS else "keep"


def let_expire(file: File, now: int) -> File:
    """The record of a complete file that need not be kept any longer."""
    return msgspec.structs.replace(file, expires_at=min(file.expires_at, now + GRACE_NS))


def _of_upload(file: File, uses: Uses | None) -> Due:
    if file.state == "uploading":
        return Due(file.expires_at, "unfinished")
    return Due(file.expires_at, "unused") if uses is None else Due(0, "erased")


def _of_request(file: File, maker: Maker | None, keep_ns: int) -> Due:
    if maker is not None and maker.erased:
        return Due(0, "erased")
    if file.state == "uploading":
        return Due(file.expires_at, "unfinished")
    if maker is None:
        return Due(file.created_at + LOST_NS, "unknown_request")
    if file.lease not in (0, maker.lease):
        return Due(maker.ended_at + LOST_NS, "lost_attempt")
    return Due(maker.ended_at + keep_ns, "retention")
