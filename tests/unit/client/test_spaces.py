"""Spaces: by the clients, and by the commands."""

import json
from pathlib import Path
from typing import Any

import pytest

from spaces_client import InvalidAnswer, ProblemError
from tests.support.clients import Connect
from tests.unit.client.command_line import KEY, at
from tests.unit.client.scripted_server import ScriptedServer, answer, no_content, problem

SPACE: dict[str, Any] = {
    "id": "demo", "title": "A \x1b[2Jdemo", "owner": "u1", "connections": "many", "start_timeout_s": 3600.0,
    "execution_timeout_s": 120.0, "max_attempts": 1, "on_no_agent": "queue", "queue_limit": 0, "visibility": "private",
    "features": ["prompt"], "enabled": True, "paused": False, "input_schema": {"type": "object"}, "example_input": None,
    "urls": {"self": "/v1/spaces/demo", "requests": "/v1/spaces/demo/requests"},
}  # fmt: skip
QUEUE: dict[str, Any] = {
    "space": "demo", "paused": True, "queued": 3, "delayed": 1, "processing": 2, "slots": 4, "free": 2, "oldest_s": 7.25,
    "eta_s": None, "next": [{"id": "a" * 34, "position": 2, "url": "/v1/requests/a"}],
}  # fmt: skip
HEALTH: dict[str, Any] = {
    "space": "demo", "status": "degraded", "reasons": ["The queue is full.", "2 of 10 failed."], "agents": None,
    "slots": None, "queued": 3, "window_s": 3600, "success_rate": 0.8,
}  # fmt: skip
MEMBER = {"user": "u2", "role": "viewer"}
AGENT_KEY: dict[str, Any] = {
    "id": "k1", "kind": "agent", "name": "gpu", "user": "u1", "scopes": [], "spaces": ["demo"], "expires_at": None
}  # fmt: skip


def sent(server: ScriptedServer) -> list[tuple[str, str]]:
    return [(received.method, received.path) for received in server.received]


def bodies(server: ScriptedServer) -> list[Any]:
    return [json.loads(received.body) for received in server.received if received.body]


def test_spaces_are_typed_and_made_with_what_was_asked_for(connect: Connect) -> None:
    steps = [answer({"results": [SPACE]}), answer(SPACE), answer(SPACE, 201), answer(SPACE), answer(SPACE), no_content]
    with ScriptedServer(*steps) as server:
        client = connect(server.url, KEY)
        (listed,) = client.spaces()
        assert client.space("demo") == listed
        client.create_space("demo", title="Demo", queue_limit=7, owner="u1")
        client.edit_space("demo", input_schema={}, features=["prompt"])
        client.edit_space("../x")
        assert client.delete_space("demo") is None
    assert (listed.id, listed.visibility, listed.features, listed.paused) == ("demo", "private", ["prompt"], False)
    assert json.loads(bytes(listed.raw)) == SPACE
    assert sent(server) == [
        ("GET", "/v1/spaces"), ("GET", "/v1/spaces/demo"), ("POST", "/v1/spaces"), ("PATCH", "/v1/spaces/demo"),
        ("PATCH", "/v1/spaces/%2E%2E%2Fx"), ("DELETE", "/v1/spaces/demo"),
    ]  # fmt: skip
    made = {"id": "demo", "title": "Demo", "queue_limit": 7, "owner": "u1"}
    assert bodies(server) == [made, {"input_schema": {}, "features": ["prompt"]}, {}]


def test_a_space_is_switched_purged_and_watched(connect: Connect) -> None:
    off = SPACE | {"enabled": False}
    purged = {"canceled": 17, "more": True}
    agents = {"results": [{"id": "ada/gpu"}]}
    steps = [answer(off), answer(SPACE), answer(SPACE), answer(SPACE), *map(answer, (purged, QUEUE, HEALTH, agents))]
    with ScriptedServer(*steps) as server:
        client = connect(server.url, KEY)
        assert not client.disable_space("demo").enabled
        for switch in (client.enable_space, client.pause_space, client.resume_space):
            assert switch("demo").id == "demo"
        gone, queue, health = client.purge_queue("demo"), client.space_queue("demo"), client.space_health("demo")
        assert [agent.id for agent in client.space_agents("demo")] == ["ada/gpu"]
    assert (gone.canceled, gone.more) == (17, True)
    assert (queue.queued, queue.eta_s, queue.next[0].position) == (3, None, 2)
    assert (health.status, health.agents, health.success_rate) == ("degraded", None, 0.8)
    switches = [("POST", f"/v1/spaces/demo/{word}") for word in ("disable", "enable", "pause", "resume", "queue/purge")]
    assert sent(server) == switches + [("GET", f"/v1/spaces/demo/{word}") for word in ("queue", "health", "agents")]


def test_members_are_listed_set_and_removed(connect: Connect) -> None:
    with ScriptedServer(answer({"results": [MEMBER]}), answer(MEMBER), no_content) as server:
        client = connect(server.url, KEY)
        assert [(each.user, each.role) for each in client.members("demo")] == [("u2", "viewer")]
        assert client.set_member("demo", "u2", "viewer").role == "viewer"
        client.remove_member("demo", "u/2")
    methods = [("GET", ""), ("PUT", "/u2"), ("DELETE", "/u%2F2")]
    assert sent(server) == [(method, f"/v1/spaces/demo/members{rest}") for method, rest in methods]
    assert bodies(server) == [{"role": "viewer"}]


def test_what_is_no_space_is_not_taken_for_one(connect: Connect) -> None:
    with ScriptedServer(answer({}), answer([]), problem(409, "space_in_use")) as server:
        client = connect(server.url, KEY)
        with pytest.raises(InvalidAnswer):
            client.space("demo")
        with pytest.raises(InvalidAnswer):
            client.spaces()
        with pytest.raises(ProblemError, match="space_in_use"):
            client.delete_space("demo")


def test_spaces_are_shown_to_people() -> None:
    paused = SPACE | {"id": "other", "paused": True, "title": ""}
    steps = [answer({"results": [SPACE, paused]}), answer(SPACE), answer(QUEUE), answer({"results": []})]
    with ScriptedServer(*steps) as server:
        head, first, second = at(server, "spaces", "ls").stdout.splitlines()
        shown = at(server, "spaces", "show", "demo").stdout
        queue = at(server, "spaces", "queue", "demo").stdout.splitlines()
        none = at(server, "spaces", "agents", "demo")
    assert head.split() == ["SPACE", "STATE", "FOR", "OWNER", "TITLE"]
    assert first.split()[:4] == ["demo", "open", "private", "u1"]
    assert "\x1b" not in first + shown
    assert second.split() == ["other", "paused", "private", "u1"]
    assert "starts in  1 h 0 min, or expires\n" in shown
    assert 'inputs     {"type":"object"}\n' in shown
    assert queue[0] == "waiting    3, 1 of them for another attempt"
    assert "paused     yes: nothing is assigned" in queue
    assert queue[-1].split() == ["2", "a" * 34]
    assert (none.exit_code, none.stdout, none.stderr) == (0, "", "no agent of yours serves demo\n")


def test_spaces_are_shown_to_programs_as_the_gateway_sent_them() -> None:
    commands = {("ls",): {"results": [SPACE]}, ("show", "demo"): SPACE, ("queue", "demo"): QUEUE, ("pause", "demo"): SPACE}
    with ScriptedServer(*[answer(body) for body in commands.values()]) as server:
        for command, body in commands.items():
            assert json.loads(at(server, "spaces", *command, "--json").stdout) == body


def test_whether_a_space_is_well_is_told_by_the_status() -> None:
    well = HEALTH | {"status": "ok", "reasons": [], "agents": 2, "slots": 3}
    with ScriptedServer(answer(HEALTH), answer(well)) as server:
        ill, good = at(server, "spaces", "health", "demo"), at(server, "spaces", "health", "demo")
    assert (ill.exit_code, good.exit_code) == (1, 0)
    assert "because    The queue is full.\nbecause    2 of 10 failed.\nagents     not known\n" in ill.stdout
    assert "agents     2, with 3 slots that are ready\n" in good.stdout


def test_a_space_is_made_and_edited_with_the_settings_that_are_given(tmp_path: Path) -> None:
    schema = tmp_path / "schema.json"
    schema.write_text('{"type": "object"}')
    settings = [
        *("--title", "Demo", "--connections", "one", "--start-timeout", "30m", "--execution-timeout", "10m"),
        *("--max-attempts", "3", "--on-no-agent", "reject", "--queue-limit", "9", "--visibility", "private"),
        *("--max-in-flight", "8", "--max-in-flight-per-user", "2", "--retention", "30d"),
    ]
    with ScriptedServer(answer(SPACE, 201), answer(SPACE), answer(SPACE), answer(SPACE)) as server:
        assert at(server, "spaces", "create", "demo", *settings, "--owner", "u1").exit_code == 0
        assert at(server, "spaces", "edit", "demo", "--feature", "audio", "--feature", "file").exit_code == 0
        assert (
            at(server, "spaces", "edit", "demo", "--input-schema", str(schema), "--example", "-", stdin="{}").exit_code == 0
        )
        assert at(server, "spaces", "edit", "demo", "--any-input").exit_code == 0
    assert bodies(server) == [
        {
            "id": "demo", "title": "Demo", "connections": "one", "start_timeout_s": 1800, "execution_timeout_s": 600,
            "max_attempts": 3, "on_no_agent": "reject", "queue_limit": 9, "visibility": "private", "owner": "u1",
            "max_in_flight": 8, "max_in_flight_per_user": 2, "retention_s": 2592000,
        },
        {"features": ["audio", "file"]},
        {"input_schema": {"type": "object"}, "example_input": {}},
        {"features": [], "input_schema": {}, "example_input": {}},
    ]  # fmt: skip


def test_a_limit_is_taken_away_and_data_are_kept_for_ever() -> None:
    limits = ("--max-in-flight", "0", "--max-in-flight-per-user", "0", "--retention", "forever")
    with ScriptedServer(answer(SPACE | {"max_in_flight": 8, "max_in_flight_per_user": 2, "retention_s": 2592000})) as server:
        shown = at(server, "spaces", "edit", "demo", *limits).stdout
    assert bodies(server) == [{"max_in_flight": None, "max_in_flight_per_user": None, "retention_s": None}]
    assert "at once    8, 2 of each user\n" in shown
    assert "data kept  30 d 0 h after the end\n" in shown


@pytest.mark.parametrize(
    "arguments",
    [
        ("edit", "demo"),
        ("edit", "demo", "--retention", "always"),
        ("edit", "demo", "--max-in-flight", "-1"),
        ("edit", "demo", "--any-input", "--feature", "file"),
        ("edit", "demo", "--start-timeout", "soon"),
        ("edit", "demo", "--input-schema", "missing.json"),
        ("create", "demo", "--example", "-"),
        ("members", "set", "demo", "u2", "owner"),
        ("agent-keys", "create", "demo", "gpu", "--expires-in", "soon"),
    ],
)
def test_what_cannot_be_meant_is_not_sent(arguments: tuple[str, ...]) -> None:
    with ScriptedServer() as server:
        assert at(server, "spaces", *arguments, stdin="[]").exit_code == 2
    assert server.received == []


def test_a_space_is_switched_with_one_word() -> None:
    with ScriptedServer(*[answer(SPACE)] * 4) as server:
        told = [at(server, "spaces", word, "demo").stdout for word in ("disable", "enable", "pause", "resume")]
    assert told == ["demo is disabled\n", "demo is enabled\n", "demo is paused\n", "demo goes on\n"]
    assert [path.rpartition("/")[2] for _, path in sent(server)] == ["disable", "enable", "pause", "resume"]


def test_a_purge_goes_on_until_nothing_waits() -> None:
    steps = [answer({"canceled": 500, "more": True}), answer({"canceled": 7, "more": False})]
    with ScriptedServer(*steps, answer({"canceled": 0, "more": False})) as server:
        done = at(server, "spaces", "purge", "demo", "--yes")
        assert json.loads(at(server, "spaces", "purge", "demo", "--yes", "--json").stdout) == {"canceled": 0}
    assert (done.stdout, done.stderr) == ("507 are canceled\n", "500 are canceled, others still wait\n")


@pytest.mark.parametrize("command", ["delete", "purge"])
def test_what_cannot_be_undone_is_done_after_a_yes(command: str) -> None:
    with ScriptedServer(answer({"canceled": 1}) if command == "purge" else no_content) as server:
        for no in ("n\n", ""):
            assert at(server, "spaces", command, "demo", stdin=no).exit_code == 1
        assert server.received == []
        assert at(server, "spaces", command, "demo", stdin="y\n").exit_code == 0


def test_a_space_that_is_in_use_is_not_deleted() -> None:
    with ScriptedServer(problem(409, "space_in_use", "Requests are open.")) as server:
        refused = at(server, "spaces", "delete", "demo", "--yes")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "Requests are open." in refused.stderr


def test_members_are_managed_by_commands() -> None:
    with ScriptedServer(answer({"results": [MEMBER]}), answer({"results": []}), answer(MEMBER), no_content) as server:
        rows = at(server, "spaces", "members", "ls", "demo").stdout.splitlines()
        none = at(server, "spaces", "members", "ls", "demo")
        assert at(server, "spaces", "members", "set", "demo", "u2", "viewer").stdout == "u2 is a viewer of demo\n"
        assert at(server, "spaces", "members", "remove", "demo", "u2").stdout == "u2 is no member of demo\n"
    assert rows[1].split() == ["u2", "viewer"]
    assert (none.exit_code, none.stdout) == (0, "")


def test_keys_for_the_agents_of_a_space_are_made_and_listed() -> None:
    others = [AGENT_KEY | {"id": "k2", "spaces": ["other"]}, AGENT_KEY | {"id": "k3", "kind": "api"}]
    steps = [answer(AGENT_KEY | {"secret": "wsa_new"}, 201), answer({"results": [AGENT_KEY, *others]})]
    with ScriptedServer(*steps, answer({"results": others})) as server:
        made = at(server, "spaces", "agent-keys", "create", "demo", "gpu", "--expires-in", "2h")
        listed = json.loads(at(server, "spaces", "agent-keys", "ls", "demo", "--json").stdout)["results"]
        assert at(server, "spaces", "agent-keys", "ls", "demo", "--all").stdout == ""
    assert made.stdout == "wsa_new\n"
    assert listed == [AGENT_KEY]
    assert bodies(server) == [{"name": "gpu", "kind": "agent", "spaces": ["demo"], "expires_in_s": 7200}]
    assert [path for _, path in sent(server)[1:]] == ["/v1/keys", "/v1/keys?user="]
