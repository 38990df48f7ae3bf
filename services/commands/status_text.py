"""What `spaces status` shows. Pure."""

from typing import Any, NamedTuple

from services.commands import showing, tables, text
from spaces_client.accounts import User
from spaces_client.monitoring import Percentiles, Stats
from spaces_client.objects import ConnectedAgent
from spaces_client.spaces import SpaceHealth, SpaceQueue


class Status(NamedTuple):
    """All that is shown. `source` is where the key was found; `stats` are those of the last hour; `machine`
    is how the stack on this machine is, empty when it is elsewhere."""

    url: str
    source: str
    ready: bool
    user: User
    stats: Stats
    agents: list[ConnectedAgent]
    spaces: list[tuple[SpaceHealth, SpaceQueue]]
    machine: str = ""


def lines(seen: Status) -> str:
    """For people."""
    busy, slots = sum(agent.running for agent in seen.agents), sum(agent.slots for agent in seen.agents)
    whose = "" if seen.user.role == "admin" else " of yours"
    fields = [
        ("gateway", f"{seen.url}, {'ready' if seen.ready else 'not ready: see `spaces doctor`'}"),
        ("you", f"{seen.user.email}{', administrator' if seen.user.role == 'admin' else ''} (key from {seen.source})"),
        ("last hour", _hour(seen.stats, whose)),
        ("agents", f"{len(seen.agents)}{whose} connected, {busy} of {slots} slots in use"),
    ]
    if seen.machine:
        fields.append(("machine", seen.machine))
    head = "\n".join(f"{name:<10}{text.line(value)}" for name, value in fields)
    if not seen.spaces:
        return f"{head}\n\nThere is no space that you may see."
    return f"{head}\n\n{tables.aligned(_HEAD, [_row(*each) for each in seen.spaces])}"


def json(seen: Status) -> dict[str, Any]:
    """For programs: each part as the gateway sent it."""
    here = {"machine": seen.machine} if seen.machine else {}
    return here | {
        "url": seen.url,
        "ready": seen.ready,
        "user": seen.user.raw,
        "stats": seen.stats.raw,
        "agents": [agent.raw for agent in seen.agents],
        "spaces": [{"health": health.raw, "queue": queue.raw} for health, queue in seen.spaces],
    }


_HEAD = ("SPACE", "HEALTH", "AGENTS", "SLOTS", "WAITING", "RUNNING", "SUCCEEDED", "WHY")


def _row(health: SpaceHealth, queue: SpaceQueue) -> tuple[str, ...]:
    return (
        health.space,
        health.status,
        "?" if health.agents is None else f"{health.agents}",
        f"{queue.slots - queue.free} of {queue.slots}",
        f"{queue.queued}",
        f"{queue.processing}",
        "" if health.success_rate is None else f"{health.success_rate:.1%}",
        text.line(" ".join(health.reasons), showing.LONGEST),
    )


def _hour(stats: Stats, whose: str) -> str:
    said = [f"{stats.accepted} requests{whose} came in, {sum(stats.ended.values())} ended"]
    if stats.success_rate is not None:
        said.append(f"{stats.success_rate:.1%} succeeded")
    said += [
        f"half {verb} less than {showing.seconds(given.p50)}"
        for verb, given in (("waited", stats.queue_s), ("ran", stats.run_s))
        if isinstance(given, Percentiles)
    ]
    return ", ".join(said)
