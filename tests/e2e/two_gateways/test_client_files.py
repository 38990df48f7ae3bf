"""Files with the Python clients, blocking and asynchronous, on a whole stack: the same scenarios for both."""

import asyncio
import hashlib
import io
import json
import os
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from spaces_client import ProblemError, references
from tests.support.clients import CLIENTS, Connect
from tests.support.proxy import Way, proxy
from tests.support.stack import Stack, spaces
from tests.support.world import agent

MIB = 1024 * 1024
SIZE = 8 * MIB
MOST_IN_MEMORY = 3 * MIB


@pytest.fixture(params=CLIENTS, ids=["blocking", "asynchronous"])
def connect(request: pytest.FixtureRequest) -> Connect:
    made: Connect = request.param
    return made


@pytest.fixture
def large(tmp_path: Path) -> Path:
    path = tmp_path / "large.bin"
    path.write_bytes(os.urandom(SIZE))
    return path


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def test_a_small_file_goes_to_a_handler_and_comes_back(stack: Stack, connect: Connect, tmp_path: Path) -> None:
    space, key = stack.ready.space, stack.ready.api_key
    with connect(stack.ready.urls[0], key) as one, connect(stack.ready.urls[1], key) as other, agent(stack, "echo"):
        sent = one.upload(space, b"some text", name="../notes.txt", media_type="text/plain")
        assert (sent.done, sent.name, sent.media_type, sent.size) == (True, "notes.txt", "text/plain", 9)
        done = one.submit(space, {"file": sent.reference}, wait_s=30)
        assert references(done.output) == [sent.reference]
        into = io.BytesIO()
        assert other.download(references(done.output)[0], into).sha256 == sent.sha256
        assert into.getvalue() == b"some text"
        assert next(iter(other.files(space=space, limit=1))).id == sent.id
        other.delete_file(sent.id)
        with pytest.raises(ProblemError, match="data_expired"):
            one.download(sent.id, tmp_path / "gone")
    assert list(tmp_path.iterdir()) == []


def test_a_large_file_is_never_whole_in_memory(stack: Stack, connect: Connect, large: Path) -> None:
    back = large.with_name("back.bin")
    with connect(stack.ready.url, stack.ready.api_key) as client:
        client.download(client.upload(stack.ready.space, b"warm").id, io.BytesIO())
        tracemalloc.start()
        try:
            sent = client.upload(stack.ready.space, large)
            client.download(sent.id, back)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert (sent.size, sent.sha256, digest(back)) == (SIZE, digest(large), sent.sha256)
    print(f"at most {peak // 1024} KiB")
    assert peak < MOST_IN_MEMORY


async def test_what_is_cut_goes_on_where_it_was(stack: Stack, connect: Connect, large: Path) -> None:
    seen = dict.fromkeys(Way, 0)
    left = {Way.TO_SERVER: 5 * MIB, Way.TO_CLIENT: 5 * MIB}

    async def watch(number: int, way: Way, data: bytes, send: Any) -> None:
        seen[way] += len(data)
        if seen[way] >= left.get(way, 10 * SIZE):
            del left[way]
            network.reset(number)
            return
        await send(data)

    back = large.with_name("back.bin")

    def there_and_back() -> None:
        with connect(network.url, stack.ready.api_key) as client:
            client.download(client.upload(stack.ready.space, large).reference, back)

    async with proxy(stack.ready.urls[0], watch) as network:
        await asyncio.to_thread(there_and_back)
    assert left == {}
    assert digest(back) == digest(large)
    # What had got through before the cuts was not sent again; that which was on its way was.
    for way in Way:
        assert seen[way] < SIZE + 3 * MIB


def test_the_commands_bring_a_file_there_and_back(stack: Stack, large: Path) -> None:
    home, back = ("--home", str(stack.home)), large.with_name("back.bin")
    with agent(stack, "echo", name="commanded"):
        submitted = ("submit", stack.ready.space, "prompt=hello", "--file", f"file={large}", "--wait", "60")
        done = spaces(*submitted, *home)
    assert done.returncode == 0, done.stderr
    (reference,) = references(json.loads(done.stdout))
    assert f"files get {reference} -o PATH" in done.stderr
    fetched = spaces("files", "get", reference, "-o", str(back), *home)
    assert (fetched.returncode, fetched.stdout, fetched.stderr) == (0, f"{back}\n", "")
    assert digest(back) == digest(large)
    listed = json.loads(spaces("files", "ls", "--limit", "1", "--json", *home).stdout)["results"]
    assert [each["name"] for each in listed] == ["large.bin"]
    assert spaces("files", "rm", reference, "--yes", *home).returncode == 0
    assert spaces("files", "show", reference, *home).returncode == 1
