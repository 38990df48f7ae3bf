"""The client commands of `spaces` against a scripted server on a real socket."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from services.commands.following import typed
from spaces_client import sending
from tests.unit.client.command_line import KEY, at
from tests.unit.client.scripted_server import (
    RID,
    STREAM,
    Exchange,
    ScriptedServer,
    Step,
    answer,
    chunk,
    cut,
    event,
    problem,
    request,
    stream,
)

AGENT = {
    "id": "ada/gpu",
    "spaces": ["demo"],
    "slots": 4,
    "running": 1,
    "state": "ready",
    "gateway": "g-1",
    "connection": "c",
}
AT = "2025-01-01T10:00:00.000000Z"


def output(number: int, data: Any, attempt: int = 1) -> str:
    return event("output", {"index": number, "attempt": attempt, "data": data}, f"1-2-{number}")


def submitted_input(*arguments: str, stdin: str = "") -> Any:
    with ScriptedServer(answer(request("queued"), 202)) as server:
        assert at(server, "submit", "demo", *arguments, stdin=stdin).exit_code == 0
    return json.loads(server.received[0].body)["input"]


def test_submit_prints_the_id_alone() -> None:
    with ScriptedServer(answer(request("queued"), 202)) as server:
        done = at(server, "submit", "demo", "prompt=hello", "n:=3")
    assert (done.exit_code, done.stdout, done.stderr) == (0, f"{RID}\n", "")
    assert json.loads(server.received[0].body) == {"input": {"prompt": "hello", "n": 3}}
    assert server.received[0].headers["authorization"] == f"Bearer {KEY}"


def test_the_input_may_come_in_four_ways(tmp_path: Path) -> None:
    file = tmp_path / "input.json"
    file.write_text('{"a": 1}')
    assert submitted_input("a:=1") == {"a": 1}
    assert submitted_input("--input", '{"a": 1}') == {"a": 1}
    assert submitted_input("--input-file", str(file)) == {"a": 1}
    assert submitted_input("-", stdin='{"a": 1}') == {"a": 1}


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["a=1", "--input", "{}"],
        ["-", "--input", "{}"],
        ["--input", "[1]"],
        ["--input", "{"],
        ["a"],
        ["--input-file", "missing.json"],
        ["a=1", "--wait", "0"],
        ["a=1", "--wait", "61"],
        ["a=1", "--wait", "5", "--follow"],
    ],
)
def test_wrong_usage_is_told_before_anything_is_sent(arguments: list[str]) -> None:
    with ScriptedServer() as server:
        assert at(server, "submit", "demo", *arguments).exit_code == 2
    assert server.received == []


@pytest.mark.parametrize(
    ("shown", "printed"), [("plain text", "plain text"), ({"a": [1, "x"]}, '{"a":[1,"x"]}\n'), (None, "null\n")]
)
def test_with_wait_the_output_is_all_that_is_printed(shown: Any, printed: str) -> None:
    with ScriptedServer(answer(request(output=shown), 201)) as server:
        done = at(server, "submit", "demo", "n:=1", "--wait", "30")
    assert (done.exit_code, done.stdout, done.stderr) == (0, printed, f"request {RID} succeeded in 600 ms\n")
    assert server.received[0].headers["prefer"] == "wait=30"


def test_with_wait_a_failure_and_a_request_that_goes_on_are_told_by_the_status() -> None:
    failed = request("failed", error={"code": "handler_error", "detail": "no such\nmodel\x1b[2J"})
    with ScriptedServer(answer(failed, 201), answer(request("processing"), 202)) as server:
        done = at(server, "submit", "demo", "n:=1", "--wait", "30")
        assert (done.exit_code, done.stdout) == (1, "")
        assert done.stderr == f"request {RID} failed in 600 ms: handler_error: no such\nmodel\\u001b[2J\n"
        done = at(server, "submit", "demo", "n:=1", "--wait", "1")
        assert (done.exit_code, done.stdout) == (1, "")
        assert f"spaces requests follow {RID}" in done.stderr


def test_for_programs_a_request_is_one_line_as_the_gateway_sent_it() -> None:
    sent = request(output={"a": 1}, shiny="new")
    with ScriptedServer(answer(json.dumps(sent, indent=2)), answer(json.dumps(sent, indent=2))) as server:
        for arguments in (["submit", "demo", "n:=1", "--json"], ["requests", "show", RID, "--json"]):
            done = at(server, *arguments)
            assert (done.exit_code, done.stdout.count("\n"), json.loads(done.stdout)) == (0, 1, sent)


def test_follow_shows_the_output_and_beside_it_what_happens() -> None:
    told = [
        event("queued", {"attempt": 0, "at": AT}, "1-1-0"),
        event("position", {"position": 3, "reason": "no_agent_online"}),
        event("assigned", {"attempt": 1, "at": AT, "agent": {"id": "ada/gpu"}}, "1-2-0"),
        event("progress", {"index": 1, "attempt": 1, "fraction": 0.5, "message": "half"}, "1-2-1"),
        event("log", {"index": 2, "attempt": 1, "lines": ["loading\x1b[2J", "loaded"]}, "1-2-2"),
        output(3, "Hel"),
    ]
    rest = [output(4, "lo"), output(5, [{"n": 1}, 2]), event("completed", request(output=["Hello", {"n": 1}, 2]), "1-3-5")]
    script = [answer(request("queued"), 202), stream(*told, end="id: 1"), stream(*rest)]
    with ScriptedServer(*script) as server:
        done = at(server, "submit", "demo", "n:=1", "--follow")
    assert (done.exit_code, done.stdout) == (0, 'Hello\n{"n":1}\n2\n')
    lines = done.stderr.splitlines()
    assert lines[:4] == [
        f"request {RID}",
        "waiting",
        "waiting as number 3: no agent is online for this space",
        "attempt 1 runs at ada/gpu",
    ]
    assert "log: loading\\u001b[2J" in lines
    assert any(line.startswith("the connection was lost (") for line in lines)
    assert lines[-1] == "succeeded in 600 ms"


def test_follow_says_when_what_was_shown_is_void() -> None:
    told = [
        output(1, "first "),
        event("requeued", {"attempt": 1, "at": AT, "reason": "agent_lost", "detail": "gone"}, "1-3-1"),
        event("output_reset", {"attempt": 1}, "1-3-0"),
        output(1, "second", 2),
        event("completed", request(output="second", attempt=2), "1-5-2"),
    ]
    with ScriptedServer(answer(request("processing")), stream(*told)) as server:
        done = at(server, "requests", "follow", RID)
    assert (done.exit_code, done.stdout) == (0, "first second"), "what is written is written"
    assert done.stderr.splitlines() == [
        "attempt 1 is void: the agent was lost (gone)",
        "waiting again",
        "the output so far is void: it begins again",
        "succeeded in 600 ms",
    ]


@pytest.mark.parametrize(
    ("shown", "whole", "printed"),
    [([], "abc", "abc"), (["ab"], "abc", "abc"), ([], [1, 2], "[1,2]\n"), (["ab"], "xyz", "abxyz")],
)
def test_what_no_record_brought_comes_with_the_outcome(shown: list[Any], whole: Any, printed: str) -> None:
    told = [output(number, data) for number, data in enumerate(shown, 1)]
    script = [answer(request("processing")), stream(*told, event("completed", request(output=whole), "1-3-0"))]
    with ScriptedServer(*script) as server:
        assert at(server, "requests", "follow", RID).stdout == printed


@pytest.mark.parametrize(
    ("ended", "said"),
    [
        (request("failed", error={"code": "handler_error", "detail": "boom"}), "failed in 600 ms: handler_error: boom"),
        (request("canceled"), "canceled in 600 ms"),
        (request("expired", error={"code": "start_timeout", "detail": "late"}), "expired in 600 ms: start_timeout: late"),
    ],
)
def test_follow_ends_with_status_1_when_there_is_no_output(ended: dict[str, Any], said: str) -> None:
    with ScriptedServer(answer(request("queued")), stream(event("completed", ended, "1-3-0"))) as server:
        done = at(server, "requests", "follow", RID)
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1] == said


def test_for_programs_every_event_is_a_line_and_nothing_else_is_told() -> None:
    told = [output(1, "a\u2028b"), event("completed", request(), "1-3-1")]
    with ScriptedServer(answer(request("queued"), 202), stream(*told)) as server:
        done = at(server, "submit", "demo", "n:=1", "--follow", "--json")
    lines = [json.loads(line) for line in done.stdout.split("\n")[:-1]]
    assert lines == [
        {"request": RID, "event": "output", "id": "1-2-1", "data": {"index": 1, "attempt": 1, "data": "a\u2028b"}},
        {"request": RID, "event": "completed", "id": "1-3-1", "data": request()},
    ]
    assert (done.exit_code, done.stderr) == (0, "")


def test_ctrl_c_ends_the_command_and_says_how_the_request_goes_on(tmp_path: Path) -> None:
    def endless(exchange: Exchange) -> None:
        exchange.send(STREAM)
        exchange.send(chunk(output(1, "some text\n")))
        exchange.rest()

    with ScriptedServer(answer(request("queued"), 202), endless) as server:
        command = [sys.executable, "-m", "services.cli", "submit", "demo", "n:=1", "--follow"]
        environment = os.environ | {"WS_URL": server.url, "WS_API_KEY": KEY, "PYTHONPATH": os.pathsep.join(sys.path)}
        process = subprocess.Popen(
            command, env=environment, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "some text\n"
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=20)
    assert (process.returncode, stdout) == (130, "")
    assert f"spaces requests follow {RID}" in stderr
    assert f"spaces cancel {RID}" in stderr
    assert "Traceback" not in stderr


@pytest.mark.parametrize(
    ("program", "shown"), [("bin/spaces", "bin/spaces"), ("/on/path/spaces", "spaces"), ("x.py", "spaces")]
)
def test_a_command_that_is_shown_can_be_typed(monkeypatch: pytest.MonkeyPatch, program: str, shown: str) -> None:
    monkeypatch.setattr("sys.argv", [program])
    monkeypatch.setattr("shutil.which", lambda name: f"/on/path/{name}")
    assert typed("cancel x") == f"{shown} cancel x"


def test_ctrl_c_at_any_moment_is_status_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("services.commands.connection.place", interrupted)
    with ScriptedServer() as server:
        done = at(server, "agents", "ls")
    assert (done.exit_code, done.stderr) == (130, "spaces: interrupted; what was accepted goes on\n")


def test_cancel_and_retry() -> None:
    script = [answer(request("canceled")), answer(request("queued", retry_of=RID), 202)]
    with ScriptedServer(*script) as server:
        done = at(server, "cancel", RID)
        assert (done.exit_code, done.stdout) == (0, f"{RID} is canceled\n")
        done = at(server, "retry", RID)
        assert (done.exit_code, done.stdout) == (0, f"{RID}\n")
    assert [sent.path.rpartition("/")[2] for sent in server.received] == ["cancel", "retry"]


def test_retry_can_be_followed() -> None:
    done_event = event("completed", request(output="again"), "1-3-0")
    with ScriptedServer(answer(request("queued", retry_of=RID), 202), stream(done_event)) as server:
        done = at(server, "retry", RID, "--follow")
    assert (done.exit_code, done.stdout) == (0, "again")


def test_agents_are_listed_drained_and_disconnected() -> None:
    pages: list[Step] = [answer({"results": [AGENT]}), answer({"results": [AGENT]}), answer({"results": []})]
    with ScriptedServer(*pages, answer(AGENT | {"state": "draining"}, 202), answer(AGENT, 202)) as server:
        listed = at(server, "agents", "ls")
        assert listed.stdout == "AGENT    STATE  RUNNING  SPACES  GATEWAY\nada/gpu  ready  1 of 4   demo    g-1\n"
        assert json.loads(at(server, "agents", "ls", "--json").stdout) == {"results": [AGENT]}
        none = at(server, "agents", "ls")
        assert (none.exit_code, none.stdout, none.stderr) == (0, "", "no agent is connected\n")
        assert at(server, "agents", "drain", "ada/gpu").stdout == "ada/gpu is draining\n"
        assert at(server, "agents", "disconnect", "ada/gpu").stdout == "ada/gpu is disconnected\n"
        half = at(server, "agents", "drain", "gpu")
        assert (half.exit_code, "OWNER/NAME" in half.stderr) == (2, True)


def test_a_refusal_is_one_line_and_status_1() -> None:
    with ScriptedServer(problem(404, "not_found", "There is no such\nrequest\x1b[2J.")) as server:
        done = at(server, "requests", "show", RID)
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == "spaces: not_found: There is no such request\\u001b[2J.\n"


def test_an_error_of_the_gateway_can_be_found_in_its_log() -> None:
    with ScriptedServer(problem(500, "internal", "It is ours.")) as server:
        done = at(server, "requests", "show", RID)
    assert (done.exit_code, done.stderr) == (1, "spaces: internal: It is ours. (in the gateway's log: r-17)\n")


def test_what_gets_no_answer_is_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "FIRST_DELAY_S", 0.001)
    with ScriptedServer(cut, problem(503, "unavailable"), answer(request("canceled"))) as server:
        assert at(server, "cancel", RID).exit_code == 0
