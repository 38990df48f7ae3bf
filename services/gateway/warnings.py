"""Warnings as the API shows them: what the rules have found, in plain words, and what to do. Pure."""

from typing import assert_never

import msgspec

from services.gateway.rules import Finding, Rule, Severity


class WarningObject(msgspec.Struct, frozen=True, kw_only=True):
    """Something that needs somebody. `rule` is a fixed name; of a `space`, or of a `subject`: an agent, a service or a
    stream of NATS; null where it is of neither. `amount`, `limit` and `for_s` (seconds) are the numbers behind it, 0 where
    there is none. `detail` says what it is, `remedy` what to do."""

    severity: Severity
    rule: Rule
    space: str | None
    subject: str | None
    amount: float
    limit: float
    for_s: float
    detail: str
    remedy: str


class WarningsObject(msgspec.Struct, frozen=True, kw_only=True):
    """All warnings that hold now, the worst first; none: all is well."""

    results: list[WarningObject]


def warning_object(found: Finding) -> WarningObject:
    """The object of a finding."""
    detail, remedy = words(found)
    return WarningObject(
        severity=found.severity,
        rule=found.rule,
        space=found.space or None,
        subject=found.subject or None,
        amount=found.amount,
        limit=found.limit,
        for_s=round(found.for_s, 1),
        detail=detail,
        remedy=remedy,
    )


def words(found: Finding) -> tuple[str, str]:
    """What it is, and what to do about it."""
    amount, limit, whom = round(found.amount), round(found.limit), found.subject
    match found.rule:
        case "halted":
            return (
                "Everything is stopped: the streams in NATS are not those that the log was recorded from.",
                "Bring NATS's data back, or run `spaces recover`.",
            )
        case "history_silent":
            return (
                "The history service does not answer: events are not recorded, and lists cannot be read.",
                "Look at the log of the history processes, and start one.",
            )
        case "database_unreachable":
            return (
                "PostgreSQL does not answer: events wait in NATS until they can be recorded.",
                "Bring PostgreSQL back before the stream of requests is full; nothing else needs to be done.",
            )
        case "log_conflicts":
            return (
                f"The log is not whole: {amount} events contradict it, or its tables miss rows.",
                "Run `spaces log verify`, which names them, then `spaces log rebuild`.",
            )
        case "service_missing":
            return f"No process of the service {whom} is alive.", f"Start one, and see in its log why the {whom} has ended."
        case "service_single":
            return (
                f"Only one process of the service {whom} is alive, although the streams are replicated.",
                "Start a second one: nobody takes over from the one.",
            )
        case "recorder_behind":
            return (
                f"{amount} events of {whom} are not in PostgreSQL yet, the oldest for {_lasting(found.for_s)}.",
                "See in the log of history why, and whether PostgreSQL is busy or its disk is full.",
            )
        case "stream_filling":
            return (
                f"The stream {whom} is {found.amount / found.limit:.0%} full. When it is full it takes nothing new.",
                "See whether history records and trims, or raise the stream's limit and run `spaces provision`.",
            )
        case "replica_missing":
            return (
                f"Of {limit} replicas of {whom}, {amount} are away or behind.",
                "Bring the missing NATS server back: the next one that stops may stop everything.",
            )
        case "no_agent":
            return (
                f"{_requests(amount)} and no agent is connected, the oldest for {_lasting(found.for_s)}.",
                f"Start an agent for the space {found.space}; its page has the command.",
            )
        case "space_failing":
            return (
                f"Of the last {limit} requests {amount} have failed.",
                "Look at why in the list of failed requests, and in the agents' own logs.",
            )
        case "queue_growing":
            return (
                f"The queue grows: {_requests(amount)} (ten minutes ago {limit}), the oldest for {_lasting(found.for_s)}.",
                "Connect more agents, or give those that there are more slots.",
            )
        case "agent_flapping":
            return (
                f"The agent {whom} has connected {amount} times within {_lasting(found.for_s)}.",
                "See in `spaces connections` why its connections end, and in its own log whether it crashes.",
            )
        case _:
            assert_never(found.rule)


def _requests(count: int) -> str:
    return f"{count} requests wait" if count != 1 else "1 request waits"


def _lasting(seconds: float) -> str:
    for unit, name in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds:.0f} seconds"
