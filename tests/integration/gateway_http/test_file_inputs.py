"""Submissions whose input refers to files, or is so large that it becomes one."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from services.contracts import codec, subjects
from services.contracts.events import Accepted
from services.contracts.instants import nanoseconds
from services.gateway.file_service import GatewayFiles
from services.gateway.file_use import FileUses
from services.gateway.reading import Reader
from services.gateway.storing import NewFile
from services.runtime.clock import ServerClock
from services.runtime.directory import DirectoryFollower
from services.runtime.jetstream import get
from services.runtime.settings import Settings
from tests.support.bus import Bus, running_bus
from tests.support.elsewhere import Elsewhere
from tests.support.http_gateway import ADA, ADMIN, BOB, Gateway, HttpAnswer, fill_directory, running_gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECRET = "one secret for all"
LARGE = {"text": "large " * 50_000}
NO_SUCH = f"ada.{'0' * 32}"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bus() -> AsyncIterator[Bus]:
    async with running_bus() as here:
        await fill_directory(here)
        await (await Elsewhere.connect(here)).answer_about_files(lambda file: False)
        yield here


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(bus: Bus) -> AsyncIterator[Gateway]:
    async with running_gateway(bus, secret_key=SECRET, files_keep=60.0) as here:
        yield here


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def elsewhere(bus: Bus) -> AsyncIterator[Gateway]:
    """Another gateway of the same platform."""
    async with running_gateway(bus, secret_key=SECRET, files_keep=60.0) as here:
        yield here


async def upload(gateway: Gateway, *, space: str = "demo", key: str = ADA) -> dict[str, Any]:
    made = await gateway.call("POST", f"/v1/files?space={space}", b"some", key=key)
    assert made.status == 201
    found: dict[str, Any] = made.json
    return found


async def submit(gateway: Gateway, input: Any, *, key: str = ADA, **headers: str) -> HttpAnswer:
    body = json.dumps({"input": input, "policy": {"start_timeout_s": 7200, "execution_timeout_s": 1800}}).encode()
    return await gateway.call("POST", "/v1/spaces/demo/requests", body, key=key, Content_Type="application/json", **headers)


async def accepted(bus: Bus, answer: HttpAnswer) -> Accepted:
    assert answer.status == 202, answer.json
    stored = await get(await bus.connect("gateway"), subjects.REQUESTS, last=subjects.chain(answer.json["id"]))
    assert stored is not None
    event = codec.requests.decode(stored.data)
    assert isinstance(event, Accepted)
    return event


def refusal(answer: HttpAnswer) -> tuple[int, str, list[str]]:
    return answer.status, answer.json["code"], [flaw["pointer"] for flaw in answer.json.get("errors", [])]


async def test_files_that_an_input_refers_to_are_named_and_kept(bus: Bus, gateway: Gateway, elsewhere: Gateway) -> None:
    file = await upload(elsewhere)
    answer = await submit(gateway, {"clip": f"/v1/files/{file['id']}", "again": [f"/v1/files/{file['id']}"]})
    event = await accepted(bus, answer)
    assert event.files == (file["id"],)
    assert event.input_file == ""
    kept = (await elsewhere.call("GET", f"/v1/files/{file['id']}")).json
    accepted_at = nanoseconds(answer.json["created_at"])
    assert nanoseconds(kept["expires_at"]) >= accepted_at + (7200 + 1800 + 3600) * 10**9


async def test_a_file_is_complete_that_was_completed_elsewhere_a_moment_ago(bus: Bus) -> None:
    async def files() -> GatewayFiles:
        """Those of a gateway that hears of nothing by itself."""
        nc = await bus.connect("gateway")
        clock, reader = ServerClock(), Reader(nc)
        await clock.measure(nc)
        return GatewayFiles(nc, clock, Settings(), DirectoryFollower(nc), FileUses(nc, reader).in_use)

    here, there = await files(), await files()
    begun = await here.storing.begin(NewFile(kind="upload", space="demo", user="ada", key_id="k", length=4))
    upload = await there.storing.upload(begun)
    await there.storing.write(upload, b"some")
    await there.storing.complete(upload)
    known = here.files.known(begun.id)
    assert known is not None
    assert known.state == "uploading"
    assert await here.files.check(f'["/v1/files/{begun.id}"]'.encode(), "demo", "ada") == (begun.id,)


@pytest.mark.parametrize(
    ("space", "owner"), [("demo", BOB), ("other", ADA), ("", "")], ids=["of somebody else", "of another space", "of nobody"]
)
async def test_a_file_that_its_user_may_not_use_is_pointed_to(gateway: Gateway, space: str, owner: str) -> None:
    id = (await upload(gateway, space=space, key=owner))["id"] if space else NO_SUCH
    answer = await submit(gateway, {"clips": ["text", f"/v1/files/{id}"]})
    assert refusal(answer) == (422, "input_invalid", ["/input/clips/1"])


async def test_a_file_that_is_not_complete_is_pointed_to(gateway: Gateway) -> None:
    begun = await gateway.call("POST", "/v1/files?space=demo", Upload_Length="5", Tus_Resumable="1.0.0")
    answer = await submit(gateway, {"clip": f"/v1/files/{begun.json['id']}"})
    assert refusal(answer) == (422, "input_invalid", ["/input/clip"])


async def test_a_file_that_is_deleted_is_said_to_be_gone(gateway: Gateway) -> None:
    file = await upload(gateway)
    assert (await gateway.call("DELETE", f"/v1/files/{file['id']}")).status in (200, 204)
    answer = await submit(gateway, {"clip": f"/v1/files/{file['id']}"})
    assert (answer.status, answer.json["code"]) == (410, "data_expired")


async def test_an_administrator_may_refer_to_files_of_others(bus: Bus, gateway: Gateway) -> None:
    file = await upload(gateway)
    event = await accepted(bus, await submit(gateway, {"clip": f"/v1/files/{file['id']}"}, key=ADMIN))
    assert event.files == (file["id"],)


async def test_a_large_input_is_kept_in_a_file_and_shown(bus: Bus, gateway: Gateway, elsewhere: Gateway) -> None:
    file = await upload(gateway)
    input = {**LARGE, "clip": f"/v1/files/{file['id']}"}
    answer = await submit(gateway, input)
    assert answer.json["input"] == input
    event = await accepted(bus, answer)
    assert (bytes(event.input), event.files) == (b"null", (file["id"],))
    about = (await gateway.call("GET", f"/v1/files/{event.input_file}")).json
    assert (about["kind"], about["media_type"], about["user"]) == ("input", "application/json", "ada")
    assert (await elsewhere.call("GET", f"/v1/requests/{answer.json['id']}")).json["input"] == input
    assert (await gateway.call("GET", f"/v1/files/{event.input_file}", key=BOB)).status == 404


async def test_a_submission_that_is_repeated_stores_its_input_once(bus: Bus, gateway: Gateway) -> None:
    first = await submit(gateway, LARGE, Idempotency_Key="large-1")
    again = await submit(gateway, LARGE, Idempotency_Key="large-1")
    assert again.json["id"] == first.json["id"]
    assert again.json["input"] == LARGE
    assert again.headers["Idempotent-Replayed"] == "true"
