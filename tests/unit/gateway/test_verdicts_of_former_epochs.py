"""The verdict on work of an epoch that has ended: whatever became of its request since, it stops."""

import msgspec
import pytest

from services.contracts.epochs import MARGIN
from services.contracts.events import Accepted, RequestEvent, Restored
from services.gateway.verdicts import judge
from spaces_agent import frames
from tests.unit.gateway.agent_session import AGENT, assigned, names

BASE = {"id": "e", "rid": names(5)["request_id"], "space": "demo", "prev_seq": 0, "origin": "gateway-a"}
ACCEPTED = Accepted(
    **BASE,
    attempt=0,
    actor="user:u",
    user="u",
    key_id="k",
    input=msgspec.Raw(b"{}"),
    body_sha256="0",
    start_timeout_s=60.0,
    execution_timeout_s=60.0,
)
RESTORED = Restored(**BASE, attempt=1, actor="recovery", accepted=ACCEPTED, accepted_at="2026-01-01T00:00:00Z")


@pytest.mark.parametrize("state", ["running", "result_pending"])
@pytest.mark.parametrize("last", [RESTORED, assigned(attempt=1), assigned(attempt=2)])
def test_a_lease_of_a_former_epoch_is_stopped(state: str, last: RequestEvent) -> None:
    claimed = msgspec.convert(names(5) | {"state": state}, frames.InFlight)
    assert judge(claimed, AGENT, last, MARGIN + 5) == "stop"
