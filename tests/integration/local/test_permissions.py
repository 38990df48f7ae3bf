"""What `deploy/nats/permissions.conf` refuses to each service, and what it must allow, on a real server."""

from collections.abc import Iterator

import nats
import pytest
from nats.aio.msg import Msg
from nats.errors import Error

from services.local.nats_server import USERS
from tests.support.servers import Servers, forbidden, forbidden_to_subscribe

RID = "0" * 34


def event(type: str) -> str:
    return f"ws.req.00.{RID}.{type}.demo.g1.g2"


EVENTS = ("accepted", "assigned", "requeued", "succeeded", "failed", "canceled", "expired", "erased", "restored")
MAY_APPEND = {
    "gateway": {"accepted", "succeeded", "failed", "requeued", "canceled", "erased"},
    "dispatcher": {"assigned", "requeued", "expired", "failed"},
    "history": {"erased"},
    "recovery": set(),
}
STREAMS = (
    *("REQUESTS", "CONNECTIONS", "DIRECTORY", "OUTPUT", "KV_ws_live", "KV_ws_leases", "KV_ws_claims", "KV_ws_keys"),
    *("KV_ws_sessions", "KV_ws_sign_ins", "KV_ws_key_uses", "OBJ_ws_files"),
)
MAY_FOLLOW = {
    "gateway": {
        *("REQUESTS", "DIRECTORY", "OUTPUT", "KV_ws_live", "KV_ws_claims", "KV_ws_sessions", "KV_ws_key_uses"),
        "OBJ_ws_files",
    },
    "registry": {"CONNECTIONS", "DIRECTORY", "KV_ws_live", "KV_ws_claims"},
    "dispatcher": {"REQUESTS", "DIRECTORY", "KV_ws_live", "KV_ws_leases"},
    "history": {"REQUESTS", "CONNECTIONS", "DIRECTORY", "KV_ws_live", "OBJ_ws_files"},
    "recovery": {"REQUESTS", "CONNECTIONS", "DIRECTORY"},
    "operator": set(STREAMS),
}
OBSERVED = {"REQUESTS", "CONNECTIONS", "OUTPUT", "KV_ws_live", "KV_ws_leases", "KV_ws_claims"}
"""What the observer reads, by direct gets: no stream that holds hashes of passwords, keys or sessions, and no files."""
OTHERS = {
    "ws.evt.demo.accepted.x": set(),
    "ws.conn.c1.refused": {"gateway", "registry"},
    "ws.conn.c1.connected": {"registry"},
    "ws.dir.key.k1.created": {"registry"},
    "ws.agents.g1": {"gateway"},
    f"ws.out.{RID}": {"gateway"},
    "ws.ctl.g1": {"gateway", "dispatcher"},
    "ws.rpc.registry.attach": {"gateway", "operator"},
    "ws.rpc.registry.create_user": {"gateway", "operator"},
    "ws.rpc.registry.revoke_key": {"gateway", "operator"},
    "ws.rpc.registry.agents": {"gateway", "operator", "observer"},
    "ws.rpc.history.request": {"gateway", "dispatcher", "operator"},
    "ws.rpc.history.chain": {"gateway", "dispatcher", "operator", "observer"},
    "ws.rpc.history.positions": {"gateway", "dispatcher", "operator", "observer"},
    "ws.rpc.dispatcher.00.queue": {"gateway"},
    "ws.rpc.dispatcher.00.place": {"gateway", "observer"},
    "$SRV.PING": {"operator", "observer"},
    "$SRV.STATS.history": {"operator", "observer"},
    "$KV.ws_keys.k1": {"gateway"},
    "$KV.ws_sessions.s1": {"gateway"},
    "$KV.ws_sign_ins.a1": {"registry"},
    "$KV.ws_key_uses.k1": {"gateway"},
    "$O.ws_files.M.dXNlcg==": {"gateway", "history"},
    "$O.ws_files.C.n1": {"gateway", "history"},
    "$KV.ws_claims.agent.a1": {"registry"},
    "$KV.ws_leases.part.00": {"dispatcher"},
    "$KV.ws_live.halted": {"history", "recovery"},
    "ws.recovery.REQUESTS.ws.req.00.x.restored.demo.-.g1": {"recovery"},
    "ws.recovery.KV_ws_keys.$KV.ws_keys.k1": {"recovery"},
    **{f"$KV.ws_live.{service}.x": {service} for service in ("gateway", "registry", "dispatcher", "history")},
    "$JS.API.STREAM.PURGE.REQUESTS": {"history"},
    "$JS.API.STREAM.PURGE.DIRECTORY": set(),
    "$JS.API.STREAM.PURGE.OUTPUT": {"history"},
    "$JS.API.STREAM.PURGE.OBJ_ws_files": set(),
    "$JS.API.STREAM.DELETE.REQUESTS": {"recovery"},
    "$JS.API.STREAM.DELETE.KV_ws_claims": {"recovery"},
    "$JS.API.STREAM.DELETE.MINE": set(),
    "$JS.API.STREAM.MSG.DELETE.REQUESTS": set(),
    "$JS.API.STREAM.SNAPSHOT.REQUESTS": set(),
    "$JS.API.STREAM.CREATE.REQUESTS": {"provisioner", "recovery"},
    "$JS.API.STREAM.UPDATE.KV_ws_leases": {"provisioner", "recovery"},
    "$JS.API.STREAM.CREATE.MINE": set(),
    "$JS.API.STREAM.NAMES": {"operator", "observer"},
    "$JS.API.STREAM.PURGE.KV_ws_live": set(),
    "$JS.API.STREAM.UPDATE.REQUESTS": {"provisioner", "recovery"},
    "$JS.API.CONSUMER.CREATE.REQUESTS": {"operator"},
    "$JS.API.CONSUMER.DURABLE.CREATE.REQUESTS.mine": set(),
    "$JS.API.CONSUMER.DELETE.REQUESTS.x": {"gateway", "dispatcher", "history", "recovery", "operator"},
    "$JS.API.CONSUMER.LIST.REQUESTS": {"operator", "observer"},
    "$JS.API.STREAM.LEADER.STEPDOWN.REQUESTS": {"operator"},
    "$JS.API.META.LEADER.STEPDOWN": set(),
    "$JS.ACK.REQUESTS.viewer.1.1.1.1.0": {"operator"},
    "$SYS.REQ.SERVER.PING": set(),
    "_INBOX_gateway.x": set(),
}
SUBSCRIPTIONS = {
    ">": set(),
    "ws.>": set(),
    "ws.req.>": set(),
    "_INBOX.>": {"operator"},
    "$JS.API.>": set(),
    "$KV.ws_keys.>": set(),
    "ws.evt.>": {"operator", "observer"},
    "ws.out.>": {"operator", "observer"},
    "ws.conn.>": {"operator", "observer"},
    "ws.agents.*": {"operator", "observer", "registry", "dispatcher"},
    "ws.ctl.*": {"gateway", "dispatcher"},
    "ws.rpc.registry.>": {"registry"},
    "ws.rpc.history.>": {"history"},
    "ws.rpc.dispatcher.>": {"dispatcher"},
    "$SRV.>": {"registry", "dispatcher", "history"},
    **{f"_INBOX_{user}.>": {user} for user in USERS},
}


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    with Servers(postgres=False) as servers:
        yield servers


def publish_subjects() -> dict[str, set[str]]:
    """Every subject of the table with the users who may publish there."""
    table = {subject: set(users) for subject, users in OTHERS.items()}
    table |= {event(type): {user for user, types in MAY_APPEND.items() if type in types} for type in EVENTS}
    for stream in STREAMS:
        table[f"$JS.API.DIRECT.GET.{stream}"] = {"operator"} | ({"observer"} if stream in OBSERVED else set())
        table[f"$JS.API.CONSUMER.CREATE.{stream}.tail.ws"] = {u for u, streams in MAY_FOLLOW.items() if stream in streams}
    return table


@pytest.mark.parametrize("user", USERS)
async def test_each_user_may_publish_what_the_table_says_and_nothing_else(servers: Servers, user: str) -> None:
    nc = await servers.connect(user)
    refused = {subject for subject in publish_subjects() if await forbidden(nc, subject)}
    await nc.close()
    assert refused == {subject for subject, users in publish_subjects().items() if user not in users}


@pytest.mark.parametrize("user", USERS)
async def test_each_user_may_subscribe_what_the_table_says_and_nothing_else(servers: Servers, user: str) -> None:
    nc = await servers.connect(user)
    refused = {subject for subject in SUBSCRIPTIONS if await forbidden_to_subscribe(nc, subject)}
    await nc.close()
    assert refused == {subject for subject, users in SUBSCRIPTIONS.items() if user not in users}


@pytest.mark.parametrize(
    ("asker", "answerer", "subject"),
    [
        ("gateway", "registry", "ws.rpc.registry.attach"),
        ("gateway", "history", "ws.rpc.history.request"),
        ("gateway", "dispatcher", "ws.rpc.dispatcher.00.queue"),
        ("dispatcher", "gateway", "ws.ctl.g1"),
        ("dispatcher", "dispatcher", "ws.ctl.d1"),
        ("dispatcher", "history", "ws.rpc.history.open"),
        ("operator", "registry", "ws.rpc.registry.create"),
        ("observer", "registry", "ws.rpc.registry.agents"),
        ("observer", "dispatcher", "ws.rpc.dispatcher.00.place"),
    ],
)
async def test_an_answer_reaches_the_asker(servers: Servers, asker: str, answerer: str, subject: str) -> None:
    one, other = await servers.connect(asker), await servers.connect(answerer)

    async def answer(msg: Msg) -> None:
        await msg.respond(b"yes")

    await other.subscribe(subject, queue="q", cb=answer)
    await other.flush()
    await other.flush()
    assert (await one.request(subject, b"?", timeout=30)).data == b"yes"
    await one.close()
    await other.close()


async def test_a_wrong_password_and_no_password_are_refused(servers: Servers) -> None:
    for url in (f"nats://gateway:wrong@127.0.0.1:{servers.server.port}", f"nats://127.0.0.1:{servers.server.port}"):
        with pytest.raises(Error, match="Authorization Violation"):
            await nats.connect(url, allow_reconnect=False)
