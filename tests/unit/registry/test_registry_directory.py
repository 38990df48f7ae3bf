"""Given a directory, when a command comes, then this event, this existing entry or this refusal."""

from typing import Any

import msgspec
import pytest

from services.contracts.accounts import Directory
from services.contracts.directory import (
    AgentKeyCreated,
    ApiKeyCreated,
    DirectoryEvent,
    KeyRevoked,
    SpaceCreated,
    UserCreated,
    UserDisabled,
    UserEnabled,
    entry_of,
)
from services.contracts.ids import secret_hash
from services.contracts.rpc import CreateKey, CreateSpace, CreateUser, DisableUser, EnableUser, RevokeKey
from services.registry.directory import DirectoryCommand, decide, entry_named, user_id
from services.registry.refusal import Existing, Refusal

ADMIN, MEMBER = user_id("admin@example.org"), user_id("member@example.org")
CREATE_USER = CreateUser(email="new@example.org", password="long enough", actor=f"user:{ADMIN}")
CREATE_SPACE = CreateSpace(
    space="demo", owner=MEMBER, title="A demo", connections="one", execution_timeout_s=60.0, max_attempts=3
)
AGENT_KEY = CreateKey(kind="agent", key_id="k1", user=MEMBER, key_hash=secret_hash("s1"), name="gpu box", spaces=["demo"])
API_KEY = CreateKey(kind="api", key_id="k2", user=MEMBER, key_hash=secret_hash("s2"), name="laptop")


def user_created(email: str, role: Any = "member", password_hash: str = "hash") -> UserCreated:
    return UserCreated(
        id="e", prev_seq=0, actor="system", user=user_id(email), email=email, role=role, password_hash=password_hash
    )


PEOPLE: list[DirectoryEvent] = [user_created("admin@example.org", "admin"), user_created("member@example.org")]
DEMO = SpaceCreated(id="e", prev_seq=0, actor="system", space="demo", owner=MEMBER)
ADMINS = SpaceCreated(id="e", prev_seq=0, actor="system", space="admins", owner=ADMIN)


def directory(*events: DirectoryEvent | Existing) -> Directory:
    """The fold of the people and these events; sequences count from 1."""
    folded = Directory()
    for seq, event in enumerate([*PEOPLE, *events], 1):
        assert not isinstance(event, Existing)
        folded.apply(event, *entry_of(event), seq)
    return folded


def refused(command: DirectoryCommand, there: Directory) -> str:
    with pytest.raises(Refusal) as refusal:
        decide(command, there, "event")
    return refusal.value.code


def test_a_user_is_created_under_an_id_made_from_the_address() -> None:
    event = decide(CREATE_USER, directory(), "event", "the hash")
    assert event == UserCreated(
        id="event",
        prev_seq=0,
        actor=f"user:{ADMIN}",
        user=user_id("new@example.org"),
        email="new@example.org",
        role="member",
        password_hash="the hash",
    )


def test_one_address_is_one_user_whatever_its_case() -> None:
    assert user_id("Member@Example.ORG") == MEMBER
    again = msgspec.structs.replace(CREATE_USER, email="Member@Example.ORG")
    assert refused(again, directory()) == "exists"


def test_two_addresses_are_two_users() -> None:
    assert user_id("a@example.org") != user_id("b@example.org")


def test_the_same_user_again_is_answered_with_its_sequence() -> None:
    there = directory(user_created("new@example.org", password_hash="the hash"))
    assert decide(CREATE_USER, there, "event", "the hash") == Existing(3)


@pytest.mark.parametrize(("change", "password_hash"), [({}, "another"), ({"role": "admin"}, "the hash")])
def test_another_user_under_the_address_is_refused(change: dict[str, Any], password_hash: str) -> None:
    there = directory(user_created("new@example.org", password_hash="the hash"))
    with pytest.raises(Refusal) as refusal:
        decide(msgspec.structs.replace(CREATE_USER, **change), there, "event", password_hash)
    assert refusal.value.code == "exists"


@pytest.mark.parametrize("email", ["admin@localhost", "a.b+c@sub.example.org", "o'neill@example.org"])
def test_addresses_that_browsers_take(email: str) -> None:
    command = msgspec.structs.replace(CREATE_USER, email=email)
    assert isinstance(decide(command, directory(), "event"), UserCreated)


@pytest.mark.parametrize(
    "email",
    [
        "",
        "nobody",
        "@example.org",
        "a@",
        "a@b@c",
        "a b@example.org",
        "a@-example.org",
        "a@example..org",
        "a@example.org\n",
        "ä@example.org",
        "a" * 250 + "@example.org",
    ],
)
def test_no_address(email: str) -> None:
    assert refused(msgspec.structs.replace(CREATE_USER, email=email), directory()) == "invalid"


@pytest.mark.parametrize("password", ["", "7 chars", "x" * 1025])
def test_passwords_have_bounds(password: str) -> None:
    assert refused(msgspec.structs.replace(CREATE_USER, password=password), directory()) == "invalid"


def test_a_space_is_created_as_commanded() -> None:
    assert decide(CREATE_SPACE, directory(), "event") == SpaceCreated(
        id="event",
        prev_seq=0,
        actor="system",
        space="demo",
        owner=MEMBER,
        title="A demo",
        connections="one",
        start_timeout_s=3600.0,
        execution_timeout_s=60.0,
        max_attempts=3,
    )


def test_the_same_space_again_is_answered_and_another_refused() -> None:
    there = directory(decide(CREATE_SPACE, directory(), "event"))
    assert decide(CREATE_SPACE, there, "another event") == Existing(3)
    assert refused(msgspec.structs.replace(CREATE_SPACE, title="Another"), there) == "exists"


@pytest.mark.parametrize("space", ["", "-a", "A", "a.b", "a*", ">", "a b", "a\n", "a" * 49, "ä"])
def test_a_space_needs_a_slug(space: str) -> None:
    assert refused(msgspec.structs.replace(CREATE_SPACE, space=space), directory()) == "invalid"


@pytest.mark.parametrize(
    "change",
    [
        {"start_timeout_s": 0.5},
        {"start_timeout_s": 48 * 3600.0 + 1},
        {"execution_timeout_s": 0.0},
        {"execution_timeout_s": float("inf")},
        {"execution_timeout_s": float("nan")},
        {"max_attempts": 0},
        {"max_attempts": 21},
        {"title": "x" * 201},
        {"title": "two\nlines"},
    ],
)
def test_settings_of_a_space_have_bounds(change: dict[str, Any]) -> None:
    assert refused(msgspec.structs.replace(CREATE_SPACE, **change), directory()) == "invalid"


def test_a_space_needs_an_owner() -> None:
    assert refused(msgspec.structs.replace(CREATE_SPACE, owner="nobody"), directory()) == "not_found"


def test_an_owner_gets_an_agent_key_for_its_space() -> None:
    assert decide(AGENT_KEY, directory(DEMO), "event") == AgentKeyCreated(
        id="event",
        prev_seq=0,
        actor="system",
        key_id="k1",
        user=MEMBER,
        key_hash=secret_hash("s1"),
        name="gpu box",
        spaces=["demo"],
    )


def test_an_api_key_needs_no_space() -> None:
    assert isinstance(decide(API_KEY, directory(), "event"), ApiKeyCreated)


def test_only_owner_and_admin_may_have_agents_serve_a_space() -> None:
    foreign = msgspec.structs.replace(AGENT_KEY, spaces=["demo", "admins"])
    there = directory(DEMO, ADMINS)
    assert refused(foreign, there) == "invalid"
    by_admin = msgspec.structs.replace(foreign, user=ADMIN)
    assert isinstance(decide(by_admin, there, "event"), AgentKeyCreated)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"spaces": []}, "invalid"),
        ({"spaces": ["demo", "demo"]}, "invalid"),
        ({"spaces": ["missing"]}, "not_found"),
        ({"spaces": ["a.*.>"]}, "not_found"),
        ({"user": "nobody"}, "not_found"),
        ({"key_hash": "wsa_secret"}, "invalid"),
        ({"key_hash": "A" * 64}, "invalid"),
        ({"key_id": "a.b"}, "invalid"),
        ({"key_id": ">"}, "invalid"),
        ({"name": ""}, "invalid"),
        ({"name": "a\x00b"}, "invalid"),
    ],
)
def test_a_key_that_cannot_be(change: dict[str, Any], code: str) -> None:
    assert refused(msgspec.structs.replace(AGENT_KEY, **change), directory(DEMO)) == code


def test_the_same_key_again_is_answered_and_another_refused() -> None:
    there = directory(DEMO, decide(AGENT_KEY, directory(DEMO), "event"))
    assert decide(AGENT_KEY, there, "another event") == Existing(4)
    assert refused(msgspec.structs.replace(AGENT_KEY, name="another"), there) == "exists"
    assert refused(msgspec.structs.replace(AGENT_KEY, kind="api"), there) == "exists"


def test_a_secret_belongs_to_one_key() -> None:
    there = directory(DEMO, decide(AGENT_KEY, directory(DEMO), "event"))
    assert refused(msgspec.structs.replace(AGENT_KEY, key_id="k9"), there) == "conflict"


def test_a_key_is_revoked_once() -> None:
    created = decide(API_KEY, directory(), "event")
    revoked = decide(RevokeKey(key_id="k2", actor="user:x"), directory(created), "event")
    assert revoked == KeyRevoked(id="event", prev_seq=3, actor="user:x", key_id="k2")
    there = directory(created, revoked)
    assert decide(RevokeKey(key_id="k2"), there, "again") == Existing(4)
    assert there.key_by_hash(API_KEY.key_hash) is None


def test_a_revoked_key_does_not_come_back() -> None:
    created = decide(API_KEY, directory(), "event")
    revoked = decide(RevokeKey(key_id="k2"), directory(created), "event")
    assert refused(API_KEY, directory(created, revoked)) == "exists"


def test_an_unknown_key_cannot_be_revoked() -> None:
    assert refused(RevokeKey(key_id="k2"), directory()) == "not_found"


@pytest.mark.parametrize("command", [CREATE_USER, CREATE_SPACE, AGENT_KEY, API_KEY])
def test_the_answer_names_the_entry_of_the_event(command: DirectoryCommand) -> None:
    event = decide(command, directory(DEMO) if command is AGENT_KEY else directory(), "event")
    assert not isinstance(event, Existing)
    assert entry_of(event)[1] == entry_named(command)


def test_a_key_has_its_scopes_and_its_expiry() -> None:
    instant = "2026-01-01T00:00:00.000000Z"
    event = decide(msgspec.structs.replace(API_KEY, scopes=("manage",), expires_at=instant), directory(DEMO), "event")
    assert isinstance(event, ApiKeyCreated)
    assert (event.scopes, event.expires_at) == (("manage",), instant)
    agents = decide(msgspec.structs.replace(AGENT_KEY, expires_at=instant), directory(DEMO), "event")
    assert isinstance(agents, AgentKeyCreated)
    assert agents.expires_at == instant


@pytest.mark.parametrize("instant", ["tomorrow", "2026-13-01T00:00:00Z", "2026-01-01T00:00:00", "2026-01-01T00:00:00+01:00"])
def test_an_expiry_is_an_instant_that_every_fold_can_read(instant: str) -> None:
    assert refused(msgspec.structs.replace(API_KEY, expires_at=instant), directory(DEMO)) == "invalid"


def test_a_key_names_each_scope_once() -> None:
    assert refused(msgspec.structs.replace(API_KEY, scopes=("read", "read")), directory(DEMO)) == "invalid"


def test_a_user_is_disabled_and_enabled_once() -> None:
    disabled = decide(DisableUser(user=MEMBER, actor="user:x"), directory(), "event")
    assert disabled == UserDisabled(id="event", prev_seq=2, actor="user:x", user=MEMBER)
    there = directory(disabled)
    assert decide(DisableUser(user=MEMBER), there, "again") == Existing(3)
    assert decide(EnableUser(user=MEMBER), there, "event") == UserEnabled(
        id="event", prev_seq=3, actor="system", user=MEMBER
    )
    assert decide(EnableUser(user=MEMBER), directory(), "again") == Existing(2)
    assert refused(DisableUser(user="nobody"), directory()) == "not_found"


PAGE_KEY = msgspec.structs.replace(API_KEY, scopes=("submit",), origins=["https://example.org", "http://localhost:3000"])


def test_a_key_for_pages_names_their_origins() -> None:
    event = decide(PAGE_KEY, directory(DEMO), "event")
    assert isinstance(event, ApiKeyCreated)
    assert event.origins == ["https://example.org", "http://localhost:3000"]
    assert directory(event).keys["k2"].origins == {"https://example.org", "http://localhost:3000"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"scopes": ("submit", "read")},
        {"kind": "agent", "spaces": ["demo"]},
        {"origins": ["https://example.org"] * 2},
        {"origins": [f"https://{n}.example.org" for n in range(21)]},
        *(
            {"origins": [origin]}
            for origin in ("*", "null", "https://example.org/", "https://EXAMPLE.org", "https://a\n", "")
        ),
    ],
)
def test_a_key_for_pages_only_submits_and_names_origins_as_browsers_do(wrong: dict[str, Any]) -> None:
    assert refused(msgspec.structs.replace(PAGE_KEY, **wrong), directory(DEMO)) == "invalid"


def test_a_key_may_have_a_limit_of_what_runs_at_once() -> None:
    event = decide(msgspec.structs.replace(API_KEY, max_in_flight=3), directory(), "event")
    assert isinstance(event, ApiKeyCreated)
    assert directory(event).keys["k2"].max_in_flight == 3


@pytest.mark.parametrize("wrong", [{"max_in_flight": 0}, {"max_in_flight": 1_000_001}])
def test_a_keys_limit_is_at_least_one(wrong: dict[str, Any]) -> None:
    assert refused(msgspec.structs.replace(API_KEY, **wrong), directory()) == "invalid"


def test_with_an_agents_key_nothing_is_submitted_so_it_has_no_limit() -> None:
    assert refused(msgspec.structs.replace(AGENT_KEY, max_in_flight=3), directory(DEMO)) == "invalid"
