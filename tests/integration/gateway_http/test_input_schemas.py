"""What spaces want of inputs, over HTTP: gateways and a registry, as their mains wire them, on a real nats-server."""

import msgspec

from tests.integration.gateway_http.test_spaces import VISIBLE_S, create, outcome, spaces
from tests.support.bus import Bus, until
from tests.support.http_gateway import ADA, Gateway, HttpAnswer, running_gateway, send

__all__ = ["spaces"]
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


async def submit(gateway: Gateway, value: object) -> HttpAnswer:
    body = msgspec.json.encode({"input": value})
    return await gateway.call("POST", "/v1/spaces/new/requests", body, key=ADA)


async def test_inputs_are_checked_against_the_switches_of_their_space(spaces: Gateway) -> None:
    made = await create(spaces, {"id": "new", "features": ["prompt"], "example_input": {"prompt": "hi"}})
    assert (made.status, made.json["features"], made.json["example_input"]) == (201, ["prompt"], {"prompt": "hi"})
    assert list(made.json["input_schema"]["properties"]) == ["prompt"]
    assert (await submit(spaces, {"prompt": "hello"})).status == 202
    assert outcome(await submit(spaces, {"audio": "https://example.org/a.wav"})) == (403, "feature_disabled")
    bad = await submit(spaces, {"prompt": 5})
    assert outcome(bad) == (422, "input_invalid")
    assert [flaw["pointer"] for flaw in bad.json["errors"]] == ["/input/prompt"]


async def test_a_schema_that_cannot_be_used_is_not_recorded(spaces: Gateway) -> None:
    hostile = {"type": "object", "properties": {"n": {"$ref": "https://example.org/schema"}}}
    bad = await create(spaces, {"id": "new", "input_schema": hostile})
    assert outcome(bad) == (422, "input_invalid")
    assert [flaw["pointer"] for flaw in bad.json["errors"]] == ["/input_schema/properties/n/$ref"]
    assert outcome(await send(spaces, "GET", "/v1/spaces/new")) == (404, "not_found")
    await create(spaces, {"id": "new", "input_schema": SCHEMA})
    assert outcome(await send(spaces, "PATCH", "/v1/spaces/new", {"example_input": {"n": "x"}})) == (422, "input_invalid")


async def test_an_edited_schema_holds_at_every_gateway_and_for_retries(spaces: Gateway, bus: Bus) -> None:
    await create(spaces, {"id": "new"})
    async with running_gateway(bus) as other:
        old = (await submit(spaces, {"n": "x"})).json["id"]
        await send(spaces, "POST", f"/v1/requests/{old}/cancel")
        await send(spaces, "PATCH", "/v1/spaces/new", {"input_schema": SCHEMA})
        assert outcome(await submit(spaces, {"n": "x"})) == (422, "input_invalid")

        async def there() -> bool:
            return (await submit(other, {"n": "x"})).status == 422

        await until(there, "the other gateway checks by the new schema", VISIBLE_S)
        assert (await submit(other, {"n": 1})).status == 202
        assert outcome(await send(spaces, "POST", f"/v1/requests/{old}/retry")) == (422, "input_invalid")
        await send(spaces, "PATCH", "/v1/spaces/new", {"input_schema": {}})
        assert (await send(spaces, "POST", f"/v1/requests/{old}/retry")).status == 202
