"""Requests whose files are gone: they cannot be asked for again, and who erases one erases its large values."""

from typing import Any

import msgspec
import pytest

from services.contracts.files import reference
from services.history.verify import verify
from tests.support.collecting import Collecting, Shelf
from tests.support.history import Request, World
from tests.support.http_gateway import Gateway, HttpAnswer


async def upload(gateway: Gateway) -> dict[str, Any]:
    answer = await gateway.call("POST", "/v1/files?space=demo", b"some bytes", Content_Type="text/plain")
    assert answer.status == 201
    file: dict[str, Any] = answer.json
    return file


async def submit(gateway: Gateway, file: dict[str, Any]) -> str:
    answer = await gateway.submit(msgspec.json.encode({"input": {"data": file["urls"]["self"]}}))
    assert answer.status == 202
    return str(answer.json["id"])


async def delete(gateway: Gateway, id: str) -> HttpAnswer:
    return await gateway.call("DELETE", reference(id))


async def test_a_request_whose_file_is_deleted_cannot_be_retried(world: World, gateway: Gateway) -> None:
    file = await upload(gateway)
    rid = await submit(gateway, file)
    assert (await gateway.call("POST", f"/v1/requests/{rid}/cancel")).status == 200
    retried = await gateway.call("POST", f"/v1/requests/{rid}/retry")
    assert retried.status == 202
    assert (await gateway.call("POST", f"/v1/requests/{retried.json['id']}/cancel")).status == 200
    assert (await delete(gateway, file["id"])).status == 204
    again = await gateway.call("POST", f"/v1/requests/{rid}/retry")
    assert (again.status, again.json["code"]) == (410, "data_expired")


@pytest.mark.parametrize("where", ["files", "input_file"])
async def test_a_request_of_whose_file_nothing_is_known_any_more_cannot_be_retried(
    world: World, gateway: Gateway, where: str
) -> None:
    id = "ada." + "0" * 32
    request: Request = world.request()
    await request.accept(user="ada", **({"files": (id,)} if where == "files" else {"input_file": id}))
    await request.cancel()
    answer = await gateway.call("POST", f"/v1/requests/{request.rid}/retry")
    assert (answer.status, answer.json["code"]) == (410, "data_expired")


async def test_who_erases_a_request_erases_the_input_and_the_output_that_were_too_large_for_events(
    world: World, gateway: Gateway, shelf: Shelf
) -> None:
    collecting = Collecting(world)
    large = msgspec.json.encode({"input": {"text": "x" * 300_000}})
    rid = str((await gateway.submit(large)).json["id"])
    assert (await gateway.call("POST", f"/v1/requests/{rid}/cancel")).status == 200
    await world.recorded()
    (id,) = [row["file"] for row in await world.fetch("SELECT file FROM request_files WHERE rid = $1", rid)]
    assert (await gateway.read(rid)).json["input"] == {"text": "x" * 300_000}
    assert (await gateway.call("DELETE", f"/v1/requests/{rid}/data")).status == 200
    assert await collecting.passes_at() == {"erased": 1}
    record = await shelf.store.get(id)
    assert record is not None
    assert not await shelf.there(record)
    shown = (await gateway.read(rid)).json
    assert (shown["erased"], shown["input"]) == (True, None)
    assert (await gateway.call("POST", f"/v1/requests/{rid}/retry")).json["code"] == "data_expired"
    assert (await verify(world.servers.database_url)).findings == []
