"""A request as people see it. Pure."""

from datetime import datetime
from typing import Any

from services.commands import text
from spaces_client.objects import Problem, Queue, Request

LONGEST = 2000
"""Of an input or an output no more characters than this are shown."""
_WAITING = {
    "waiting_turn": "it is next",
    "no_agent_online": "no agent is online for this space",
    "agents_busy": "all agents are busy",
    "agent_loading": "the agent is still loading",
    "agent_draining": "the agents take no more work, they are ending",
    "retry_delay": "the handler wants to be tried again, a little later",
    "space_paused": "the space is paused",
    "quota": "as many run already as may at once",
}
_REQUEUED = {
    "agent_lost": "the agent was lost",
    "busy": "the agent was busy",
    "no_connection": "the agent was not there any more",
    "rejected": "the agent did not take it",
    "retryable": "the handler wants to be tried again",
}


def waiting(queue: Queue) -> str:
    """At which place a request waits, and why."""
    place = "waiting" if not queue.position else f"waiting as number {queue.position}"
    reason = _WAITING.get(queue.reason, queue.reason)
    if queue.reason == "waiting_turn" and queue.position != 1:
        reason = "others are before it"
    return f"{place}: {reason}" if reason else place


def requeued(reason: str, detail: str) -> str:
    """Why an attempt is void."""
    why = _REQUEUED.get(reason, reason)
    return f"{why} ({detail})" if detail else why


def error(problem: Problem | None) -> str:
    """Why there is no output."""
    return "no reason was given" if problem is None else f"{problem.code}: {problem.detail}"


def outcome(request: Request) -> str:
    """How a request has ended, or how it stands, in one line."""
    said = request.status + (f" in {seconds(request.metrics.total_s)}" if request.metrics.total_s is not None else "")
    return f"{said}: {error(request.error)}" if request.error is not None else said


def block(request: Request) -> str:
    """A request, field by field."""
    fields = [
        ("id", request.id),
        ("space", request.space),
        ("status", request.status),
        ("waiting", waiting(request.queue) if request.queue is not None else ""),
        ("progress", _progress(request)),
        ("error", error(request.error) if request.error is not None else ""),
        ("created", _instant(request.created_at)),
        ("assigned", _instant(request.assigned_at)),
        ("started", _instant(request.started_at)),
        ("completed", _instant(request.completed_at)),
        ("took", _took(request)),
        ("attempt", f"{request.attempt}" if request.attempt else ""),
        ("agent", request.agent.id if request.agent is not None else ""),
        ("retry of", request.retry_of or ""),
        ("metadata", text.json(request.metadata) if request.metadata else ""),
        ("data", "erased" if request.erased else ""),
        ("input", "" if request.erased else text.json(request.input)),
        ("output", text.json(request.output) if request.status == "succeeded" and not request.erased else ""),
    ]
    return "\n".join(f"{name:<10}{text.line(value, LONGEST)}" for name, value in fields if value)


def seconds(duration_s: float) -> str:
    """A duration, as precise as its size makes sense."""
    if duration_s < 0.9995:
        return f"{duration_s * 1000:.{1 if duration_s < 0.00995 else 0}f} ms"
    if duration_s < 59.95:
        return f"{duration_s:.1f} s"
    minutes, left_s = divmod(round(duration_s), 60)
    hours, left = divmod(minutes, 60)
    return f"{hours} h {left} min" if hours else f"{minutes} min {left_s} s"


def _progress(request: Request) -> str:
    if request.progress is None:
        return ""
    return f"{request.progress.fraction:.0%} {request.progress.message}"


def _took(request: Request) -> str:
    metrics = request.metrics
    named: list[tuple[Any, str]] = [
        (metrics.total_s, "in all"),
        (metrics.queue_s, "until it was assigned"),
        (metrics.first_output_s, "until the first output"),
        (metrics.run_s, "in the handler"),
    ]
    return ", ".join(f"{seconds(duration)} {what}" for duration, what in named if duration is not None)


def _instant(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S.%f} UTC" if at is not None else ""
