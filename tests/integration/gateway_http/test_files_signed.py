"""Files of an attempt at a request: stored by whoever has the link, for nobody else, for no other attempt."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from services.gateway.signing import DownloadGrant, Signer, UploadGrant
from services.runtime.file_store import JetStreamFiles
from tests.support.bus import Bus, running_bus
from tests.support.http_gateway import BOB, Gateway, HttpAnswer, fill_directory, running_gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")

RID = "018bcfe5680070000000000000000000" + "0b"
SECRET, NEVER = "one secret for all", 2**62
GRANT = UploadGrant(rid=RID, attempt=1, lease=42, space="demo", user="ada", key_id="wsk_ada", until=NEVER)
MAX = 1024 * 1024


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bus() -> AsyncIterator[Bus]:
    async with running_bus() as here:
        await fill_directory(here)
        yield here


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(bus: Bus) -> AsyncIterator[Gateway]:
    async with running_gateway(bus, secret_key=SECRET, file_max_bytes=MAX, rate_limit_unknown="") as here:
        yield here


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def elsewhere(bus: Bus) -> AsyncIterator[Gateway]:
    async with running_gateway(bus, secret_key=f"older,{SECRET}", file_max_bytes=MAX) as here:
        yield here


def link(grant: UploadGrant | DownloadGrant = GRANT, secret: str = SECRET) -> str:
    return f"?token={Signer([secret]).token(grant)}"


def changed(**fields: object) -> UploadGrant:
    return UploadGrant(**{**{name: getattr(GRANT, name) for name in GRANT.__struct_fields__}, **fields})


async def upload(gateway: Gateway, data: bytes, query: str, **headers: str) -> HttpAnswer:
    return await gateway.call("POST", f"/v1/files{query}", data, key="", Content_Type="image/png", **headers)


async def test_who_has_the_link_stores_files_of_the_requests_user(gateway: Gateway, elsewhere: Gateway) -> None:
    made = await upload(elsewhere, b"result", f"{link()}&name=chart.png")
    assert made.status == 201
    file = made.json
    assert file["id"].startswith(f"{RID}.42.")
    assert (file["kind"], file["user"], file["space"], file["name"]) == ("output", "ada", "demo", "chart.png")
    assert (await gateway.call("GET", file["urls"]["self"] + "/content")).body == b"result"
    assert (await gateway.call("GET", file["urls"]["content"], key="")).body == b"result"
    assert (await gateway.call("GET", file["urls"]["self"], key=BOB)).status == 404


async def test_an_upload_by_link_goes_on_elsewhere_with_the_same_link(gateway: Gateway, elsewhere: Gateway) -> None:
    data = os.urandom(500_000)
    begun = await upload(gateway, b"", link(), Upload_Length=str(len(data)))
    place = begun.headers["Location"]
    assert place.startswith(f"/v1/files/{RID}.42.")
    for here, start, stop in ((gateway, 0, 200_000), (elsewhere, 200_000, 500_000)):
        head = await here.call("HEAD", place, key="")
        assert (head.status, head.headers["Upload-Offset"]) == (200, str(start))
        sent = {"Content_Type": "application/offset+octet-stream", "Upload_Offset": str(start)}
        assert (await here.call("PATCH", place, data[start:stop], key="", **sent)).status == 204
    found = await gateway.call("GET", begun.json["urls"]["self"])
    assert (found.json["done"], found.json["sha256"]) == (True, hashlib.sha256(data).hexdigest())


async def test_two_attempts_that_write_the_same_name_overwrite_nothing(gateway: Gateway) -> None:
    answers = await asyncio.gather(
        *(upload(gateway, str(lease).encode(), f"{link(changed(lease=lease))}&name=out.bin") for lease in (42, 43, 42))
    )
    files = [answer.json for answer in answers]
    assert len({file["id"] for file in files}) == 3
    contents = [(await gateway.call("GET", file["urls"]["self"] + "/content")).body for file in files]
    assert contents == [b"42", b"43", b"42"]


@pytest.mark.parametrize(
    "query",
    [
        link(changed(until=1)),
        link(secret="another"),
        link(DownloadGrant(file=f"ada.{'0' * 32}", until=NEVER)),
        "?token=",
        "?token=x",
        "?token=%00",
        link()[:-3],
        f"{link()}%3D%0D%0AX-More:%201",
        f"?token={'a' * 3000}",
    ],
    ids=["expired", "forged", "for reading", "empty", "nonsense", "null", "cut", "with a header", "long"],
)
async def test_no_other_link_stores_anything(gateway: Gateway, query: str) -> None:
    answer = await upload(gateway, b"x", query)
    assert (answer.status, answer.json["code"]) == (403, "forbidden")


async def test_a_link_of_another_attempt_neither_sees_nor_goes_on_with_an_upload(gateway: Gateway) -> None:
    begun = await upload(gateway, b"", link(), Upload_Length="10")
    path = begun.json["urls"]["self"]
    other_rid = RID[:31] + "10b"
    for grant in (changed(lease=43), changed(rid=other_rid)):
        assert (await gateway.call("HEAD", path + link(grant), key="")).status == 404
        sent = {"Content_Type": "application/offset+octet-stream", "Upload_Offset": "0"}
        assert (await gateway.call("PATCH", path + link(grant), b"x", key="", **sent)).status == 404
    mine = (await gateway.call("POST", "/v1/files?space=demo", Upload_Length="10")).json["urls"]["self"]
    assert (await gateway.call("HEAD", mine + link(), key="")).status == 404


async def test_limits_hold_for_links_too(gateway: Gateway) -> None:
    assert (await upload(gateway, bytes(MAX + 1), link())).status == 413
    assert (await upload(gateway, b"", link(), Upload_Length=str(MAX + 1))).status == 413


async def test_a_link_to_read_that_has_expired_is_refused(gateway: Gateway) -> None:
    made = await upload(gateway, b"result", link())
    path = made.json["urls"]["self"] + "/content"
    for until, status in ((NEVER, 200), (1, 403)):
        query = link(DownloadGrant(file=made.json["id"], until=until))
        assert (await gateway.call("GET", path + query, key="")).status == status


async def test_of_a_file_that_others_have_put_there_nothing_is_shown(gateway: Gateway, bus: Bus) -> None:
    nc = await bus.connect("gateway")
    made = (await upload(gateway, b"result", link())).json
    record = await JetStreamFiles(nc).get(made["id"])
    assert record is not None
    for damaged in (b"", b"{}", b"\xff" * 100):
        await nc.jetstream().publish("$O.ws_files.M." + "YWRhLjAw", damaged)
    assert (await gateway.call("GET", "/v1/files/ada.00")).status == 404
    assert (await gateway.call("GET", "/v1/files")).status == 200


async def test_who_guesses_links_is_refused(bus: Bus) -> None:
    async with running_gateway(bus, secret_key=SECRET, rate_limit_unknown="3/3600") as here:
        answers = [await upload(here, b"x", f"?token=guess{number}") for number in range(4)]
    assert [answer.status for answer in answers] == [403, 403, 403, 429]
