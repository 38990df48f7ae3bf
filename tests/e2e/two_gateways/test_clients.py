"""The Python clients, blocking and asynchronous, on a whole stack: the same scenarios for both."""

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from spaces_client import Policy, ProblemError
from spaces_client.events import Completed, Event, Output
from tests.support.clients import CLIENTS, Connect, printed
from tests.support.stack import ROOT, Stack, eventually
from tests.support.world import agent


@pytest.fixture(params=CLIENTS, ids=["blocking", "asynchronous"])
def connect(request: pytest.FixtureRequest) -> Connect:
    made: Connect = request.param
    return made


@pytest.fixture
def directory(stack: Stack) -> Path:
    path = stack.home / f"test-{secrets.token_hex(4)}"
    path.mkdir()
    return path


@pytest.fixture
def client(stack: Stack, connect: Connect) -> Iterator[Any]:
    with connect(stack.ready.url, stack.ready.api_key) as client:
        yield client


def refusal(call: Any) -> str:
    """The code with which a call is refused, empty when it is not."""
    try:
        call()
    except ProblemError as error:
        return error.code
    return ""


def test_a_request_is_followed_on_at_another_gateway(stack: Stack, connect: Connect, directory: Path) -> None:
    space, key = stack.ready.space, stack.ready.api_key
    with (
        agent(stack, "talking", name="fluent"),
        connect(stack.ready.urls[0], key) as one,
        connect(stack.ready.urls[1], key) as two,
    ):
        (elsewhere := directory / "elsewhere").mkdir()
        request = one.submit(space, {"directory": str(directory)}, metadata={"order": 1})
        same = [
            two.submit(space, {"directory": str(elsewhere)}, idempotency_key=f"order-{directory.name}").id for _ in range(2)
        ]
        assert same[0] == same[1] != request.id
        two.cancel(same[0])
        seen: list[Event] = []
        here = one.events(request.id)
        while sum(isinstance(event, Output) for event in seen) < 3:
            seen.append(next(here))
        eventually(lambda: two.read(request.id).progress is not None, "its progress is shown")
        (directory / "go").touch()
        seen += two.events(request.id, after=seen[-1].cursor)
        assert isinstance(seen[-1], Completed)
        assert list(one.events(request.id, after=seen[-1].cursor)) == []
        assert [event.name for event in two.timeline(request.id).events] == [
            event.name for event in seen if event.name != "position"
        ]
    shown = seen[-1].request.output
    yielded = json.loads((directory / "yielded-1").read_text())
    outputs = [event.data for event in seen if isinstance(event, Output)]
    assert printed([part for data in outputs for part in ([data] if isinstance(data, str) else data)]) == printed(yielded)
    assert printed(shown if isinstance(shown, list) else [shown]) == printed(yielded)


def test_a_submission_is_waited_for_listed_and_erased(stack: Stack, client: Any) -> None:
    with agent(stack, "echo", name="prompt"):
        done = client.submit(stack.ready.space, {"secret": "sesame"}, wait_s=30, policy=Policy(priority=1))
    assert (done.status, done.output) == ("succeeded", {"secret": "sesame"})
    listed = next(client.requests(space=stack.ready.space, status="succeeded", limit=1))
    assert (listed.id, listed.input) == (done.id, None)
    assert refusal(lambda: client.cancel(done.id)) == "already_done"
    assert client.erase(done.id).erased
    assert client.read(done.id).output is None
    assert refusal(lambda: client.retry(done.id)) == "data_expired"
    assert client.stats(space=stack.ready.space, window="5m").ended["succeeded"] >= 1


def test_a_list_is_read_page_by_page(stack: Stack, client: Any) -> None:
    space = f"list-{secrets.token_hex(4)}"
    client.create_space(space)
    made = [client.submit(space, {"n": n}).id for n in range(103)]
    newest_first = made[::-1]
    assert [each.id for each in client.requests(space=space)] == newest_first
    assert [each.id for each in islice(client.requests(space=space), 3)] == newest_first[:3]
    assert [each.id for each in client.requests(space=space, limit=101)] == newest_first[:101]
    assert client.purge_queue(space).canceled == 103


def test_a_space_is_made_served_paused_purged_and_deleted(stack: Stack, client: Any) -> None:
    space = f"made-{secrets.token_hex(4)}"
    assert client.create_space(space, title="Made", max_attempts=2).max_attempts == 2
    assert client.edit_space(space, title="Made again", features=["prompt"]).title == "Made again"
    assert client.space(space).input_schema["properties"].keys() == {"prompt"}
    assert space in [each.id for each in client.spaces()]
    assert client.space_health(space).status == "no_agent"
    key = client.create_key("gpu", kind="agent", spaces=[space])
    with agent(stack, "echo", spaces=[space], key=key.secret, name="served"):
        eventually(lambda: client.space_health(space).status == "ok", "it is served")
        assert [each.spaces for each in client.space_agents(space)] == [[space]]
        assert client.pause_space(space).paused
        held = client.submit(space, {"prompt": "hello"})
        eventually(lambda: client.space_queue(space).queued == 1, "it waits")
        eventually(lambda: client.read(held.id).queue.reason == "space_paused", "it is said why")
        assert refusal(lambda: client.delete_space(space)) == "space_in_use"
        assert client.purge_queue(space).canceled == 1
        assert not client.resume_space(space).paused
    assert not client.disable_space(space).enabled
    assert refusal(lambda: client.submit(space, {"prompt": "hello"})) == "space_disabled"
    assert client.enable_space(space).enabled
    client.delete_space(space)
    assert refusal(lambda: client.space(space)) == "not_found"
    assert client.read(held.id).status == "canceled"


def test_a_private_space_is_for_its_members(stack: Stack, connect: Connect, client: Any) -> None:
    space, name = f"private-{secrets.token_hex(4)}", f"{secrets.token_hex(4)}@example.org"
    client.create_space(space, visibility="private")
    user = client.create_user(name, "a long password")
    key = client.create_key("theirs", user=user.id)
    with connect(stack.ready.urls[1], key.secret) as theirs:
        eventually(lambda: not refusal(theirs.me), "their key is good there")
        assert (theirs.me().email, refusal(lambda: theirs.space(space))) == (name, "not_found")
        assert client.set_member(space, user.id, "viewer").role == "viewer"
        eventually(lambda: not refusal(lambda: theirs.space(space)), "a member sees it")
        assert refusal(lambda: theirs.submit(space, {})) == "forbidden"
        assert [(each.user, each.role) for each in client.members(space)] == [(user.id, "viewer")]
        client.remove_member(space, user.id)
        eventually(lambda: refusal(lambda: theirs.space(space)) == "not_found", "who is none does not")
        client.revoke_key(key.id)
        eventually(lambda: refusal(theirs.me) == "unauthenticated", "a revoked key is refused")


def test_the_example_submits_many_and_tells_each_outcome(stack: Stack) -> None:
    lines = "".join(f'{{"n": {n}}}\n' for n in range(1, 31))
    path = os.pathsep.join([str(ROOT), str(ROOT / "client")])
    place = {"PYTHONPATH": path, "WS_URL": stack.ready.url, "WS_API_KEY": stack.ready.api_key}
    command = [sys.executable, "-m", "examples.many", stack.ready.space]
    with agent(stack, "echo", name="many"):
        done = subprocess.run(
            command, env=os.environ | place, input=lines, text=True, capture_output=True, check=False, timeout=60
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = sorted(map(json.loads, done.stdout.splitlines()), key=lambda each: int(each["line"]))
    assert [(each["status"], each["output"]["n"]) for each in told] == [("succeeded", n) for n in range(1, 31)]
