"""The registry's operations on a real nats-server, with the registry's and its callers' real permissions."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, TypeVar

import msgspec
import pytest
from nats.aio.client import Client

from services.contracts import codec, ids, subjects
from services.contracts.connections import Connected, Disconnected
from services.contracts.reports import AgentReport, Report
from services.contracts.rpc import (
    Agents,
    Attach,
    Attached,
    Claim,
    CreateKey,
    CreateSpace,
    CreateUser,
    Detach,
    GetAgents,
    Recorded,
    RevokeKey,
    SpaceAnswer,
)
from services.registry.attaching import Attaching
from services.registry.gateways import Gateways
from services.registry.janitor import Janitor
from services.registry.reporting import Reporting
from services.registry.service import DirectoryCommands, serve_registry
from services.runtime import rpc
from services.runtime.directory import DirectoryFollower
from services.runtime.jetstream import Stored
from services.runtime.kv import Bucket
from services.runtime.live import Liveness
from services.runtime.tail import Tail
from tests.support.bus import Bus, until
from tests.support.hearing import heard
from tests.support.topologies import Topology

T = TypeVar("T")
PASSWORD = "correct horse"


class Replica:
    """One registry as `main` wires it, in this process; `settled_s` is 0 so that a test need not wait for a whole TTL."""

    def __init__(self, nc: Client, settled_s: float = 0.0) -> None:
        self.nc = nc
        self.follower, self.liveness = DirectoryFollower(nc), Liveness(nc, "registry", "test")
        self.gateways = Gateways(nc, self.liveness, settled_s)
        self.attaching = Attaching(nc, self.follower, self.gateways)
        self.commands = DirectoryCommands(nc, self.follower)
        self.janitor = Janitor(nc, self.attaching, self.gateways)
        self.reporting = Reporting(nc, self.liveness, self.gateways)


async def replica(bus: Bus, settled_s: float = 0.0) -> Replica:
    here = Replica(await bus.connect("registry"), settled_s)
    bus.spawn(here.follower.follow())
    bus.spawn(here.liveness.watch())
    await asyncio.wait_for(asyncio.gather(here.follower.caught_up.wait(), here.liveness.caught_up.wait()), 30)
    return here


@pytest.fixture
async def bus(topology: Topology) -> AsyncIterator[Bus]:
    async with topology.bus() as here:
        yield here


class Registry:
    """The registry as its callers see it, with a user `owner` and the spaces `many` and `one`."""

    def __init__(self, bus: Bus, operator: Client, gateway: Client) -> None:
        self.bus, self.operator, self.gateway = bus, operator, gateway
        self.owner = ""
        self.live = Liveness(gateway, "gateway", "g1")

    async def command(self, operation: str, message: msgspec.Struct) -> Recorded:
        return await rpc.call(self.operator, subjects.registry_rpc(operation), message, Recorded)

    async def attach(self, conn: str, name: str, spaces: list[str], gateway: str = "g1") -> Attached:
        request = Attach(conn=conn, gateway=gateway, agent=self.agent(name), boot_id="b", spaces=spaces, slots=1)
        return await rpc.call(self.gateway, subjects.registry_rpc("attach"), request, Attached)

    async def detach(self, conn: str, name: str, spaces: list[str]) -> Recorded:
        request = Detach(conn=conn, gateway="g1", agent=self.agent(name), spaces=spaces, reason="goodbye", code=1000)
        return await rpc.call(self.gateway, subjects.registry_rpc("detach"), request, Recorded)

    def agent(self, name: str) -> str:
        return f"{self.owner}/{name}"

    async def holder(self, key: str) -> str:
        value = (await Bucket(self.gateway, subjects.CLAIMS).get(key)).value
        return "" if value is None else msgspec.json.decode(value, type=Claim).conn

    async def events(self) -> list[Connected | Disconnected]:
        history = await self.bus.connect("history")
        stored = await everything(history, subjects.CONNECTIONS)
        decoded = [codec.connections.decode(message.data) for message in stored]
        return [event for event in decoded if isinstance(event, Connected | Disconnected)]


async def everything(nc: Client, stream: str) -> list[Stored]:
    found: list[Stored] = []
    async for batch in Tail(nc, stream, [">"]).batches():
        found += batch.messages
        if batch.pending == 0:
            break
    return found


@pytest.fixture
async def registry(bus: Bus) -> Registry:
    here = await replica(bus)
    await serve_registry(here.nc, here.commands, here.attaching, here.reporting)
    for operation in ("create_user", "attach", "agents"):
        await heard(bus.servers, subjects.registry_rpc(operation))
    bus.spawn(here.reporting.follow())
    registry = Registry(bus, await bus.connect("operator"), await bus.connect("gateway"))
    bus.spawn(registry.live.keep_announcing())
    await until(lambda: "g1" in here.liveness.alive("gateway"), "the gateway is seen")
    registry.owner = (await registry.command("create_user", CreateUser(email="a@example.org", password=PASSWORD))).id
    await registry.command("create_space", CreateSpace(space="many", owner=registry.owner))
    await registry.command("create_space", CreateSpace(space="one", owner=registry.owner, connections="one"))
    return registry


async def outcome(call: Any) -> Any:
    try:
        return await call
    except rpc.Refused as error:
        return error.code


async def test_repeated_commands_are_recognised_and_others_refused(registry: Registry) -> None:
    user = CreateUser(email="b@example.org", password=PASSWORD)
    first = await registry.command("create_user", user)
    assert await registry.command("create_user", user) == first
    other = msgspec.structs.replace(user, password="another password")
    assert await outcome(registry.command("create_user", other)) == "exists"
    space = CreateSpace(space="demo", owner=first.id)
    assert await registry.command("create_space", space) == await registry.command("create_space", space)
    assert await outcome(registry.command("create_space", CreateSpace(space="demo", owner=registry.owner))) == "exists"
    assert await outcome(registry.command("create_space", CreateSpace(space="x", owner="nobody"))) == "not_found"
    assert await outcome(registry.command("create_space", CreateSpace(space="a.*", owner=first.id))) == "invalid"


async def test_a_key_lives_until_revoked_and_only_its_hash_is_stored(registry: Registry) -> None:
    secret = "wsa_0123456789abcdefghijklmnop"
    key = CreateKey(
        kind="agent", key_id="k1", user=registry.owner, key_hash=ids.secret_hash(secret), name="box", spaces=["one"]
    )
    assert await registry.command("create_key", key) == await registry.command("create_key", key)
    revoked = await registry.command("revoke_key", RevokeKey(key_id="k1"))
    assert await registry.command("revoke_key", RevokeKey(key_id="k1")) == revoked
    assert await outcome(registry.command("revoke_key", RevokeKey(key_id="k2"))) == "not_found"
    stored = await everything(await registry.bus.connect("history"), subjects.DIRECTORY)
    assert [message.subject.rsplit(".", 1)[-1] for message in stored][-2:] == ["agent_key_created", "key_revoked"]
    text = b"".join(message.data + message.subject.encode() for message in stored)
    assert ids.secret_hash(secret).encode() in text
    for hidden in (secret, PASSWORD):
        assert hidden.encode() not in text


async def test_two_replicas_create_one_user_for_one_address(bus: Bus) -> None:
    replicas = [await replica(bus) for _ in range(2)]
    commands = [CreateUser(email=email, password=PASSWORD) for email in ("x@example.org", "X@example.org")]
    answers = await asyncio.gather(
        *(outcome(here.commands.execute(command)) for here, command in zip(replicas, commands, strict=True))
    )
    assert sorted(isinstance(answer, Recorded) for answer in answers) == [False, True]
    assert "exists" in answers
    assert len(await everything(await bus.connect("history"), subjects.DIRECTORY)) == 1


async def test_the_same_command_at_two_replicas_is_one_event(bus: Bus) -> None:
    replicas = [await replica(bus) for _ in range(2)]
    command = CreateUser(email="x@example.org", password=PASSWORD)
    first, second = await asyncio.gather(*(here.commands.execute(command) for here in replicas))
    assert first == second
    assert len(await everything(await bus.connect("history"), subjects.DIRECTORY)) == 1


async def test_a_connection_begins_and_ends_once(registry: Registry) -> None:
    first = await registry.attach("c1", "gpu.1", ["many", "one"])
    assert [answer.accepted for answer in first.spaces] == [True, True]
    assert await registry.attach("c1", "gpu.1", ["many", "one"]) == first
    assert await registry.holder(subjects.space_claim("one")) == "c1"
    ended = await registry.detach("c1", "gpu.1", ["many", "one"])
    assert await registry.detach("c1", "gpu.1", ["many", "one"]) == ended
    assert await registry.holder(subjects.space_claim("one")) == ""
    assert await registry.holder(subjects.agent_claim(registry.agent("gpu.1"))) == ""
    begin, end = await registry.events()
    assert isinstance(begin, Connected)
    assert begin.spaces == ["many", "one"]
    assert isinstance(end, Disconnected)
    assert (end.reason, end.code) == ("goodbye", 1000)


async def test_a_newer_connection_takes_over_and_the_older_ones_end_does_not_disturb_it(registry: Registry) -> None:
    old = await registry.attach("c1", "gpu", ["one"])
    new = await registry.attach("c2", "gpu", ["one"])
    assert new.revision > old.revision
    await registry.detach("c1", "gpu", ["one"])
    assert await registry.holder(subjects.space_claim("one")) == "c2"
    assert await registry.holder(subjects.agent_claim(registry.agent("gpu"))) == "c2"


async def test_a_space_of_policy_one_is_free_again_after_a_detach(registry: Registry) -> None:
    await registry.attach("c1", "gpu", ["one"])
    refused = await registry.attach("c2", "other", ["one"])
    assert refused == Attached(spaces=[SpaceAnswer(space="one", accepted=False, reason="occupied")], revision=0)
    assert await registry.holder(subjects.agent_claim(registry.agent("other"))) == ""
    await registry.detach("c1", "gpu", ["one"])
    assert (await registry.attach("c3", "other", ["one"])).spaces[0].accepted


async def test_unknown_spaces_and_hostile_names_are_refused(registry: Registry) -> None:
    answer = await registry.attach("c1", "gpu", ["many", "missing", "a.*.>"])
    assert [space.reason for space in answer.spaces] == ["", "unknown_space", "unknown_space"]
    assert await outcome(registry.attach("c.*", "gpu", ["many"])) == "invalid"
    assert await outcome(registry.attach("c2", "GPU >", ["many"])) == "invalid"
    assert len(await registry.events()) == 1


async def test_a_connection_that_has_ended_cannot_begin(registry: Registry) -> None:
    await registry.detach("c1", "gpu", ["one"])
    assert await outcome(registry.attach("c1", "gpu", ["one"])) == "conflict"
    assert await registry.holder(subjects.space_claim("one")) == ""
    assert await registry.holder(subjects.agent_claim(registry.agent("gpu"))) == ""


async def test_of_twenty_attaches_at_once_one_agent_gets_the_space(registry: Registry) -> None:
    replicas = [await replica(registry.bus) for _ in range(2)]

    def request(number: int) -> Attach:
        agent = registry.agent("ada" if number % 2 else "bob")
        return Attach(conn=f"c{number}", gateway="g1", agent=agent, boot_id="b", spaces=["one"], slots=1)

    answers = await asyncio.gather(*(replicas[n // 2 % 2].attaching.attach(request(n)) for n in range(20)))
    winners = {n % 2 for n, answer in enumerate(answers) if answer.spaces[0].accepted}
    assert len(winners) == 1, "both agents were accepted"
    newest = max((answer.revision, f"c{n}") for n, answer in enumerate(answers))[1]
    winner = registry.agent("ada" if winners == {1} else "bob")
    assert await registry.holder(subjects.agent_claim(winner)) == newest


async def test_distinct_agents_race_for_a_space_and_one_wins(registry: Registry) -> None:
    replicas = [await replica(registry.bus) for _ in range(2)]
    requests = [
        Attach(conn=f"c{n}", gateway="g1", agent=registry.agent(f"a{n}"), boot_id="b", spaces=["one"], slots=1)
        for n in range(20)
    ]
    answers = await asyncio.gather(*(replicas[n % 2].attaching.attach(request) for n, request in enumerate(requests)))
    assert sum(answer.spaces[0].accepted for answer in answers) == 1
    assert len(await registry.events()) == 1


async def test_what_a_lost_gateway_left_is_ended_once_by_two_janitors(registry: Registry) -> None:
    await registry.attach("c1", "gpu", ["one"])
    await registry.attach("c2", "gpu", ["many"])  # has taken the identity over, so c1 holds only the space
    for _ in range(2):
        here = await replica(registry.bus)
        bus = registry.bus
        bus.spawn(here.janitor.follow())
        bus.spawn(here.janitor.keep_sweeping())
    await registry.live.withdraw()

    async def both_ended() -> bool:
        return sum(isinstance(event, Disconnected) for event in await registry.events()) >= 2

    await until(both_ended, "both connections have ended")
    assert await registry.holder(subjects.space_claim("one")) == ""
    ends = [event for event in await registry.events() if isinstance(event, Disconnected)]
    assert sorted((event.conn, event.reason) for event in ends) == [("c1", "gateway_lost"), ("c2", "gateway_lost")]


async def test_an_end_that_nats_refuses_to_store_is_recorded_later(
    registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    await registry.attach("c1", "gpu", ["one"])
    here = await replica(registry.bus)
    registry.bus.spawn(here.janitor.follow())
    js = (await registry.bus.connect("provisioner")).jetstream()
    config = (await js.stream_info(subjects.CONNECTIONS)).config
    await js.update_stream(config.evolve(max_msg_size=1))
    sweeping = registry.bus.spawn(here.janitor.keep_sweeping())
    await registry.live.withdraw()
    await until(lambda: "cannot be recorded yet" in caplog.text, "it is refused")
    await js.update_stream(config)

    async def ended() -> bool:
        return any(isinstance(event, Disconnected) for event in await registry.events())

    await until(ended, "the connection has ended")
    assert not sweeping.done()


async def test_a_live_gateways_connections_are_left_alone(registry: Registry) -> None:
    here = await replica(registry.bus)
    task = registry.bus.spawn(here.janitor.follow())
    await registry.attach("c1", "gpu", ["one"])
    await registry.attach("c2", "other", ["many"], gateway="g2")  # never announced, so it is gone
    registry.bus.spawn(here.janitor.keep_sweeping())

    async def ended() -> bool:
        return any(isinstance(event, Disconnected) for event in await registry.events())

    await until(ended, "the connection at the missing gateway has ended")
    assert [event.conn for event in await registry.events() if isinstance(event, Disconnected)] == ["c2"]
    assert not task.done()


async def test_a_connection_that_its_gateway_no_longer_reports_is_ended(registry: Registry) -> None:
    here = await replica(registry.bus)
    for loop in (here.janitor.follow(), here.janitor.follow_reports(), here.janitor.keep_sweeping()):
        registry.bus.spawn(loop)
    await registry.attach("c1", "gpu", ["one"])
    empty = msgspec.json.encode(Report(gateway="g1", number=1, full=True, agents=[]))

    async def released() -> bool:
        await registry.gateway.publish(subjects.report("g1"), empty)
        return await registry.holder(subjects.space_claim("one")) == ""

    await until(released, "the space is free")

    async def recorded() -> bool:
        ends = [event for event in await registry.events() if isinstance(event, Disconnected)]
        return [event.reason for event in ends] == ["not_reported"]

    await until(recorded, "the end is recorded")


async def test_no_gateway_is_lost_before_a_whole_time_to_live_has_been_seen(bus: Bus) -> None:
    unsettled, settled = await replica(bus, settled_s=3600.0), await replica(bus)
    assert settled.gateways.is_lost("g1")
    assert not unsettled.gateways.is_lost("g1")
    await bus.restart()
    await until(lambda: settled.gateways.is_lost("g1"), "the view is trusted again")
    assert not unsettled.gateways.is_lost("g1")


async def test_what_a_lost_gateway_held_is_taken_over_by_another_agent(registry: Registry) -> None:
    await registry.attach("c1", "gpu", ["one"], gateway="g9")
    assert (await registry.attach("c2", "other", ["one"])).spaces[0].accepted


async def test_agents_are_listed_as_their_gateways_report_them(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.registry.agents.SETTLE_S", 1000.0)  # it is waited for whom nobody has heard yet

    async def listed() -> list[tuple[str, str, int]]:
        answer = await rpc.call(registry.gateway, subjects.registry_rpc("agents"), GetAgents(), Agents)
        return [(agent.agent, agent.gateway, agent.slots) for agent in answer.agents]

    async def report(number: int, *agents: AgentReport) -> None:
        message = Report(gateway="g1", number=number, full=number == 1, agents=list(agents))
        await registry.gateway.publish(subjects.report("g1"), msgspec.json.encode(message))
        await registry.gateway.flush()

    asked = asyncio.create_task(listed())
    agent = AgentReport(agent="u/box", conn="c1", boot_id="b", spaces=["many"], slots=3)
    await report(1, agent)
    await until(asked.done, "an answer once the gateway has been heard")
    assert asked.result() == [("u/box", "g1", 3)]
    await report(2, msgspec.structs.replace(agent, gone=True))
    await until(lambda: _is(listed, []), "the agent has gone")
    await report(3, agent)
    await until(lambda: _is(listed, [("u/box", "g1", 3)]), "the agent is back")
    await registry.live.withdraw()
    await until(lambda: _is(listed, []), "its gateway has gone, and the agent with it")


async def _is(listed: Any, expected: list[tuple[str, str, int]]) -> bool:
    return bool(await listed() == expected)
