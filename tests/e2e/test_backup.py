"""The restore drill: what a stack showed when it was backed up, the restored one shows again; what was open runs."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest

from services.backup import archive, database
from services.backup.manifest import DUMP, MANIFEST, SEAL, Manifest
from tests.support.servers import Servers
from tests.support.stack import ROOT, Stack, eventually, fresh_home, running, spaces
from tests.support.world import agent, client, recorded, types

HANDLERS = "tests.e2e.backup_handlers"
FILE = bytes(range(256)) * 2048
LARGE = os.urandom(9 * 1024 * 1024)
"""Of several chunks, and of more than one entry in its index."""
BUSY = 20
"""So many requests come in before the backup begins, of a crowd that goes on meanwhile."""

pytestmark = pytest.mark.timeout(300)


class Drill:
    """What was done on the first stack, and what it showed when it was backed up."""

    def __init__(self, stack: Stack, backup: Path) -> None:
        self.stack, self.backup = stack, backup
        self.before: dict[str, Any] = {}
        self.counted: dict[str, Any] = {}
        self.ended: dict[str, dict[str, Any]] = {}
        self.queued: dict[str, dict[str, Any]] = {}
        self.in_time: list[str] = []
        self.perhaps: list[str] = []
        self.files: dict[str, bytes] = {}
        self.unrecorded: list[str] = []
        self.link = ""
        self.keys: dict[str, str] = {}
        self.made: dict[str, Any] = {}

    def run(self) -> None:
        """Requests of all kinds and ends, another user with keys, then a backup while more come in."""
        with http(self.stack) as here:
            self._users_and_keys(here)
            with agent(self.stack, "answer", module=HANDLERS):
                self._finished(here)
            self._canceled(here)
            self._waiting(here)
            self._erased(here)
            with self._crowd():
                eventually(lambda: len(self.perhaps) >= BUSY, "requests come in")
                self.in_time = list(self.perhaps)
                self.made = json.loads(done(spaces("backup", str(self.backup), "--home", str(self.stack.home), "--json")))
            self.perhaps = [rid for rid in self.perhaps if rid not in self.in_time]
            self.before, self.counted = shown(here), counted(here)

    def fall_down(self) -> None:
        """History dies, requests come in, and then everything dies at once."""
        (history,) = self.stack.pids("history")
        os.kill(self.stack.pid, signal.SIGSTOP)  # or history would be started again
        try:
            os.kill(history, signal.SIGKILL)
            with http(self.stack) as here:
                self.unrecorded = [submit(here, {"do": "say", "text": "last"})["id"] for _ in range(3)]
        finally:
            self.stack.kill()
        eventually(lambda: not running(self.stack.home), "its guard has ended the rest")

    def _users_and_keys(self, here: httpx.Client) -> None:
        user = post(here, "/v1/users", {"email": "ada@example.org", "password": "correct horse"})
        key = {"name": "ada's", "user": user["id"], "spaces": ["demo"], "scopes": ["submit", "read"]}
        self.keys["ada"] = post(here, "/v1/keys", key)["secret"]
        self.keys["agent"] = post(here, "/v1/keys", {"name": "box", "kind": "agent", "spaces": ["demo"]})["secret"]
        revoked = post(here, "/v1/keys", {"name": "left"})
        assert here.delete(f"/v1/keys/{revoked['id']}").status_code == 204
        self.keys["revoked"] = revoked["secret"]
        post(here, "/v1/spaces", {"id": "second", "title": "Another"})

    def _finished(self, here: httpx.Client) -> None:
        given, large = upload(here, FILE), upload(here, LARGE)
        self.link = large["urls"]["content"]
        self.files |= {given["urls"]["self"]: FILE, large["urls"]["self"]: LARGE}
        for input in (
            {"do": "say", "text": "hello"},
            {"do": "fail"},
            {"do": "turn", "file": given["urls"]["self"]},
            {"do": "say much"},
            {"do": "say", "text": "forget me"},
        ):
            self._ended(submit(here, input, wait=30))
        turned = next(each for each in self.ended.values() if "file" in (each["output"] or {}))
        self.files[turned["output"]["file"]] = FILE[::-1]

    def _canceled(self, here: httpx.Client) -> None:
        request = submit(here, {"do": "say", "text": "never mind"})
        assert here.post(f"/v1/requests/{request['id']}/cancel", headers={"Prefer": "wait=20"}).is_success
        self._ended(here.get(f"/v1/requests/{request['id']}").json())

    def _waiting(self, here: httpx.Client) -> None:
        given = upload(here, FILE[:1000])
        for input in ({"do": "say", "text": "later"}, {"do": "turn", "file": given["urls"]["self"]}):
            request = submit(here, input)
            self.queued[request["id"]] = request

    def _erased(self, here: httpx.Client) -> None:
        rid = next(rid for rid, each in self.ended.items() if each["output"] == {"said": "forget me"})
        assert here.delete(f"/v1/requests/{rid}/data").is_success
        self.ended[rid] = eventually(lambda: erased(here, rid), "it is erased")

    def _ended(self, request: dict[str, Any]) -> None:
        assert request["done"], request
        self.ended[request["id"]] = request

    @contextlib.contextmanager
    def _crowd(self) -> Iterator[None]:
        """Somebody submits as fast as it goes while the block lasts."""
        stop = threading.Event()

        def submit_on() -> None:
            with http(self.stack) as here:
                while not stop.is_set():
                    self.perhaps.append(submit(here, {"do": "say", "text": "crowd"})["id"])

        thread = threading.Thread(target=submit_on)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


def http(stack: Stack, key: str = "") -> httpx.Client:
    headers = {"Authorization": f"Bearer {key or stack.ready.api_key}"}
    return httpx.Client(base_url=stack.ready.url, headers=headers, timeout=60)


def post(here: httpx.Client, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = here.post(path, json=body)
    assert answer.is_success, f"{path}: {answer.status_code} {answer.text}"
    made: dict[str, Any] = answer.json()
    return made


def submit(here: httpx.Client, input: dict[str, Any], *, wait: int = 0) -> dict[str, Any]:
    headers = {"Prefer": f"wait={wait}"} if wait else {}
    answer = here.post("/v1/spaces/demo/requests", json={"input": input}, headers=headers)
    assert answer.is_success, answer.text
    request: dict[str, Any] = answer.json()
    return request


def upload(here: httpx.Client, content: bytes) -> dict[str, Any]:
    answer = here.post("/v1/files?space=demo", content=content)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def erased(here: httpx.Client, rid: str) -> dict[str, Any] | None:
    request: dict[str, Any] = here.get(f"/v1/requests/{rid}").json()
    return request if request["erased"] else None


def shown(here: httpx.Client) -> dict[str, Any]:
    """What the API says of everything but requests, without the uses of keys, which no backup has, and links, of which each
    is another."""
    answers = {path: here.get(path) for path in ("/v1/users", "/v1/keys?user=", "/v1/spaces", "/v1/files", "/v1/audit")}
    assert all(answer.is_success for answer in answers.values()), answers
    said = {path: answer.json()["results"] for path, answer in answers.items()}
    assert all(said.values()), said
    return {path: [_without(each, "last_used_at", "urls") for each in results] for path, results in said.items()}


def counted(here: httpx.Client) -> dict[str, Any]:
    """How requests have ended, and how long that took."""
    stats = here.get("/v1/stats", params={"window": "24h"}).json()
    return {name: stats[name] for name in ("ended", "sampled", "queue_s", "run_s")}


def _without(value: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: each for name, each in value.items() if name not in names}


def done(process: subprocess.CompletedProcess[str]) -> str:
    assert process.returncode == 0, process.stderr
    return process.stdout


@pytest.fixture(scope="module")
def drill() -> Iterator[Drill]:
    """The first stack when it has been backed up, and then has gone on for a while."""
    with fresh_home() as home, Stack(home, "--no-demo") as stack:
        drill = Drill(stack, home.parent / "stack.backup")
        drill.run()
        drill.fall_down()
        yield drill


@pytest.fixture(scope="module")
def restored(drill: Drill) -> Iterator[Stack]:
    """Another stack, of that backup; a first try was killed on its way."""
    home = drill.backup.parent / "restored"
    assert end_a_restore(drill.backup, home, signal.SIGKILL)[0] == -signal.SIGKILL
    stack = Stack(home, "--no-demo")
    with pytest.raises(AssertionError):
        stack.start()
    assert (stack.exit_code, "a restore in" in stack.errors) == (2, True), stack.errors
    values = json.loads(done(spaces("restore", str(drill.backup), "--home", str(home), "--json", timeout_s=120)))
    assert (values["log"]["clean"], values["recovered"]["lost"]) == (True, 0)
    assert values["recovered"]["requests"] == values["open_requests"] == drill.made["open_requests"]
    assert running(home) == []
    with stack:
        yield stack


def end_a_restore(backup: Path, home: Path, number: signal.Signals) -> tuple[int, str]:
    """Send it the signal as soon as it has begun to make something; its exit status, and what it said."""
    command = [sys.executable, "-m", "services.cli", "restore", str(backup), "--home", str(home)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "agent"), str(ROOT / "client")])}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        eventually(lambda: (home / "postgres").exists() or process.poll() is not None, "it has begun")
        process.send_signal(number)
        _, said = process.communicate()
    eventually(lambda: not running(home), "its servers have ended")
    return process.returncode, said.decode()


def test_the_backup_is_for_its_owner_alone_and_whole(drill: Drill) -> None:
    assert drill.backup.stat().st_mode & 0o777 == 0o600
    said = json.loads(done(spaces("restore", str(drill.backup), "--check", "--json")))
    assert {name: drill.made[name] for name in said} == said
    assert [path.name for path in drill.backup.parent.iterdir() if path.name.startswith(".")] == []
    again = spaces("backup", str(drill.backup), "--home", str(drill.stack.home))
    assert (again.returncode, "say --force" in again.stderr) == (2, True)


def test_users_keys_spaces_and_files_are_those_of_before(drill: Drill, restored: Stack) -> None:
    assert restored.ready.url != drill.stack.ready.url
    assert restored.ready.api_key == drill.stack.ready.api_key
    assert restored.ready.admin == drill.stack.ready.admin
    with http(restored) as here:
        assert shown(here) == drill.before
        for path, content in drill.files.items():
            assert here.get(f"{path}/content").content == content, path
        assert here.get(drill.link, headers={"Range": "bytes=5000000-5000009"}).content == LARGE[5000000:5000010]
    assert httpx.get(restored.ready.url + drill.link, timeout=60).content == LARGE, "a link that was given away is good"
    for name, status in (("ada", 200), ("revoked", 401)):
        with http(restored, drill.keys[name]) as there:
            assert there.get("/v1/users/me").status_code == status


def test_requests_that_had_ended_are_shown_as_before(drill: Drill, restored: Stack) -> None:
    statuses = sorted(request["status"] for request in drill.ended.values())
    assert statuses == ["canceled", "failed", "succeeded", "succeeded", "succeeded", "succeeded"]
    with http(restored) as here:
        for rid, request in drill.ended.items():
            assert here.get(f"/v1/requests/{rid}").json() == request


async def test_requests_that_waited_run_and_get_one_outcome(drill: Drill, restored: Stack) -> None:
    waiting = [*drill.queued, *drill.in_time]
    with http(restored) as here:
        for rid in waiting:
            assert here.get(f"/v1/requests/{rid}").json()["status"] == "queued"
        known = [rid for rid in drill.perhaps if here.get(f"/v1/requests/{rid}").status_code == 200]
        with agent(restored, "answer", module=HANDLERS, key=drill.keys["agent"], slots=16):
            chains = await recorded(restored, {*waiting, *known})
        for chain in chains.values():
            assert types(chain) == ["accepted", "restored", "assigned", "succeeded"]
        said, turned = (here.get(f"/v1/requests/{rid}").json() for rid in drill.queued)
        assert said["output"] == {"said": "later"}
        assert here.get(f"{turned['output']['file']}/content").content == FILE[:1000][::-1]
        async with client(restored) as there:
            await there.unserved()
        assert submit(here, {"do": "say", "text": "new"})["status"] == "queued"
    assert known == drill.perhaps[: len(known)], "what is lost is what came in last"
    done(spaces("log", "verify", "--home", str(restored.home)))


def checks(stack: Stack) -> dict[str, tuple[str, str]]:
    said = json.loads(spaces("doctor", "--json", "--home", str(stack.home)).stdout)
    return {each["check"]: (each["state"], each["told"]) for each in said["checks"]}


def test_the_doctor_looks_at_the_stack_of_this_machine(restored: Stack) -> None:
    found = checks(restored)
    own = ("stack", "NATS", "PostgreSQL", "memory", "port", "secrets")
    assert {name: found[name][0] for name in own} == dict.fromkeys(own, "ok")
    assert found["stack"][1].startswith("6 processes run in ")
    assert found["backup"] == ("note", "there was never one")
    assert {"disk", "open files", "this clock"} <= found.keys()
    said = done(spaces("status", "--home", str(restored.home)))
    assert "\nmachine   6 processes, " in said
    done(spaces("backup", str(restored.home.parent / "again.backup"), "--home", str(restored.home)))
    (restored.home / "state.json").chmod(0o644)
    try:
        found = checks(restored)
    finally:
        (restored.home / "state.json").chmod(0o600)
    assert found["backup"][0] == "ok"
    assert found["secrets"] == ("bad", f"others can read {restored.home}/state.json")


def test_the_doctor_says_what_does_not_run(drill: Drill, restored: Stack) -> None:
    assert checks(drill.stack)["stack"] == ("bad", f"nothing runs in {drill.stack.home}")
    with restored.without_postgres():
        found = checks(restored)
    assert (found["stack"][0], found["PostgreSQL"][0]) == ("bad", "bad")
    assert found["stack"][1].startswith("postgres (")
    assert found["NATS"][0] == "ok"


def test_a_stack_that_is_down_is_backed_up_with_what_nobody_had_recorded(drill: Drill) -> None:
    later = drill.backup.with_name("later.backup")
    made = json.loads(done(spaces("backup", str(later), "--home", str(drill.stack.home), "--json")))
    assert running(drill.stack.home) == []
    requests = [*drill.ended, *drill.queued, *drill.in_time, *drill.perhaps, *drill.unrecorded]
    assert (made["requests"], made["files"]) == (len(requests), drill.made["files"])
    done(spaces("restore", str(later), "--check"))


EARLIER = 9
"""A version of the database, and what brings a later one back to it: what the migrations since then have added."""
BACK = """
    DROP INDEX requests_in_time, event_log_directory, event_log_directory_entry;
    ALTER TABLE requests DROP COLUMN outcome, DROP COLUMN waited_ns, DROP COLUMN ran_s;
    ALTER TABLE event_log DROP COLUMN repeats;
    DELETE FROM schema_migrations WHERE version > 9;
"""


async def dumped_as_earlier(url: str, file: Path) -> None:
    """Let a dump be one that an earlier release has made."""
    await database.load(url, file)
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(BACK)
    finally:
        await connection.close()
    held = await database.dump(url, file, lambda _: None)
    assert held.schema == EARLIER


def of_an_earlier_release(backup: Path, target: Path) -> None:
    """The same backup as an earlier release would have made it."""
    with archive.writing(target, force=False) as writer, Servers() as servers:
        for part in archive.parts(backup):
            if part.name == DUMP:
                file = servers.directory / "dump"
                file.write_bytes(archive.read(part, backup))
                asyncio.run(dumped_as_earlier(servers.database_url, file))
                writer.add_bytes(DUMP, file.read_bytes())
            elif part.name == MANIFEST:
                made = msgspec.json.decode(archive.read(part, backup), type=Manifest)
            elif part.name != SEAL:
                writer.add(part.name, part.source, part.size)
        writer.finish(msgspec.structs.replace(made, release="0.1", schema=EARLIER, members=writer.members), target)


def test_a_backup_of_an_earlier_release_is_brought_up_to_date(drill: Drill) -> None:
    earlier, home = drill.backup.with_name("earlier.backup"), drill.backup.with_name("of-earlier")
    of_an_earlier_release(drill.backup, earlier)
    values = json.loads(done(spaces("restore", str(earlier), "--home", str(home), "--json", timeout_s=120)))
    assert (values["schema"], values["log"]["clean"], values["recovered"]["lost"]) == (EARLIER, True, 0)
    with Stack(home, "--no-demo") as stack:
        assert checks(stack)["PostgreSQL"][0] == "ok"
        with http(stack) as here:
            assert shown(here) == drill.before
            for rid, request in drill.ended.items():
                assert here.get(f"/v1/requests/{rid}").json() == request
            assert counted(here) == drill.counted
        done(spaces("log", "verify", "--home", str(home)))


def test_a_backup_that_was_changed_leaves_nothing_behind(drill: Drill, tmp_path: Path) -> None:
    changed, home = tmp_path / "changed.backup", tmp_path / "home"
    content = bytearray(drill.backup.read_bytes())
    content[len(content) // 2] ^= 1
    changed.write_bytes(content)
    refused = spaces("restore", str(changed), "--home", str(home))
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.endswith(" was changed: nothing was restored\n")
    assert not home.exists()


def test_a_restore_that_is_interrupted_leaves_nothing_behind(drill: Drill, tmp_path: Path) -> None:
    status, said = end_a_restore(drill.backup, tmp_path / "home", signal.SIGTERM)
    assert (status, said.splitlines()[-1]) == (2, "spaces: interrupted: nothing was left behind")
    assert not (tmp_path / "home").exists()


def test_a_home_in_which_something_is_is_left_alone(drill: Drill) -> None:
    refused = spaces("restore", str(drill.backup), "--home", str(drill.stack.home))
    assert (refused.returncode, "is not empty" in refused.stderr) == (2, True)
    assert {"credentials.json", "nats", "postgres"} <= {path.name for path in drill.stack.home.iterdir()}
