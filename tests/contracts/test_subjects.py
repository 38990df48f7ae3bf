"""Subjects are built in one place, from tokens that cannot be anything else."""

import re
from collections.abc import Callable

import pytest

from services.contracts import ids, subjects
from services.contracts.subjects import InvalidToken

RID = ids.request_id("demo", 1_700_000_000_000, bytes(10))
PART = f"{ids.part_of_space('demo'):02x}"

HOSTILE = [
    "",
    ".",
    "a.b",
    ".a",
    "a.",
    "*",
    "a*",
    ">",
    "a>",
    " ",
    "a b",
    " a",
    "a ",
    "\t",
    "a\n",
    "a\r\nPUB x 0",
    "\x00",
    "a\x00",
    "\x7f",
    "\u2028",
    "ä",
    "\uff0e",
    "-",
    "_a",
    "$JS",
    "a" * 65,
]

BUILDERS: dict[str, Callable[[str], object]] = {
    "token": lambda value: subjects.token("what", value),
    "request id": lambda value: subjects.request_event(value, "accepted", "demo", "-", "g1"),
    "type": lambda value: subjects.request_event(RID, value, "demo", "-", "g1"),
    "space": lambda value: subjects.request_event(RID, "accepted", value, "-", "g1"),
    "origin": lambda value: subjects.request_event(RID, "accepted", "demo", "-", value),
    "chain": subjects.chain,
    "for_agent_gateway": subjects.for_agent_gateway,
    "for_origin": subjects.for_origin,
    "connection": lambda value: subjects.connection_event(value, "connected"),
    "connection type": lambda value: subjects.connection_event("c1", value),
    "connection_chain": subjects.connection_chain,
    "directory kind": lambda value: subjects.directory_event(value, "u1", "user_created"),
    "directory id": lambda value: subjects.directory_event("user", value, "user_created"),
    "directory type": lambda value: subjects.directory_event("user", "u1", value),
    "directory_chain kind": lambda value: subjects.directory_chain(value, "u1"),
    "directory_chain id": lambda value: subjects.directory_chain("user", value),
    "report": subjects.report,
    "control": subjects.control,
    "registry_rpc": subjects.registry_rpc,
    "history_rpc": subjects.history_rpc,
    "dispatcher_rpc": lambda value: subjects.dispatcher_rpc(0, value),
    "live service": lambda value: subjects.live_key(value, "g1"),
    "live id": lambda value: subjects.live_key("gateway", value),
    "idempotency_key": subjects.idempotency_key,
    "agent_claim owner": lambda value: subjects.agent_claim(f"{value}/gpu"),
    "agent_claim": subjects.agent_claim,
    "space_claim": subjects.space_claim,
}


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("builder", BUILDERS.values(), ids=BUILDERS)
def test_hostile_tokens_are_refused(builder: Callable[[str], object], value: str) -> None:
    with pytest.raises(InvalidToken):
        builder(value)


@pytest.mark.parametrize("value", [value for value in HOSTILE if value != subjects.NO_GATEWAY])
def test_a_hostile_agent_gateway_is_refused(value: str) -> None:
    with pytest.raises(InvalidToken):
        subjects.request_event(RID, "assigned", "demo", value, "g1")


@pytest.mark.parametrize(
    "name", ["", "*", "a*", ">", " ", "a b", "a\n", "\x00", "A", "-", ".a", "a/b", "a=b", "ä", "a" * 64]
)
def test_an_agents_name_is_no_hostile_token(name: str) -> None:
    with pytest.raises(InvalidToken):
        subjects.agent_claim(f"u1/{name}")


@pytest.mark.parametrize("space", ["A", "a_b", "-a", "a" * 49])
def test_a_space_is_a_slug(space: str) -> None:
    with pytest.raises(InvalidToken):
        subjects.space_claim(space)


@pytest.mark.parametrize("rid", ["0" * 34 + "0", "0" * 32 + "10", "0" * 32 + "ff", "G" + "0" * 33, RID.upper()])
def test_a_request_id_has_its_form_and_an_existing_partition(rid: str) -> None:
    with pytest.raises(InvalidToken):
        subjects.chain(rid)


@pytest.mark.parametrize("part", [-1, 16, 255])
def test_a_partition_exists(part: int) -> None:
    with pytest.raises(InvalidToken):
        subjects.partition(part)


def test_an_error_names_the_value_but_not_all_of_it() -> None:
    with pytest.raises(InvalidToken) as error:
        subjects.token("gateway", "x" * 10_000)
    assert (error.value.what, len(error.value.value)) == ("gateway", 10_000)
    assert len(str(error.value)) < 200


def test_what_is_built() -> None:
    assert subjects.request_event(RID, "assigned", "demo", "g2", "g1") == f"ws.req.{PART}.{RID}.assigned.demo.g2.g1"
    assert subjects.request_event(RID, "accepted", "demo", "-", "g1") == f"ws.req.{PART}.{RID}.accepted.demo.-.g1"
    assert subjects.chain(RID) == f"ws.req.{PART}.{RID}.>"
    assert subjects.partition(11) == "ws.req.0b.>"
    assert subjects.for_origin("g1") == ["ws.req.*.*.*.*.*.g1"]
    assert subjects.connection_event("c1", "connected") == "ws.conn.c1.connected"
    assert subjects.connection_chain("c1") == "ws.conn.c1.>"
    assert subjects.directory_event("user", "u1", "user_created") == "ws.dir.user.u1.user_created"
    assert subjects.directory_chain("user", "u1") == "ws.dir.user.u1.>"
    assert subjects.report("g1") == "ws.agents.g1"
    assert subjects.control("g1") == "ws.ctl.g1"
    assert subjects.registry_rpc("attach") == "ws.rpc.registry.attach"
    assert subjects.history_rpc("chain") == "ws.rpc.history.chain"
    assert subjects.dispatcher_rpc(11, "place") == "ws.rpc.dispatcher.0b.place"
    assert subjects.live_key("gateway", "g1") == "gateway.g1"
    assert subjects.lease_key(3) == "part.03"
    assert subjects.agent_claim("u1/gpu") == "agent.u1/gpu"
    assert subjects.agent_claim("u1/a.b..c.") == "agent.u1/a=b==c=", "a dot begins no token"
    assert subjects.space_claim("demo") == "space.demo"


def test_a_gateway_hears_of_all_that_it_must_act_on() -> None:
    filters = [matcher(pattern) for pattern in subjects.for_agent_gateway("g2")]
    heard = {type_: heard_by(filters, subjects.request_event(RID, type_, "demo", "g2", "g1")) for type_ in TYPES}
    assert {type_ for type_, count in heard.items() if count} == {"assigned", "requeued", "failed", "canceled"}
    assert max(heard.values()) == 1, "the server refuses filters that overlap"
    assert not heard_by(filters, subjects.request_event(RID, "assigned", "demo", "g3", "g2"))


def test_an_origin_hears_of_all_its_requests() -> None:
    filters = [matcher(pattern) for pattern in subjects.for_origin("g1")]
    assert all(heard_by(filters, subjects.request_event(RID, type_, "demo", "-", "g1")) for type_ in TYPES)
    assert not heard_by(filters, subjects.request_event(RID, "accepted", "demo", "g1", "g2"))


def test_a_built_subject_is_parsed_back() -> None:
    parsed = subjects.parse_request_event(subjects.request_event(RID, "assigned", "demo", "g2", "g1"))
    assert parsed == subjects.RequestSubject(int(PART, 16), RID, "assigned", "demo", "g2", "g1")


@pytest.mark.parametrize("subject", ["", "ws.req", "ws.req.00.x.y", "ws.req.00.x.accepted.demo.-.g1.more"])
def test_other_subjects_are_not_parsed(subject: str) -> None:
    with pytest.raises(InvalidToken):
        subjects.parse_request_event(subject)


TYPES = ("accepted", "assigned", "requeued", "succeeded", "failed", "canceled", "expired", "erased", "restored")


def matcher(pattern: str) -> re.Pattern[str]:
    return re.compile(re.escape(pattern).replace(r"\*", "[^.]+").replace(">", ".+"))


def heard_by(filters: list[re.Pattern[str]], subject: str) -> int:
    return sum(pattern.fullmatch(subject) is not None for pattern in filters)
