"""Frames to agents. Pure."""

from typing import Any, Literal

from services.contracts.events import Assigned
from services.gateway.granted import Granted
from services.gateway.leases import Lease
from services.gateway.verdicts import Work
from spaces_agent import frames

About = Lease | frames.RequestFrame
MAX_MESSAGE = 1000


def welcome(
    conn: str, gateway: str, spaces: list[frames.SpaceVerdict], verdicts: list[frames.LeaseVerdict]
) -> frames.Welcome:
    """You are in: with these spaces, and this becomes of your work."""
    return frames.Welcome(session_id=conn, gateway_id=gateway, spaces=spaces, verdicts=verdicts)


def verdict(work: Work, resend_from: int) -> frames.LeaseVerdict:
    """This becomes of a piece of your work."""
    claimed = work.claimed
    return frames.LeaseVerdict(
        request_id=claimed.request_id, lease=claimed.lease, verdict=work.verdict, resend_from=resend_from
    )


def assign(assigned: Assigned, seq: int, granted: Granted) -> frames.Assign:
    """Run this attempt; the input goes through as it was submitted."""
    return frames.Assign(
        request_id=assigned.rid,
        attempt=assigned.attempt,
        lease=seq,
        space=assigned.space,
        deadline_s=assigned.execution_timeout_s,
        input=assigned.input,
        user=assigned.user,
        traceparent=assigned.traceparent,
        tracestate=assigned.tracestate,
        metadata=assigned.metadata,
        files=granted.files,
        input_file=granted.input_file,
        upload_url=granted.upload_url,
    )


def output_ack(lease: Lease) -> frames.OutputAck:
    """So much of its output is stored."""
    return frames.OutputAck(**_fields(lease), index=lease.recording.stored)


def result_ack(about: About, outcome: Literal["accepted", "duplicate", "superseded"]) -> frames.ResultAck:
    """The outcome is decided."""
    return frames.ResultAck(**_fields(about), outcome=outcome)


def cancel(about: About, reason: str) -> frames.Cancel:
    """Stop this attempt."""
    return frames.Cancel(**_fields(about), reason=reason)


def error(code: str, message: str, request_id: str = "", *, fatal: bool = False) -> frames.Error:
    """A frame was refused."""
    return frames.Error(code=code, message=message[:MAX_MESSAGE], request_id=request_id, fatal=fatal)


def _fields(about: About) -> dict[str, Any]:
    rid = about.rid if isinstance(about, Lease) else about.request_id
    return {"request_id": rid, "attempt": about.attempt, "lease": about.lease}
