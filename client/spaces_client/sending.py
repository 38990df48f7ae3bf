"""How operations are performed: which exchange comes next, and how long to wait before. Pure: clock, entropy and new keys
are arguments; whoever drives the generator does the exchanges and the waiting."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Any, NamedTuple, TypeVar

from spaces_client import answers, backoff
from spaces_client.call import Call, Operation
from spaces_client.errors import ClientError, Unreachable

TRIES = 5
"""How often a call is sent, when no answer comes or the gateway cannot answer for the moment."""
FIRST_DELAY_S = 0.25

T = TypeVar("T")


class Exchange(NamedTuple):
    """To be done: send this, and take the whole answer, which may take so long."""

    method: str
    path: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes | None
    answer_s: float


class Pause(NamedTuple):
    """To be done: wait."""

    seconds: float


class Answer(NamedTuple):
    """What came of an exchange."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Lost(NamedTuple):
    """No answer came of an exchange. `arrived`: the gateway may have got what was sent."""

    failure: Unreachable
    arrived: bool


Step = Exchange | Pause
Outcome = Answer | Lost | None
"""What came of a step; None of a pause."""


class World(NamedTuple):
    """What is drawn from outside: seconds of a clock that only goes forward, numbers uniform in [0, 1), idempotency keys."""

    now: Callable[[], float]
    entropy: Callable[[], float]
    new_key: Callable[[], str]


def performed(operation: Operation[T], world: World) -> Generator[Step, Outcome, T]:
    """The steps of an operation; it returns the result. Raises ClientError."""
    if isinstance(operation, Call):
        return (yield from _sent(operation, world))
    try:
        call = next(operation)
        while True:
            try:
                result = yield from _sent(call, world)
            except ClientError as error:
                call = operation.throw(error)
            else:
                call = operation.send(result)
    except StopIteration as end:
        value: T = end.value
        return value


def _sent(call: Call[T], world: World) -> Generator[Step, Outcome, T]:
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
            assert outcome is not None, "an exchange has an outcome"
            failure, arrived, asked_s = outcome.failure, outcome.arrived, 0.0
        if arrived and not call.repeatable:
            break
        if failures + 1 < TRIES:
            yield Pause(backoff.delay_s(failures, first_s=FIRST_DELAY_S, asked_s=asked_s, entropy=world.entropy()))
    raise failure


def _exchange(call: Call[Any], key: str | None, left_s: int) -> Exchange:
    headers = dict(call.headers)
    if key is not None:
        headers["Idempotency-Key"] = key
    if call.body is not None:
        headers["Content-Type"] = "application/json"
    if left_s:
        headers["Prefer"] = f"wait={left_s}"
    return Exchange(call.method, call.path, headers, call.query, call.body, call.answer_s + left_s)
