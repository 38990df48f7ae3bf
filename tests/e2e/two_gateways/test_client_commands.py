"""The client commands of `spaces` on a whole stack."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from spaces_client import Client, ProblemError
from tests.support.clients import printed
from tests.support.stack import ROOT, Stack, eventually, spaces
from tests.support.world import agent, kill_group

DEADLINE_S = 60.0


def at(stack: Stack, *arguments: str, status: int = 0) -> str:
    """Run a command to its end on the stack's home; what it printed."""
    done = spaces(*arguments, "--home", str(stack.home))
    assert done.returncode == status, done.stdout + done.stderr
    assert stack.ready.api_key not in done.stdout + done.stderr
    return done.stdout


def at_url(stack: Stack, gateway: int) -> dict[str, str]:
    """The environment of somebody who talks to this gateway."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("WS_")}
    path = os.pathsep.join([str(ROOT), str(ROOT / "agent"), str(ROOT / "client")])
    return inherited | {"PYTHONPATH": path, "WS_URL": stack.ready.urls[gateway], "WS_API_KEY": stack.ready.api_key}


@contextlib.contextmanager
def followed(stack: Stack, *arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], Path, Path]]:
    """A command that runs beside the test, at the first gateway, and the files into which it writes what it says."""
    out, err = stack.home / "followed.out", stack.home / "followed.err"
    with out.open("wb") as stdout, err.open("wb") as stderr:
        command = [sys.executable, "-m", "services.cli", *arguments]
        process = subprocess.Popen(command, env=at_url(stack, 0), stdout=stdout, stderr=stderr)
    try:
        yield process, out, err
    finally:
        process.kill()
        process.wait()


def names(timeline: str) -> list[str]:
    """The events in a printed timeline, without its head."""
    return [line[28:].split()[0] for line in timeline.splitlines()[1:]]


def submitted(err: Path) -> str:
    """The id of the request that a follower has submitted."""
    line = eventually(lambda: err.read_text().partition("\n")[0], "the id is told")
    return line.removeprefix("request ")


def test_follow_prints_what_the_handler_yields_though_the_gateway_is_killed(stack: Stack, directory: Path) -> None:
    with agent(stack, "talking", gateways=[1]):
        with followed(stack, "submit", stack.ready.space, f"directory={directory}", "--follow") as (process, out, err):
            eventually(lambda: out.stat().st_size > 200, "output flows")
            os.kill(stack.pids("gateway")[0], signal.SIGKILL)
            eventually(lambda: "the connection was lost" in err.read_text(), "the follower has lost its gateway")
            before = out.stat().st_size
            eventually(lambda: out.stat().st_size > before + 200, "output flows again")
            (directory / "go").touch()
            assert process.wait(DEADLINE_S) == 0
        yielded = json.loads((directory / "yielded-1").read_text())
        assert out.read_text() == printed(yielded), "no gap, no repeat"
        told = err.read_text()
        assert "log: said 0\n" in told, "what the handler logs"
        assert "% " in told, "its progress"
        assert "attempt 1 runs at " in told
        assert "succeeded in " in told.splitlines()[-1]
        assert json.loads(at(stack, "requests", "show", submitted(err), "--json"))["status"] == "succeeded"


def test_follow_says_that_an_attempt_was_lost_and_begins_again(stack: Stack, directory: Path) -> None:
    command = ["submit", stack.ready.space, f"directory={directory}", "--follow", "--json"]
    with followed(stack, *command) as (process, out, _):
        with agent(stack, "talking", name="again") as first:
            eventually(lambda: '"output"' in out.read_text(), "output flows")
            kill_group(first)
        with agent(stack, "talking", name="again"):
            eventually(lambda: '"output"' in out.read_text().partition('"output_reset"')[2], "output flows again")
            (directory / "go").touch()
            assert process.wait(DEADLINE_S) == 0
    events = [json.loads(line) for line in out.read_text().splitlines()]
    told = [event["event"] for event in events]
    reset = told.index("output_reset")
    assert told[reset - 1] == "requeued"
    assert {event["data"]["attempt"] for event in events[reset + 1 :] if event["event"] == "output"} == {2}
    assert told[-1] == "completed"
    timeline = at(stack, "requests", "show", events[0]["request"], "--timeline")
    assert names(timeline) == ["queued", "assigned", "requeued", "assigned", "output", "progress", "log", "succeeded"]


def test_a_request_is_submitted_shown_canceled_and_retried(stack: Stack, directory: Path) -> None:
    with agent(stack, "marked", slots=1, name="deaf"):
        rid = at(stack, "submit", stack.ready.space, f"directory={directory}").strip()
        eventually(lambda: (directory / "started-1").exists(), "the handler runs")
        assert "status    processing\n" in at(stack, "requests", "show", rid)
        assert at(stack, "cancel", rid) == f"{rid} is canceled\n"
        (directory / "go").touch()  # looks at no flag: its result comes late
        again = at(stack, "retry", rid).strip()
        done = [json.loads(line) for line in at(stack, "requests", "follow", again, "--json").splitlines()][-1]["data"]
        assert (done["status"], done["retry_of"]) == ("succeeded", rid)
        assert at(stack, "requests", "follow", rid, status=1) == ""
        assert "retry of" in at(stack, "requests", "show", again)

        def whole() -> str | None:
            timeline = at(stack, "requests", "show", rid, "--timeline")
            return None if "not known" in timeline else timeline

        assert names(eventually(whole, "history has told which frames were refused")) == ["queued", "assigned", "canceled"]


def test_wait_prints_the_output_or_says_that_there_is_none_yet(stack: Stack, directory: Path) -> None:
    (directory / "go").touch()
    with agent(stack, "marked", name="prompt"):
        output = at(stack, "submit", stack.ready.space, f"directory={directory}", "--wait", "30")
        assert json.loads(output)["attempt"] == 1
    with agent(stack, "raising", name="clumsy"):
        done = spaces("submit", stack.ready.space, "n:=1", "--wait", "30", "--home", str(stack.home))
        assert (done.returncode, done.stdout) == (1, "")
        assert "handler_error: " in done.stderr
        assert "no such model" in done.stderr
    rid = at(stack, "submit", stack.ready.space, "n:=1").strip()
    assert at(stack, "submit", stack.ready.space, "n:=1", "--wait", "1", status=1) == ""
    eventually(lambda: "no agent is online" in at(stack, "requests", "show", rid), "it is said why it waits")
    at(stack, "cancel", rid)


def test_agents_are_listed_and_drained(stack: Stack) -> None:
    with agent(stack, "counted", slots=3, name="brief") as process:
        listed = eventually(lambda: json.loads(at(stack, "agents", "ls", "--json"))["results"], "the agent is listed")
        eventually(lambda: "ready  0 of 3" in at(stack, "agents", "ls"), "it is ready")
        identity = listed[0]["id"]
        assert identity.endswith("/brief")
        assert at(stack, "agents", "drain", identity) == f"{identity} is draining\n"
        assert process.wait(DEADLINE_S) == 0
    eventually(lambda: json.loads(at(stack, "agents", "ls", "--json")) == {"results": []}, "it is gone")
    at(stack, "agents", "drain", identity, status=1)


def test_requests_are_listed_counted_and_erased(stack: Stack, directory: Path) -> None:
    (directory / "go").touch()
    rid = at(stack, "submit", stack.ready.space, f"directory={directory}", "secret=sesame").strip()
    assert rid in at(stack, "requests", "ls", "--status", "queued")
    at(stack, "requests", "erase", rid, "--yes", status=1)
    with agent(stack, "marked", name="counted"):
        at(stack, "requests", "follow", rid)
    listed = json.loads(at(stack, "requests", "ls", "--space", stack.ready.space, "--since", "5m", "--json"))["results"]
    assert listed[0]["id"] == rid
    assert "sesame" not in json.dumps(listed)
    assert [each["created_at"] for each in listed] == sorted((each["created_at"] for each in listed), reverse=True)
    assert at(stack, "requests", "ls", "--status", "expired") == ""

    numbers = json.loads(at(stack, "stats", "--window", "5m", "--json"))
    assert numbers["ended"]["succeeded"] >= 1
    assert numbers["queue_s"]["p50"] > 0
    assert "succeeded" in at(stack, "stats", "--space", stack.ready.space)

    def ended() -> bool:
        """The agent has said goodbye, and that is recorded."""
        found = json.loads(at(stack, "connections", "--limit", "1", "--json"))["results"][0]
        return bool(found["agent"].endswith("/counted") and found["reason"])

    eventually(ended, "the end of the connection is shown")
    assert "/counted" in at(stack, "connections", "--space", stack.ready.space)

    assert "sesame" in at(stack, "requests", "show", rid)
    assert at(stack, "requests", "erase", rid, "--yes") == f"{rid} is erased\n"
    shown = at(stack, "requests", "show", rid)
    assert "data      erased" in shown
    assert "sesame" not in shown
    at(stack, "retry", rid, status=1)
    at(stack, "log", "verify")


def test_what_is_refused_is_told_by_the_status(stack: Stack) -> None:
    at(stack, "submit", "nowhere", "n:=1", status=1)
    at(stack, "requests", "show", "0" * 34, status=1)
    at(stack, "requests", "show", "0" * 34, "--timeline", status=1)
    unknown = spaces("agents", "ls", WS_URL=stack.ready.url, WS_API_KEY="wsk_unknown")
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert "This key is not known" in unknown.stderr
    assert "wsk_unknown" not in unknown.stderr


def test_a_user_and_a_key_are_made_used_disabled_and_revoked(stack: Stack) -> None:
    with Client(stack.ready.url, stack.ready.api_key) as client:
        user = client.create_user("grace@example.org", "a long password")
        secret = at(stack, "keys", "create", "ci", "--scope", "read", "--user", user.id).strip()
        (key,) = client.keys(user=user.id)
        with Client(stack.ready.url, secret) as theirs:
            assert theirs.me().email == "grace@example.org"
            at(stack, "users", "disable", user.id)
            eventually(lambda: _refused(theirs), "the key of a disabled user is refused")
            at(stack, "users", "enable", user.id)
            eventually(lambda: not _refused(theirs), "it is good again")
            at(stack, "keys", "revoke", key.id)
            eventually(lambda: _refused(theirs), "a revoked key is refused")
        assert client.keys(user=user.id) == []
        at(stack, "keys", "revoke", key.id, status=1)


def _refused(client: Client) -> bool:
    try:
        client.me()
    except ProblemError as error:
        return error.status == 401
    return False
