"""From what agents send to the events that record it. Pure: ids follow from the content, so the same result of the same
lease is the same event, whichever gateway appends it."""

import hashlib
from typing import Any

import msgspec

from services.contracts import ids
from services.contracts.events import Failed, Problem, Requeued, RequeueReason, Succeeded
from services.gateway.leases import Lease
from services.gateway.references import references
from spaces_agent import frames

# Codes that an agent may give; any other is its handler's own business and belongs into the message.
_AGENT_CODES = frozenset({"handler_error", "output_too_large", "execution_timeout", "data_expired"})
_LONGEST_S = 10.0 * 365 * 24 * 3600
_LONGEST_DETAIL = 1000


class DigestMismatch(ValueError):
    """The output is not the one that its digest was made of."""


def digest(result: frames.Result) -> str:
    """The SHA-256 by which a repeated offer of the same outcome is recognised: of the output's bytes as they came, as the
    agent says of an output in a file, or of the error."""
    if result.status == "succeeded" and result.output_file:
        return result.sha256
    content = bytes(result.output) if result.status == "succeeded" else msgspec.json.encode(result.error)
    return hashlib.sha256(content).hexdigest()


def outcome_id(result: frames.Result) -> str:
    """The id of the event that records this result."""
    return ids.outcome_id(result.request_id, result.lease, digest(result))


def outcome(lease: Lease, result: frames.Result, gateway: str) -> Succeeded | Failed | Requeued:
    """The event that records a result: a failure that trying again may mend is none of the request while it has retries
    left. Raises DigestMismatch."""
    sha256 = digest(result)
    if result.status == "succeeded" and sha256 != result.sha256:
        raise DigestMismatch(f"the output's digest is {sha256}")
    common: dict[str, Any] = {
        "id": ids.outcome_id(lease.rid, lease.lease, sha256),
        "rid": lease.rid,
        "space": lease.space,
        "prev_seq": lease.lease,
        "attempt": lease.attempt,
        "actor": f"agent:{lease.agent}",
        "origin": lease.origin,
        "agent": lease.agent,
        "gateway": gateway,
        "started_s": _seconds(result.started_s),
        "run_s": _seconds(result.run_s),
        "first_output_s": _seconds(result.first_output_s),
        "last_index": result.last_index,
        "log_tail": result.log_tail,
    }
    if result.status == "failed":
        error = _problem(result.error)
        if error.retryable and lease.retries_left > 0:
            return _retry(lease, gateway, common["id"], error.message)
        return Failed(**common, error=error)
    if result.output_file:
        null = msgspec.Raw(b"null")
        return Succeeded(**common, output=null, output_sha256=sha256, output_file=result.output_file)
    if (problem := _unfit(bytes(result.output), frames.MAX_INLINE_BYTES)) is not None:
        return Failed(**common, error=problem)
    return Succeeded(**common, output=result.output, output_sha256=sha256, files=_referred(bytes(result.output)))


def filled(event: Succeeded, output: bytes) -> Succeeded | Failed:
    """The same outcome when this is what the file of its output holds: with the files that it refers to, or as the failure
    that it is."""
    if (problem := _unfit(output, frames.MAX_VALUE_BYTES)) is not None:
        return unfit(event, problem)
    return msgspec.structs.replace(event, files=_referred(output))


def unfit(event: Succeeded, problem: Problem) -> Failed:
    """The outcome, when there is a problem with its output. It is the same event: its id follows from what came."""
    kept = {name: getattr(event, name) for name in Failed.__struct_fields__ if name != "error"}
    return Failed(**kept, error=problem)


def without_file(lease: Lease, gateway: str, message: str) -> Failed:
    """The outcome of an attempt that cannot begin, since a file is gone."""
    return Failed(
        id=ids.outcome_id(lease.rid, lease.lease, "data_expired"),
        rid=lease.rid,
        space=lease.space,
        prev_seq=lease.lease,
        attempt=lease.attempt,
        actor=f"gateway:{gateway}",
        origin=lease.origin,
        agent=lease.agent,
        gateway=gateway,
        error=Problem(code="data_expired", message=message),
    )


def requeued(lease: Lease, gateway: str, reason: RequeueReason, detail: str = "") -> Requeued:
    """The event that makes a lease void so that another agent runs the request."""
    started = lease.started_at is not None
    return _requeued(lease, gateway, ids.outcome_id(lease.rid, lease.lease, f"requeued/{reason}"), reason, started, detail)


def _seconds(duration: float) -> float:
    # To the microsecond: what a monotonic clock has beyond that is noise, and people read events.
    return round(min(duration, _LONGEST_S), 6)


def _retry(lease: Lease, gateway: str, id: str, message: str) -> Requeued:
    return _requeued(lease, gateway, id, "retryable", True, message[:_LONGEST_DETAIL], lease.retry_delay_s)


def _requeued(
    lease: Lease, gateway: str, id: str, reason: RequeueReason, started: bool, detail: str, delay_s: float = 0.0
) -> Requeued:
    return Requeued(
        id=id,
        rid=lease.rid,
        space=lease.space,
        prev_seq=lease.lease,
        attempt=lease.attempt,
        actor=f"gateway:{gateway}",
        origin=lease.origin,
        reason=reason,
        gateway=gateway,
        started=started,
        agent=lease.agent,
        conn=lease.conn,
        detail=detail,
        delay_s=delay_s,
    )


def _referred(output: bytes) -> tuple[str, ...]:
    return tuple(dict.fromkeys(each.id for each in references(output)))


def _unfit(output: bytes, most: int) -> Problem | None:
    """What keeps an output from being passed on. It came raw, and while it is raw nobody has looked inside: everybody down
    the line must be able to decode the event that carries it."""
    if len(output) > most:
        message = f"the output has {len(output)} bytes; the limit is {most}"
        return Problem(code="output_too_large", message=message)
    if frames.too_deep(output):
        return Problem(code="handler_error", message=f"the output is nested more than {frames.MAX_DEPTH} levels deep")
    try:
        msgspec.json.decode(output)
    except (msgspec.MsgspecError, UnicodeError) as error:
        return Problem(code="handler_error", message=f"the output is not JSON that can be read: {error}")
    return None


def _problem(error: frames.HandlerError | None) -> Problem:
    if error is None:
        return Problem(code="handler_error", message="the agent gave no reason")
    code = error.code if error.code in _AGENT_CODES else "handler_error"
    return Problem(code=code, message=error.message or error.code, retryable=error.retryable)
