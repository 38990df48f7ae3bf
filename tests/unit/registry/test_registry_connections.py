"""Given claims, when a connection comes or goes, then these answers and these writes."""

from typing import Any

import msgspec
import pytest

from services.contracts.connections import Disconnected
from services.contracts.directory import Policy
from services.contracts.reports import AgentReport, Report
from services.contracts.rpc import Attach, Claim, Detach, SpaceAnswer
from services.contracts.subjects import InvalidToken
from services.registry import connections
from services.registry.connections import AttachPlan, ClaimEntry, OpenConnections

A = Attach(conn="c1", gateway="g1", agent="ada/gpu", boot_id="b1", spaces=["many", "one"], slots=4)
CLAIM = Claim(agent="ada/gpu", conn="c1", gateway="g1", boot_id="b1")
FREE = ClaimEntry("agent.ada/gpu", None, 0)
POLICIES: dict[str, Policy] = {"many": "many", "one": "one"}


def held(entry_key: str, revision: int, **changes: Any) -> ClaimEntry:
    return ClaimEntry(entry_key, msgspec.structs.replace(CLAIM, **changes), revision)


def plan(identity: ClaimEntry = FREE, one: ClaimEntry | None = None, lost: str = "", request: Attach = A) -> AttachPlan:
    spaces = {"one": one or ClaimEntry("space.one", None, 0)}
    return connections.attach(request, POLICIES, identity, spaces, lambda gateway: gateway == lost)


def accepted(space: str) -> SpaceAnswer:
    return SpaceAnswer(space=space, accepted=True)


def refused(space: str, reason: Any) -> SpaceAnswer:
    return SpaceAnswer(space=space, accepted=False, reason=reason)


def keys(decided: AttachPlan) -> list[str]:
    return [entry.key for entry in decided.writes]


def test_a_first_connection_gets_all_it_asks_for_and_its_identity_last() -> None:
    decided = plan()
    assert decided.answers == [accepted("many"), accepted("one")]
    assert keys(decided) == ["space.one", "agent.ada/gpu"]
    assert decided.claim == CLAIM


def test_an_expired_claim_is_written_over_its_marker() -> None:
    marker = ClaimEntry("agent.ada/gpu", None, 17)
    assert plan(identity=marker).writes[-1].revision == 17


def test_a_newer_hello_of_the_same_identity_takes_everything_over() -> None:
    old = held("agent.ada/gpu", 5, conn="c0", gateway="g0"), held("space.one", 4, conn="c0", gateway="g0")
    decided = plan(*old)
    assert decided.answers == [accepted("many"), accepted("one")]
    assert [(entry.key, entry.revision) for entry in decided.writes] == [("space.one", 4), ("agent.ada/gpu", 5)]


def test_another_agent_is_refused_an_occupied_space_but_served_the_rest() -> None:
    decided = plan(one=held("space.one", 4, agent="bob/gpu", conn="c0"))
    assert decided.answers == [accepted("many"), refused("one", "occupied")]
    assert keys(decided) == ["agent.ada/gpu"]
    assert decided.accepted == ["many"]


def test_what_a_lost_gateway_held_may_be_taken() -> None:
    there = held("space.one", 4, agent="bob/gpu", conn="c0", gateway="g0")
    assert plan(one=there, lost="g0").answers[1] == accepted("one")
    assert plan(one=there, lost="g7").answers[1] == refused("one", "occupied")


def test_an_unknown_space_is_refused_and_never_becomes_a_key() -> None:
    request = msgspec.structs.replace(A, spaces=["many", "a.*.>"])
    decided = plan(request=request)
    assert decided.answers == [accepted("many"), refused("a.*.>", "unknown_space")]
    assert keys(decided) == ["agent.ada/gpu"]


def test_without_any_space_nothing_is_claimed() -> None:
    request = msgspec.structs.replace(A, spaces=["missing", "one"])
    decided = plan(request=request, one=held("space.one", 4, agent="bob/gpu"))
    assert decided.answers == [refused("missing", "unknown_space"), refused("one", "occupied")]
    assert decided.writes == []
    assert decided.accepted == []
    assert decided.attached(0).revision == 0


def test_a_repeated_attach_finds_everything_done() -> None:
    decided = plan(held("agent.ada/gpu", 5), held("space.one", 4))
    assert decided.writes == []
    assert decided.identity.revision == 5


def test_a_retry_after_half_of_the_writes_does_the_other_half() -> None:
    assert keys(plan(one=held("space.one", 4))) == ["agent.ada/gpu"]


def test_a_space_named_twice_is_answered_once() -> None:
    assert len(plan(request=msgspec.structs.replace(A, spaces=["many", "many"])).answers) == 1


def test_only_claims_still_of_the_connection_are_released() -> None:
    mine, taken, free = held("space.one", 4), held("agent.ada/gpu", 5, conn="c2"), ClaimEntry("space.two", None, 3)
    assert connections.to_release("c1", [mine, taken, free]) == [mine]


@pytest.mark.parametrize(
    "change",
    [
        {"conn": "a.b"},
        {"conn": ""},
        {"gateway": "*"},
        {"agent": "ada"},
        {"agent": "a.b/gpu"},
        {"agent": "ada/GPU"},
        {"agent": "ada/>"},
    ],
)
def test_hostile_names_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidToken):
        connections.check(msgspec.structs.replace(A, **change))


@pytest.mark.parametrize("name", ["gpu", "gpu-1", "rack.7.gpu_1", "a..b", "a.", "a" * 63])
def test_agents_names(name: str) -> None:
    connections.check(msgspec.structs.replace(A, agent=f"ada/{name}"))


def test_claims_of_an_agent() -> None:
    assert connections.claim_keys("ada/gpu.1", ["one"]) == ["agent.ada/gpu=1", "space.one"]


def test_events_of_a_connection_have_ids_of_their_own() -> None:
    begin, end = connections.connected(A, ["many"]), connections.disconnected(detach("c1"))
    assert begin == connections.connected(A, ["many"])
    assert begin.spaces == ["many"]
    ids = {begin.id, end.id, connections.disconnected(detach("c2")).id}
    assert len(ids) == 3


def test_connections_of_a_lost_gateway_are_abandoned_until_they_end() -> None:
    there = both_open()
    lost = there.abandoned(lambda gateway: gateway == "g1")
    assert lost == [Detach(conn="c1", gateway="g1", agent="ada/gpu", spaces=["one"], reason="gateway_lost")]
    there.apply(ended("c1"))
    there.apply(ended("never seen"))
    assert [request.conn for request in there.abandoned(lambda gateway: True)] == ["c2"]


def test_a_connection_that_a_live_gateway_keeps_leaving_out_is_abandoned() -> None:
    there = both_open()
    for _ in range(connections.UNLISTED_REPORTS - 1):
        there.reported(report("g1"))
    assert there.abandoned(nobody) == []
    there.reported(report("g1"))
    assert [(request.conn, request.reason) for request in there.abandoned(nobody)] == [("c1", "not_reported")]


def test_a_report_that_lists_the_connection_starts_the_count_again() -> None:
    there = both_open()
    for _ in range(connections.UNLISTED_REPORTS - 1):
        there.reported(report("g1"))
    there.reported(report("g1", "c1"))
    there.reported(report("g1"))
    assert there.abandoned(nobody) == []


def test_only_full_reports_say_what_a_gateway_has_not() -> None:
    there = both_open()
    for _ in range(connections.UNLISTED_REPORTS):
        there.reported(msgspec.structs.replace(report("g1"), full=False))
        there.reported(report("g2", "c2"))
    assert there.abandoned(nobody) == []


def both_open() -> OpenConnections:
    there = OpenConnections()
    there.apply(connections.connected(A, ["one"]))
    there.apply(connections.connected(msgspec.structs.replace(A, conn="c2", gateway="g2"), ["one"]))
    return there


def nobody(gateway: str) -> bool:
    return False


def report(gateway: str, *conns: str) -> Report:
    agents = [AgentReport(agent="ada/gpu", conn=conn, boot_id="b", spaces=["one"], slots=1) for conn in conns]
    return Report(gateway=gateway, number=1, full=True, agents=agents)


def detach(conn: str) -> Detach:
    return Detach(conn=conn, gateway="g1", agent="ada/gpu", spaces=["one"], reason="goodbye")


def ended(conn: str) -> Disconnected:
    return connections.disconnected(detach(conn))
