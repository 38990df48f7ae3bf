"""`spaces files`, and files of submissions, against a scripted server on a real socket."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from services.commands.file_showing import moving, size
from services.commands.file_transfers import upload
from services.commands.terminal import Screen
from spaces_client import Client
from tests.unit.client.command_line import KEY, at
from tests.unit.client.scripted_files import CONTENT, ID, PATH, file, sends
from tests.unit.client.scripted_server import (
    RID,
    ScriptedServer,
    Step,
    answer,
    event,
    no_content,
    problem,
    request,
    stream,
)

SMALL = b"a small file"
REFERENCE = f"/v1/files/{ID}"


def uploaded(id: str = ID, content: bytes = SMALL) -> Step:
    return answer(file(content, id=id), 201)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.txt"
    path.write_bytes(SMALL)
    return path


def test_put_prints_the_reference_of_each_file(small: Path) -> None:
    with ScriptedServer(uploaded("u.1"), uploaded("u.2")) as server:
        done = at(server, "files", "put", "demo", str(small), str(small))
    assert (done.exit_code, done.stdout, done.stderr) == (0, "/v1/files/u.1\n/v1/files/u.2\n", "")
    assert [each.path for each in server.received] == ["/v1/files?space=demo&name=small.txt"] * 2


def test_put_takes_standard_input_and_tells_programs_all() -> None:
    with ScriptedServer(uploaded()) as server:
        done = at(
            server, "files", "put", "demo", "-", "--name", "a.csv", "--type", "text/csv", "--json", stdin="a small file"
        )
    assert json.loads(done.stdout) == file(SMALL)
    (sent,) = server.received
    assert (sent.path, sent.headers["content-type"], sent.body) == (
        "/v1/files?space=demo&name=a.csv",
        "text/csv",
        SMALL,
    )


def test_put_tells_what_it_cannot_read(small: Path) -> None:
    with ScriptedServer() as server:
        done = at(server, "files", "put", "demo", f"{small}.none")
    assert (done.exit_code, done.stderr) == (2, f"spaces: {small}.none: No such file or directory\n")


def test_what_the_gateway_refuses_or_has_otherwise_ends_with_1(small: Path) -> None:
    with ScriptedServer(problem(413, "payload_too_large"), uploaded(content=b"other")) as server:
        refused = at(server, "files", "put", "demo", str(small))
        damaged = at(server, "files", "put", "demo", str(small))
    assert (refused.exit_code, damaged.exit_code) == (1, 1)
    assert "payload_too_large" in refused.stderr
    assert "damaged" in damaged.stderr


def test_get_saves_a_file_where_it_is_told(tmp_path: Path) -> None:
    with ScriptedServer(answer(file(SMALL)), sends(SMALL)) as server:
        done = at(server, "files", "get", REFERENCE, "-o", str(tmp_path / "x"))
    assert (done.exit_code, done.stdout, done.stderr) == (0, f"{tmp_path / 'x'}\n", "")
    assert (tmp_path / "x").read_bytes() == SMALL
    assert [each.path for each in server.received] == [PATH, f"{PATH}/content"]


def test_get_saves_a_file_under_its_id_whatever_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with ScriptedServer(answer(file(SMALL, name="../../evil", id="evil")), sends(SMALL)) as server:
        assert at(server, "files", "get", REFERENCE).stdout == f"{ID}\n"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / "here" / ID]


@pytest.mark.parametrize("id", ["../evil", "/v1/files/../evil", "/etc/x", ".ssh", ""])
def test_what_is_no_id_never_becomes_a_path(id: str) -> None:
    with ScriptedServer() as server:
        assert at(server, "files", "get", id).exit_code == 2


def test_get_writes_to_standard_output() -> None:
    with ScriptedServer(answer(file(SMALL)), sends(SMALL)) as server:
        done = at(server, "files", "get", ID, "-o", "-")
    assert (done.exit_code, done.stdout_bytes, done.stderr) == (0, SMALL, "")


def test_get_leaves_nothing_of_a_damaged_file(tmp_path: Path) -> None:
    with ScriptedServer(answer(file(SMALL)), sends(SMALL[:-1] + b"x")) as server:
        assert at(server, "files", "get", ID, "-o", str(tmp_path / "x")).exit_code == 1
    assert list(tmp_path.iterdir()) == []


def test_get_tells_where_it_cannot_write(tmp_path: Path) -> None:
    with ScriptedServer(answer(file(SMALL))) as server:
        done = at(server, "files", "get", ID, "-o", str(tmp_path / "none" / "x"))
    assert (done.exit_code, done.stderr) == (2, f"spaces: {tmp_path / 'none' / 'x'}: No such file or directory\n")


def test_files_are_listed_shown_and_deleted() -> None:
    page = answer({"results": [file(), file(done=False, id="u.2", sha256=None)], "next": None})
    with ScriptedServer(page, answer(file(name="a\x1b[2J")), no_content, no_content) as server:
        listed = at(server, "files", "ls", "--space", "demo").stdout.splitlines()
        shown = at(server, "files", "show", REFERENCE).stdout
        deleted = at(server, "files", "rm", ID, "u.2", "--yes")
    assert listed[0].startswith("FILE ")
    assert listed[1].split() == [
        REFERENCE,
        "demo",
        "clip.mp4",
        "video/mp4",
        "4.0",
        "MiB",
        "upload",
        "2026-01-01",
        "10:00:00",
    ]
    assert "not all here" in listed[2]
    assert f"size      {len(CONTENT)} bytes" in shown
    assert "\x1b" not in shown
    assert (deleted.exit_code, deleted.stdout) == (0, f"{ID} is deleted\nu.2 is deleted\n")
    assert [each.method for each in server.received] == ["GET", "GET", "DELETE", "DELETE"]


def test_rm_asks_first() -> None:
    with ScriptedServer() as server:
        assert at(server, "files", "rm", ID, stdin="n\n").exit_code == 1


def test_submit_uploads_files_and_refers_to_them(small: Path) -> None:
    with ScriptedServer(uploaded("u.1"), uploaded("u.2"), answer(request("queued"), 202)) as server:
        done = at(server, "submit", "demo", "n:=1", "--file", f"a={small}", "--file", f"b={small}")
    assert (done.exit_code, done.stdout) == (0, f"{RID}\n")
    assert json.loads(server.received[2].body)["input"] == {"n": 1, "a": "/v1/files/u.1", "b": "/v1/files/u.2"}


def test_a_file_may_be_all_of_an_input_or_stand_beside_json(small: Path) -> None:
    with ScriptedServer(*[uploaded("u.1"), answer(request("queued"), 202)] * 2) as server:
        at(server, "submit", "demo", "--file", f"a={small}")
        at(server, "submit", "demo", "--input", '{"n": 1.50}', "--file", f"a={small}")
    assert json.loads(server.received[1].body)["input"] == {"a": "/v1/files/u.1"}
    assert b'"input":{"n":1.50,"a":"/v1/files/u.1"}' in server.received[3].body


@pytest.mark.parametrize("values", [["a=1", "--file", "a=x"], ["--file", "a=x", "--file", "a=y"], ["--file", "x"], []])
def test_what_is_no_input_is_told_before_anything_is_uploaded(values: list[str]) -> None:
    with ScriptedServer() as server:
        assert at(server, "submit", "demo", *values).exit_code == 2


def test_a_text_that_begins_with_an_at_sign_is_that_text() -> None:
    with ScriptedServer(answer(request("queued"), 202)) as server:
        at(server, "submit", "demo", "to=@ada")
    assert json.loads(server.received[0].body)["input"] == {"to": "@ada"}


def test_how_files_of_an_output_are_fetched_is_said_beside_it() -> None:
    done = request(output={"clip": REFERENCE})
    completed = stream(event("completed", done, "1-2-0"))
    with ScriptedServer(answer(done), answer(done), answer(request("queued"), 202), completed) as server:
        waited = at(server, "submit", "demo", "a=b", "--wait", "9")
        shown = at(server, "requests", "show", RID)
        followed = at(server, "submit", "demo", "a=b", "--follow")
    for each in (waited, shown, followed):
        assert f"files get {REFERENCE} -o PATH" in each.stderr
        assert "files get" not in each.stdout


class Terminal(io.StringIO):
    """Standard error that is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("kind", [Terminal, io.StringIO])
def test_how_far_a_transfer_is_is_told_on_a_terminal_only(small: Path, kind: Any) -> None:
    told = kind()
    with ScriptedServer(uploaded()) as server, Client(server.url, KEY) as client:
        upload(client, Screen(io.StringIO(), told), "demo", str(small))
    assert ("100% of 12 B" in told.getvalue()) == (kind is Terminal)


def test_sizes_and_parts_are_as_precise_as_it_makes_sense() -> None:
    assert [size(count) for count in (0, 1023, 1024, 1536, 1024**2, 5 * 1024**3, 1024**5)] == [
        *("0 B", "1023 B", "1.0 KiB", "1.5 KiB", "1.0 MiB", "5.0 GiB", "1024.0 TiB"),
    ]
    assert moving("a", 1, 4) == "25% of 4 B: a"
    assert moving("", 0, 0) == "100% of 0 B"
