"""Who did what: by the client, and by the command."""

import json
from datetime import UTC, datetime
from typing import Any

from tests.support.clients import Connect
from tests.unit.client.command_line import KEY, at
from tests.unit.client.scripted_server import ScriptedServer, answer

ROOT = {"id": "u9", "email": "root@example.org"}
ROLE: dict[str, Any] = {
    "id": "e2", "at": "2026-01-01T10:00:00.5Z", "type": "user_role_set", "actor": ROOT, "user": None,
    "subject": {"kind": "user", "id": "u1", "name": "ada@example.org"},
    "event": {"type": "user_role_set", "id": "e2", "prev_seq": 7, "actor": "user:u9", "user": "u1", "role": "admin"},
}  # fmt: skip
REVOKED: dict[str, Any] = {
    "id": "e1", "at": "2026-01-01T09:00:00Z", "type": "key_revoked", "actor": None, "user": {"id": "u1", "email": None},
    "subject": {"kind": "key", "id": "k1", "name": "nightly\x1b[2J"},
    "event": {"type": "key_revoked", "id": "e1", "prev_seq": 6, "actor": "system", "key_id": "k1"},
}  # fmt: skip


def test_events_are_typed_and_paged(connect: Connect) -> None:
    pages = [answer({"results": [ROLE], "next": "n"}), answer({"results": [REVOKED], "next": None})]
    with ScriptedServer(*pages) as server, connect(server.url, KEY) as client:
        role, revoked = client.audit(actor="u9", type=["user_role_set", "key_revoked"])
    assert (role.actor.email if role.actor else "", role.subject.id, role.event["role"]) == (
        "root@example.org",
        "u1",
        "admin",
    )
    assert (revoked.actor, revoked.at) == (None, datetime(2026, 1, 1, 9, tzinfo=UTC))
    assert server.received[0].path == "/v1/audit?actor=u9&type=user_role_set%2Ckey_revoked&limit=100"
    assert server.received[1].path == "/v1/audit?actor=u9&type=user_role_set%2Ckey_revoked&cursor=n&limit=100"


def test_the_command_tells_who_did_what_to_whom() -> None:
    with ScriptedServer(answer({"results": [ROLE, REVOKED], "next": None})) as server:
        _, role, revoked = at(server, "audit", "--user", "u1", "--since", "2025-01-31T09:30:00Z").stdout.splitlines()
    assert role.split() == [
        "2026-01-01", "10:00:00", "root@example.org", "user_role_set", "user", "ada@example.org", "role=admin",
    ]  # fmt: skip
    assert revoked.startswith("2026-01-01 09:00:00  system")
    assert "key k1 (nightly" in revoked
    assert "\x1b" not in revoked
    assert server.received[0].path == "/v1/audit?user=u1&since=2025-01-31T09%3A30%3A00Z&limit=20"


def test_for_programs_it_is_as_the_gateway_sent_it_and_nothing_is_said_to_be_nothing() -> None:
    with ScriptedServer(answer({"results": [ROLE], "next": None}), answer({"results": [], "next": None})) as server:
        assert json.loads(at(server, "audit", "--json").stdout) == {"results": [ROLE]}
        nothing = at(server, "audit", "--type", "key_revoked", "--type", "user_created")
    assert (nothing.exit_code, nothing.stdout, nothing.stderr) == (0, "", "nothing like that was done\n")
    assert server.received[1].path == "/v1/audit?type=key_revoked%2Cuser_created&limit=20"
