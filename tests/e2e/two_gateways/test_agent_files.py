"""Files from a client to a handler and back, and values so large that they become files, through real processes."""

import asyncio
import hashlib
import json
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.local.home import Home
from services.local.servers import running_nats_url
from services.runtime import bus
from services.runtime.file_store import JetStreamFiles
from tests.support.proxy import Proxy, Way, proxy
from tests.support.readers import Reader, listening
from tests.support.stack import Stack
from tests.support.world import Client, client, in_stream, ready, recorded, types, until
from tests.support.world import agent as any_agent

MIB = 1024 * 1024
SIZE = 64 * MIB
GROWTH = 40 * MIB
PIECE = 256 * 1024
SEED = os.urandom(PIECE)
TEXT = "a large text " * 80_000
"""About 1 MB."""


@pytest.fixture(autouse=True)
async def recovered(stack: Stack) -> None:
    await ready(stack)


@contextmanager
def agent(stack: Stack, handler: str, **options: Any) -> Iterator[int]:
    """An agent with a handler of tests.e2e.file_handlers; its process."""
    with any_agent(stack, handler, module="tests.e2e.file_handlers", **options) as process:
        yield process.pid


def piece(number: int, head: bytes = b"") -> bytes:
    """A part of bytes that are nowhere the same; the first begins with `head`."""
    begun = number.to_bytes(8, "big") if number else head
    return begun + SEED[len(begun) :]


def reversed_digest(size: int, head: bytes = b"") -> str:
    """Of the same bytes with their megabytes in the opposite order."""
    per, digest = MIB // PIECE, hashlib.sha256()
    for megabyte in reversed(range(size // MIB)):
        for number in range(megabyte * per, (megabyte + 1) * per):
            digest.update(piece(number, head))
    return digest.hexdigest()


async def upload(
    here: Client,
    stack: Stack,
    size: int = 0,
    content: bytes = b"",
    *,
    head: bytes = b"",
    media_type: str = "application/octet-stream",
) -> str:
    """The reference of a file that is uploaded now, its bytes made as they are sent."""

    async def body() -> AsyncIterator[bytes]:
        for number in range(size // PIECE):
            yield piece(number, head)

    path, headers = f"/v1/files?space={stack.ready.space}&name=a.bin", {"Content-Type": media_type}
    answer = await here.http.post(path, content=content or body(), headers=headers, timeout=120)
    assert answer.status_code == 201, answer.text
    return f"/v1/files/{answer.json()['id']}"


async def digest_of(here: Client, ref: str) -> str:
    """The digest of a file's bytes, as a client downloads them."""
    digest = hashlib.sha256()
    async with here.http.stream("GET", f"{ref}/content", timeout=120) as answer:
        assert answer.status_code == 200
        async for piece in answer.aiter_bytes():
            digest.update(piece)
    return digest.hexdigest()


async def content_of(here: Client, ref: str) -> bytes:
    answer = await here.http.get(f"{ref}/content")
    assert answer.status_code == 200, answer.text
    return answer.content


def resident(stack: Stack, agent_pid: int) -> dict[str, int]:
    """The memory of each process of ours, in bytes. NATS keeps what was written last in memory, as it sees fit."""
    pids = [("agent", agent_pid)]
    pids += [(kind, pid) for kind, all in stack.ready.pids.items() for pid in all if kind not in {"nats", "postgres"}]
    page = os.sysconf("SC_PAGE_SIZE")
    return {f"{kind}-{pid}": int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * page for kind, pid in pids}


@pytest.mark.parametrize(
    ("media_type", "head"),
    [
        ("image/png", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"),
        ("audio/wav", b"RIFF\xf8\xff\xff\x03WAVEfmt "),
        ("video/mp4", b"\x00\x00\x00\x18ftypmp42"),
        ("application/octet-stream", b"\x01"),
    ],
    ids=["image", "audio", "video", "any"],
)
async def test_a_large_file_goes_in_and_out_again_and_no_process_of_ours_grows(
    stack: Stack, media_type: str, head: bytes
) -> None:
    async with client(stack) as here:
        with agent(stack, "reverse") as pid:
            warm = await upload(here, stack, MIB)
            assert (await here.submit({"file": warm}, wait=30))["status"] == "succeeded"
            before = resident(stack, pid)
            ref = await upload(here, stack, SIZE, head=head, media_type=media_type)
            request = await here.submit({"file": ref})
            async with listening(Reader(stack.ready.urls, stack.ready.api_key, request["id"])) as reader:
                await reader.to_the_end()
            grown = {name: size - before[name] for name, size in resident(stack, pid).items()}
        done = await here.finished(request["id"])
        assert (done["status"], done["error"]) == ("succeeded", None)
        assert [seen.data["message"] for seen in reader.of("progress")][-1] == "turned"
        assert done["output"]["name"] == "a.bin"
        assert done["output"]["sha256"] == await digest_of(here, ref)
        assert await digest_of(here, done["output"]["file"]) == reversed_digest(SIZE, head)
        assert (await here.http.get(ref)).json()["media_type"] == media_type
        about = (await here.http.get(done["output"]["file"])).json()
        assert (about["name"], about["size"]) == ("turned.bin", SIZE)
    print(f"grew by { ({name: size // 1024 for name, size in grown.items()}) } KiB")
    assert {name: size for name, size in grown.items() if size >= GROWTH} == {}


async def test_transfers_of_an_agent_that_are_cut_go_on_where_they_were(stack: Stack) -> None:
    seen = dict.fromkeys(Way, 0)
    left = {Way.TO_CLIENT: 5 * MIB, Way.TO_SERVER: 9 * MIB}

    async def watch(number: int, way: Way, data: bytes, send: Any) -> None:
        seen[way] += len(data)
        if seen[way] >= left.get(way, SIZE):
            del left[way]
            network.reset(number)
            return
        await send(data)

    async with client(stack) as here, proxy(stack.ready.urls[0], watch) as network:
        assert isinstance(network, Proxy)
        with agent(stack, "reverse", urls=[network.url]):
            ref = await upload(here, stack, 12 * MIB)
            done = await here.submit({"file": ref}, wait=60)
        assert left == {}
        assert (done["status"], done["attempt"]) == ("succeeded", 1), done["error"]
        assert await digest_of(here, done["output"]["file"]) == reversed_digest(12 * MIB)
    # 12 MiB twice down and once up: what had got through before the cuts was not sent again, but for what the gateway was
    # still busy with.
    assert seen[Way.TO_CLIENT] < 26 * MIB
    assert seen[Way.TO_SERVER] < 18 * MIB


async def test_two_attempts_that_save_a_file_of_one_name_make_two_files(stack: Stack) -> None:
    async with client(stack) as here:
        with agent(stack, "names"):
            done = await here.submit({}, wait=30, policy={"max_attempts": 2})
        assert (done["status"], done["attempt"]) == ("succeeded", 2)
        chain = (await recorded(stack, {done["id"]}))[done["id"]]
        (first,) = (event.data["detail"] for event in chain if event.type == "requeued")
        second = done["output"]["file"]
        assert chain[-1].data["files"] == [second.removeprefix("/v1/files/")]
        assert await content_of(here, second) == b"attempt 2"
        assert await content_of(here, first) == b"attempt 1"


async def test_a_large_input_and_output_are_files_and_nobody_notices(stack: Stack) -> None:
    async with client(stack) as here, client(stack, 1) as there:
        with agent(stack, "echo"):
            request = await here.submit({"text": TEXT}, wait=30)
            again = await there.act(request["id"], "retry", wait=30)
        for done in (request, again, await there.get(request["id"])):
            assert done["status"] == "succeeded", done["error"]
            assert done["input"] == {"text": TEXT}
            assert done["output"] == {"length": len(TEXT), "text": TEXT}
        reader = Reader(stack.ready.urls, stack.ready.api_key, request["id"])
        async with listening(reader):
            await reader.to_the_end()
        assert reader.of("completed")[-1].data["output"] == request["output"]
        page = await there.http.get(f"/v1/requests/{request['id']}/events", headers={"Accept": "application/json"})
        assert page.json()["results"][-1]["data"]["output"] == request["output"]
    chain = (await in_stream(stack))[request["id"]]
    assert types(chain) == ["accepted", "assigned", "succeeded"]
    assert (chain[0].data["input"], chain[2].data["output"]) == (None, None)
    assert chain[0].data["input_file"] == chain[1].data["input_file"]
    assert len(json.dumps([event.data for event in chain])) < 10_000


async def test_a_large_input_may_refer_to_files(stack: Stack) -> None:
    async with client(stack) as here:
        ref = await upload(here, stack, content=b"some")
        with agent(stack, "echo"):
            done = await here.submit({"text": TEXT, "file": ref}, wait=30)
        assert done["output"]["file"] == ref
        chain = (await recorded(stack, {done["id"]}))[done["id"]]
        assert chain[0].data["files"] == chain[1].data["files"] == chain[2].data["files"] == [ref[len("/v1/files/") :]]
        path = f"/v1/spaces/{stack.ready.space}/requests"
        refused = await here.http.post(path, json={"input": {"text": TEXT, "file": ref[:-1] + _other(ref)}})
        assert refused.status_code == 422
        assert refused.json()["errors"][0]["pointer"] == "/input/file"


def _other(ref: str) -> str:
    """Another last digit."""
    return "0" if ref[-1] != "0" else "1"


async def test_an_output_refers_only_to_files_of_its_attempt_or_its_input(stack: Stack) -> None:
    async with client(stack) as here:
        ref = await upload(here, stack, content=b"of somebody else")
        with agent(stack, "steals"):
            stolen = await here.submit({"parts": [ref[:9], ref[9:]]}, wait=30)
            missing = await here.submit({"parts": [ref[:9], ref[9:-1], _other(ref)]}, wait=30)
            given = await here.submit({"parts": [ref]}, wait=30)
    for failed in (stolen, missing):
        assert (failed["status"], failed["error"]["code"]) == ("failed", "handler_error")
        assert "refers to" in failed["error"]["detail"]
    assert given["output"] == {"file": ref}


async def test_a_request_whose_file_is_gone_when_its_turn_comes_fails(stack: Stack) -> None:
    async with client(stack) as here:
        ref = await upload(here, stack, content=b"some")
        request = await here.submit({"file": ref})
        large = await here.submit({"text": TEXT})
        await until(lambda: _waits(here, large["id"]), "it waits")
        chain = (await in_stream(stack))[large["id"]]
        nc = await bus.connect(running_nats_url(Home(stack.home), "gateway"), "gateway", "test")
        try:
            store = JetStreamFiles(nc)
            for id in (ref.removeprefix("/v1/files/"), chain[0].data["input_file"]):
                file = await store.get(id)
                assert file is not None
                await store.delete(file)
        finally:
            await nc.close()
        with agent(stack, "reverse"):
            for rid in (request["id"], large["id"]):
                done = await here.finished(rid)
                assert (done["status"], done["error"]["code"]) == ("failed", "data_expired")
        assert (await here.get(large["id"]))["input"] is None
        retried = await here.http.post(f"/v1/requests/{large['id']}/retry")
        assert (retried.status_code, retried.json()["code"]) == (410, "data_expired")


async def _waits(here: Client, rid: str) -> bool:
    return bool((await here.get(rid))["status"] == "queued")


async def test_a_link_of_one_attempt_stores_nothing_of_another(stack: Stack) -> None:
    async with client(stack) as here, httpx.AsyncClient(base_url=stack.ready.urls[0], timeout=120) as anonymous:
        for url in ("/v1/files", "/v1/files?token=forged"):
            assert (await anonymous.post(url, content=b"x")).status_code in (401, 403)
        with agent(stack, "names"):
            done = await asyncio.wait_for(here.submit({}, wait=30, policy={"max_attempts": 2}), 40)
        ref = done["output"]["file"]
        assert (await anonymous.get(f"{ref}/content")).status_code == 401
