"""Typed request-reply between services, answered by NATS micro services (`nats micro ls` shows them)."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
import nats.errors
from nats.aio.client import Client
from nats.micro.request import Request
from nats.micro.service import Service, ServiceConfig

from services.contracts.rpc import RpcError
from services.runtime import metrics
from services.runtime.errors import Final, NatsUnavailable, Retryable
from services.runtime.rpc_stats import CountingService, Tally

log = logging.getLogger("services.rpc")
T = TypeVar("T")
CALL_S = 5.0
"""How long a caller waits for its answer."""
CONCURRENCY = 64
"""Operations that one process of a service works on at a time."""
VERSION = "1.0.0"


class Refused(Final):
    """The service's answer was no; `code` and the message say why. `retry_after_s`: after that it may be another."""

    def __init__(self, code: str, message: str, retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.code, self.message, self.retry_after_s = code, message, retry_after_s


class _Probe(msgspec.Struct):
    type: str = ""


@dataclass(frozen=True, slots=True)
class Operation:
    """One endpoint: its subject, what it is asked and who answers. The handler may raise Refused, or return None when
    another process of the service is the one to answer (`everyone`: each process is asked, not just one of them)."""

    subject: str
    request: type[Any]
    handler: Callable[[Any], Awaitable[msgspec.Struct | None]]
    everyone: bool = False


async def call(nc: Client, subject: str, message: msgspec.Struct, answer: type[T], timeout_s: float = CALL_S) -> T:
    """Ask and wait for the typed answer. Raises Refused, NatsUnavailable."""
    try:
        reply = await nc.request(subject, msgspec.json.encode(message), timeout=timeout_s)
    except (nats.errors.Error, TimeoutError) as error:
        metrics.unanswered(subject)
        raise NatsUnavailable(f"nobody answered {subject}") from error
    if msgspec.json.decode(reply.data, type=_Probe).type == "error":
        refusal = msgspec.json.decode(reply.data, type=RpcError)
        if refusal.code == "unavailable":
            raise NatsUnavailable(refusal.message)
        raise Refused(refusal.code, refusal.message, refusal.retry_after_s)
    return msgspec.json.decode(reply.data, type=answer)


class Serving:
    """The operations that this process answers, until it is told to stop."""

    def __init__(self, service: Service, answers: set[asyncio.Task[None]]) -> None:
        self._service, self._answers = service, answers

    async def stop(self) -> None:
        """Take no more questions; return when those that came are answered, or nobody waits for the answers any more."""
        await self._service.stop()
        if self._answers:
            await asyncio.wait(self._answers, timeout=CALL_S)


async def serve(nc: Client, name: str, description: str, operations: Mapping[str, Operation]) -> Serving:
    """Answer the operations (by endpoint name) as the micro service `name`."""
    service = CountingService(nc, ServiceConfig(name=name, version=VERSION, description=description))
    await service.start()
    slots = asyncio.Semaphore(CONCURRENCY)
    tasks: set[asyncio.Task[None]] = set()

    def done(task: asyncio.Task[None]) -> None:
        tasks.discard(task)
        slots.release()

    for endpoint, operation in operations.items():

        async def on_request(
            request: Request, operation: Operation = operation, tally: Tally = service.tallies[endpoint]
        ) -> None:
            arrived = time.perf_counter_ns()
            # Callbacks of one subscription run one at a time: hand off, bounded.
            await slots.acquire()
            task = asyncio.create_task(_answer(request, operation, tally, arrived))
            tasks.add(task)
            task.add_done_callback(done)

        group = f"{name}-{service.id}" if operation.everyone else None
        await service.add_endpoint(name=endpoint, subject=operation.subject, handler=on_request, queue_group=group)
    # The server must know the subscriptions before anybody hears that we are ready. Twice: the client's first ping
    # overtakes what it has not written yet.
    await nc.flush()
    await nc.flush()
    return Serving(service, tasks)


async def _answer(request: Request, operation: Operation, tally: Tally, arrived_ns: int) -> None:
    answer = await _decided(request, operation)
    took_ns = time.perf_counter_ns() - arrived_ns
    code = answer.code if isinstance(answer, RpcError) else ""
    metrics.answered(operation.subject, "not_mine" if answer is None else code, took_ns / 1e9)
    if answer is not None:
        # Before it is sent, so that who has the answer finds it counted.
        tally.count(took_ns, code)
        await request.respond(msgspec.json.encode(answer))


async def _decided(request: Request, operation: Operation) -> msgspec.Struct | None:
    try:
        message = msgspec.json.decode(request.data, type=operation.request)
        return await operation.handler(message)
    except msgspec.MsgspecError as error:
        return RpcError(code="invalid", message=str(error))
    except Refused as error:
        return RpcError(code=error.code, message=error.message, retry_after_s=error.retry_after_s)
    except Retryable as error:
        return RpcError(code="unavailable", message=str(error))
    except Exception:
        log.exception("%s failed", operation.subject)
        return RpcError(code="unavailable", message="the operation failed; the service's log says why")
