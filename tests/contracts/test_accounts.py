"""Given directory events, when they are folded, then this is who may do what."""

import msgspec

from services.contracts.accounts import Directory, may_serve, may_submit
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
from services.contracts.instants import nanoseconds

USER = UserCreated(id="e", prev_seq=0, actor="system", user="u1", email="Ada@Example.org", role="admin", password_hash="h")
SPACE = SpaceCreated(id="e", prev_seq=0, actor="system", space="demo", owner="u1", title="A demo", connections="one")


def api_key(key_id: str, key_hash: str, spaces: list[str]) -> ApiKeyCreated:
    return ApiKeyCreated(
        id="e", prev_seq=0, actor="system", key_id=key_id, user="u1", key_hash=key_hash, name="laptop", spaces=spaces
    )


def agent_key(key_id: str, key_hash: str) -> AgentKeyCreated:
    return AgentKeyCreated(
        id="e", prev_seq=0, actor="system", key_id=key_id, user="u1", key_hash=key_hash, name="box", spaces=["demo"]
    )


def revoked(key_id: str) -> KeyRevoked:
    return KeyRevoked(id="e", prev_seq=0, actor="system", key_id=key_id)


def folded(*events: DirectoryEvent) -> Directory:
    directory = Directory()
    for seq, event in enumerate(events, 1):
        directory.apply(event, *entry_of(event), seq)
    return directory


def test_users_are_found_by_address_whatever_its_case() -> None:
    directory = folded(USER)
    assert directory.user_by_email("ada@example.ORG") is directory.users["u1"]
    assert directory.user_by_email("bob@example.org") is None


def test_a_space_has_its_settings() -> None:
    space = folded(USER, SPACE).spaces["demo"]
    assert (space.owner, space.title, space.connections) == ("u1", "A demo", "one")
    assert (space.start_timeout_s, space.execution_timeout_s, space.max_attempts) == (3600.0, 120.0, 1)


def test_keys_are_found_by_hash_until_revoked() -> None:
    directory = folded(api_key("k1", "h1", []), agent_key("k2", "h2"))
    found = directory.key_by_hash("h1")
    assert found is not None
    assert (found.key_id, found.kind) == ("k1", "api")
    directory.apply(revoked("k1"), "key", "k1", 3)
    assert directory.key_by_hash("h1") is None
    assert directory.key_by_hash("h2") is not None
    assert set(directory.keys) == {"k2"}


def test_a_key_made_before_there_were_scopes_submits_and_reads_for_ever() -> None:
    directory = folded(api_key("k1", "h1", []), agent_key("k2", "h2"))
    assert directory.keys["k1"].scopes == {"submit", "read"}
    assert directory.keys["k2"].scopes == set()
    assert [directory.flaw(key, 2**62) for key in directory.keys.values()] == ["", ""]


def test_a_key_is_worth_nothing_from_the_instant_of_its_expiry() -> None:
    instant = "2026-01-01T00:00:00.000001Z"
    directory = folded(msgspec.structs.replace(api_key("k1", "h1", []), scopes=("manage",), expires_at=instant))
    key, expiry = directory.keys["k1"], nanoseconds(instant)
    assert (key.scopes, key.expires_at) == (frozenset({"manage"}), expiry)
    assert [directory.flaw(key, now) for now in (expiry - 1, expiry)] == ["", "expired"]


def test_the_earliest_of_all_instants_is_an_expiry_as_well() -> None:
    directory = folded(msgspec.structs.replace(agent_key("k1", "h1"), expires_at="1970-01-01T00:00:00Z"))
    assert directory.flaw(directory.keys["k1"], 0) == "expired"


def test_a_key_that_was_live_when_it_was_looked_up_is_known_to_be_revoked() -> None:
    directory = folded(agent_key("k1", "h1"))
    key = directory.keys["k1"]
    directory.apply(revoked("k1"), "key", "k1", 2)
    assert directory.flaw(key, 0) == "revoked"


def test_the_keys_of_a_disabled_user_are_worth_nothing_until_it_is_enabled() -> None:
    directory = folded(USER, api_key("k1", "h1", []), agent_key("k2", "h2"))
    disabled = UserDisabled(id="e", prev_seq=1, actor="system", user="u1")
    directory.apply(disabled, *entry_of(disabled), 4)
    assert [directory.flaw(key, 0) for key in directory.keys.values()] == ["disabled", "disabled"]
    assert directory.user_by_email("ada@example.org") is directory.users["u1"]
    enabled = UserEnabled(id="e", prev_seq=4, actor="system", user="u1")
    directory.apply(enabled, *entry_of(enabled), 5)
    assert [directory.flaw(key, 0) for key in directory.keys.values()] == ["", ""]


def test_revoking_again_or_what_never_was_changes_nothing() -> None:
    directory = folded(api_key("k1", "h1", []), revoked("k1"), revoked("k1"), revoked("k9"))
    assert directory.keys == {}


def test_two_keys_of_one_secret_can_both_be_revoked() -> None:
    directory = folded(api_key("k1", "h1", []), api_key("k2", "h1", []), revoked("k1"), revoked("k2"))
    assert directory.key_by_hash("h1") is None


def test_each_entry_knows_its_last_sequence() -> None:
    directory = folded(USER, SPACE, api_key("k1", "h1", []), revoked("k1"))
    assert directory.sequences == {("user", "u1"): 1, ("space", "demo"): 2, ("key", "k1"): 4}


def test_who_may_submit() -> None:
    directory = folded(api_key("all", "h1", []), api_key("some", "h2", ["demo"]), agent_key("agent", "h3"))
    keys = directory.keys
    assert [may_submit(keys[name], "demo") for name in ("all", "some", "agent")] == [True, True, False]
    assert [may_submit(keys[name], "other") for name in ("all", "some", "agent")] == [True, False, False]


def test_who_may_serve() -> None:
    directory = folded(api_key("all", "h1", []), agent_key("agent", "h3"))
    keys = directory.keys
    assert [may_serve(keys[name], "demo") for name in ("all", "agent")] == [False, True]
    assert not may_serve(keys["agent"], "other")
