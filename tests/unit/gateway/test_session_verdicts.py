"""The verdict on work that an agent says it holds."""

import msgspec
import pytest

from services.contracts.events import Canceled, Erased, Failed, Problem, RequestEvent, Requeued, RequeueReason, Succeeded
from services.gateway.verdicts import given_to, judge
from spaces_agent import frames
from tests.unit.gateway.agent_session import AGENT, assigned, names

BASE = {"id": "e", "rid": names(5)["request_id"], "space": "demo", "attempt": 1, "origin": "gateway-a"}
CLAIMED = frames.InFlight(**names(5), state="running")
ERROR = Problem(code="handler_error", message="no")


def succeeded(prev_seq: int = 5, agent: str = AGENT) -> Succeeded:
    return Succeeded(
        **BASE,
        prev_seq=prev_seq,
        actor=f"agent:{agent}",
        agent=agent,
        gateway="gateway-b",
        output=msgspec.Raw(b"1"),
        output_sha256="0" * 64,
    )


def retried(prev_seq: int = 5, agent: str = AGENT, reason: RequeueReason = "retryable") -> Requeued:
    return Requeued(**BASE, prev_seq=prev_seq, actor="gateway:gateway-b", reason=reason, gateway="gateway-b", agent=agent)


@pytest.mark.parametrize(
    ("last", "seq", "verdict"),
    [
        (assigned(), 5, "continue"),
        (assigned(gateway="gateway-gone", conn="other"), 5, "continue"),
        (assigned(), 6, "stop"),
        (assigned(attempt=2), 5, "stop"),
        (assigned(agent="u2/a1"), 5, "stop"),
        (succeeded(), 9, "already_done"),
        (succeeded(prev_seq=7), 9, "stop"),
        (succeeded(agent="u2/a1"), 9, "stop"),
        (Failed(**BASE, prev_seq=5, actor=f"agent:{AGENT}", agent=AGENT, error=ERROR), 9, "already_done"),
        (Failed(**BASE, prev_seq=5, actor="dispatcher:d", agent=AGENT, error=ERROR), 9, "stop"),
        (Requeued(**BASE, prev_seq=5, actor="dispatcher:d", reason="agent_lost", gateway="g"), 9, "stop"),
        (retried(), 9, "already_done"),
        (retried(prev_seq=7), 9, "stop"),
        (retried(agent="u2/a1"), 9, "stop"),
        (retried(reason="rejected"), 9, "stop"),
        (Canceled(**BASE, prev_seq=5, actor="user:u"), 9, "stop"),
        (Erased(**BASE, prev_seq=9, actor="user:u"), 10, "stop"),
        (None, 0, "stop"),
    ],
)
def test_work_goes_on_only_while_its_assignment_ends_the_chain(last: RequestEvent | None, seq: int, verdict: str) -> None:
    assert judge(CLAIMED, AGENT, last, seq) == verdict


def test_a_lease_is_the_agents_only_when_everything_fits() -> None:
    assert given_to(CLAIMED, AGENT, assigned())
    assert not given_to(CLAIMED, "u2/a1", assigned())
    assert not given_to(CLAIMED, AGENT, assigned(attempt=2))
    assert not given_to(CLAIMED, AGENT, assigned(rid="1" * 32 + "05"))
    assert not given_to(CLAIMED, AGENT, succeeded())
