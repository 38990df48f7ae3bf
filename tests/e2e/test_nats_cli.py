"""What docs/operations.md says of the `nats` command: each command of its chapters, run by the real one on a real stack."""

import hashlib
import json
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.nats_cli import OPERATIONS, Ran, Shell, documented
from tests.support.stack import ROOT, Stack, eventually, fresh_home, spaces
from tests.support.world import agent

CHAPTER, BY_HAND = "Events in the `nats` CLI", "NATS by hand"
RID = "01a2044a439c7146874bdc2036ab095706"
"""The request that the document asks about."""
SECRET = "wsk_" + "0" * 40
LIFE = {
    "done": ["accepted", "assigned", "succeeded"],
    "failed": ["accepted", "assigned", "failed"],
    "canceled": ["accepted", "assigned", "canceled"],
    "running": ["accepted", "assigned"],
}


class World:
    """A stack in which a request has succeeded, one has failed, one was canceled and one runs, in the space demo; and one
    waits in the space other, which has no agent."""

    def __init__(self, stack: Stack, shell: Shell) -> None:
        self.stack, self.shell = stack, shell
        headers = {"Authorization": f"Bearer {stack.ready.api_key}"}
        self.http = httpx.Client(base_url=stack.ready.url, headers=headers, timeout=60.0)
        for words in (("create", "other"), ("edit", "demo", "--execution-timeout", "1h")):
            assert spaces("spaces", *words, "--home", str(stack.home)).returncode == 0
        self.rids = {"done": self.submit("answer"), "failed": self.submit("fail"), "running": self.held()}
        self.rids["canceled"] = self.held()
        self.cancel(self.rids["canceled"])
        self.rids["elsewhere"] = self.submit("answer", "other")

    def submit(self, do: str, space: str = "demo") -> str:
        """The id of a request that has ended, unless it is to wait."""
        wait = 0 if do == "wait" or space == "other" else 30
        rid: str = self.stack.submit({"do": do}, space=space, wait=wait)["id"]
        return rid

    def held(self) -> str:
        """The id of a request that an agent has, and keeps."""
        rid = self.submit("wait")
        eventually(lambda: self.stack.get(rid)["status"] == "processing", "an agent has the request")
        return rid

    def cancel(self, rid: str) -> None:
        """Cancel it."""
        assert self.http.post(f"/v1/requests/{rid}/cancel").is_success

    def status_of_key(self, secret: str) -> int:
        """How a gateway answers who comes with this key."""
        headers = {"Authorization": f"Bearer {secret}"}
        return httpx.get(f"{self.stack.ready.url}/v1/keys/me", headers=headers, timeout=60.0).status_code

    def run(self, line: str, kind: str = "failed") -> Ran:
        """Run a command of the document on this request."""
        return self.shell.run(_about(line, self.rids[kind]))


def _about(line: str, rid: str) -> str:
    return line.replace(RID, rid).replace("dispatcher.06.", f"dispatcher.{rid[-2:]}.")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with fresh_home() as home:
        shell = Shell(tmp_path_factory.mktemp("nats"), home)
        with Stack(home, "--no-demo") as stack, agent(stack, "told", module="tests.e2e.told_handlers", name="agent-of-ada"):
            for line in (*documented(CHAPTER)[:2], documented(BY_HAND)[0]):
                assert shell.run(line).status == 0, line
            world = World(stack, shell)
            yield world
            world.http.close()


Check = Callable[[World, str], None]


def types_in(said: str, rid: str) -> list[str]:
    """The types of a request's events, in the order of the lines that show their subjects."""
    return re.findall(rf"\.{rid}\.([a-z]+)\.", said)


def objects(said: str) -> list[dict[str, Any]]:
    """The lines that are JSON."""
    return [json.loads(line) for line in said.splitlines() if line.startswith("{")]


def ended(ran: Ran) -> str:
    assert ran.status == 0, ran.said
    assert "ermissions" not in ran.said
    assert "nats: error" not in ran.said
    return ran.said


def says(*words: str) -> Check:
    """The command ends well, and its output has these."""

    def check(world: World, line: str) -> None:
        said = ended(world.run(line))
        assert [word for word in words if word not in said] == [], said

    return check


def makes_the_context(user: str, name: str) -> Check:
    def check(world: World, line: str) -> None:
        said = ended(world.run(line))
        path = world.shell.directory / "nats" / "context" / f"{name}.json"
        context = json.loads(path.read_text())
        assert path.stat().st_mode & 0o077 == 0
        assert context["user"] == user
        assert context["password"] not in said

    return check


def watches_everything(world: World, line: str) -> None:
    rids: list[str] = []

    def cause() -> None:
        rids.extend([world.submit("answer", "other"), world.submit("answer")])

    said = "".join(world.shell.watch(line, cause, lambda lines: bool(rids[1:]) and _seen(lines, f"succeeded.{rids[1]}")))
    assert re.findall(rf"ws\.evt\.demo\.(\w+)\.{rids[1]}", said) == LIFE["done"]
    assert re.findall(rf"ws\.evt\.other\.(\w+)\.{rids[0]}", said) == ["accepted"]


def watches_with_headers(world: World, line: str) -> None:
    done: list[str] = []

    def cause() -> None:
        done.append(world.submit("answer"))

    lines = world.shell.watch(line, cause, lambda lines: bool(done) and _seen(lines, '"output":{"done"'))
    shown = objects("".join(lines))
    assert [(event["type"], event["rid"]) for event in shown] == [(type_, done[0]) for type_ in LIFE["done"]]
    assert shown[0]["input"] == {"do": "answer"}
    assert shown[1]["agent"].endswith("/agent-of-ada")
    assert shown[2]["output"] == {"done": "answer"}
    assert len(re.findall(r"Nats-Time-Stamp: \d{4}-\d\d-\d\dT", "".join(lines))) == 3


def watches_one_space(world: World, line: str) -> None:
    rids: list[str] = []

    def cause() -> None:
        rids.extend([world.submit("answer", "other"), world.submit("answer")])

    said = "".join(world.shell.watch(line, cause, lambda lines: bool(rids[1:]) and _seen(lines, f"succeeded.{rids[1]}")))
    assert re.findall(rf"ws\.evt\.demo\.(\w+)\.{rids[1]}", said) == LIFE["done"]
    assert "ws.evt.other" not in said


def watches_failures(world: World, line: str) -> None:
    failed: list[str] = []

    def cause() -> None:
        world.submit("answer")
        failed.append(world.submit("fail"))

    shown = objects("".join(world.shell.watch(line, cause, lambda lines: _seen(lines, '"type":"failed"'))))
    assert {event["type"] for event in shown} == {"failed"}
    assert {event["rid"] for event in shown} <= set(failed)
    assert "no such model" in shown[0]["error"]["message"]


def watches_one_request(world: World, line: str) -> None:
    rid = world.held()

    def cause() -> None:
        world.submit("answer")
        world.cancel(rid)

    shown = objects("".join(world.shell.watch(_about(line, rid), cause, lambda lines: _seen(lines, "canceled"))))
    assert [(event["type"], event["rid"]) for event in shown] == [("canceled", rid)]


def replays_and_goes_on(world: World, line: str) -> None:
    done: list[str] = []

    def cause() -> None:
        done.append(world.submit("answer"))

    said = "".join(
        world.shell.watch(
            line,
            cause,
            lambda lines: bool(done) and _seen(lines, f"{done[0]}.succeeded"),
        )
    )
    assert types_in(said, world.rids["failed"]) == LIFE["failed"]
    assert types_in(said, done[0]) == LIFE["done"]


def _seen(lines: list[str], word: str) -> bool:
    return word in "".join(lines)


def shows_the_life(world: World, line: str) -> None:
    for kind, life in LIFE.items():
        said = ended(world.run(line, kind))
        assert types_in(said, world.rids[kind]) == life
        assert len(re.findall(r"time: \d{4}-\d\d-\d\d \d\d:\d\d:\d\d", said)) == len(life)
        assert world.rids["elsewhere"] not in said


def tells_the_life(world: World, line: str) -> None:
    for kind, life in LIFE.items():
        events = objects(ended(world.run(line, kind)))
        assert [event["type"] for event in events] == life
        assert {event["rid"] for event in events} == {world.rids[kind]}
        assert events[0]["input"]["do"] == {"done": "answer", "failed": "fail"}.get(kind, "wait")


def answers_the_chain(world: World, line: str) -> None:
    for kind, life in LIFE.items():
        chain = json.loads(ended(world.run(line, kind)))
        assert [event["data"]["type"] for event in chain["events"]] == life


def replays(world: World, line: str) -> None:
    said = ended(world.run(line))
    assert {kind: types_in(said, world.rids[kind]) for kind in LIFE} == LIFE
    assert types_in(said, world.rids["elsewhere"]) == ["accepted"]


def replays_one_space(world: World, line: str) -> None:
    events = objects(ended(world.run(line)))
    assert {event["space"] for event in events} == {"demo"}
    assert [event["type"] for event in events if event["rid"] == world.rids["done"]] == LIFE["done"]


def replays_from_a_number(world: World, line: str) -> None:
    numbers = [int(number) for number in re.findall(r"seq (\d+) /", ended(world.run(line)))]
    assert numbers[0] == 4
    assert numbers == sorted(numbers)


def last_event(world: World, line: str) -> None:
    (event,) = objects(ended(world.run(line)))
    assert (event["type"], event["rid"]) == ("failed", world.rids["failed"])


def place(world: World, line: str) -> None:
    assert json.loads(ended(world.run(line))) == {"position": 0}


def lists_the_services(world: World, line: str) -> None:
    said = ended(world.run(line))
    assert all(f" {name} " in said for name in ("registry", "history", "dispatcher"))


def counts_answers(world: World, line: str) -> None:
    world.run("""nats req ws.rpc.history.chain '{"rid": "x"}' --raw""")
    row = re.search(r"chain +│ (\d+) +│ q +│ \d+ +│ (\S+) ", ended(world.run(line)))
    assert row is not None
    assert int(row[1]) > 0
    assert row[2] != "0s"


def recorded(world: World) -> int:
    said = ended(world.run("nats req ws.rpc.history.positions '{}' --raw"))
    return int({each["stream"]: each["seq"] for each in json.loads(said)["positions"]}["REQUESTS"])


def stored(world: World) -> int:
    found = re.search(r"Last Sequence: (\d+)", ended(world.run("nats stream state REQUESTS")))
    assert found is not None
    return int(found[1])


def no_lag(world: World, line: str) -> None:
    assert line in ("nats req ws.rpc.history.positions '{}' --raw", "nats stream state REQUESTS")
    eventually(lambda: recorded(world) == stored(world) > 0, "everything is recorded")


def nothing_unprocessed(world: World, line: str) -> None:
    def unprocessed() -> list[str]:
        rows = [row for row in ended(world.run(line)).splitlines() if "recorder-" in row]
        return [row.split("│")[7].strip() for row in rows]

    eventually(lambda: unprocessed() == ["0"], "the recorder has got everything")


def lists_the_agent(world: World, line: str) -> None:
    (found,) = json.loads(ended(world.run(line)))["agents"]
    assert found["agent"].endswith("/agent-of-ada")
    assert (found["spaces"], found["slots"]) == (["demo"], 4)


def reports_the_agent(world: World, line: str) -> None:
    def reported() -> Any:
        (report,) = objects(ended(world.run(line)))
        return report if report["full"] else None

    (found,) = eventually(reported, "a full report")["agents"]
    assert found["agent"].endswith("/agent-of-ada")
    assert world.rids["running"] in [held["rid"] for held in found["held"]]


def shows_the_connection(world: World, line: str) -> None:
    events = objects(ended(world.run(line)))
    assert [event["type"] for event in events if event["agent"].endswith("/agent-of-ada")] == ["connected"]


def owner(world: World, line: str) -> None:
    assert json.loads(ended(world.run(line)))["owner"].startswith("dispatcher-")


CHECKS: dict[str, Check] = {
    "spaces nats-context": makes_the_context("observer", "spaces"),
    "nats context select spaces": says("observer", "Password: ***"),
    "nats rtt": says("nats://127.0.0.1:"),
    "nats sub 'ws.evt.>'": watches_with_headers,
    "nats sub 'ws.evt.>' --subjects-only": watches_everything,
    "nats sub 'ws.evt.demo.>' --subjects-only": watches_one_space,
    "nats sub 'ws.evt.*.failed.*' --raw": watches_failures,
    f"nats sub 'ws.evt.*.*.{RID}'": watches_one_request,
    f"nats sub 'ws.req.>' --direct --all --terminate-at-end --subjects-only | grep {RID}": shows_the_life,
    f"nats sub 'ws.req.>' --direct --all --terminate-at-end --raw | grep '\"rid\":\"{RID}\"'": tells_the_life,
    f'nats req ws.rpc.history.chain \'{{"rid": "{RID}"}}\' --raw | python3 -m json.tool': answers_the_chain,
    f"nats stream get REQUESTS --last-for 'ws.req.*.{RID}.>'": last_event,
    f'nats req ws.rpc.dispatcher.06.place \'{{"rid": "{RID}"}}\' --raw': place,
    "nats sub 'ws.req.>' --direct --since 10m --terminate-at-end --subjects-only": replays,
    "nats sub 'ws.req.>' --direct --since 10m --terminate-at-end --raw | grep '\"space\":\"demo\"'": replays_one_space,
    "nats sub 'ws.req.>' --direct --start-sequence 4 --terminate-at-end --subjects-only": replays_from_a_number,
    "nats sub 'ws.req.>' --direct --since 10m --subjects-only": replays_and_goes_on,
    "nats micro list": lists_the_services,
    "nats micro info history": says("Service: history", "ws.rpc.history.chain", "ws.rpc.history.positions"),
    "nats micro stats history": counts_answers,
    "nats micro ping": says("registry", "history", "dispatcher", "rtt="),
    "nats req ws.rpc.history.positions '{}' --raw": no_lag,
    "nats stream state REQUESTS": no_lag,
    "nats consumer report REQUESTS": nothing_unprocessed,
    "nats req ws.rpc.registry.agents '{}' --raw": lists_the_agent,
    "nats sub 'ws.agents.*' --raw --count 1": reports_the_agent,
    "nats sub 'ws.conn.>' --stream CONNECTIONS --direct --all --terminate-at-end --raw": shows_the_connection,
    "nats stream report": says("REQUESTS", "CONNECTIONS", "DIRECTORY", "OUTPUT", "KV_ws_leases"),
    "nats consumer ls REQUESTS": says("delivery-", "waiting-", "recorder-", "part0-", "part15-"),
    "nats server check jetstream": says("OK JetStream", "replicas_fail=0"),
    "nats server check stream --stream REQUESTS": says("OK REQUESTS"),
    "nats server check kv --bucket ws_live": says("OK ws_live"),
    "nats kv ls": says("ws_live", "ws_leases", "ws_claims"),
    "nats stream subjects KV_ws_live": says("$KV.ws_live.gateway.", "$KV.ws_live.history.", "$KV.ws_live.dispatcher."),
    "nats kv get ws_leases part.06 --raw": owner,
    "nats kv info ws_claims": says("ws_claims", "JetStream"),
    "spaces nats-context operator --user operator": makes_the_context("operator", "operator"),
    f"nats --context operator sub 'ws.req.*.{RID}.>' --stream REQUESTS --all --terminate-at-end --raw": tells_the_life,
    "nats --context operator sub 'ws.req.*.*.*.demo.>' --stream REQUESTS --since 10m --terminate-at-end --subjects-only": (
        lambda world, line: _only_demo(world, ended(world.run(line)))
    ),
    "nats --context operator sub 'ws.dir.space.>' --stream DIRECTORY --all --terminate-at-end --raw": says(
        '"type":"space_created"', '"space":"other"'
    ),
    "nats --context operator kv ls ws_live": says("gateway.", "registry.", "dispatcher.", "history."),
}


def _only_demo(world: World, said: str) -> None:
    assert {kind: types_in(said, world.rids[kind]) for kind in LIFE} == LIFE
    assert ".other." not in said


@pytest.mark.parametrize("line", [*documented(CHAPTER), *documented(BY_HAND)])
def test_a_documented_command_does_what_the_document_says(world: World, line: str) -> None:
    assert line in CHECKS, "no test knows what it must do"
    CHECKS[line](world, line)


def test_the_document_and_the_tests_name_the_same_version() -> None:
    (pinned,) = re.findall(r"^github.com/nats-io/natscli/nats@\S+", (ROOT / "requirements" / "tools.txt").read_text(), re.M)
    assert f"`go install {pinned}`" in OPERATIONS.read_text()


def test_a_replay_begins_when_it_is_asked_to(world: World) -> None:
    old, began = world.submit("answer"), time.monotonic()
    margin_s = 10  # so long may this machine take to start the command
    eventually(lambda: time.monotonic() > began + margin_s + 5, "the old request is old enough", 60.0)
    began = time.monotonic()
    new = world.submit("answer")
    since = int(time.monotonic() - began) + margin_s
    said = ended(world.run(f"nats sub 'ws.req.>' --direct --since {since}s --terminate-at-end --subjects-only"))
    assert types_in(said, new) == LIFE["done"]
    assert old not in said


HARM = [
    f"nats pub ws.req.06.{RID}.canceled.demo.-.g x",
    "nats pub ws.evt.demo.succeeded.x x",
    "nats pub ws.dir.user.x.user_created x",
    "nats pub ws.agents.gateway-x x",
    "nats stream purge REQUESTS -f",
    "nats stream rm REQUESTS -f",
    "nats stream rmm REQUESTS 1 -f",
    "nats stream edit REQUESTS --max-age 1h -f",
    "nats consumer add REQUESTS mine --pull --defaults",
    "nats kv put ws_live halted x",
    "nats kv del ws_leases part.06 -f",
    "nats kv get ws_sessions x",
    "nats stream get DIRECTORY 1",
    "nats stream subjects KV_ws_sessions",
    "nats req ws.rpc.registry.create_user '{}'",
    "nats sub 'ws.req.>'",
    "nats sub '>'",
]


def test_the_observer_can_do_no_harm(world: World) -> None:
    before = stored(world)
    with ThreadPoolExecutor(4) as threads:
        ran = dict(zip(HARM, threads.map(world.run, HARM), strict=True))
    assert [line for line, each in ran.items() if "Permissions Violation" not in each.said] == []
    assert [line for line, each in ran.items() if each.status == 0] == ["nats req ws.rpc.registry.create_user '{}'"]
    assert stored(world) == before
    assert world.stack.get(world.rids["running"])["status"] == "processing"


def test_the_first_users_and_keys_are_made_as_documented(world: World, tmp_path: Path) -> None:
    shell = Shell(tmp_path, world.stack.home, NATS_URL=world.stack.ready.nats_url)
    lines = [line for line in documented("A stack of your own making") if line.startswith("nats ")]
    assert [line.split()[2] for line in lines] == [
        f"ws.rpc.registry.{name}" for name in ("create_user", "create_space", "create_key", "revoke_key")
    ]
    user, digest = "", hashlib.sha256(SECRET.encode()).hexdigest()
    for line in lines:
        filled = line.replace('"…"', '"correct horse battery"').replace("<user>", user)
        said = ended(shell.run(filled.replace("<SHA-256 of wsk_…>", digest) + " --raw"))
        (answer,) = objects(said)
        assert answer["seq"] > 0, said
        user = user or answer["id"]
        if "create_key" in line:
            eventually(lambda: world.status_of_key(SECRET) == 200, "the key is good")
    eventually(lambda: world.status_of_key(SECRET) == 401, "the key is revoked")
