"""Files over HTTP: uploaded in one go or resumed, listed, deleted; within the limits, and harmless whatever they are
called."""

import asyncio
import base64
import hashlib
import os
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
import pytest_asyncio

from services.contracts import subjects
from services.contracts.directory import SpaceEdited
from services.contracts.files import CHUNK_BYTES
from services.gateway.media_types import HEAD_BYTES
from services.runtime.file_store import End, JetStreamFiles
from services.runtime.jetstream import stream_info
from services.runtime.settings import Settings
from tests.support.bus import Bus, running_bus, until
from tests.support.elsewhere import Elsewhere
from tests.support.http_gateway import (
    ADA,
    ADMIN,
    BOB,
    ONLY_OTHER,
    Gateway,
    HttpAnswer,
    change_space,
    fill_directory,
    running_gateway,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

MAX = 4 * 1024 * 1024
SECRET = "one secret for all"
PIECE = "application/offset+octet-stream"
used: dict[str, bool | None] = {}
"""Files that open requests refer to; None: history is silent about them."""
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(100)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bus() -> AsyncIterator[Bus]:
    async with running_bus() as here:
        await fill_directory(here)
        await (await Elsewhere.connect(here)).answer_about_files(lambda file: used.get(file, False))
        yield here


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(bus: Bus) -> AsyncIterator[Gateway]:
    async with running_gateway(bus, secret_key=SECRET, file_max_bytes=MAX, files_key_max_bytes=8 * MAX) as here:
        yield here


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def elsewhere(bus: Bus) -> AsyncIterator[Gateway]:
    """Another gateway of the same platform."""
    async with running_gateway(bus, secret_key=SECRET, file_max_bytes=MAX) as here:
        yield here


async def upload(gateway: Gateway, data: bytes | AsyncIterator[bytes], query: str = "", **headers: str) -> HttpAnswer:
    headers = {"Content_Type": "application/octet-stream", **headers}
    return await gateway.call("POST", f"/v1/files?space=demo{query}", data, **headers)


async def begin(gateway: Gateway, length: int, query: str = "", **headers: str) -> HttpAnswer:
    return await gateway.call(
        "POST", f"/v1/files?space=demo{query}", Upload_Length=str(length), Tus_Resumable="1.0.0", **headers
    )


async def append(gateway: Gateway, path: str, offset: int, data: bytes | AsyncIterator[bytes], **headers: str) -> HttpAnswer:
    headers = {"Content_Type": PIECE, "Upload_Offset": str(offset), "Tus_Resumable": "1.0.0", **headers}
    return await gateway.call("PATCH", path, data, **headers)


async def content(gateway: Gateway, file: dict[str, Any], **headers: str) -> HttpAnswer:
    return await gateway.call("GET", f"/v1/files/{file['id']}/content", **headers)


async def in_pieces(data: bytes, size: int = 70_000) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def stored_bytes(bus: Bus) -> int:
    return (await stream_info(await bus.connect("gateway"), subjects.FILES)).state.bytes


# In one go


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 1_000_003])
async def test_a_body_becomes_a_file_that_comes_back_equal(gateway: Gateway, elsewhere: Gateway, size: int) -> None:
    data = os.urandom(size)
    made = await upload(gateway, data, "&name=data.bin")
    assert made.status == 201
    assert made.headers["Location"] == made.json["urls"]["self"] == f"/v1/files/{made.json['id']}"
    assert (made.json["size"], made.json["received"], made.json["done"]) == (size, size, True)
    assert made.json["sha256"] == hashlib.sha256(data).hexdigest()
    assert (made.json["name"], made.json["space"], made.json["user"]) == ("data.bin", "demo", "ada")
    for here in (gateway, elsewhere):
        got = await content(here, made.json)
        assert (got.status, got.body) == (200, data)
        assert got.headers["ETag"] == f'"{made.json["sha256"]}"'
        assert (await here.call("GET", made.json["urls"]["self"])).json["sha256"] == made.json["sha256"]


async def test_a_body_of_unknown_length_becomes_a_file(gateway: Gateway) -> None:
    data = os.urandom(1_000_003)
    made = await upload(gateway, in_pieces(data))
    assert made.status == 201
    assert (await content(gateway, made.json)).body == data


async def test_a_form_becomes_a_file(gateway: Gateway) -> None:
    data = os.urandom(300_000) + b"\r\n--boundary--\r\n" + os.urandom(10)
    form = aiohttp.FormData(quote_fields=False)
    form.add_field("file", data, filename="Bild ü.bin", content_type="application/x-tensor")
    async with gateway.http.post(
        f"{gateway.url}/v1/files?space=demo", data=form, headers={"Authorization": f"Bearer {ADA}"}
    ) as answer:
        assert answer.status == 201
        made = await answer.json()
    assert (made["name"], made["media_type"], made["size"]) == ("Bild ü.bin", "application/x-tensor", len(data))
    assert (await content(gateway, made)).body == data


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", b"--x\r\n"),
        ("multipart/form-data; boundary=x", b""),
        ("multipart/form-data; boundary=x", b"nothing of the kind"),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="other"\r\n\r\na\r\n--x--\r\n'),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\ncut off'),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\na\r\n'
            b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\nb\r\n--x--\r\n',
        ),
        ("multipart/form-data; boundary=x", b"--x\r\n" + b"X-Long: " + b"a" * 200_000),
        (f"multipart/form-data; boundary={'x' * 5000}", b"--x\r\n"),
    ],
)
async def test_a_damaged_form_leaves_nothing(gateway: Gateway, kind: str, body: bytes) -> None:
    before = (await gateway.call("GET", "/v1/files")).json
    answer = await upload(gateway, body, Content_Type=kind)
    assert (answer.status, answer.json["code"]) == (400, "invalid_request")
    assert [each["id"] for each in (await gateway.call("GET", "/v1/files")).json["results"]] == [
        each["id"] for each in before["results"]
    ]


# Limits


async def test_what_says_that_it_is_too_large_is_refused_before_it_is_read(gateway: Gateway) -> None:
    asked = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal asked
        while True:
            asked += 1
            yield bytes(65536)

    answer = await upload(gateway, endless(), Content_Length=str(MAX + 1), Expect="100-continue")
    assert (answer.status, answer.json["code"], asked) == (413, "payload_too_large", 0)
    begun = await begin(gateway, MAX + 1)
    assert (begun.status, begun.json["code"]) == (413, "payload_too_large")
    form = await upload(gateway, endless(), Content_Length=str(2 * MAX), Content_Type="multipart/form-data; boundary=x")
    assert (form.status, form.json["code"]) == (413, "payload_too_large")


async def test_what_turns_out_to_be_too_large_is_cut_off_and_leaves_nothing(gateway: Gateway, bus: Bus) -> None:
    before = await stored_bytes(bus)
    answer = await upload(gateway, in_pieces(bytes(MAX + 1)))
    assert (answer.status, answer.json["code"]) == (413, "payload_too_large")

    async def emptied() -> bool:
        return await stored_bytes(bus) < before + 10_000

    await until(emptied, "the bytes are gone")


async def test_a_key_and_a_space_have_so_much_room_and_get_it_back(bus: Bus) -> None:
    async with running_gateway(bus, secret_key=SECRET, files_key_max_bytes=1, files_space_max_bytes=2**40) as here:
        refused = await upload(here, b"ab")
        assert (refused.status, refused.json["code"]) == (429, "quota_exceeded")
        assert "This key" in refused.json["detail"]
    async with running_gateway(bus, secret_key=SECRET, files_key_max_bytes=2**40, files_space_max_bytes=300_000) as here:
        path = "/v1/files?space=other"
        first = await here.call("POST", path, bytes(200_000))
        refused = await here.call("POST", path, bytes(200_000))
        assert (first.status, refused.status, refused.json["code"]) == (201, 429, "quota_exceeded")
        assert (await here.call("DELETE", first.json["urls"]["self"])).status == 204
        assert (await here.call("POST", path, bytes(200_000))).status == 201


async def test_what_turns_out_to_be_more_than_there_is_room_for_is_cut_off(bus: Bus) -> None:
    async with running_gateway(bus, secret_key=SECRET, files_space_max_bytes=500_000, files_key_max_bytes=2**40) as here:
        answer = await here.call("POST", "/v1/files?space=other", in_pieces(bytes(600_000)))
        assert (answer.status, answer.json["code"]) == (429, "quota_exceeded")


async def test_what_comes_at_once_has_no_more_room_than_one_after_the_other(bus: Bus, gateway: Gateway) -> None:
    there = (await gateway.call("GET", "/v1/files?space=other")).json["results"]
    room = sum(file["size"] for file in there) + 500_000
    before, go_on = await stored_bytes(bus), asyncio.Event()

    async def in_two() -> AsyncIterator[bytes]:
        yield bytes(300_000)
        await go_on.wait()
        yield bytes(100_000)

    async def arrived() -> bool:
        return await stored_bytes(bus) > before + 2 * CHUNK_BYTES

    async with running_gateway(bus, secret_key=SECRET, files_space_max_bytes=room, files_key_max_bytes=2**40) as here:
        first = asyncio.create_task(here.call("POST", "/v1/files?space=other", in_two()))
        await until(arrived, "what one has sent is stored")
        refused = await here.call("POST", "/v1/files?space=other", in_pieces(bytes(300_000)))
        assert (refused.status, refused.json["code"]) == (429, "quota_exceeded")
        assert "The space has 200000 bytes left" in refused.json["detail"]
        go_on.set()
        assert (await first).status == 201


async def test_a_full_store_says_so_and_keeps_nothing_of_what_did_not_fit() -> None:
    async with running_bus(Settings(files_max_bytes=16 * 1024 * 1024)) as full:
        await fill_directory(full)
        async with running_gateway(full, secret_key=SECRET) as here:
            answer = await upload(here, bytes(20 * 1024 * 1024))
            assert (answer.status, answer.json["detail"]) == (503, "The store of files is full.")
            assert (await upload(here, bytes(1024 * 1024))).status == 201


# Resuming


async def test_an_upload_goes_on_at_another_gateway(gateway: Gateway, elsewhere: Gateway) -> None:
    data = os.urandom(1_500_000)
    named = base64.b64encode(b"Film.mp4").decode()
    begun = await begin(
        gateway, len(data), Upload_Metadata=f"filename {named},filetype {base64.b64encode(b'video/mp4').decode()}"
    )
    assert (begun.status, begun.headers["Tus-Resumable"], begun.json["done"]) == (201, "1.0.0", False)
    path, sent = begun.headers["Location"], 0
    for here, size in ((gateway, 400_000), (elsewhere, 1), (elsewhere, 600_000), (gateway, 499_999)):
        head = await here.call("HEAD", path)
        assert (head.status, head.headers["Upload-Offset"], head.headers["Upload-Length"]) == (
            200,
            str(sent),
            str(len(data)),
        )
        assert (await here.call("GET", path)).json["received"] == sent
        answer = await append(here, path, sent, data[sent : sent + size])
        sent += size
        assert (answer.status, answer.headers["Upload-Offset"]) == (204, str(sent))
    for here in (gateway, elsewhere):
        file = (await here.call("GET", path)).json
        assert (file["done"], file["sha256"], file["name"], file["media_type"]) == (
            True,
            hashlib.sha256(data).hexdigest(),
            "Film.mp4",
            "video/mp4",
        )
        assert (await content(here, file)).body == data
        assert (await here.call("HEAD", path)).headers["Upload-Offset"] == str(len(data))


async def test_what_came_before_a_cut_is_kept(gateway: Gateway, elsewhere: Gateway) -> None:
    data = os.urandom(1_000_000)
    path = (await begin(gateway, len(data))).headers["Location"]

    address = urlsplit(gateway.url)
    _, writer = await asyncio.open_connection(address.hostname, address.port)
    head = [
        *(f"PATCH {path} HTTP/1.1", "Host: localhost", f"Authorization: Bearer {ADA}", f"Content-Type: {PIECE}"),
        *("Upload-Offset: 0", f"Content-Length: {len(data)}", "\r\n"),
    ]
    writer.write("\r\n".join(head).encode() + data[:300_000])
    await writer.drain()
    writer.close()
    await writer.wait_closed()

    async def kept() -> bool:
        return int((await elsewhere.call("HEAD", path)).headers["Upload-Offset"]) == 300_000

    await until(kept, "what came is stored")
    assert (await append(elsewhere, path, 300_000, data[300_000:])).status == 204
    assert (await content(gateway, {"id": path.rpartition("/")[2]})).body == data


async def test_two_who_go_on_with_one_upload_never_mix(gateway: Gateway, elsewhere: Gateway) -> None:
    data = os.urandom(1_000_000)
    path = (await begin(gateway, len(data))).headers["Location"]

    async def slowly() -> AsyncIterator[bytes]:
        for start in range(0, len(data), 50_000):
            yield data[start : start + 50_000]
            await asyncio.sleep(0)

    answers = await asyncio.gather(*(append(here, path, 0, slowly()) for here in (gateway, elsewhere)))
    assert sorted(answer.status for answer in answers) in ([204, 409], [409, 409])
    assert all(answer.json["code"] == "offset_mismatch" for answer in answers if answer.status == 409)
    sent = int((await gateway.call("HEAD", path)).headers["Upload-Offset"])
    if sent < len(data):
        assert (await append(gateway, path, sent, data[sent:])).status == 204
    assert (await content(elsewhere, {"id": path.rpartition("/")[2]})).body == data


async def test_who_is_overtaken_is_told_where_the_upload_is(gateway: Gateway, elsewhere: Gateway) -> None:
    data = os.urandom(1_000_000)
    path = (await begin(gateway, len(data))).headers["Location"]
    overtaken = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield data[:200_000]
        await overtaken.wait()
        yield data[200_000:]

    async def begun() -> bool:
        return int((await elsewhere.call("HEAD", path)).headers["Upload-Offset"]) == CHUNK_BYTES

    sending = asyncio.create_task(append(gateway, path, 0, slowly()))
    await until(begun, "a chunk is stored")
    assert (await append(elsewhere, path, CHUNK_BYTES, data[CHUNK_BYTES:400_000])).status == 204
    overtaken.set()
    answer = await sending
    assert (answer.status, answer.headers["Upload-Offset"]) == (409, "400000")


async def test_what_does_not_go_on_where_it_is_is_refused(gateway: Gateway) -> None:
    path = (await begin(gateway, 10)).headers["Location"]
    assert (await append(gateway, path, 0, b"12345")).status == 204
    for offset in (0, 4, 6):
        answer = await append(gateway, path, offset, b"6")
        assert (answer.status, answer.json["code"], answer.headers["Upload-Offset"]) == (409, "offset_mismatch", "5")
    assert (await append(gateway, path, 5, b"678901")).json["code"] == "payload_too_large"
    assert (await append(gateway, path, 5, in_pieces(b"678901", 3))).json["code"] == "payload_too_large"
    wrong = await append(gateway, path, 5, b"6", Content_Type="application/json")
    assert (wrong.status, wrong.json["code"]) == (415, "unsupported_media_type")
    old = await append(gateway, path, 5, b"6", Tus_Resumable="0.2.2")
    assert (old.status, old.headers["Tus-Version"]) == (412, "1.0.0")
    assert (await append(gateway, path, 5, b"6", Upload_Offset="five")).status == 400
    offset = int((await gateway.call("HEAD", path)).headers["Upload-Offset"])
    assert (await append(gateway, path, offset, b"1234567890"[offset:])).status == 204
    for offset in (0, 10):
        assert (await append(gateway, path, offset, b"1")).json["code"] == "offset_mismatch"


async def test_an_upload_whose_gateway_died_after_its_last_bytes_is_complete_when_it_is_asked_about(
    gateway: Gateway, elsewhere: Gateway, bus: Bus
) -> None:
    path = (await begin(gateway, 10)).headers["Location"]
    store = JetStreamFiles(await bus.connect("gateway"))
    file = await store.get(path.rpartition("/")[2])
    assert file is not None
    await store.append(End(file.nuid), b"0123456789", "died")
    heads = await asyncio.gather(*(here.call("HEAD", path) for here in (gateway, elsewhere, gateway, elsewhere)))
    assert [(head.status, head.headers["Upload-Offset"]) for head in heads] == [(200, "10")] * 4
    assert (await content(gateway, {"id": file.id})).body == b"0123456789"


async def test_an_empty_file_needs_no_bytes(gateway: Gateway) -> None:
    begun = await begin(gateway, 0)
    assert (begun.json["done"], (await content(gateway, begun.json)).body) == (True, b"")


@pytest.mark.parametrize("metadata", ["filename ü", "filename %%%", f"filename {base64.b64encode(bytes([255])).decode()}"])
async def test_damaged_metadata_are_refused(gateway: Gateway, metadata: str) -> None:
    assert (await begin(gateway, 5, Upload_Metadata=metadata)).status == 400


# What is wanted


async def test_a_file_of_another_kind_than_is_said_is_refused(gateway: Gateway) -> None:
    answer = await upload(gateway, b"<!DOCTYPE html><script>alert(1)</script>", Content_Type="image/png")
    assert (answer.status, answer.json["code"]) == (422, "input_invalid")
    kind = f"filetype {base64.b64encode(b'audio/wav').decode()}"
    for data, length in ((PNG, len(PNG)), (PNG + bytes(HEAD_BYTES), 1_000_000)):
        path = (await begin(gateway, length, Upload_Metadata=kind)).headers["Location"]
        refused = await append(gateway, path, 0, data)
        assert (refused.status, refused.json["code"]) == (422, "input_invalid")
        assert (await gateway.call("GET", path)).status == 410


async def test_a_space_takes_what_its_switches_say(gateway: Gateway, bus: Bus) -> None:
    await change_space(bus, SpaceEdited, features=("prompt", "audio"))
    try:

        async def refused() -> bool:
            answer = await upload(gateway, PNG, Content_Type="image/png")
            return (answer.status, answer.json.get("code")) == (403, "feature_disabled")

        await until(refused, "the gateway knows the switches")
        assert (await upload(gateway, b"RIFF\x24\0\0\0WAVEfmt " + bytes(50), Content_Type="audio/wav")).status == 201
    finally:
        await change_space(bus, SpaceEdited, features=())

        async def taken() -> bool:
            return (await upload(gateway, PNG, Content_Type="image/png")).status == 201

        await until(taken, "the gateway knows that all is taken again")


async def test_a_type_that_nobody_says_is_found(gateway: Gateway) -> None:
    assert (await upload(gateway, PNG)).json["media_type"] == "image/png"
    assert (await upload(gateway, b"just text")).json["media_type"] == "application/octet-stream"


# Downloads


async def test_any_part_can_be_downloaded(gateway: Gateway) -> None:
    data = os.urandom(1_000_000)
    file = (await upload(gateway, data)).json
    tag = f'"{file["sha256"]}"'
    cases = {
        "bytes=0-0": (206, data[:1], "bytes 0-0/1000000"),
        "bytes=999999-": (206, data[-1:], "bytes 999999-999999/1000000"),
        "bytes=-5": (206, data[-5:], "bytes 999995-999999/1000000"),
        "bytes=500000-2000000": (206, data[500_000:], "bytes 500000-999999/1000000"),
        "bytes=-2000000": (206, data, "bytes 0-999999/1000000"),
        "bytes=131071-131072": (206, data[131_071:131_073], "bytes 131071-131072/1000000"),
        "bytes=5-4": (200, data, None),
        "bytes=0-1,3-4": (200, data, None),
        "bytes=-": (200, data, None),
        "lines=1-2": (200, data, None),
        "bytes=a-b": (200, data, None),
    }
    for asked, (status, body, where) in cases.items():
        got = await content(gateway, file, Range=asked)
        assert (got.status, got.headers.get("Content-Range")) == (status, where), asked
        assert (got.body == body, got.headers["Content-Length"]) == (True, str(len(body))), asked
    for asked in ("bytes=1000000-", "bytes=-0"):
        refused = await content(gateway, file, Range=asked)
        assert (refused.status, refused.json["code"]) == (416, "range_not_satisfiable")
        assert refused.headers["Content-Range"] == "bytes */1000000"
    assert (await content(gateway, file, Range="bytes=0-1", If_Range=tag)).status == 206
    for other in ('"other"', f"W/{tag}", "Thu, 01 Jan 2026 00:00:00 GMT"):
        assert (await content(gateway, file, Range="bytes=0-1", If_Range=other)).status == 200
    for known in (tag, f'"x", {tag}', "*", f"W/{tag}"):
        assert (await content(gateway, file, If_None_Match=known)).status == 304
    assert (await content(gateway, file, If_None_Match='"x"')).status == 200
    head = await gateway.call("HEAD", f"/v1/files/{file['id']}/content", Range="bytes=0-9")
    assert (head.status, head.headers["Content-Length"], head.body) == (206, "10", b"")


async def test_a_download_that_was_cut_off_goes_on_elsewhere(gateway: Gateway, elsewhere: Gateway) -> None:
    data = os.urandom(3_000_000)
    file = (await upload(gateway, data)).json
    url, headers = f"{gateway.url}/v1/files/{file['id']}/content", {"Authorization": f"Bearer {ADA}"}
    async with gateway.http.get(url, headers=headers) as answer:
        first = await answer.content.readexactly(1_000_000)
        answer.close()
    rest = await content(elsewhere, file, Range=f"bytes={len(first)}-", If_Range=f'"{file["sha256"]}"')
    assert (rest.status, first + rest.body == data) == (206, True)


@pytest.mark.parametrize(
    ("kind", "data", "sent_as", "how"),
    [
        ("text/html", b"<script>alert(1)</script>", "application/octet-stream", "attachment"),
        ("image/svg+xml", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "application/octet-stream", "attachment"),
        ("text/javascript", b"alert(1)", "application/octet-stream", "attachment"),
        ("application/xhtml+xml", b"<html/>", "application/octet-stream", "attachment"),
        ("application/pdf", b"%PDF-1.7", "application/octet-stream", "attachment"),
        ("text/plain", b"<script>alert(1)</script>", "text/plain; charset=utf-8", "inline"),
        ("image/png", PNG, "image/png", "inline"),
        ("text/html, image/png", PNG, "image/png", "inline"),
        ("nonsense", b"abc", "application/octet-stream", "attachment"),
        ("image/png; x=\u00ff", PNG, "image/png", "inline"),
    ],
)
async def test_nothing_that_runs_is_shown(gateway: Gateway, kind: str, data: bytes, sent_as: str, how: str) -> None:
    got = await content(gateway, (await upload(gateway, data, Content_Type=kind)).json)
    assert (got.headers["Content-Type"], got.headers["Content-Disposition"].partition(";")[0]) == (sent_as, how)
    assert got.headers["X-Content-Type-Options"] == "nosniff"
    assert got.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("a\r\nSet-Cookie: x=1", "aSet-Cookie: x=1"),
        ('a"; filename="b.html', 'a"; filename="b.html'),
        ("exe\u202egnp.bat", "exegnp.bat"),
        ("\x00", "file"),
        ("..", "file"),
        ("a" * 1000, "a" * 200),
        ("Bild ü.png", "Bild ü.png"),
    ],
)
async def test_names_are_harmless(gateway: Gateway, given: str, kept: str) -> None:
    encoded = base64.b64encode(given.encode()).decode()
    file = (await begin(gateway, 0, Upload_Metadata=f"filename {encoded}")).json
    got = await content(gateway, file)
    assert file["name"] == kept
    assert "Set-Cookie" not in got.headers
    assert got.headers["Content-Disposition"].count('filename="') == 1
    assert got.headers["Content-Disposition"].count('"') == 2


@pytest.mark.parametrize("id", ["..%2f..%2fetc%2fpasswd", "*", ">", "a.b.c", "%00", "a" * 500, f"ada.{'0' * 32}%0a", "."])
async def test_what_is_no_id_is_no_file(gateway: Gateway, id: str) -> None:
    assert (await gateway.call("GET", f"/v1/files/{id}/content")).status == 404
    assert (await gateway.call("HEAD", f"/v1/files/{id}")).status == 404


# Who may


async def test_a_link_is_enough_at_every_gateway_until_it_expires(gateway: Gateway, elsewhere: Gateway) -> None:
    data = os.urandom(100_000)
    made = (await upload(gateway, data)).json
    other = (await upload(gateway, b"other")).json
    link = made["urls"]["content"]
    for here in (gateway, elsewhere):
        got = await here.call("GET", link, key="", Range="bytes=0-9")
        assert (got.body, got.headers["Cross-Origin-Resource-Policy"]) == (data[:10], "cross-origin")
    path, _, token = link.partition("?token=")
    foreign = other["urls"]["content"].partition("?token=")[2]
    grant, _, signature = token.rpartition(".")
    other_signature = ("A" if signature[0] != "A" else "B") + signature[1:]  # its last letter has bits that mean nothing
    forged = [f"{grant}.{other_signature}", token.swapcase(), "", "x", foreign, token + "a", "a" * 10_000]
    for bad in forged:
        answer = await gateway.call("GET", f"{path}?token={bad}", key="")
        assert (answer.status, answer.json["code"]) == (403, "forbidden"), bad
    assert (await gateway.call("POST", f"/v1/files?token={token}", b"x", key="")).status == 403
    assert (await gateway.call("DELETE", f"/v1/files/{made['id']}?token={token}", key="")).status == 401


async def test_nobody_else_sees_a_file(gateway: Gateway) -> None:
    file = (await upload(gateway, b"mine")).json
    path = file["urls"]["self"]
    for key in (BOB, ONLY_OTHER):
        for method, where in (("GET", path), ("HEAD", path), ("DELETE", path), ("GET", f"{path}/content")):
            assert (await gateway.call(method, where, key=key)).status == 404
        assert (await gateway.call("PATCH", path, b"x", key=key, Content_Type=PIECE, Upload_Offset="0")).status == 404
    assert file["id"] not in str((await gateway.call("GET", "/v1/files", key=BOB)).json)
    assert (await gateway.call("GET", f"{path}/content", key=ADMIN)).body == b"mine"
    assert (await gateway.call("POST", "/v1/files?space=demo", b"x", key=ONLY_OTHER)).status == 403
    assert (await gateway.call("POST", "/v1/files?space=nowhere", b"x")).status == 404


# Lists and deletion


async def test_files_are_listed_page_by_page(gateway: Gateway, elsewhere: Gateway) -> None:
    made = [(await upload(gateway, b"x")).json["id"] for _ in range(5)]
    pages: list[list[str]] = []
    path = "/v1/files?space=demo&limit=2"

    async def known() -> bool:
        return made[-1] in str((await elsewhere.call("GET", path)).json)

    await until(known, "the other gateway knows the last one")
    cursor = ""
    while len(pages) < 3:
        page = (await elsewhere.call("GET", path + cursor)).json
        pages.append([each["id"] for each in page["results"]])
        cursor = f"&cursor={page['next']}"
    assert [id for page in pages for id in page][:5] == made[::-1]
    back = (await elsewhere.call("GET", path + f"&cursor={page['previous']}")).json
    assert [each["id"] for each in back["results"]] == pages[1]
    assert (await gateway.call("GET", "/v1/files?user=ada", key=ADMIN)).json["results"][0]["id"] == made[-1]
    assert (await gateway.call("GET", "/v1/files?limit=0")).status == 400


async def test_a_deleted_file_is_gone_everywhere(gateway: Gateway, elsewhere: Gateway, bus: Bus) -> None:
    file = (await upload(gateway, os.urandom(1_000_000))).json
    before = await stored_bytes(bus)
    assert (await elsewhere.call("DELETE", file["urls"]["self"])).status == 204
    assert (await elsewhere.call("DELETE", file["urls"]["self"])).status == 204
    assert await stored_bytes(bus) < before - 1_000_000

    async def gone() -> bool:
        return (await gateway.call("GET", file["urls"]["self"])).status == 410

    await until(gone, "the other gateway knows")
    for here in (gateway, elsewhere):
        for path in (file["urls"]["self"] + "/content", file["urls"]["content"]):
            answer = await here.call("GET", path)
            assert (answer.status, answer.json["code"]) == (410, "data_expired")
        assert file["id"] not in str((await here.call("GET", "/v1/files")).json)
    assert (await append(gateway, file["urls"]["self"], 0, b"x")).status == 410


async def test_a_file_that_a_request_needs_stays(gateway: Gateway) -> None:
    file = (await upload(gateway, b"needed")).json
    for needed, status, code in ((True, 409, "file_in_use"), (None, 503, "unavailable")):
        used[file["id"]] = needed
        refused = await gateway.call("DELETE", file["urls"]["self"])
        assert (refused.status, refused.json["code"]) == (status, code)
        assert (await content(gateway, file)).body == b"needed"
    used[file["id"]] = False
    assert (await gateway.call("DELETE", file["urls"]["self"])).status == 204


async def test_an_upload_in_one_go_can_be_ended_as_well(gateway: Gateway, elsewhere: Gateway) -> None:
    deleted = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield bytes(200_000)
        await deleted.wait()
        yield bytes(200_000)

    sending = asyncio.create_task(upload(gateway, slowly(), "&name=ended"))

    async def begun() -> str:
        page = (await elsewhere.call("GET", "/v1/files?limit=1")).json["results"]
        return page[0]["urls"]["self"] if page and page[0]["name"] == "ended" else ""

    async def known() -> bool:
        return bool(await begun())

    await until(known, "the other gateway knows of it")
    assert (await elsewhere.call("DELETE", await begun())).status == 204
    deleted.set()
    answer = await sending
    assert (answer.status, answer.json["code"]) == (410, "data_expired")


async def test_an_upload_on_its_way_can_be_ended(gateway: Gateway) -> None:
    path = (await begin(gateway, 10)).headers["Location"]
    assert (await append(gateway, path, 0, b"12345")).status == 204
    assert (await gateway.call("GET", f"{path}/content")).status == 409
    assert (await gateway.call("DELETE", path)).status == 204
    assert (await append(gateway, path, 5, b"6")).status == 410
