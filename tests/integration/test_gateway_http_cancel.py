"""Cancel and retry: on a real nats-server, with the test as dispatcher and as the agent's gateway."""

import asyncio

import pytest

from services.contracts import subjects
from services.contracts.events import Accepted, Canceled
from tests.support.elsewhere import AGENT_GATEWAY, Elsewhere
from tests.support.http_fixtures import bus, elsewhere, gateway
from tests.support.http_gateway import ADMIN, BOB, Gateway, HttpAnswer

__all__ = ["bus", "elsewhere", "gateway"]


async def cancel(gateway: Gateway, rid: str, **options: str) -> HttpAnswer:
    return await gateway.call("POST", f"/v1/requests/{rid}/cancel", **options)  # type: ignore[arg-type]


async def retry(gateway: Gateway, rid: str, **options: str) -> HttpAnswer:
    return await gateway.call("POST", f"/v1/requests/{rid}/retry", **options)  # type: ignore[arg-type]


async def submitted(gateway: Gateway, body: bytes = b'{"input":{"n":1}}') -> str:
    return str((await gateway.submit(body)).json["id"])


async def test_a_queued_request_is_canceled_at_once(gateway: Gateway, elsewhere: Elsewhere) -> None:
    rid = await submitted(gateway)
    answer = await cancel(gateway, rid)
    assert (answer.status, answer.json["status"], answer.json["done"]) == (200, "canceled", True)
    assert answer.json["completed_at"] is not None
    assert answer.json == (await gateway.read(rid)).json
    event, _ = await elsewhere.last(rid)
    assert isinstance(event, Canceled)
    assert (event.actor, event.gateway) == ("user:ada", "")


async def test_an_assigned_request_is_canceled_where_its_agent_is(gateway: Gateway, elsewhere: Elsewhere) -> None:
    rid = await submitted(gateway)
    await elsewhere.assign(rid)
    assert (await cancel(gateway, rid)).json["status"] == "canceled"
    _, stored = await elsewhere.last(rid)
    assert subjects.parse_request_event(stored.subject).agent_gateway == AGENT_GATEWAY


async def test_whoever_waits_for_it_is_told(gateway: Gateway, elsewhere: Elsewhere) -> None:
    await elsewhere.answer_as_history({})  # whoever finds the key taken may look before the request is in the stream
    waiting = asyncio.create_task(gateway.submit(Prefer="wait=30", Idempotency_Key="k"))
    rid = (await gateway.submit(Idempotency_Key="k")).json["id"]
    await cancel(gateway, rid)
    answer = await waiting
    assert (answer.status, answer.json["status"]) == (201, "canceled")


async def test_many_cancels_at_once_make_one_event_and_all_succeed(gateway: Gateway, elsewhere: Elsewhere) -> None:
    rid = await submitted(gateway)
    answers = await asyncio.gather(*(cancel(gateway, rid) for _ in range(10)))
    assert {(answer.status, answer.json["status"]) for answer in answers} == {(200, "canceled")}
    assert len(await elsewhere.chain(rid)) == 2


async def test_a_cancel_that_races_with_the_dispatcher_is_appended_after_what_was_first(
    gateway: Gateway, elsewhere: Elsewhere
) -> None:
    for _ in range(10):
        rid = await submitted(gateway)
        _, answer = await asyncio.gather(asyncio.gather(elsewhere.assign(rid), return_exceptions=True), cancel(gateway, rid))
        assert answer.json["status"] == "canceled"
        event, _ = await elsewhere.last(rid)
        assert isinstance(event, Canceled)


async def test_an_event_that_does_not_fit_its_chain_is_not_shown(gateway: Gateway, elsewhere: Elsewhere) -> None:
    rid = await submitted(gateway)
    await cancel(gateway, rid)
    shown = (await gateway.read(rid)).json
    await elsewhere.forge_assignment(rid)
    assert len(await elsewhere.chain(rid)) == 3
    assert (await gateway.read(rid)).json == shown
    assert (await cancel(gateway, rid)).json == shown


async def test_a_request_that_has_ended_cannot_be_canceled(gateway: Gateway, elsewhere: Elsewhere) -> None:
    rid = await submitted(gateway)
    await elsewhere.assign(rid)
    await elsewhere.succeed(rid)
    answer = await cancel(gateway, rid)
    assert (answer.status, answer.json["code"]) == (409, "already_done")
    assert "succeeded" in answer.json["detail"]
    assert len(await elsewhere.chain(rid)) == 3


@pytest.mark.parametrize("act", [cancel, retry])
async def test_requests_of_others_and_unknown_ones_are_not_found(gateway: Gateway, elsewhere: Elsewhere, act) -> None:  # type: ignore[no-untyped-def]
    await elsewhere.answer_as_history({})
    rid = await submitted(gateway)
    for answer in (await act(gateway, rid, key=BOB), await act(gateway, "0" * 34), await act(gateway, "a.b")):
        assert (answer.status, answer.json["code"]) == (404, "not_found")
    assert (await act(gateway, rid, key="wsk_wrong")).status == 401
    assert len(await elsewhere.chain(rid)) == 1


async def test_an_admin_may_cancel_what_others_submitted(gateway: Gateway, elsewhere: Elsewhere) -> None:
    rid = await submitted(gateway)
    assert (await cancel(gateway, rid, key=ADMIN)).json["status"] == "canceled"
    assert (await elsewhere.last(rid))[0].actor == "user:root"


async def test_a_retry_is_a_new_request_with_the_same_input(gateway: Gateway, elsewhere: Elsewhere) -> None:
    body = b'{"input":{"n": 1.50},"metadata":{"tag":"x"},"policy":{"priority":3,"execution_timeout_s":7}}'
    rid = await submitted(gateway, body)
    await elsewhere.assign(rid)
    await elsewhere.fail(rid)
    answer = await retry(gateway, rid)
    again = answer.json
    assert (answer.status, again["status"], again["retry_of"]) == (202, "queued", rid)
    assert again["id"] != rid
    assert (again["input"], again["metadata"]) == ({"n": 1.5}, {"tag": "x"})
    event, _ = await elsewhere.last(again["id"])
    assert isinstance(event, Accepted)
    assert (event.priority, event.execution_timeout_s, event.retry_of) == (3, 7.0, rid)
    assert (await gateway.read(rid)).json["status"] == "failed", "the old one stays as it is"


async def test_a_retry_of_a_request_that_has_not_ended_is_refused(gateway: Gateway) -> None:
    rid = await submitted(gateway)
    answer = await retry(gateway, rid)
    assert (answer.status, answer.json["code"]) == (409, "not_done")


async def test_a_retry_with_the_same_key_is_made_once(gateway: Gateway) -> None:
    rid = await submitted(gateway)
    await cancel(gateway, rid)
    first, second = [await retry(gateway, rid, Idempotency_Key="again") for _ in range(2)]
    assert first.json["id"] == second.json["id"]
    assert second.headers["Idempotent-Replayed"] == "true"
    other = await submitted(gateway)
    await cancel(gateway, other)
    assert (await retry(gateway, other, Idempotency_Key="again")).json["code"] == "idempotency_mismatch"
