"""From decisions to events. Pure: the event's id and the actor come in as arguments."""

from typing import Any, assert_never

from services.contracts.events import Assigned, Expired, Failed, Problem, RequestEvent, Requeued
from services.contracts.problems import PROBLEMS
from services.contracts.requests import RequestState
from services.dispatcher.decide import Assign, Decision, Expire, Fail, Requeue

FIRST_RETRY_S, LONGEST_RETRY_S = 1.0, 60.0


def event_of(decision: Decision, id: str, actor: str) -> RequestEvent:
    """The event that a decision becomes."""
    state = decision.state
    attempt = state.attempt + 1 if isinstance(decision, Assign) else state.attempt
    base: dict[str, Any] = {"id": id, "rid": state.rid, "space": state.space, "prev_seq": state.seq}
    base |= {"origin": state.origin, "attempt": attempt, "actor": actor}
    match decision:
        case Assign():
            return Assigned(
                **base,
                agent=decision.agent.agent,
                conn=decision.agent.conn,
                gateway=decision.gateway,
                user=state.user,
                input=state.input,
                execution_timeout_s=state.execution_timeout_s,
                retries_left=max(0, state.max_attempts - state.failures - 1),
                retry_delay_s=_retry_delay_s(state),
                metadata=state.metadata,
                traceparent=state.traceparent,
                tracestate=state.tracestate,
                key_id=state.key_id,
                files=state.files,
                input_file=state.input_file,
            )
        case Requeue():
            held: dict[str, Any] = {"gateway": state.gateway, "agent": state.agent, "conn": state.conn}
            return Requeued(**base, **held, reason=decision.reason, started=decision.started)
        case Expire():
            return Expired(**base)
        case Fail():
            error = Problem(code=decision.code, message=PROBLEMS[decision.code].title)
            return Failed(**base, error=error, agent=state.agent, gateway=state.gateway, run_s=decision.run_s)
        case _:
            assert_never(decision)


def _retry_delay_s(state: RequestState) -> float:
    """How long to wait after the next failure: twice as long each time, since what has failed may need time to recover."""
    return min(LONGEST_RETRY_S, FIRST_RETRY_S * 2.0 ** min(state.failures, 10))
