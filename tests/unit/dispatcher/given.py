"""Builders for dispatcher tests: events with sane defaults, reports, a partition with one agent."""

from typing import Any

import msgspec

from services.contracts import ids
from services.contracts.events import Accepted, Assigned, Failed, Problem, RequestEvent, Requeued, Succeeded
from services.contracts.reports import AgentReport, Held, Report
from services.dispatcher.fleet import Fleet
from services.dispatcher.state import SECOND, Partition

GATEWAY, CONN, AGENT = "gateway-1", "conn-1", "owner/gpu"
NOW = 1_000_000 * SECOND


def rid(number: int, space: str = "demo") -> str:
    return ids.request_id(space, number, number.to_bytes(10, "big"))


def accepted(number: int, **changes: Any) -> Accepted:
    space = changes.get("space", "demo")
    defaults: dict[str, Any] = {
        "id": f"a{number}",
        "rid": rid(number, space),
        "space": space,
        "prev_seq": 0,
        "attempt": 0,
        "actor": "user:u",
        "origin": "gateway-0",
        "user": "u",
        "key_id": "k",
        "input": msgspec.Raw(b"{}"),
        "body_sha256": "0" * 64,
        "start_timeout_s": 60.0,
        "execution_timeout_s": 10.0,
    }
    return Accepted(**(defaults | changes))


def following(kind: type[Any], number: int, prev: int, **changes: Any) -> RequestEvent:
    common: dict[str, Any] = {
        "id": f"{kind.__name__}{number}-{prev}",
        "rid": rid(number, changes.pop("space", "demo")),
        "space": "demo",
        "prev_seq": prev,
        "attempt": 1,
        "actor": "gateway:gateway-1",
        "origin": "gateway-0",
    }
    defaults: dict[type[Any], dict[str, Any]] = {
        Assigned: {
            "agent": AGENT,
            "conn": CONN,
            "gateway": GATEWAY,
            "user": "u",
            "input": msgspec.Raw(b"{}"),
            "execution_timeout_s": 10.0,
            "actor": "dispatcher:d",
        },
        Requeued: {"reason": "agent_lost", "gateway": GATEWAY},
        Succeeded: {"agent": AGENT, "gateway": GATEWAY, "output": msgspec.Raw(b"1"), "output_sha256": "0" * 64},
        Failed: {"error": Problem(code="handler_error", message="no"), "gateway": GATEWAY},
    }
    event: RequestEvent = kind(**(common | defaults.get(kind, {}) | changes))
    return event


def agent_report(*held: Held, slots: int = 4, **changes: Any) -> AgentReport:
    defaults: dict[str, Any] = {"agent": AGENT, "conn": CONN, "boot_id": "boot-1", "spaces": ["demo"]}
    return AgentReport(**(defaults | {"slots": slots, "held": list(held)} | changes))


def report(*agents: AgentReport, number: int = 0, full: bool = True, gateway: str = GATEWAY) -> Report:
    return Report(gateway=gateway, number=number, full=full, agents=list(agents))


def held(number: int, lease: int, state: Any = "running", running_s: float = 0.0) -> Held:
    return Held(rid=rid(number), attempt=1, lease=lease, state=state, running_s=running_s)


def a_partition(*agents: AgentReport, now: int = NOW) -> Partition:
    fleet = Fleet()
    fleet.fold(report(*agents), now)
    return Partition(ids.part_of_space("demo"), fleet)
