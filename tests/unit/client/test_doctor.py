"""`spaces doctor`: what it makes of what it sees, and what it asks for."""

import contextlib
import json
import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from services.commands import checks
from services.commands.checks import Door, Trouble
from services.commands.probing import Probe
from spaces_client.accounts import Key
from spaces_client.spaces import SpaceHealth
from tests.unit.client.command_line import KEY, at, spaces
from tests.unit.client.scripted_server import ScriptedServer, Step, answer, cut, nowhere, problem

CERTIFICATE = Path(__file__).with_name("localhost.pem")
"""For localhost, from 2020 to 2120, signed by itself; with its key, which is a secret of nobody's."""
NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
PATHS: dict[str, dict[str, Any]] = {path: {} for path in ("/v1/requests", "/v1/keys", "/v1/session")}
DOCUMENT = {"info": {"title": "WebSocket Spaces", "version": "1"}, "paths": PATHS}
ADA = {"id": "u1", "email": "ada@example.org", "role": "member", "disabled": False}
WELL = SpaceHealth(space="demo", status="ok", agents=2, slots=2, queued=0)
LONELY = SpaceHealth(space="idle", status="no_agent", agents=0, slots=0, queued=3)


def encoded(value: Any) -> bytes:
    return json.dumps(value).encode()


@pytest.mark.parametrize("kind", ["name", "refused", "silent", "certificate", "other"])
def test_for_every_way_of_not_answering_there_is_a_remedy(kind: str) -> None:
    found = checks.unreachable("http://a", Trouble(kind, "said the system"))
    assert (found.state, found.told) == ("bad", "http://a: said the system")
    assert found.remedy


@pytest.mark.parametrize(
    ("secured", "local", "days", "state"),
    [(False, True, None, "ok"), (False, False, None, "note"), (True, False, None, "ok"), (True, False, 90.0, "ok"),
     (True, False, 13.0, "note")],
)  # fmt: skip
def test_what_can_be_read_on_the_way_or_soon_ends_is_worth_a_word(
    secured: bool, local: bool, days: float | None, state: str
) -> None:
    found = checks.tls(secured=secured, on_this_machine=local, days=days)
    assert (found.state, bool(found.remedy)) == (state, state != "ok")


@pytest.mark.parametrize(
    ("status", "body", "state"),
    [
        (200, encoded(DOCUMENT), "ok"),
        (200, encoded(DOCUMENT | {"info": {"title": "WebSocket Spaces", "version": "2"}}), "bad"),
        (200, encoded(DOCUMENT | {"info": {"title": "Pets", "version": "1"}}), "bad"),
        (200, b"<h1>", "bad"),
        (404, encoded(DOCUMENT), "bad"),
        (200, encoded(DOCUMENT | {"paths": {"/v1/keys": {}}}), "note"),
    ],
)
def test_only_a_gateway_of_this_version_is_one(status: int, body: bytes, state: str) -> None:
    assert checks.version(status, body, list(PATHS)).state == state


@pytest.mark.parametrize(
    ("ahead_s", "state", "said"),
    [
        (0, "ok", ""),
        (-5, "ok", ""),
        (6, "note", "6 s ahead of"),
        (-60, "note", "60 s behind"),
        (3600, "bad", "3600 s ahead of"),
    ],
)
def test_clocks_may_differ_a_little(ahead_s: int, state: str, said: str) -> None:
    found = checks.clock(NOW, NOW + timedelta(seconds=ahead_s))
    assert found.state == state
    assert said in found.told


def test_a_gateway_that_tells_no_time_is_worth_a_word() -> None:
    assert checks.clock(None, NOW).state == "note"


def test_who_is_waited_for_is_named() -> None:
    assert checks.ready(200, b"").state == "ok"
    waiting = checks.ready(503, encoded({"status": "waiting", "waiting_for": ["nats", "directory"]}))
    assert (waiting.state, waiting.told) == ("bad", "the gateway waits for nats, directory")
    assert checks.ready(0, b"").state == "bad"


def test_a_key_is_good_or_the_gateway_says_why_not() -> None:
    assert checks.key(200, "", "k.key", "ada@example.org").told == "good, of ada@example.org (from k.key)"
    bad = checks.key(401, "It was revoked.", "k.key", "")
    assert (bad.state, bad.told) == ("bad", "It was revoked. (from k.key)")
    assert checks.key(503, "Not now.", "k.key", "").state == "bad"


@pytest.mark.parametrize(
    ("key", "state", "said"),
    [
        ({"scopes": ["manage", "read", "submit"]}, "ok", "may read, submit, manage"),
        ({"scopes": ["read", "submit"], "spaces": ["a", "b"]}, "note", "may read, submit; not manage; only in a, b"),
        ({"scopes": []}, "bad", "may nothing; not read, submit, manage"),
        ({"scopes": list(checks.SCOPES), "expires_at": NOW + timedelta(days=30)}, "ok", "for another 30 days"),
        ({"scopes": list(checks.SCOPES), "expires_at": NOW + timedelta(days=6)}, "note", "ends in 6.0 days"),
    ],
)
def test_what_a_key_may_do_is_told(key: dict[str, Any], state: str, said: str) -> None:
    found = checks.scopes(200, Key(id="k1", **key), NOW)
    assert (found.state, bool(found.remedy)) == (state, state != "ok")
    assert said in found.told


@pytest.mark.parametrize(("status", "said"), [(404, "an older gateway"), (0, "could not be asked for")])
def test_a_gateway_that_does_not_tell_what_a_key_may_is_worth_a_word(status: int, said: str) -> None:
    found = checks.scopes(status, None, NOW)
    assert found.state == "note"
    assert said in found.told


@pytest.mark.parametrize(
    ("seen", "state", "said"),
    [
        (Door(text='{"type":"error","code":"bad_key","message":"m"}'), "ok", "open"),
        (Door(text='{"type":"goaway","reason":"it stops"}'), "bad", "it stops"),
        (Door(text="hello"), "bad", "does not speak"),
        (Door(status=426), "bad", "answers 426"),
        (Door(trouble="cut off"), "bad", "cut off"),
    ],
)
def test_agents_get_in_where_a_key_is_asked_for(seen: Door, state: str, said: str) -> None:
    found = checks.door(seen)
    assert found.state == state
    assert said in found.told


def test_a_space_has_to_be_served() -> None:
    assert checks.spaces([WELL]).state == "ok"
    mixed = checks.spaces([WELL, LONELY])
    assert (mixed.state, mixed.told) == ("note", "1 of 2 have agents; idle is no_agent")
    assert checks.spaces([LONELY]).state == checks.spaces([]).state == "bad"
    assert "agent-keys create idle" in checks.spaces([LONELY]).remedy


def steps(**changes: Step) -> list[Step]:
    """What doctor asks for, one after the other, at a gateway that is well but for the agents' door."""
    well: dict[str, Step] = {
        "healthz": answer({"status": "alive"}, Date="Tue, 01 Jan 2030 12:00:00 GMT"),
        "openapi": answer(DOCUMENT),
        "readyz": answer({"status": "ready", "waiting_for": []}),
        "door": answer("", 404),
        "me": answer(ADA),
        "key": answer({"id": "k1", "scopes": ["read", "submit"], "spaces": []}),
        "spaces": answer({"results": [{"id": "demo"}]}),
        "health": answer({"space": "demo", "status": "ok", "agents": 1, "slots": 1, "queued": 0}),
    }
    return list((well | changes).values())


def found(server: ScriptedServer) -> tuple[int, dict[str, dict[str, str]]]:
    done = at(server, "doctor", "--json")
    told = json.loads(done.stdout)
    assert told["ok"] == (done.exit_code == 0)
    return done.exit_code, {check["check"]: check for check in told["checks"]}


def test_each_check_is_told_and_what_is_bad_is_the_status() -> None:
    with ScriptedServer(*steps()) as server:
        status, checked = found(server)
    assert status == 1
    order = ["address", "TLS", "version", "clock", "services", "agents' door", "key", "scopes", "spaces"]
    assert list(checked) == order
    assert [checked[name]["state"] for name in order] == [
        "ok", "ok", "note", checked["clock"]["state"], "ok", "bad", "ok", "note", "ok",
    ]  # fmt: skip
    assert checked["agents' door"]["told"] == "it answers 404, and opens no WebSocket"
    assert checked["scopes"]["told"] == "may read, submit; not manage"
    assert [sent.path for sent in server.received] == [
        "/healthz", "/openapi.json", "/readyz", "/v1/agents/connect", "/v1/users/me", "/v1/keys/me",
        "/v1/spaces", "/v1/spaces/demo/health",
    ]  # fmt: skip
    assert {sent.method for sent in server.received} == {"GET"}, "it changes nothing"


def test_where_a_key_may_not_read_no_space_is_looked_at() -> None:
    alone = answer({"id": "k1", "scopes": ["submit"], "spaces": []})
    with ScriptedServer(*steps(key=alone)[:6]) as server:
        assert list(found(server)[1])[-1] == "scopes"


def test_what_depends_on_what_is_bad_is_left_out() -> None:
    with ScriptedServer(*steps(me=problem(401, "unauthenticated", "This key is not known."))[:5]) as server:
        assert list(found(server)[1])[-1] == "key"
    with ScriptedServer(*steps(openapi=answer("<h1>", 200, "text/html"))[:2]) as server:
        assert list(found(server)[1]) == ["address", "TLS", "version"]
    with nowhere() as url:
        done = spaces("doctor", WS_URL=url, WS_API_KEY=KEY)
    assert (done.exit_code, done.stdout.count("\n")) == (1, 2)
    assert "Connection refused" in done.stdout
    assert "spaces up" in done.stdout


def test_a_connection_that_is_cut_is_a_finding_and_no_failure() -> None:
    with ScriptedServer(*steps(readyz=cut, key=cut)) as server:
        checked = found(server)[1]
    assert checked["services"]["state"] == "bad"
    assert checked["scopes"]["told"] == "it could not be asked for (0)"


def test_a_certificate_that_nobody_has_signed_is_told_as_such() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        shaking = threading.Thread(target=_shake_hands, args=(listener, context))
        shaking.start()
        done = spaces("doctor", WS_URL=f"https://localhost:{listener.getsockname()[1]}", WS_API_KEY=KEY)
        shaking.join()
    assert (done.exit_code, done.stdout.count("\n")) == (1, 2)
    assert "CERTIFICATE_VERIFY_FAILED" in done.stdout
    assert "SSL_CERT_FILE" in done.stdout


def _shake_hands(listener: socket.socket, context: ssl.SSLContext) -> None:
    connection, _ = listener.accept()
    with connection, contextlib.suppress(ssl.SSLError):  # the client hangs up
        context.wrap_socket(connection, server_side=True)


def test_how_long_a_certificate_is_good_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        shaking = threading.Thread(target=_shake_hands, args=(listener, context))
        shaking.start()
        with Probe(f"https://localhost:{listener.getsockname()[1]}", KEY) as probe:
            days = probe.certificate_days()
        shaking.join()
    ends = datetime(2120, 1, 1, tzinfo=UTC) - datetime.now(UTC)
    assert days == pytest.approx(ends / timedelta(days=1), abs=0.1)


def test_without_a_gateway_there_is_nothing_to_look_at(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    done = spaces("doctor")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "spaces login" in done.stderr
