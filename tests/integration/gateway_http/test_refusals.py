"""Bad input over HTTP: each row is refused with a problem, and nothing of it reaches the stream."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import msgspec
import pytest
import pytest_asyncio
from multidict import CIMultiDict
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol
from yarl import URL

from services.contracts import subjects
from services.contracts.ids import request_id
from services.gateway import intake
from services.gateway.api import protocol, requests
from services.gateway.intake import MAX_BODY_BYTES
from services.runtime.jetstream import stream_info
from spaces_agent import frames
from tests.support.bus import running_bus, until
from tests.support.http_gateway import ADA, AGENT, ONLY_OTHER, Gateway, HttpAnswer, fill_directory, running_gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")

SUBMIT = "/v1/spaces/demo/requests"
SOUND = b'{"input":{}}'
UNKNOWN_ID = request_id("demo", 0, bytes(10))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway() -> AsyncIterator[Gateway]:
    async with running_bus() as bus:
        await fill_directory(bus)
        async with running_gateway(bus) as here:
            yield here


async def events(gateway: Gateway) -> int:
    return (await stream_info(gateway.process.nc, subjects.REQUESTS)).state.last_seq


def memory_kib() -> int:
    """Of this process, where the gateway runs."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * (os.sysconf("SC_PAGE_SIZE") // 1024)


def check_problem(answer: HttpAnswer, status: int, code: str) -> None:
    assert (answer.status, answer.headers["Content-Type"]) == (status, "application/problem+json")
    problem = answer.json
    assert (problem["status"], problem["code"]) == (status, code)
    assert problem["type"].endswith(code)
    assert problem["title"]
    assert problem["detail"]
    assert problem["request_id"] == answer.headers["X-Request-Id"]
    assert isinstance(problem["retryable"], bool)
    assert b"Traceback" not in answer.body
    assert b"<html" not in answer.body
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("path", "key", "body", "status", "code"),
    [
        ("/v1/spaces/nowhere/requests", ADA, SOUND, 404, "not_found"),
        ("/v1/spaces/nowhere/requests", "", SOUND, 401, "unauthenticated"),
        (SUBMIT, "", SOUND, 401, "unauthenticated"),
        (SUBMIT, "wsk_wrong", SOUND, 401, "unauthenticated"),
        (SUBMIT, "\xff\xfe", SOUND, 401, "unauthenticated"),
        (SUBMIT, ONLY_OTHER, SOUND, 403, "forbidden"),
        (SUBMIT, AGENT, SOUND, 403, "forbidden"),
        (SUBMIT, ADA, b"", 400, "invalid_request"),
        (SUBMIT, ADA, b"{", 400, "invalid_request"),
        (SUBMIT, ADA, b'{"input":{"n":NaN}}', 400, "invalid_request"),
        (SUBMIT, ADA, b'{"input":{"t":"\xff"}}', 400, "invalid_request"),
        (SUBMIT, ADA, b'{"input":[]}', 422, "input_invalid"),
        (SUBMIT, ADA, b'{"input":{},"inptu":1}', 422, "input_invalid"),
        (SUBMIT, ADA, b'{"input":{"a":' + b"[" * 5000 + b"]" * 5000 + b"}}", 422, "input_invalid"),
        (SUBMIT, ADA, b'{"input":{},"metadata":{"a":"' + b"x" * 20_000 + b'"}}', 413, "payload_too_large"),
    ],
)
async def test_a_bad_submission(gateway: Gateway, path: str, key: str, body: bytes, status: int, code: str) -> None:
    before = await events(gateway)
    check_problem(await gateway.call("POST", path, body, key=key, Prefer="wait=5"), status, code)
    assert await events(gateway) == before


async def test_flaws_have_pointers(gateway: Gateway) -> None:
    answer = await gateway.submit(b'{"input":{},"policy":{"priority":11},"metadat":{}}')
    check_problem(answer, 422, "input_invalid")
    assert sorted(each["pointer"] for each in answer.json["errors"]) == ["/metadat", "/policy/priority"]
    assert all(each["detail"] for each in answer.json["errors"])


async def test_missing_and_wrong_keys_are_challenged(gateway: Gateway) -> None:
    for headers in ({}, {"Authorization": "Basic YTpi"}, {"Authorization": "Bearer"}, {"Authorization": "Bearer  "}):
        answer = await gateway.call("POST", SUBMIT, SOUND, key="", **headers)
        check_problem(answer, 401, "unauthenticated")
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


async def test_an_agent_key_is_told_what_it_is(gateway: Gateway) -> None:
    assert "agent key" in (await gateway.submit(key=AGENT)).json["detail"]


@pytest.mark.parametrize(
    "space",
    [
        "de.mo",
        "*",
        "%3E",
        "de%20mo",
        "demo%0a",
        "demo%00",
        "d%C3%A9mo",
        "DEMO",
        "-demo",
        "x" * 49,
        "demo%2F..%2Fother",
        "%2E%2E",
    ],
)
async def test_a_name_that_is_no_space_never_reaches_a_subject(gateway: Gateway, space: str) -> None:
    before = await events(gateway)
    url = URL(f"{gateway.url}/v1/spaces/{space}/requests", encoded=True)  # as it is: dots would be taken for a path
    async with gateway.http.post(url, data=SOUND, headers={"Authorization": f"Bearer {ADA}"}) as answer:
        check_problem(HttpAnswer(answer.status, answer.headers, await answer.read()), 404, "not_found")
    assert await events(gateway) == before


@pytest.mark.parametrize("rid", ["x", "*", "%3E", "0" * 34 + "0", "A" * 32 + "06", UNKNOWN_ID[:32] + "ff", "a.b", "%00"])
async def test_what_cannot_be_a_request_id_is_not_found(gateway: Gateway, rid: str) -> None:
    check_problem(await gateway.read(rid), 404, "not_found")


async def test_reading_needs_a_key_too(gateway: Gateway) -> None:
    check_problem(await gateway.read(UNKNOWN_ID, key=""), 401, "unauthenticated")
    check_problem(await gateway.read(UNKNOWN_ID, key=AGENT), 403, "forbidden")


async def test_a_declared_length_over_the_limit_is_refused_unread(gateway: Gateway) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(gateway.url.rpartition(":")[2]))
    head = (
        f"POST {SUBMIT} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ADA}\r\nContent-Length: {MAX_BODY_BYTES + 1}\r\n\r\n"
    )
    writer.write(head.encode())
    status = await asyncio.wait_for(reader.readline(), 10)
    assert status.split()[1] == b"413"
    writer.close()


async def test_a_body_that_grows_over_the_limit_is_refused_while_it_streams(gateway: Gateway) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(3 * MAX_BODY_BYTES // 65536):
            yield b" " * 65536

    check_problem(await gateway.submit(endless()), 413, "payload_too_large")


async def test_a_large_body_of_blanks_within_the_limit_is_fine(gateway: Gateway) -> None:
    answer = await gateway.submit(SOUND + b" " * (MAX_BODY_BYTES - len(SOUND)))
    assert answer.status == 202


@pytest.mark.parametrize("value", ["k" * 256, "k\tk", "\xff"])
async def test_a_bad_idempotency_key(gateway: Gateway, value: str) -> None:
    check_problem(await gateway.submit(Idempotency_Key=value), 400, "invalid_request")


async def test_unknown_paths_and_methods_are_problems(gateway: Gateway) -> None:
    for path in ("/nothing", "/v1", "/v1/nothing", "/v1/requests/", "/v1/agents/connect", SUBMIT + "/"):
        check_problem(await gateway.call("GET", path), 404, "not_found")
    answer = await gateway.call("DELETE", SUBMIT)
    check_problem(answer, 405, "method_not_allowed")
    assert answer.headers["Allow"] == "POST"


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01 not http\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
        b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: ten\r\n\r\n",
    ],
)
async def test_what_is_not_http_gets_a_problem_and_a_closed_connection(gateway: Gateway, garbage: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(gateway.url.rpartition(":")[2]))
    writer.write(garbage)
    answer = await asyncio.wait_for(reader.read(), 10)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"application/problem+json" in answer
    head, _, body = answer.partition(b"\r\n\r\n")
    problem = msgspec.json.decode(body)
    assert problem["code"] == "invalid_request"
    assert f"X-Request-Id: {problem['request_id']}".encode() in head
    writer.close()


async def sent_without_end(gateway: Gateway, head: bytes, endless: bytes, most: int) -> tuple[bytes, int]:
    """What is answered while a head is followed by something without an end, and how much of that could be sent before the
    connection was closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(gateway.url.rpartition(":")[2]))
    writer.write(head)
    sent = 0
    with contextlib.suppress(OSError):
        while sent < most and not reader.at_eof():
            writer.write(endless)
            await asyncio.wait_for(writer.drain(), 10)
            sent += len(endless)
    answer = b""
    with contextlib.suppress(OSError):
        answer = await asyncio.wait_for(reader.read(4096), 10)
    writer.transport.abort()
    return answer, sent


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nX: ",
        b"GET / HTTP/1.1\r\n",
        b"GET /",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5;",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: ",
    ],
)
async def test_a_head_without_an_end_is_not_read_for_ever(gateway: Gateway, head: bytes) -> None:
    _, sent = await sent_without_end(gateway, head, b"x" * 65536, 64 * 2**20)
    assert sent < 32 * 2**20
    assert (await gateway.submit()).status == 202


async def connected(gateway: Gateway) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection on which a request has been answered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(gateway.url.rpartition(":")[2]))
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    await asyncio.wait_for(reader.readuntil(b'{"status":"alive"}'), 30)
    return reader, writer


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nX: "])
async def test_a_new_connection_without_a_request_is_closed(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(protocol, "HEAD_S", 1.0)
    reader, writer = await asyncio.open_connection("127.0.0.1", int(gateway.url.rpartition(":")[2]))
    writer.write(sent)
    assert await asyncio.wait_for(reader.read(), 30) == b""
    writer.close()


@pytest.mark.parametrize("sent", [b"\r\n", b"GET /"])
async def test_a_connection_without_another_request_is_closed(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    reader, writer = await connected(gateway)
    monkeypatch.setattr(protocol, "HEAD_S", 0.2)
    writer.write(sent)
    assert await asyncio.wait_for(reader.read(), 30) == b""
    writer.close()


async def test_an_answer_under_way_is_not_cut_off_by_a_request_that_does_not_come(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, writer = await connected(gateway)
    monkeypatch.setattr(protocol, "HEAD_S", 0.2)
    fields = f"Host: x\r\nAuthorization: Bearer {ADA}\r\nPrefer: wait=1\r\nContent-Length: {len(SOUND)}"
    writer.write(f"POST {SUBMIT} HTTP/1.1\r\n{fields}\r\n\r\n".encode() + SOUND + b"GET /")
    assert (await asyncio.wait_for(reader.read(), 30)).startswith(b"HTTP/1.1 202 ")
    writer.close()


async def test_an_agents_socket_stays_without_another_request(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = await connected(gateway)
    monkeypatch.setattr(protocol, "HEAD_S", 0.2)
    fields = [
        *(f"GET {frames.CONNECT_PATH} HTTP/1.1", "Host: x", "Connection: Upgrade", "Upgrade: websocket"),
        *("Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="),
        *(f"Sec-WebSocket-Protocol: {frames.SUBPROTOCOL}", f"Authorization: Bearer {AGENT}", "\r\n"),
    ]
    writer.write("\r\n".join(fields).encode())
    assert (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)).startswith(b"HTTP/1.1 101 ")
    later, idle = await asyncio.open_connection("127.0.0.1", int(gateway.url.rpartition(":")[2]))
    assert await asyncio.wait_for(later.read(), 30) == b""
    assert not reader.at_eof()
    idle.close()
    writer.close()


async def test_a_head_of_many_small_fields_is_too_large(gateway: Gateway) -> None:
    answer, _ = await sent_without_end(gateway, b"GET / HTTP/1.1\r\n", b"a:\r\n" * 3000, 1)
    assert answer.startswith(b"HTTP/1.1 400 ")


async def test_a_body_that_goes_on_after_the_answer_is_not_read_for_ever(gateway: Gateway) -> None:
    head = f"POST {SUBMIT} HTTP/1.1\r\nHost: x\r\nContent-Length: {2**40}\r\n\r\n".encode()
    answer, sent = await sent_without_end(gateway, head, b"x" * 65536, 128 * 2**20)
    assert sent < 64 * 2**20
    assert answer == b"" or answer.startswith(b"HTTP/1.1 401 ")


async def test_a_body_that_does_not_come_is_not_waited_for(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "BODY_S", 0.2)
    reader, writer = await asyncio.open_connection("127.0.0.1", int(gateway.url.rpartition(":")[2]))
    head = f"POST {SUBMIT} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ADA}\r\nContent-Length: 100\r\n\r\n"
    writer.write(head.encode() + SOUND)
    answer = await asyncio.wait_for(reader.read(), 10)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"did not come" in answer
    writer.close()


async def test_several_prefer_headers_are_one(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def no_wait(prefer: str) -> int:
        asked.append(prefer)
        return 0

    monkeypatch.setattr(intake, "wait_s", no_wait)
    headers = [("Authorization", f"Bearer {ADA}"), ("Prefer", "wait=5"), ("Prefer", "respond-async")]
    async with gateway.http.post(gateway.url + SUBMIT, data=SOUND, headers=CIMultiDict(headers)) as answer:
        assert answer.status == 202
    assert asked == ["wait=5,respond-async"]


async def test_an_agent_that_does_not_read_is_sent_no_pongs(gateway: Gateway) -> None:
    await gateway.http.get(gateway.url + "/healthz")
    before = memory_kib()
    port = int(gateway.url.rpartition(":")[2])
    url = f"ws://127.0.0.1:{port}{frames.CONNECT_PATH}"
    headers = {"Authorization": f"Bearer {AGENT}"}
    async with connect(url, subprotocols=[Subprotocol(frames.SUBPROTOCOL)], additional_headers=headers) as socket:
        socket.transport.pause_reading()
        pings = (b"\x89\xfd\0\0\0\0" + b"p" * 125) * 500
        for _ in range(1000):
            socket.transport.write(pings)
            await until(lambda: socket.transport.get_write_buffer_size() < 2**20, "the pings are read")
        socket.transport.abort()
    assert memory_kib() - before < 20_000


async def test_an_upgrade_by_another_method_is_answered(gateway: Gateway) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(gateway.url.rpartition(":")[2]))
    upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 2\r\n\r\n{}"
    writer.write(f"POST {frames.CONNECT_PATH} HTTP/1.1\r\nHost: x\r\n{upgrade}".encode())
    assert (await asyncio.wait_for(reader.readline(), 10)).split()[1] == b"404"
    writer.close()


async def test_head_has_no_body_and_options_are_a_problem(gateway: Gateway) -> None:
    head = await gateway.call("HEAD", "/healthz")
    assert (head.status, head.body) == (200, b"")
    check_problem(await gateway.call("OPTIONS", SUBMIT), 405, "method_not_allowed")


async def test_pipelined_requests_are_answered_in_order(gateway: Gateway) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(gateway.url.rpartition(":")[2]))
    submit = f"POST {SUBMIT} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ADA}\r\nContent-Length: {len(SOUND)}\r\n\r\n"
    writer.write(submit.encode() + SOUND + b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    answers = await asyncio.wait_for(reader.read(), 10)
    assert answers.startswith(b"HTTP/1.1 202 ")
    assert answers.endswith(b'{"status":"alive"}')
    writer.close()


async def test_a_client_that_leaves_while_it_sends_submits_nothing(gateway: Gateway) -> None:
    before = await events(gateway)
    _, writer = await asyncio.open_connection("127.0.0.1", int(gateway.url.rpartition(":")[2]))
    head = f"POST {SUBMIT} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ADA}\r\nContent-Length: 100\r\n\r\n"
    writer.write(head.encode() + SOUND)
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    assert (await gateway.submit()).status == 202
    assert await events(gateway) == before + 1


async def test_an_agents_socket_on_another_path_is_refused(gateway: Gateway) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await gateway.http.ws_connect(gateway.url + "/v1/elsewhere")
