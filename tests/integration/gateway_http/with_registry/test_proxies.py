"""Who calls, when proxies stand before a gateway; and those who only say that they are one."""

from typing import Any

import msgspec
import pytest
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from services.contracts import subjects
from services.contracts.agent_details import AgentsDetails
from services.contracts.reports import DescribeAgents
from spaces_agent import frames
from tests.support.bus import Bus
from tests.support.gateway_sockets import Agent, hello
from tests.support.http_gateway import AGENT, Gateway, HttpAnswer, running_gateway

LIMIT: dict[str, Any] = {"rate_limit_unknown": "2/3600"}
FIRST, SECOND = "198.51.100.1", "198.51.100.2"
EMAIL, PASSWORD = "new@example.org", "correct horse"


async def unknown(gateway: Gateway, forwarded: str, **headers: str) -> int:
    """The status of a call without a good key, through a proxy: 401, or 429 when its address has had its calls."""
    return (await gateway.call("GET", "/v1/users/me", key="wsk_wrong", X_Forwarded_For=forwarded, **headers)).status


async def statuses(gateway: Gateway, *forwarded: str) -> list[int]:
    return [await unknown(gateway, each) for each in forwarded]


async def sign_in(gateway: Gateway, **headers: str) -> HttpAnswer:
    body = msgspec.json.encode({"email": EMAIL, "password": PASSWORD})
    await gateway.call("POST", "/v1/users/sign-up", body, key="")
    return await gateway.call("POST", "/v1/session", body, key="", **headers)


async def test_nobody_is_believed_unless_they_are_named(bus: Bus) -> None:
    for trusted in ("", "192.0.2.0/24, ::1"):
        async with running_gateway(bus, trusted_proxies=trusted, **LIMIT) as gateway:
            assert await statuses(gateway, FIRST, SECOND, "198.51.100.3") == [401, 401, 429]


async def test_limits_are_those_of_the_client_before_the_proxy(bus: Bus) -> None:
    async with running_gateway(bus, trusted_proxies="192.0.2.1,127.0.0.0/8", **LIMIT) as gateway:
        assert await statuses(gateway, FIRST, FIRST, FIRST, SECOND) == [401, 401, 429, 401]
        assert await unknown(gateway, f"{FIRST}:4711") == 429


async def test_of_a_chain_only_what_trusted_hops_have_added_counts(bus: Bus) -> None:
    async with running_gateway(bus, trusted_proxies="127.0.0.1, 10.0.0.0/8, 2001:db8::/32", **LIMIT) as gateway:
        # FIRST lies about who comes before it; 10.1.1.1 and an address of IPv6 are hops of ours.
        assert await statuses(gateway, f"{SECOND}, {FIRST}, 10.1.1.1", f"1.1.1.1,{FIRST},2001:db8::5, 10.2.2.2") == [
            401,
            401,
        ]
        assert await unknown(gateway, FIRST) == 429
        assert await unknown(gateway, SECOND) == 401


@pytest.mark.parametrize(
    "garbage",
    ["", " ", ",,,", "unknown", "x:y", "a:b:c", "[", "[::1", "999.1.1.1", "1.2.3.4%x", "fe80::1%<b>", "_x", "☃", "a" * 9000],
)
async def test_what_is_no_address_is_the_proxy_itself(bus: Bus, garbage: str) -> None:
    async with running_gateway(bus, trusted_proxies="127.0.0.1", **LIMIT) as gateway:
        assert [await unknown(gateway, garbage), await unknown(gateway, garbage), await unknown(gateway, "")] == [
            401,
            401,
            429,
        ]
        assert await unknown(gateway, FIRST) == 401


@pytest.mark.parametrize("proto", ["https", " https "])
async def test_the_cookie_is_secure_where_a_trusted_proxy_speaks_tls(bus: Bus, proto: str) -> None:
    async with running_gateway(bus, trusted_proxies="127.0.0.1") as gateway:
        assert (await sign_in(gateway, X_Forwarded_Proto=proto)).headers["Set-Cookie"].endswith("; Secure")
        for other in ("http", "", "HTTPS;", "ftp", "https, http"):
            assert not (await sign_in(gateway, X_Forwarded_Proto=other)).headers["Set-Cookie"].endswith("; Secure")
    async with running_gateway(bus) as gateway:
        assert not (await sign_in(gateway, X_Forwarded_Proto="https")).headers["Set-Cookie"].endswith("; Secure")


async def test_an_agent_is_shown_with_the_address_before_the_proxy(bus: Bus) -> None:
    registry = await bus.connect("dispatcher")
    async with running_gateway(bus, trusted_proxies="127.0.0.1") as gateway:
        for forwarded, shown in ((FIRST, FIRST), ("2001:db8::7", "2001:db8::7"), ("no address", "127.0.0.1")):
            async with connect(
                f"ws{gateway.url.removeprefix('http')}{frames.CONNECT_PATH}",
                subprotocols=[Subprotocol(frames.SUBPROTOCOL)],
                additional_headers={"Authorization": f"Bearer {AGENT}", "X-Forwarded-For": forwarded},
            ) as socket:
                agent = Agent(socket)
                await agent.send(hello())
                agent.welcome = await agent.expect(frames.Welcome)
                question = msgspec.json.encode(DescribeAgents(conns=[agent.conn], held=False))
                reply = await registry.request(subjects.control(gateway.process.id), question, timeout=5)
                (told,) = msgspec.json.decode(reply.data, type=AgentsDetails).agents
                assert told.address == shown
