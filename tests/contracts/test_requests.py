"""Given a chain of events, when it is folded, then this is the request's state."""

from typing import Any

import msgspec
import pytest

from services.contracts.events import (
    Accepted,
    Assigned,
    Canceled,
    Erased,
    Expired,
    Failed,
    Problem,
    RequestEvent,
    Requeued,
    RequeueReason,
    Restored,
    Succeeded,
)
from services.contracts.lifecycle import InvalidTransition
from services.contracts.requests import ERASED_MESSAGE, NULL, CutChain, RequestState, evolve, fold

S = 1_000_000_000
INPUT, OUTPUT = msgspec.Raw(b'{"n":1}'), msgspec.Raw(b"[2]")


def base(attempt: int) -> dict[str, Any]:
    return {"id": "e", "rid": "r", "space": "demo", "prev_seq": 0, "attempt": attempt, "actor": "system", "origin": "g1"}


ACCEPTED = Accepted(
    **base(0),
    user="u1",
    key_id="k1",
    input=INPUT,
    body_sha256="b",
    start_timeout_s=60.0,
    execution_timeout_s=30.0,
    priority=2,
    max_attempts=3,
    key_digest="d",
    metadata={"a": 1},
    traceparent="t",
)


def assigned(attempt: int = 1, agent: str = "u1/gpu") -> Assigned:
    return Assigned(
        **base(attempt), agent=agent, conn=f"c{attempt}", gateway="g2", user="u1", input=INPUT, execution_timeout_s=30.0
    )


def requeued(reason: RequeueReason, started: bool = False, attempt: int = 1, delay_s: float = 0.0) -> Requeued:
    return Requeued(**base(attempt), reason=reason, gateway="g2", started=started, delay_s=delay_s)


SUCCEEDED = Succeeded(
    **base(1), agent="u1/gpu", gateway="g2", output=OUTPUT, output_sha256="s", started_s=0.5, run_s=1.5, log_tail="log"
)
ERROR = Problem(code="handler_error", message="no")
FAILED = Failed(**base(1), error=ERROR, agent="u1/gpu", gateway="g2", run_s=2.5)


def folded(*events: RequestEvent) -> RequestState:
    """The events at the sequences 10, 20, … and the instants 1 s, 2 s, …"""
    state = fold((event, 10 * n, n * S) for n, event in enumerate(events, 1))
    assert state is not None
    return state


def test_no_events_are_no_request() -> None:
    assert fold([]) is None


def test_an_accepted_request_waits() -> None:
    state = folded(ACCEPTED)
    assert (state.status, state.open, state.attempt) == ("queued", True, 0)
    assert (state.seq, state.accepted_seq, state.accepted_at, state.waiting_since) == (10, 10, S, S)
    assert (state.user, state.key_id, state.key_digest, state.origin) == ("u1", "k1", "d", "g1")
    assert (state.input, state.body_sha256, state.metadata, state.traceparent) == (INPUT, "b", {"a": 1}, "t")
    assert (state.start_timeout_s, state.execution_timeout_s, state.priority, state.max_attempts) == (60.0, 30.0, 2, 3)


def test_an_assignment_is_a_lease() -> None:
    state = folded(ACCEPTED, assigned())
    assert (state.status, state.attempt, state.lease, state.seq) == ("processing", 1, 20, 20)
    assert (state.agent, state.conn, state.gateway, state.assigned_at) == ("u1/gpu", "c1", "g2", 2 * S)


def test_a_success_has_its_output_and_durations() -> None:
    state = folded(ACCEPTED, assigned(), SUCCEEDED)
    assert (state.status, state.open, state.output, state.completed_at) == ("succeeded", False, OUTPUT, 3 * S)
    assert (state.started_s, state.run_s, state.log_tail, state.error) == (0.5, 1.5, "log", None)
    assert (state.agent, state.lease) == ("u1/gpu", 20), "who did it is still told"


def test_a_failure_has_its_error() -> None:
    state = folded(ACCEPTED, assigned(), FAILED)
    assert (state.status, state.error, state.run_s, state.output) == ("failed", ERROR, 2.5, NULL)


def test_a_request_may_fail_while_it_waits() -> None:
    assert folded(ACCEPTED, FAILED).status == "failed"


@pytest.mark.parametrize(
    ("reason", "failures", "losses"),
    [("retryable", 1, 0), ("agent_lost", 0, 1), ("busy", 0, 0), ("no_connection", 0, 0), ("rejected", 0, 0)],
)
def test_a_requeue_voids_the_lease_and_costs_what_its_reason_says(reason: RequeueReason, failures: int, losses: int) -> None:
    state = folded(ACCEPTED, assigned(), requeued(reason))
    assert (state.status, state.lease, state.agent, state.conn, state.gateway) == ("queued", 0, "", "", "")
    assert state.assigned_at == 0
    assert (state.failures, state.losses, state.attempt) == (failures, losses, 1)


def test_a_requeue_may_put_the_next_attempt_off() -> None:
    state = folded(ACCEPTED, assigned(), requeued("retryable", delay_s=2.5))
    assert state.not_before == 3 * S + 2_500_000_000
    assert folded(ACCEPTED, assigned(), requeued("retryable")).not_before == 0


def test_the_start_timeout_counts_again_only_after_a_handler_had_started() -> None:
    assert folded(ACCEPTED, assigned(), requeued("agent_lost")).waiting_since == S
    assert folded(ACCEPTED, assigned(), requeued("agent_lost", started=True)).waiting_since == 3 * S


def test_attempts_and_budgets_add_up() -> None:
    state = folded(
        ACCEPTED,
        assigned(1),
        requeued("retryable"),
        assigned(2),
        requeued("agent_lost", attempt=2),
        assigned(3, agent="u1/other"),
        requeued("retryable", attempt=3),
        assigned(4),
    )
    assert (state.status, state.attempt, state.failures, state.losses, state.lease) == ("processing", 4, 2, 1, 80)


@pytest.mark.parametrize("chain", [[ACCEPTED], [ACCEPTED, assigned()]])
def test_an_open_request_can_be_canceled(chain: list[RequestEvent]) -> None:
    state = folded(*chain, Canceled(**base(0)))
    assert (state.status, state.open, state.completed_at) == ("canceled", False, (len(chain) + 1) * S)


def test_a_request_expires_while_it_waits() -> None:
    assert folded(ACCEPTED, Expired(**base(0))).status == "expired"


def test_erasing_removes_the_payloads_and_nothing_else() -> None:
    before = folded(ACCEPTED, assigned(), SUCCEEDED)
    after = folded(ACCEPTED, assigned(), SUCCEEDED, Erased(**base(1)))
    changes: dict[str, Any] = {"input": NULL, "output": NULL, "log_tail": "", "metadata": {}, "erased": True, "seq": 40}
    assert after == msgspec.structs.replace(before, **changes)


def test_erasing_removes_what_a_handler_said_of_its_failure_but_not_the_kind_of_it() -> None:
    before, after = folded(ACCEPTED, assigned(), FAILED).error, folded(ACCEPTED, assigned(), FAILED, Erased(**base(1))).error
    assert before is not None
    assert after == msgspec.structs.replace(before, message=ERASED_MESSAGE)


def test_a_restored_request_waits_with_its_past() -> None:
    restored = Restored(**base(2), accepted=ACCEPTED, accepted_at="1970-01-01T00:00:07.500000Z", failures=1, losses=1)
    state = folded(restored)
    assert (state.status, state.attempt, state.failures, state.losses) == ("queued", 2, 1, 1)
    assert (state.accepted_at, state.waiting_since, state.accepted_seq) == (7 * S + S // 2, 7 * S + S // 2, 10)
    assert folded(restored, assigned(3)).lease == 20


def test_a_restored_request_whose_handler_had_started_waits_from_then_on() -> None:
    restored = Restored(
        **base(2), accepted=ACCEPTED, accepted_at="1970-01-01T00:00:07.500000Z", waiting_since="1970-01-01T00:00:09Z"
    )
    state = folded(restored)
    assert (state.accepted_at, state.waiting_since) == (7 * S + S // 2, 9 * S)


def test_the_chains_of_two_epochs_fold_to_what_the_last_one_says() -> None:
    restored = Restored(**base(1), accepted=ACCEPTED, accepted_at="1970-01-01T00:00:01Z")
    latest: list[RequestEvent] = [restored, assigned(2), msgspec.structs.replace(SUCCEEDED, attempt=2)]
    links = [(event, 1000 + 10 * number, number * S) for number, event in enumerate(latest)]
    before: list[tuple[RequestEvent, int, int]] = [(ACCEPTED, 10, S), (assigned(), 20, 2 * S)]
    assert fold([*before, *links]) == fold(links)


@pytest.mark.parametrize("event", [assigned(), requeued("busy"), SUCCEEDED, FAILED, Canceled(**base(0)), Erased(**base(0))])
def test_a_chain_that_does_not_begin_is_cut(event: RequestEvent) -> None:
    with pytest.raises(CutChain):
        fold([(event, 10, S)])


@pytest.mark.parametrize(
    "chain",
    [
        [ACCEPTED, ACCEPTED],
        [ACCEPTED, SUCCEEDED],
        [ACCEPTED, requeued("busy")],
        [ACCEPTED, assigned(), assigned(2)],
        [ACCEPTED, assigned(), Expired(**base(1))],
        [ACCEPTED, assigned(), SUCCEEDED, FAILED],
        [ACCEPTED, Canceled(**base(0)), assigned()],
        [ACCEPTED, Erased(**base(0))],
    ],
)
def test_a_chain_that_cannot_be_is_refused(chain: list[RequestEvent]) -> None:
    with pytest.raises(InvalidTransition):
        folded(*chain)


def test_folding_is_step_by_step() -> None:
    chain: list[RequestEvent] = [ACCEPTED, assigned(), requeued("busy"), assigned(2), SUCCEEDED]
    state: RequestState | None = None
    for n, event in enumerate(chain, 1):
        state = evolve(state, event, 10 * n, n * S)
    assert state == folded(*chain)
