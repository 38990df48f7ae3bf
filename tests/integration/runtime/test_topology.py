"""Topology: streams and buckets are brought about once and kept as declared."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from services.contracts import subjects
from services.runtime import bus as runtime_bus
from services.runtime.append import append
from services.runtime.errors import NatsUnavailable
from services.runtime.jetstream import api, stream_info
from services.runtime.settings import Settings
from services.runtime.topology import EPOCH, PARTITIONS, RecoveryNeeded, provision, streams, update
from tests.support.bus import Bus, until
from tests.support.chains import record
from tests.support.topologies import Topology

NAMES = [
    *("REQUESTS", "CONNECTIONS", "DIRECTORY", "OUTPUT", "KV_ws_live", "KV_ws_leases", "KV_ws_claims", "KV_ws_keys"),
    *("KV_ws_sessions", "KV_ws_sign_ins", "KV_ws_key_uses", "OBJ_ws_files"),
]


@pytest.fixture
async def empty(topology: Topology) -> AsyncIterator[Client]:
    """The provisioner's connection to servers without streams."""
    async with topology.running_servers() as servers:
        nc = await runtime_bus.connect(servers.nats_url("provisioner"), "provisioner", "test")
        yield nc
        await nc.close()


async def configuration(nc: Client, stream: str) -> dict[str, Any]:
    config: dict[str, Any] = msgspec.json.decode(await api(nc, f"STREAM.INFO.{stream}"))["config"]
    return config


async def test_everything_is_made_once(empty: Client, topology: Topology) -> None:
    assert await provision(empty, topology.settings(), recorded=False) == NAMES
    assert await provision(empty, topology.settings(), recorded=False) == []
    assert await provision(empty, topology.settings(), recorded=True) == []


async def test_what_promises_need_is_set(empty: Client, topology: Topology) -> None:
    await provision(
        empty, topology.settings(stream_max_bytes=64 * 1024 * 1024, output_max_bytes=32 * 1024 * 1024), recorded=False
    )
    requests = await configuration(empty, "REQUESTS")
    assert (requests["discard"], requests["deny_delete"], requests["max_bytes"]) == ("new", True, 64 * 1024 * 1024)
    assert requests.get("max_age", 0) == 0
    assert requests["metadata"] | {EPOCH: "1", PARTITIONS: "16"} == requests["metadata"]
    assert (await configuration(empty, "CONNECTIONS"))["max_age"] == 7 * 24 * 3600 * 10**9
    output = await configuration(empty, "OUTPUT")
    assert (output["discard"], output["max_age"], output["max_bytes"]) == ("old", 3600 * 10**9, 32 * 1024 * 1024)
    for bucket in NAMES[4:]:
        assert (await configuration(empty, bucket))["allow_msg_ttl"], bucket


async def test_changed_settings_are_brought_about_and_nothing_is_lost(bus: Bus, topology: Topology) -> None:
    gateway, provisioner = await bus.connect("gateway"), await bus.connect("provisioner")
    await append(gateway, record())
    assert await provision(provisioner, topology.settings(stream_max_bytes=32 * 1024 * 1024), recorded=True) == []
    info = await stream_info(gateway, subjects.REQUESTS)
    assert (info.config.max_bytes, info.state.messages) == (32 * 1024 * 1024, 1)


async def test_streams_may_be_as_large_as_settings_say(empty: Client, topology: Topology) -> None:
    large = topology.settings(stream_max_bytes=64 * 1024**3, files_max_bytes=1024**4)
    assert await provision(empty, large, recorded=False) == NAMES
    assert (await configuration(empty, subjects.FILES))["max_bytes"] == 1024**4


async def test_a_streams_epoch_is_kept(bus: Bus, topology: Topology) -> None:
    provisioner = await bus.connect("provisioner")
    config = await configuration(provisioner, "REQUESTS")
    config["metadata"][EPOCH] = "7"
    await api(provisioner, "STREAM.UPDATE.REQUESTS", config)
    await provision(provisioner, topology.settings(), recorded=True)
    assert (await stream_info(provisioner, "REQUESTS")).config.metadata[EPOCH] == "7"


async def test_a_stream_that_was_seen_and_is_not_there_is_to_be_looked_for_again(empty: Client) -> None:
    """As when one server of a cluster has not heard of its end yet, and another has."""
    with pytest.raises(NatsUnavailable, match="stream not found"):
        await update(empty, streams(Settings())[0])


async def test_a_stream_that_the_log_remembers_is_not_made_anew(empty: Client, topology: Topology) -> None:
    with pytest.raises(RecoveryNeeded):
        await provision(empty, topology.settings(), recorded=True)
    assert await provision(empty, topology.settings(), recorded=False) == NAMES, "nothing had been made"


async def test_committed_events_are_republished_for_people_and_refused_ones_are_not(bus: Bus) -> None:
    gateway, operator = await bus.connect("gateway"), await bus.connect("operator")
    shown: dict[str, bytes] = {}

    async def show(message: Msg) -> None:
        shown[message.subject] = message.data

    async def hears() -> bool:
        await append(gateway, record())
        return bool(shown)

    await operator.subscribe("ws.evt.>", cb=show)
    await until(hears, "events are shown")  # what comes right after the subscription may not be
    first, last = record(), record()
    await append(gateway, first)
    headers = {subjects.EXPECTED_SEQUENCE: "99", subjects.EXPECTED_SUBJECT: first.chain}
    await gateway.request(first.subject, b"refused", 30, headers=headers)
    await append(gateway, last)
    events = {f"ws.evt.demo.accepted.{subjects.parse_request_event(each.subject).rid}": each.data for each in (first, last)}
    await until(lambda: events.keys() <= shown.keys(), "both are shown")
    assert {subject: shown[subject] for subject in events} == events
    assert b"refused" not in shown.values()


def test_each_stream_is_declared_once() -> None:
    assert [declaration.name for declaration in streams(Settings())] == NAMES
