"""What clients of tus ask before they upload: any of them, without a key, and pages of listed origins too."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.bus import running_bus
from tests.support.http_gateway import ADA, BOB, Gateway, add_key, fill_directory, running_gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")

MAX = 1_234_567
PAGE, HERE, ELSEWHERE = "wsk_page", "https://example.org", "https://evil.example"
COLLECTION, UPLOAD = "/v1/files", "/v1/files/ada.nothing"
KNOWN = {
    "Tus-Resumable": "1.0.0",
    "Tus-Version": "1.0.0",
    "Tus-Extension": "creation,termination",
    "Tus-Max-Size": str(MAX),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway() -> AsyncIterator[Gateway]:
    async with running_bus() as bus:
        await fill_directory(bus)
        await add_key(await bus.connect("registry"), PAGE, "ada", scopes=("submit",), origins=[HERE])
        async with running_gateway(bus, file_max_bytes=MAX) as here:
            yield here


async def begun(gateway: Gateway, **headers: str) -> str:
    made = await gateway.call("POST", "/v1/files?space=demo", Upload_Length="1000", Tus_Resumable="1.0.0", **headers)
    assert made.status == 201
    return made.headers["Location"]


@pytest.mark.parametrize("path", [COLLECTION, UPLOAD, f"{COLLECTION}?token=anything"])
async def test_whoever_asks_is_told_what_can_be_uploaded(gateway: Gateway, path: str) -> None:
    for key in ("", ADA, "wsk_none"):
        answer = await gateway.call("OPTIONS", path, key=key)
        assert (answer.status, answer.body) == (204, b"")
        assert {name: answer.headers.get(name) for name in KNOWN} == KNOWN


async def test_another_version_in_the_question_is_ignored(gateway: Gateway) -> None:
    assert (await gateway.call("OPTIONS", COLLECTION, key="", Tus_Resumable="0.2.2")).status == 204


async def test_what_it_says_holds(gateway: Gateway) -> None:
    for length, status in ((MAX, 201), (MAX + 1, 413)):
        made = await gateway.call("POST", "/v1/files?space=demo", Upload_Length=str(length), Tus_Resumable="1.0.0")
        assert made.status == status


async def test_an_upload_is_ended_as_the_extension_termination_has_it(gateway: Gateway) -> None:
    path = await begun(gateway)
    refused = await gateway.call("DELETE", path, Tus_Resumable="0.2.2")
    assert (refused.status, refused.headers["Tus-Version"]) == (412, "1.0.0")
    assert (await gateway.call("DELETE", path, Tus_Resumable="1.0.0", key=BOB)).status == 404
    assert (await gateway.call("HEAD", path, Tus_Resumable="1.0.0")).status == 200
    ended = await gateway.call("DELETE", path, Tus_Resumable="1.0.0")
    assert (ended.status, ended.headers["Tus-Resumable"]) == (204, "1.0.0")
    assert (await gateway.call("HEAD", path, Tus_Resumable="1.0.0")).status == 410


@pytest.mark.parametrize("path", [COLLECTION, UPLOAD])
async def test_pages_of_listed_origins_may_read_it_and_no_others(gateway: Gateway, path: str) -> None:
    answer = await gateway.call("OPTIONS", path, key="", Origin=HERE)
    assert answer.status == 204
    assert answer.headers["Access-Control-Allow-Origin"] == HERE
    assert answer.headers["Vary"] == "Origin"
    assert set(KNOWN) <= set(answer.headers["Access-Control-Expose-Headers"].split(", "))
    answer = await gateway.call("OPTIONS", path, key="", Origin=ELSEWHERE)
    assert answer.status == 204
    assert "Access-Control-Allow-Origin" not in answer.headers


async def test_a_page_uploads_after_its_browser_has_asked(gateway: Gateway) -> None:
    asked = {"Origin": HERE, "Access_Control_Request_Method": "PATCH"}
    allowed = await gateway.call("OPTIONS", UPLOAD, key="", **asked)
    assert allowed.headers["Access-Control-Allow-Origin"] == HERE
    assert {"PATCH", "OPTIONS"} <= set(allowed.headers["Access-Control-Allow-Methods"].split(", "))
    assert "Tus-Version" not in allowed.headers
    path = await begun(gateway, key=PAGE, Origin=HERE)
    sent = {"Content_Type": "application/offset+octet-stream", "Upload_Offset": "0", "Tus_Resumable": "1.0.0"}
    done = await gateway.call("PATCH", path, bytes(1000), key=PAGE, Origin=HERE, **sent)
    assert (done.status, done.headers["Access-Control-Allow-Origin"]) == (204, HERE)
