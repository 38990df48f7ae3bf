"""Calls of the client, against a scripted server on a real socket."""

import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from spaces_client import ConfigError, InvalidAnswer, Policy, ProblemError, Unreachable
from tests.support.clients import Connect
from tests.unit.client.scripted_server import (
    RID,
    ScriptedServer,
    Step,
    answer,
    cut,
    nowhere,
    problem,
    request,
)

KEY = "wsk_secret"
AGENT = {"id": "ada/gpu", "spaces": ["demo"], "slots": 4, "running": 1, "state": "ready", "gateway": "g", "connection": "c"}


@pytest.fixture(autouse=True)
def quick(delays: list[float]) -> list[float]:
    """No waiting between tries."""
    return delays


def submitted(connect: Connect, server: ScriptedServer, **options: Any) -> Any:
    with connect(server.url, KEY) as client:
        return client.submit("demo", {"prompt": "hello"}, **options)


def test_a_submission_carries_key_input_and_an_idempotency_key_of_its_own(connect: Connect) -> None:
    with ScriptedServer(answer(request("queued"), 202), answer(request("queued"), 202)) as server:
        submitted(connect, server)
        submitted(connect, server, metadata={"order": 1}, policy=Policy(priority=2), idempotency_key="mine")
    first, second = server.received
    assert (first.method, first.path) == ("POST", "/v1/spaces/demo/requests")
    assert first.headers["authorization"] == f"Bearer {KEY}"
    assert "prefer" not in first.headers
    assert json.loads(first.body) == {"input": {"prompt": "hello"}}
    assert len(first.headers["idempotency-key"]) == 32
    assert second.headers["idempotency-key"] == "mine"
    assert json.loads(second.body) == {"input": {"prompt": "hello"}, "metadata": {"order": 1}, "policy": {"priority": 2}}


def test_an_input_may_be_json_as_it_stands(connect: Connect) -> None:
    with ScriptedServer(answer(request())) as server, connect(server.url, KEY) as client:
        client.submit("demo", msgspec.Raw(b'{"n": 1e400}'))
    assert b'"input":{"n": 1e400}' in server.received[0].body


def test_a_request_is_typed_and_what_is_unknown_is_kept_in_raw(connect: Connect) -> None:
    sent = request(output={"answer": 42}, shiny=True, error={"code": "x", "detail": "d", "colour": "red"})
    with ScriptedServer(answer(sent)) as server, connect(server.url, KEY) as client:
        read = client.read(RID)
    assert server.received[0].path == f"/v1/requests/{RID}"
    assert (read.id, read.status, read.done, read.output) == (RID, "succeeded", True, {"answer": 42})
    assert read.created_at == datetime(2025, 1, 1, 10, tzinfo=UTC)
    assert read.metrics.run_s == 0.5
    assert read.error is not None
    assert read.error.code == "x"
    assert msgspec.json.decode(read.raw) == sent


def test_what_an_older_gateway_leaves_out_has_a_default(connect: Connect) -> None:
    with ScriptedServer(answer({"id": RID, "status": "queued", "done": False})) as server:
        assert submitted(connect, server).progress is None


@pytest.mark.parametrize("trouble", [cut, answer("", 502), answer("<h1>no</h1>", 504, "text/html")])
def test_a_submission_that_gets_no_answer_is_sent_again_as_the_same_request(connect: Connect, trouble: Step) -> None:
    with ScriptedServer(trouble, trouble, answer(request("queued"), 202)) as server:
        assert submitted(connect, server).id == RID
    assert len({sent.headers["idempotency-key"] for sent in server.received}) == 1
    assert len({sent.body for sent in server.received}) == 1


def test_a_gateway_that_asks_for_time_is_given_it(connect: Connect, quick: list[float]) -> None:
    with ScriptedServer(problem(503, "unavailable", Retry_After=3), answer(request())) as server:
        submitted(connect, server)
    assert 3 <= quick[0] <= 4.5


@pytest.mark.parametrize("code", ["space_disabled", "no_agent_online"])
def test_a_space_that_takes_nothing_is_told_at_once(connect: Connect, code: str) -> None:
    with ScriptedServer(problem(503, code, Retry_After=60)) as server, pytest.raises(ProblemError, match=code):
        submitted(connect, server)


def test_after_five_tries_the_problem_is_told(connect: Connect, quick: list[float]) -> None:
    with ScriptedServer(*[problem(503, "unavailable")] * 5) as server, pytest.raises(ProblemError) as raised:
        submitted(connect, server)
    assert (raised.value.status, raised.value.code, raised.value.retryable) == (503, "unavailable", True)
    assert len(quick) == 4
    assert quick == sorted(quick), "it waits longer each time"


def test_a_gateway_that_is_not_there_is_told_in_one_line(connect: Connect) -> None:
    with nowhere() as url, pytest.raises(Unreachable, match=f"cannot reach {url}: .*refused"):
        connect(url, KEY).read(RID)


def test_a_gateway_on_this_machine_is_not_looked_for_behind_a_proxy(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    with nowhere() as proxy, ScriptedServer(answer(request()), answer(request())) as server:
        monkeypatch.setenv("HTTP_PROXY", proxy)
        monkeypatch.setenv("ALL_PROXY", proxy)
        connect(server.url, KEY).read(RID)
        connect(server.url.replace("127.0.0.1", "localhost"), KEY).read(RID)


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1080", "gopher://127.0.0.1:70", "http://[::1"])
def test_a_proxy_that_cannot_be_used_is_told_for_what_is_behind_it(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setitem(sys.modules, "socksio", None)
    monkeypatch.setenv("ALL_PROXY", proxy)
    with ScriptedServer(answer(request())) as server:
        connect(server.url, KEY).read(RID)
    with pytest.raises(ConfigError, match=r"the proxy that the environment names .* cannot be used: "):
        connect("https://spaces.example.com", KEY)


def test_certificates_that_cannot_be_read_are_told(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    with pytest.raises(ConfigError, match="SSL_CERT_FILE names cannot be read: No such file"):
        connect("https://spaces.example.com", KEY)


def test_a_refusal_is_told_at_once_with_its_code_and_the_id_for_the_log(connect: Connect) -> None:
    refusal = problem(404, "not_found", "There is no such request")
    with ScriptedServer(refusal) as server, pytest.raises(ProblemError, match="not_found: There is no such") as raised:
        connect(server.url, KEY).read(RID)
    assert (raised.value.status, raised.value.code, raised.value.request_id) == (404, "not_found", "r-17")


def test_a_refusal_names_each_flaw(connect: Connect) -> None:
    body = {"code": "input_invalid", "detail": "It does not fit.", "errors": [{"pointer": "/input", "detail": "No object."}]}
    refusal = answer(body, 422, "application/problem+json")
    with ScriptedServer(refusal) as server, pytest.raises(ProblemError, match=r"It does not fit\. /input: No obj") as raised:
        submitted(connect, server)
    assert raised.value.errors[0].pointer == "/input"


@pytest.mark.parametrize(
    "strange",
    [
        answer("<h1>Sign in</h1>", 200, "text/html"),
        answer("<h1>Nothing here</h1>", 404, "text/html"),
        answer("", 301, Location="https://elsewhere.example.com/"),
        answer([1, 2]),
        answer('{"id": "\\ud800'),
    ],
)
def test_what_is_no_answer_of_a_gateway_is_told_as_such(connect: Connect, strange: Step) -> None:
    with ScriptedServer(strange) as server, pytest.raises(InvalidAnswer):
        connect(server.url, KEY).read(RID)


def test_waiting_is_asked_for_and_what_is_left_of_it_when_it_is_asked_again(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def slow(exchange: Any) -> None:
        now[0] += 12
        exchange.cut()

    with ScriptedServer(slow, answer(request(), 201)) as server:
        submitted(connect, server, wait_s=30)
    assert [sent.headers["prefer"] for sent in server.received] == ["wait=30", "wait=18"]


def test_a_cancel_and_a_retry_are_sent_again_too(connect: Connect) -> None:
    script = [cut, answer(request("canceled")), cut, answer(request("queued", retry_of=RID), 202)]
    with ScriptedServer(*script) as server, connect(server.url, KEY) as client:
        assert client.cancel(RID).status == "canceled"
        assert client.retry(RID).retry_of == RID
    assert [sent.path.rpartition("/")[2] for sent in server.received] == ["cancel", "cancel", "retry", "retry"]
    assert server.received[2].headers["idempotency-key"] == server.received[3].headers["idempotency-key"]
    assert server.received[3].body == b""


def test_agents_are_listed_looked_at_drained_and_disconnected(connect: Connect) -> None:
    held = {"id": RID, "space": "demo", "attempt": 1, "state": "running", "running_s": 0.5, "url": None}
    script = [
        answer({"results": [AGENT]}),
        answer(AGENT | {"state": "draining"}, 202),
        answer(AGENT | {"labels": {"gpu": "a100"}, "round_trip_s": 0.02, "requests": [held]}),
        answer(AGENT, 202),
    ]
    with ScriptedServer(*script) as server, connect(server.url, KEY) as client:
        assert [agent.id for agent in client.agents()] == ["ada/gpu"]
        assert client.drain_agent("ada/gpu").state == "draining"
        at_work = client.agent("ada/gpu")
        assert (at_work.labels, at_work.round_trip_s, at_work.version) == ({"gpu": "a100"}, 0.02, None)
        assert [each.id for each in at_work.requests or []] == [RID]
        assert client.disconnect_agent("ada/gpu").id == "ada/gpu"
    paths = ["/v1/agents", "/v1/agents/ada/gpu/drain", "/v1/agents/ada/gpu", "/v1/agents/ada/gpu/disconnect"]
    assert [sent.path for sent in server.received] == paths


def test_a_timeline_is_read_page_by_page(connect: Connect) -> None:
    queued = {"id": "1-1-0", "event": "queued", "data": {"attempt": 0, "at": "2025-01-01T10:00:00Z"}}
    done = {"id": "1-2-0", "event": "completed", "data": request()}
    refused = [{"at": "2025-01-01T10:00:01Z", "frame": "result", "reason": "superseded", "lease": 7, "agent": "ada/gpu"}]
    pages = [
        {"results": [queued], "next": "1-1-0", "done": False, "refused": None},
        {"results": [done], "next": "1-2-0", "done": True, "refused": refused},
    ]
    with ScriptedServer(*map(answer, pages)) as server, connect(server.url, KEY) as client:
        read = client.timeline(RID)
    assert [sent.path.partition("?")[2] for sent in server.received] == ["after=", "after=1-1-0"]
    assert [event.name for event in read.events] == ["queued", "completed"]
    assert (read.done, read.cursor) == (True, "1-2-0")
    assert read.refused is not None
    assert read.refused[0].reason == "superseded"


def test_the_timeline_of_an_open_request_ends_where_nothing_more_has_happened(connect: Connect) -> None:
    queued = {"id": "1-1-0", "event": "queued", "data": {"attempt": 0}}
    pages = [{"results": [queued], "next": "1-1-0", "done": False}, {"results": [], "next": "1-1-0", "done": False}]
    with ScriptedServer(*map(answer, pages)) as server, connect(server.url, KEY) as client:
        read = client.timeline(RID)
    assert ([event.name for event in read.events], read.done, read.refused) == (["queued"], False, None)


@pytest.mark.parametrize("id", ["../agents", "a/b", "..", "a?x=1", "ü", ""])
def test_an_id_never_becomes_another_path(connect: Connect, id: str) -> None:
    with ScriptedServer(problem(404, "not_found")) as server, pytest.raises(ProblemError):
        connect(server.url, KEY).read(id)
    path = server.received[0].path
    assert path.startswith("/v1/requests/")
    assert path.count("/") == 3
    assert "?" not in path


@pytest.mark.parametrize("url", ["", "demo", "ftp://a", "http://", "http://a b", "http://u:p@a", "http://a?x", "http://a:0"])
def test_what_is_no_address_is_refused_before_anything_is_sent(connect: Connect, url: str) -> None:
    with pytest.raises(ConfigError):
        connect(url, KEY)


@pytest.mark.parametrize("key", ["", " ", "wsk_a b", "wsk_a\r\nX: y", "wsk_ä"])
def test_what_is_no_key_is_refused_and_not_shown(connect: Connect, key: str) -> None:
    with pytest.raises(ConfigError) as raised:
        connect("http://127.0.0.1:1", key)
    assert "wsk_" not in str(raised.value)


def test_a_prefix_of_the_path_and_white_space_around_the_key_are_fine(connect: Connect) -> None:
    with ScriptedServer(answer(request())) as server:
        connect(f"{server.url}/spaces/ ", f"{KEY}\n").read(RID)
    assert server.received[0].path == f"/spaces/v1/requests/{RID}"
    assert server.received[0].headers["authorization"] == f"Bearer {KEY}"
