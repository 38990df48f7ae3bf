"""Keys and users: by the client, and by the commands."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from spaces_client import InvalidAnswer, ProblemError, Unreachable
from tests.support.clients import Connect
from tests.unit.client.command_line import KEY, at
from tests.unit.client.scripted_server import ScriptedServer, answer, cut, no_content, problem

CI: dict[str, Any] = {
    "id": "k1", "kind": "api", "name": "ci", "user": "u1", "scopes": ["read", "submit"], "spaces": [],
    "max_in_flight": 4, "expires_at": "2030-01-01T00:00:00Z",
}  # fmt: skip
MADE = CI | {"secret": "wsk_new"}
ADA: dict[str, Any] = {"id": "u1", "email": "ada@example.org", "role": "member", "disabled": False}


def test_keys_are_typed_and_made_with_what_was_asked_for(connect: Connect) -> None:
    steps = [answer({"results": [CI]}), answer(MADE, 201), answer(MADE, 201), no_content]
    with ScriptedServer(*steps) as server, connect(server.url, KEY) as client:
        (key,) = client.keys(user="")
        made = client.create_key("ci", scopes=["submit"], spaces=["demo"], expires_in_s=60, max_in_flight=4, user="u1")
        client.create_key("gpu", kind="agent")
        client.revoke_key("../k1")
    assert (key.id, key.scopes, key.expires_at) == ("k1", ["read", "submit"], datetime(2030, 1, 1, tzinfo=UTC))
    assert key.max_in_flight == 4
    assert (made.secret, "wsk_new" in repr(made)) == ("wsk_new", False)
    assert [(sent.method, sent.path) for sent in server.received] == [
        ("GET", "/v1/keys?user="), ("POST", "/v1/keys"), ("POST", "/v1/keys"), ("DELETE", "/v1/keys/%2E%2E%2Fk1"),
    ]  # fmt: skip
    assert json.loads(server.received[1].body) == {
        "name": "ci", "kind": "api", "scopes": ["submit"], "spaces": ["demo"], "expires_in_s": 60, "max_in_flight": 4,
        "user": "u1",
    }  # fmt: skip
    assert json.loads(server.received[2].body) == {"name": "gpu", "kind": "agent"}


def test_a_key_that_may_have_been_made_is_not_asked_for_twice(connect: Connect) -> None:
    with ScriptedServer(cut, problem(503, "unavailable")) as server, connect(server.url, KEY) as client:
        with pytest.raises(Unreachable):
            client.create_key("ci")
        with pytest.raises(ProblemError):
            client.create_key("ci")
    assert len(server.received) == 2


def test_what_is_no_key_or_user_is_not_taken_for_one(connect: Connect) -> None:
    with ScriptedServer(answer(CI), answer({}), answer([])) as server, connect(server.url, KEY) as client:
        with pytest.raises(InvalidAnswer):
            client.create_key("ci")
        with pytest.raises(InvalidAnswer):
            client.users()
        with pytest.raises(InvalidAnswer):
            client.me()


def test_the_secret_is_alone_on_standard_output() -> None:
    with ScriptedServer(answer(MADE, 201), answer(MADE, 201)) as server:
        made = at(
            server,
            "keys",
            "create",
            "ci",
            "--scope",
            "submit",
            "--space",
            "demo",
            "--expires-in",
            "2h",
            "--max-in-flight",
            "4",
        )
        assert json.loads(at(server, "keys", "create", "gpu", "--agent", "--json").stdout) == MADE
    assert made.stdout == "wsk_new\n"
    assert "k1" in made.stderr
    assert "not shown again" in made.stderr
    body = {"name": "ci", "kind": "api", "scopes": ["submit"], "spaces": ["demo"], "expires_in_s": 7200, "max_in_flight": 4}
    assert json.loads(server.received[0].body) == body


def test_keys_are_listed_and_revoked() -> None:
    steps = [answer({"results": [CI]}), answer({"results": []}), no_content, problem(404, "not_found")]
    with ScriptedServer(*steps) as server:
        rows = at(server, "keys", "ls").stdout.splitlines()
        none = at(server, "keys", "ls", "--all")
        assert at(server, "keys", "revoke", "k1").stdout == "k1 is revoked\n"
        assert at(server, "keys", "revoke", "k1").exit_code == 1
    assert rows[1].split() == ["k1", "api", "ci", "u1", "read,", "submit", "all", "4", "2030-01-01", "00:00:00"]
    assert (none.exit_code, none.stdout, none.stderr) == (0, "", "there is no such key\n")
    assert [sent.path for sent in server.received[:2]] == ["/v1/keys", "/v1/keys?user="]


@pytest.mark.parametrize(
    "arguments",
    [
        ("keys", "create", "ci", "--agent", "--scope", "read"),
        ("keys", "create", "ci", "--expires-in", "soon"),
        ("keys", "create", "ci", "--max-in-flight", "0"),
        ("keys", "create", "gpu", "--agent", "--max-in-flight", "1"),
        ("keys", "ls", "--all", "--user", "u1"),
    ],
)
def test_what_cannot_be_meant_is_not_sent(arguments: tuple[str, ...]) -> None:
    with ScriptedServer() as server:
        assert at(server, *arguments).exit_code == 2
    assert server.received == []


def test_users_are_made_with_a_password_that_is_not_shown() -> None:
    with ScriptedServer(answer(ADA, 201), answer(ADA, 201)) as server:
        piped = at(server, "users", "create", "ada@example.org", "--password-stdin", stdin="correct horse\n")
        asked = at(server, "users", "create", "ada@example.org", "--admin", stdin="correct horse\ncorrect horse\n")
    assert piped.stdout.splitlines()[1].split() == ["u1", "ada@example.org", "member", "enabled"]
    assert "correct" not in piped.output + asked.output
    bodies = [json.loads(sent.body) for sent in server.received]
    assert [body["password"] for body in bodies] == ["correct horse"] * 2
    assert [body["role"] for body in bodies] == ["member", "admin"]


def test_a_user_is_given_a_role() -> None:
    with ScriptedServer(answer(ADA | {"role": "admin"})) as server:
        row = at(server, "users", "role", "u1", "admin").stdout.splitlines()[1]
        assert at(server, "users", "role", "u1", "owner").exit_code == 2
    assert row.split() == ["u1", "ada@example.org", "admin", "enabled"]
    (sent,) = server.received
    assert (sent.method, sent.path, json.loads(sent.body)) == ("PATCH", "/v1/users/u1", {"role": "admin"})


def test_users_are_listed_disabled_and_enabled() -> None:
    off = ADA | {"disabled": True}
    with ScriptedServer(answer({"results": [ADA, off]}), answer(off), answer(ADA), answer(ADA)) as server:
        rows = at(server, "users", "ls").stdout.splitlines()
        assert at(server, "users", "disable", "u1").stdout.split()[-1] == "disabled"
        assert at(server, "users", "enable", "u1").stdout.split()[-1] == "enabled"
        assert json.loads(at(server, "users", "me", "--json").stdout) == ADA
    assert [row.split()[-1] for row in rows[1:]] == ["enabled", "disabled"]
    paths = ["/v1/users", "/v1/users/u1/disable", "/v1/users/u1/enable", "/v1/users/me"]
    assert [sent.path for sent in server.received] == paths
