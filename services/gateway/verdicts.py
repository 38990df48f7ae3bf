"""What becomes of work that an agent brings along when it connects. Pure."""

from dataclasses import dataclass
from typing import Literal

from services.contracts.events import Assigned, Failed, RequestEvent, Requeued, Succeeded
from services.gateway.recording import Last
from spaces_agent import frames

Verdict = Literal["continue", "stop", "already_done"]


@dataclass(frozen=True, slots=True)
class Work:
    """One piece of work in flight with its verdict. `assigned` is the event at its lease, when it was this agent's (else
    None); `age_s` is how long ago it was stored. `last` is the last record of the request's output, if the work goes on."""

    claimed: frames.InFlight
    verdict: Verdict
    assigned: Assigned | None = None
    age_s: float = 0.0
    last: Last | None = None


def judge(claimed: frames.InFlight, agent: str, event: RequestEvent | None, seq: int) -> Verdict:
    """The verdict on what an agent says it holds. `event` at `seq` is the one that ends the request's chain, or the one that
    has followed the lease.

    Work goes on only while its own `assigned` still ends the chain: whatever came after it has made the lease void."""
    match event:
        case Assigned() if seq == claimed.lease and event.agent == agent and event.attempt == claimed.attempt:
            return "continue"
        case Succeeded() | Failed() if event.prev_seq == claimed.lease and event.actor == f"agent:{agent}":
            return "already_done"
        case Requeued(reason="retryable") if event.prev_seq == claimed.lease and event.agent == agent:
            return "already_done"
        case _:
            return "stop"


def given_to(claimed: frames.InFlight, agent: str, event: RequestEvent) -> bool:
    """Whether the event at the lease's sequence is the assignment that the agent names."""
    return (
        isinstance(event, Assigned)
        and event.agent == agent
        and event.rid == claimed.request_id
        and event.attempt == claimed.attempt
    )
