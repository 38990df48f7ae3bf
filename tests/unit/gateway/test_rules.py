"""Each rule holds when it should, and does not when it should not."""

from typing import Any

import msgspec
import pytest

from services.contracts.accounts import Space
from services.contracts.platform import AgentConnections, Attention, SpaceAttention
from services.contracts.rpc import ConnectedAgent
from services.gateway.platform import DatabaseObject, InstanceObject, NatsObject, PlatformObject, ServiceObject, StreamObject
from services.gateway.rules import RULES, Finding, of_platform, of_spaces, ordered
from services.gateway.warnings import warning_object

NS = 1_000_000_000
NOW = 1_000_000 * NS
DEMO = Space(
    space="demo", title="", owner="ada", connections="many", start_timeout_s=1, execution_timeout_s=1, max_attempts=1
)
AGENT = ConnectedAgent(agent="ada/gpu", conn="c", gateway="g", spaces=["demo"], slots=1, state="ready")
STREAM = StreamObject(name="REQUESTS", messages=1, bytes=10, max_bytes=100, replicas=1, missing=0, behind=0, behind_s=0.0)


def instances(count: int) -> list[InstanceObject]:
    return [
        InstanceObject(id=f"i{number}", since=None, version=None, host=None, heard_s=0.0, current=True)
        for number in range(count)
    ]


def services(**counts: int) -> list[ServiceObject]:
    given = {"gateway": 2, "registry": 2, "dispatcher": 2, "history": 2} | counts
    return [ServiceObject(service=kind, instances=instances(count)) for kind, count in given.items()]


WELL = PlatformObject(
    gateway="i0",
    version="1",
    halted=False,
    full_at=0.8,
    services=services(),
    nats=NatsObject(
        connected=True, server="n:1", version="2", servers=[], storage_bytes=1, storage_max_bytes=None, streams=[STREAM]
    ),
    database=DatabaseObject(reachable=True, version="18", size_bytes=1, conflicts=0, whole=True),
)


def of_space(*, served: bool = True, space: Space = DEMO, **numbers: Any) -> list[Finding]:
    found = Attention(spaces=[SpaceAttention(space="demo", **({"depths": [0, 0]} | numbers))])
    return list(of_spaces(found, {"demo": space}, [AGENT] if served else [], NOW))


def since(seconds: float) -> int:
    return NOW - round(seconds * NS)


def with_stream(**changes: Any) -> PlatformObject:
    stream = msgspec.structs.replace(STREAM, **changes)
    return msgspec.structs.replace(WELL, nats=msgspec.structs.replace(WELL.nats, streams=[stream]))


def with_database(**changes: Any) -> PlatformObject:
    return msgspec.structs.replace(WELL, database=msgspec.structs.replace(WELL.database, **changes))


def rules(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(each.rule, each.severity) for each in findings]


def test_requests_that_wait_longer_than_an_agent_may_be_away_need_one() -> None:
    [found] = of_space(served=False, waiting=3, oldest_at=since(20))
    assert found == Finding("no_agent", "critical", space="demo", amount=3, for_s=20.0)


@pytest.mark.parametrize(
    ("served", "waiting", "age_s", "paused"),
    [(False, 3, 19.9, False), (False, 0, 0, False), (True, 3, 900, False), (False, 3, 900, True)],
    ids=["it may come back", "nothing waits", "there is one", "nothing is to be assigned"],
)
def test_no_agent_is_needed_when(served: bool, waiting: int, age_s: float, paused: bool) -> None:
    space = msgspec.structs.replace(DEMO, paused=paused)
    assert of_space(served=served, space=space, waiting=waiting, oldest_at=since(age_s)) == []


def test_while_nobody_knows_the_agents_none_is_missed() -> None:
    found = Attention(spaces=[SpaceAttention(space="demo", waiting=3, oldest_at=since(900))])
    assert list(of_spaces(found, {"demo": DEMO}, None, NOW)) == []


def test_a_space_that_is_gone_needs_nothing() -> None:
    found = Attention(spaces=[SpaceAttention(space="demo", waiting=3, oldest_at=since(900))])
    assert list(of_spaces(found, {}, [], NOW)) == []


def test_a_queue_that_grows_and_is_old_needs_agents() -> None:
    [found] = of_space(waiting=30, depths=[5, 15], oldest_at=since(60))
    assert found == Finding("queue_growing", "warning", space="demo", amount=30, limit=5, for_s=60.0)


@pytest.mark.parametrize(
    ("depths", "waiting", "age_s"),
    [([5, 15], 24, 900), ([5, 14], 30, 900), ([50, 15], 30, 900), ([5, 15], 30, 59), ([5, 15], 15, 900)],
    ids=["a little", "a little before", "it was longer", "it is young", "it has stopped"],
)
def test_a_queue_does_not_grow_when(depths: list[int], waiting: int, age_s: float) -> None:
    assert of_space(waiting=waiting, depths=depths, oldest_at=since(age_s)) == []


@pytest.mark.parametrize(
    ("judged", "failed", "severity"), [(20, 4, "warning"), (20, 9, "warning"), (20, 10, "critical"), (10, 10, "critical")]
)
def test_a_space_fails_when_many_of_its_outcomes_do(judged: int, failed: int, severity: str) -> None:
    [found] = of_space(judged=judged, failed=failed)
    assert (found.rule, found.severity, found.amount, found.limit) == ("space_failing", severity, failed, judged)


@pytest.mark.parametrize(("judged", "failed"), [(20, 3), (9, 9), (0, 0)])
def test_a_space_does_not_fail_when_few_of_its_outcomes_do_or_there_are_few(judged: int, failed: int) -> None:
    assert of_space(judged=judged, failed=failed) == []


def test_an_agent_that_connects_again_and_again_flaps() -> None:
    calm = AgentConnections(agent="ada/calm", connections=4)
    flaps = AgentConnections(agent="ada/flaps", connections=5)
    found = list(of_spaces(Attention(spaces=[], agents=[flaps, calm]), {}, [], NOW))
    assert found == [Finding("agent_flapping", "warning", subject="ada/flaps", amount=5, for_s=600.0)]


def test_a_platform_that_is_well_needs_nothing() -> None:
    assert list(of_platform(WELL)) == []


@pytest.mark.parametrize(
    ("platform", "expected"),
    [
        (msgspec.structs.replace(WELL, halted=True), ("halted", "critical")),
        (with_database(reachable=None, conflicts=None, whole=None), ("history_silent", "critical")),
        (with_database(reachable=False, conflicts=None, whole=None), ("database_unreachable", "critical")),
        (with_database(conflicts=1), ("log_conflicts", "critical")),
        (with_database(whole=False), ("log_conflicts", "critical")),
        (msgspec.structs.replace(WELL, services=services(registry=0)), ("service_missing", "critical")),
        (with_stream(behind=7, behind_s=10.0), ("recorder_behind", "warning")),
        (with_stream(behind=7, behind_s=300.0), ("recorder_behind", "critical")),
        (with_stream(bytes=70), ("stream_filling", "warning")),
        (with_stream(bytes=80), ("stream_filling", "critical")),
        (with_stream(replicas=3, missing=1), ("replica_missing", "warning")),
    ],
)
def test_what_a_platform_needs(platform: PlatformObject, expected: tuple[str, str]) -> None:
    assert rules(list(of_platform(platform))) == [expected]


@pytest.mark.parametrize(
    "platform",
    [
        with_stream(behind=700, behind_s=9.9),
        with_stream(behind=None, behind_s=None),
        with_stream(bytes=69),
        with_stream(bytes=10**9, max_bytes=None),
        with_stream(name="OUTPUT", bytes=100),
        with_stream(replicas=3, missing=0),
        msgspec.structs.replace(WELL, services=[*services(), ServiceObject(service="notifier", instances=[])]),
    ],
    ids=["a moment", "nobody can tell", "not yet", "no limit", "drops the oldest", "all there", "another kind"],
)
def test_a_platform_needs_nothing_when(platform: PlatformObject) -> None:
    assert list(of_platform(platform)) == []


def test_one_process_of_a_service_is_too_few_only_where_streams_are_replicated() -> None:
    single = services(registry=1)
    assert rules(list(of_platform(msgspec.structs.replace(WELL, services=single)))) == []
    replicated = msgspec.structs.replace(with_stream(replicas=3), services=single)
    assert list(of_platform(replicated)) == [Finding("service_single", "warning", subject="registry")]


def test_the_worst_comes_first() -> None:
    given = [
        Finding("agent_flapping", "warning", subject="a"),
        Finding("no_agent", "critical", space="b"),
        Finding("no_agent", "critical", space="a"),
        Finding("halted", "critical"),
        Finding("recorder_behind", "warning", subject="REQUESTS"),
    ]
    assert [(each.rule, each.space) for each in ordered(iter(given))] == [
        ("halted", ""),
        ("no_agent", "a"),
        ("no_agent", "b"),
        ("recorder_behind", ""),
        ("agent_flapping", ""),
    ]


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_is_said_in_words_with_what_to_do(rule: Any) -> None:
    found = warning_object(Finding(rule, "warning", space="demo", subject="REQUESTS", amount=7, limit=10, for_s=7200))
    assert found.detail.endswith((".", "!"))
    assert found.remedy.endswith(".")
    assert "0.0" not in found.detail
    if rule in ("no_agent", "queue_growing", "recorder_behind"):
        assert "2 hours" in found.detail
