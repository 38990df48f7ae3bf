"""Lists: by the client, and by the commands."""

import json
from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import parse_qs, urlsplit

import pytest

from services.commands.instants import BadInstant, instant
from spaces_client import InvalidAnswer, ProblemError
from tests.support.clients import Connect
from tests.unit.client.command_line import KEY, at
from tests.unit.client.scripted_server import RID, ScriptedServer, Step, answer, problem, request

NOW = datetime(2025, 3, 1, 12, tzinfo=timezone(timedelta(hours=2)))


def queries(server: ScriptedServer) -> list[dict[str, list[str]]]:
    assert {urlsplit(sent.path).path for sent in server.received} == {"/v1/requests"}
    return [parse_qs(urlsplit(sent.path).query) for sent in server.received]


def page(*ids: str, next: str | None = None) -> Step:
    return answer({"results": [request(id=id) for id in ids], "next": next, "previous": "p"})


def test_pages_are_asked_for_one_after_the_other_as_they_are_taken(connect: Connect) -> None:
    with ScriptedServer(page("a", "b", next="c/1"), page("c")) as server, connect(server.url, KEY) as client:
        found = client.requests(
            space="demo",
            status=["failed", "expired"],
            user="ada@example.org",
            created_after=datetime(2025, 1, 1, 10, tzinfo=timezone(timedelta(hours=2))),
        )
        assert next(found).id == "a"
        assert len(server.received) == 1
        assert [each.id for each in found] == ["b", "c"]
    first, second = queries(server)
    assert first == {
        "space": ["demo"],
        "status": ["failed,expired"],
        "user": ["ada@example.org"],
        "created_after": ["2025-01-01T08:00:00Z"],
        "limit": ["100"],
    }
    assert second == first | {"cursor": ["c/1"]}


def test_no_more_is_asked_for_than_is_wanted(connect: Connect) -> None:
    with ScriptedServer(page("a", "b", next="x"), page("c", "d", next="y")) as server, connect(server.url, KEY) as client:
        assert [each.id for each in client.requests(limit=3)] == ["a", "b", "c"]
        assert list(client.requests(limit=0)) == []
    assert [query["limit"] for query in queries(server)] == [["3"], ["1"]]


def test_what_is_wrong_is_raised_where_it_is_read(connect: Connect) -> None:
    with ScriptedServer(problem(403, "forbidden"), answer({"next": 1})) as server, connect(server.url, KEY) as client:
        with pytest.raises(ProblemError):
            next(client.requests(user="bob"))
        with pytest.raises(InvalidAnswer):
            next(client.requests())


def test_requests_are_listed_as_a_table() -> None:
    failed = request("failed", id="f" * 34, error={"code": "handler_error", "detail": "no\x1b[2J\nfile " + "x" * 99})
    running = request("processing", agent=None, metrics={})
    with ScriptedServer(answer({"results": [failed, running]}), answer({"results": []})) as server:
        listed = at(server, "requests", "ls")
        assert listed.exit_code == 0
        none = at(server, "requests", "ls", "--space", "empty")
        assert (none.exit_code, none.stdout, none.stderr) == (0, "", "there is no such request\n")
    head, first, second = listed.stdout.splitlines()
    assert head.split() == ["REQUEST", "SPACE", "STATUS", "CREATED", "(UTC)", "TOOK", "AGENT", "ERROR"]
    assert first.startswith(
        f"{'f' * 34}  demo   failed      2025-01-01 10:00:00  600 ms  ada/gpu  handler_error: no\\u001b[2J file xx"
    )
    assert second == f"{RID}  demo   processing  2025-01-01 10:00:00"


def test_requests_are_listed_for_programs_as_the_gateway_sent_them() -> None:
    sent = request("failed")
    with ScriptedServer(answer({"results": [sent], "next": None})) as server:
        command = ["ls", "--status", "failed", "--status", "expired", "--since", "2025-01-01T00:00:00Z", "--limit", "7"]
        assert json.loads(at(server, "requests", *command, "--json").stdout) == {"results": [sent]}
    assert queries(server) == [{"status": ["failed,expired"], "created_after": ["2025-01-01T00:00:00Z"], "limit": ["7"]}]


@pytest.mark.parametrize("wrong", [["--since", "yesterday"], ["--status", "done"], ["--limit", "0"]])
def test_what_cannot_be_asked_is_not_asked(wrong: list[str]) -> None:
    with ScriptedServer() as server:
        assert at(server, "requests", "ls", *wrong).exit_code == 2


def test_a_request_is_erased_after_a_yes(connect: Connect) -> None:
    erased = request(input=None, erased=True)
    with ScriptedServer(answer(erased), answer(erased, 202), answer(erased)) as server:
        assert at(server, "requests", "erase", RID, "--yes").stdout == f"{RID} is erased\n"
        done = at(server, "requests", "erase", RID, "--json", stdin="y\n")
        assert json.loads(done.stdout) == erased
        for no in ("n\n", ""):
            assert at(server, "requests", "erase", RID, stdin=no).exit_code == 1
        with connect(server.url, KEY) as client:
            assert client.erase(RID).erased
    assert {(sent.method, sent.path) for sent in server.received} == {("DELETE", f"/v1/requests/{RID}/data")}


def test_of_an_erased_request_no_data_are_shown() -> None:
    with ScriptedServer(answer(request(input=None, erased=True))) as server:
        shown = at(server, "requests", "show", RID).stdout
    assert "data      erased" in shown
    assert "input" not in shown
    assert "output" not in shown.replace("first output", "")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("90s", NOW - timedelta(seconds=90)),
        ("30m", NOW - timedelta(minutes=30)),
        ("12h", NOW - timedelta(hours=12)),
        ("7d", NOW - timedelta(days=7)),
        ("2025-01-31", datetime(2025, 1, 30, 22, tzinfo=UTC)),
        ("2025-01-31T09:30", datetime(2025, 1, 31, 7, 30, tzinfo=UTC)),
        ("2025-01-31T09:30:00Z", datetime(2025, 1, 31, 9, 30, tzinfo=UTC)),
    ],
)
def test_an_instant_is_so_long_ago_or_a_date(typed: str, meant: datetime) -> None:
    assert instant(typed, NOW) == meant


@pytest.mark.parametrize("typed", ["", "30", "30x", "999999d", "now", "2025-02-30", "-5m"])
def test_what_is_no_instant_is_told_how_to_write_one(typed: str) -> None:
    with pytest.raises(BadInstant, match="write 30m"):
        instant(typed, NOW)
