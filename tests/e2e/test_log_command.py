"""`spaces log verify` and `spaces log rebuild` on the home of a stack, up or down."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.support.stack import Stack, eventually, fresh_home, running, spaces


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """A stack whose log holds one request; the tests start and stop it."""
    with fresh_home() as home, Stack(home) as stack:
        stack.submit({"prompt": "one"})
        yield stack


def in_database(stack: Stack, statement: str) -> Any:
    async def run() -> Any:
        connection = await asyncpg.connect(stack.ready.database_url)
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    return asyncio.run(run())


def recorded(stack: Stack) -> bool:
    return bool(in_database(stack, "SELECT count(*) = 3 FROM event_log WHERE stream = 'REQUESTS'"))


def log(command: str, home: Path, *options: str) -> tuple[int, str]:
    done = spaces("log", command, "--home", str(home), *options)
    assert done.stderr == ""
    return done.returncode, done.stdout


def test_what_is_wrong_is_found_and_repaired_while_the_stack_is_up(stack: Stack) -> None:
    eventually(lambda: recorded(stack), "three events are recorded")
    assert log("verify", stack.home) == (0, "3 events of 1 requests: clean\n")
    rid = in_database(stack, "UPDATE requests SET status = 'failed' RETURNING rid")
    assert log("verify", stack.home) == (1, f"3 events of 1 requests: 1 findings\n  wrong row: status (request {rid})\n")
    assert log("rebuild", stack.home) == (0, "1 requests rebuilt, 1 rows replaced, 0 removed\n")
    assert log("verify", stack.home)[0] == 0


def test_programs_get_one_line_of_json(stack: Stack) -> None:
    eventually(lambda: recorded(stack), "three events are recorded")
    exit_code, output = log("verify", stack.home, "--json")
    assert exit_code == 0
    assert json.loads(output) == {"clean": True, "events": 3, "requests": 1, "found": 0, "findings": []}
    assert json.loads(log("rebuild", stack.home, "--json")[1])["requests"] == 1


def test_a_database_can_be_named_by_its_url(stack: Stack) -> None:
    assert spaces("log", "verify", "--database-url", stack.ready.database_url).returncode == 0
    assert spaces("log", "verify", WS_DATABASE_URL=stack.ready.database_url).returncode == 0


def test_with_the_stack_down_the_database_runs_for_the_moment_only(stack: Stack) -> None:
    eventually(lambda: recorded(stack), "three events are recorded")
    assert stack.stop() == 0
    for command in ("verify", "rebuild"):
        assert log(command, stack.home)[0] == 0
        assert running(stack.home) == []
    stack.start()
    assert stack.submit({"prompt": "two"})["status"] == "succeeded"


def test_a_home_without_a_database_is_told_in_one_line(tmp_path: Path) -> None:
    refused = spaces("log", "verify", "--home", str(tmp_path))
    assert refused.returncode == 2
    assert refused.stderr == f"spaces: there is no database in {tmp_path}: name another --home, or a --database-url\n"


def test_a_database_that_does_not_answer_is_told_in_one_line() -> None:
    refused = spaces("log", "verify", "--database-url", "postgresql://history@127.0.0.1:1/spaces")
    assert refused.returncode == 2
    assert refused.stderr.startswith("spaces: PostgreSQL: ")
    assert refused.stderr.count("\n") == 1
