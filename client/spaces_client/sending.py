"""How operations are performed: which exchange comes next, and how long to wait before. Pure: clock, entropy and new keys
are arguments; whoever drives the generator does the exchanges and the waiting."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, NamedTuple, TypeVar

from spaces_client import answers, backoff
from spaces_client.call import Call, Operation, Yielded
from spaces_client.errors import ClientError
from spaces_client.steps import Again, Answer, Exchange, Pause, Step

TRIES = 5
"""How often a call is sent, when no answer comes or the gateway cannot answer for the moment."""
FIRST_DELAY_S = 0.25

T = TypeVar("T")


class World(NamedTuple):
    """What is drawn from outside: seconds of a clock that only goes forward, numbers uniform in [0, 1), idempotency keys."""

    now: Callable[[], float]
    entropy: Callable[[], float]
    new_key: Callable[[], str]


def performed(operation: Operation[T], world: World) -> Generator[Step, Any, T]:
    """The steps of an operation, each to be sent its outcome (of an exchange Answer or Lost); it returns the result. When it
    is closed, the operation is. Raises ClientError."""
    if isinstance(operation, Call):
        return (yield from _sent(operation, world))
    try:
        wanted = next(operation)
        while True:
            try:
                outcome = yield from _done(wanted, world)
            except ClientError as error:
                wanted = operation.throw(error)
            else:
                wanted = operation.send(outcome)
    except StopIteration as end:
        value: T = end.value
        return value
    finally:
        operation.close()


def _done(wanted: Yielded, world: World) -> Generator[Step, Any, Any]:
    if isinstance(wanted, Call):
        return (yield from _sent(wanted, world))
    if isinstance(wanted, Again):
        return (yield _pause(wanted, world))
    return (yield wanted)


def _pause(again: Again, world: World) -> Pause:
    failures, asked_s = again
    return Pause(backoff.delay_s(failures, first_s=FIRST_DELAY_S, asked_s=asked_s, entropy=world.entropy()))


def _sent(call: Call[T], world: World) -> Generator[Step, Any, T]:
    """One call, sent again as often as makes sense."""
    key = world.new_key() if call.idempotency_key == "" else call.idempotency_key
    deadline = world.now() + call.wait_s
    for failures in range(TRIES):
        outcome = yield _exchange(call, key, max(0, round(deadline - world.now())))
        if isinstance(outcome, Answer):
            if outcome.status not in answers.TRY_AGAIN:
                answers.check(*outcome)
                return call.read(outcome.body)
            failure: ClientError = (refusal := answers.problem(*outcome))
            if refusal.code in answers.ABOUT_THE_SPACE:
                break
            asked_s, arrived = answers.retry_after_s(outcome.headers), True
        else:
            failure, arrived, asked_s = outcome.failure, outcome.arrived, 0.0
        if arrived and not call.repeatable:
            break
        if failures + 1 < TRIES:
            yield _pause(Again(failures, asked_s), world)
    raise failure


def _exchange(call: Call[Any], key: str | None, left_s: int) -> Exchange:
    headers = dict(call.headers)
    if key is not None:
        headers["Idempotency-Key"] = key
    if call.body is not None and call.media_type:
        headers["Content-Type"] = call.media_type
    if left_s:
        headers["Prefer"] = f"wait={left_s}"
    return Exchange(call.method, call.path, headers, call.query, call.body, call.answer_s + left_s)
