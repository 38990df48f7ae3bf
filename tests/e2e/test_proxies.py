"""The platform behind the real nginx and the real Caddy, with TLS, as deploy/proxy configures them."""

import asyncio
import os
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from services.runtime import bus
from spaces_agent import frames
from tests.support.gateway_sockets import Agent, hello
from tests.support.own_ports import own_port
from tests.support.proxies import CERTIFICATE, TlsProxy, trust
from tests.support.stack import Stack, eventually, fresh_home
from tests.support.world import agent, until

PASSWORD = "correct horse"
CLIENT = "127.0.0.2"
"""Whence those come whose address is to be seen."""
TUS = {"Tus-Resumable": "1.0.0"}
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def public_port() -> int:
    return own_port()


@pytest.fixture(scope="module")
def stack(public_port: int) -> Iterator[Stack]:
    options = ("--gateways", "2", "--no-demo", "--public-url", f"https://localhost:{public_port}")
    with fresh_home() as home, Stack(home, *options, WS_TRUSTED_PROXIES="127.0.0.1") as stack:
        yield stack


@pytest.fixture(scope="module", params=["nginx", "caddy"])
def door(request: pytest.FixtureRequest, stack: Stack, public_port: int, tmp_path_factory: Any) -> Iterator[TlsProxy]:
    """One of both. The public URL is nginx's: before Caddy the gateways go by what it says of the scheme."""
    port = public_port if request.param == "nginx" else own_port()
    proxy = TlsProxy(request.param, tmp_path_factory.mktemp(request.param), stack.ready.urls, port)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()


def browser(door: TlsProxy) -> httpx.Client:
    return httpx.Client(base_url=door.url, verify=trust(), timeout=60)


def program(door: TlsProxy, stack: Stack) -> httpx.Client:
    headers = {"Authorization": f"Bearer {stack.ready.api_key}"}
    return httpx.Client(base_url=door.url, headers=headers, verify=trust(), timeout=60)


def test_people_sign_in_by_a_cookie_for_tls_alone_from_pages_of_this_host_alone(door: TlsProxy) -> None:
    body = {"email": f"{door.name}@example.org", "password": PASSWORD}
    with browser(door) as http:
        ours, evil = {"Origin": door.url}, {"Origin": "https://evil.example"}
        assert http.post("/v1/users/sign-up", json=body, headers=ours).status_code == 201
        assert http.post("/v1/session", json=body, headers=evil).status_code == 403
        assert http.post("/v1/session", json=body, headers={"Origin": door.url.replace("https", "http")}).status_code == (
            403 if door.name == "nginx" else 201  # which knows its public URL
        )
        signed = http.post("/v1/session", json=body, headers=ours)
        assert signed.status_code == 201
        assert signed.headers["Set-Cookie"].endswith("; Secure")
        assert "max-age" in signed.headers["Strict-Transport-Security"]
        guard = {"X-CSRF-Token": signed.json()["csrf_token"]}
        assert http.get("/v1/session").json()["user"]["email"] == body["email"]
        assert http.delete("/v1/session", headers=guard | evil).status_code == 403
        assert http.delete("/v1/session", headers=guard | ours).status_code == 204


def test_links_name_the_public_url(door: TlsProxy, stack: Stack) -> None:
    with program(door, stack) as http:
        me = http.get("/v1/users/me").json()["id"]
        made = http.post(f"/v1/users/{me}/password-reset")
    assert made.json()["url"].startswith(f"{stack.ready.public_url}/password-reset#")


def test_output_arrives_while_it_is_made_and_an_agent_comes_back_after_the_proxy_was_away(
    door: TlsProxy, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    go = stack.home / f"go-{door.name}"
    name = f"behind-{door.name}"
    with (
        agent(stack, "stepwise", module="tests.e2e.proxy_handlers", urls=[door.url], name=name),
        program(door, stack) as http,
    ):
        path = f"/v1/spaces/{stack.ready.space}/requests"
        rid = http.post(path, json={"input": {"go": str(go)}}).json()["id"]
        with http.stream("GET", f"/v1/requests/{rid}/events", headers={"Accept": "text/event-stream"}) as answer:
            lines = answer.iter_lines()
            assert any("first" in line for line in lines)
            go.touch()
            assert any("second" in line for line in lines)
            assert any("succeeded" in line for line in lines)
        assert http.get(f"/v1/requests/{rid}").json()["output"] == "firstsecond"
        door.stop()
        door.start()
        assert stack.submit({"go": str(go)}, wait=60)["status"] == "succeeded"


def test_an_upload_goes_on_where_it_was_cut_since_what_has_come_was_not_held_back(door: TlsProxy, stack: Stack) -> None:
    data = os.urandom(4 * MIB)
    with program(door, stack) as http:
        path = http.post(
            "/v1/files", params={"space": stack.ready.space}, headers=TUS | {"Upload-Length": str(len(data))}
        ).headers["Location"]
        head = [
            f"PATCH {path} HTTP/1.1",
            *(f"Host: localhost:{door.port}", f"Authorization: Bearer {stack.ready.api_key}", "Tus-Resumable: 1.0.0"),
            *("Content-Type: application/offset+octet-stream", "Upload-Offset: 0", f"Content-Length: {len(data)}", "\r\n"),
        ]

        def stored() -> int:
            return int(http.head(path, headers=TUS).headers["Upload-Offset"])

        with trust().wrap_socket(socket.create_connection(("127.0.0.1", door.port)), server_hostname="localhost") as raw:
            before = asyncio.run(bytes_of_files(stack))
            raw.sendall("\r\n".join(head).encode() + data[: 3 * MIB])
            # A proxy may drop what it has not handed on when its client goes.
            eventually(lambda: asyncio.run(bytes_of_files(stack)) >= before + 2 * MIB, "what was sent is with the platform")
        eventually(lambda: stored() >= 2 * MIB, "most of what was sent before the cut is stored")

        def went_on() -> bool:
            at = stored()
            headers = TUS | {"Upload-Offset": str(at), "Content-Type": "application/offset+octet-stream"}
            return http.patch(path, content=data[at:], headers=headers).status_code == 204

        eventually(went_on, "nothing more comes from the cut one, and it is gone on with")
        assert http.get(f"{path}/content").content == data


async def bytes_of_files(stack: Stack) -> int:
    """How much the stream of files holds, also of uploads that go on."""
    nc = await bus.connect(stack.ready.nats_url, "operator", "test-of-proxies")
    try:
        return int((await nc.jetstream().stream_info("OBJ_ws_files")).state.bytes)
    finally:
        await nc.close()


def test_a_whole_file_is_taken_at_once(door: TlsProxy, stack: Stack) -> None:
    data = os.urandom(8 * MIB)
    with program(door, stack) as http:
        made = http.post("/v1/files", params={"space": stack.ready.space}, content=data)
        assert made.status_code == 201, made.text
        parts = http.post("/v1/files", params={"space": stack.ready.space}, files={"file": ("a.bin", data)})
        assert parts.status_code == 201, parts.text
        for answer in (made, parts):
            assert http.get(f"/v1/files/{answer.json()['id']}/content").content == data


async def test_an_agent_is_shown_with_its_own_address_whatever_it_says(door: TlsProxy, stack: Stack) -> None:
    async with connect(
        f"wss://localhost:{door.port}{frames.CONNECT_PATH}",
        host="127.0.0.1",
        ssl=trust(),
        local_addr=(CLIENT, 0),
        subprotocols=[Subprotocol(frames.SUBPROTOCOL)],
        additional_headers={
            "Authorization": f"Bearer {stack.ready.agent_key}",
            "X-Forwarded-For": "203.0.113.9",
            "X-Forwarded-Proto": "http",
        },
    ) as socket:
        raw = Agent(socket)
        await raw.send(hello(name=f"raw-{door.name}"))
        await raw.expect(frames.Welcome)
        async with stack.client() as http:

            async def address() -> str | None:
                found = (await http.get("/v1/agents")).json()["results"]
                return next((each["address"] for each in found if each["id"].endswith(f"raw-{door.name}")), None)

            assert await until(address, "it is listed, with its address") == CLIENT


def test_metrics_are_not_for_everybody(door: TlsProxy, stack: Stack) -> None:
    with browser(door) as http:
        assert http.get("/readyz").status_code == 200
        assert http.get("/metrics").status_code == 404
    assert httpx.get(f"{stack.ready.url}/metrics", timeout=60).status_code == 200


def test_the_log_of_nginx_has_no_tokens_and_plain_http_leads_to_tls(door: TlsProxy) -> None:
    if door.name == "caddy":
        return  # it logs no calls, and leads on by itself where it has the usual ports
    with browser(door) as http:
        http.get("/v1/files/00/content", params={"token": "secret-token"})
    eventually(lambda: "GET /v1/files/00/content" in door.access_log.read_text(), "the call is logged")
    assert "secret-token" not in door.access_log.read_text()
    moved = httpx.get(f"http://127.0.0.1:{door.plain_port}/spaces?a=b", headers={"Host": "localhost"}, timeout=60)
    assert (moved.status_code, moved.headers["Location"]) == (301, "https://localhost/spaces?a=b")
