"""A handler's files: brought from a gateway and taken to it, over connections that are cut and answers that are not good."""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import random
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest
from starlette.responses import RedirectResponse, Response

from spaces_agent import FileFailed, FileGone, Files, frames
from tests.support.agents import until
from tests.support.file_server import FileServer, file_server, problem
from tests.support.front import Cut, Front, front

DATA = random.Random(1).randbytes(1_000_000)
SHA = hashlib.sha256(DATA).hexdigest()

T = TypeVar("T")


@pytest.fixture
async def server() -> AsyncIterator[FileServer]:
    async with file_server() as running:
        yield running


@pytest.fixture
async def cutting(server: FileServer) -> AsyncIterator[Front]:
    async with front(server.port) as running:
        yield running


def assigned(*files: frames.FileAccess, upload_url: str = "") -> frames.Assign:
    return frames.Assign(
        request_id="0" * 34,
        attempt=1,
        lease=7,
        space="demo",
        deadline_s=60.0,
        input=msgspec.Raw(b"null"),
        files=files,
        upload_url=upload_url,
    )


def files_of(
    where: FileServer | Front, directory: Path, *files: frames.FileAccess, deadline_s: float = 60.0, uploads: str = ""
) -> Files:
    """The files of an attempt at a request."""
    return Files(
        assigned(*files, upload_url=uploads),
        addresses=[where.address],
        directory=directory / "attempt",
        deadline_at=time.monotonic() + deadline_s,
    )


async def in_thread(call: Callable[..., T], *arguments: Any) -> T:
    async with asyncio.timeout(30):
        return await asyncio.to_thread(call, *arguments)


# Downloads


async def test_a_file_is_brought_to_a_path(server: FileServer, tmp_path: Path) -> None:
    file = server.add(DATA, name="../../etc/passwd", media_type="image/png")
    files = files_of(server, tmp_path, file)
    path = await in_thread(files.path, file.ref)
    assert path.read_bytes() == DATA
    assert path.parent == tmp_path / "attempt"
    assert await in_thread(files.path, file.ref) == path
    assert server.methods == ["GET"]


async def test_two_threads_that_want_one_file_bring_it_once(server: FileServer, tmp_path: Path) -> None:
    file, other = server.add(DATA), server.add(b"other")
    files = files_of(server, tmp_path, file, other)
    first, second, third = await asyncio.gather(*(in_thread(files.path, ref) for ref in (file.ref, file.ref, other.ref)))
    assert first == second
    assert first.read_bytes() == DATA
    assert third.read_bytes() == b"other"
    assert server.methods == ["GET", "GET"]


async def test_a_file_is_read_as_a_stream(server: FileServer, tmp_path: Path) -> None:
    file = server.add(DATA)
    files = files_of(server, tmp_path, file)

    def read() -> list[bytes]:
        with files.open(file.ref) as stream:
            return [stream.read(3), stream.read(), stream.read(1)]

    assert await in_thread(read) == [DATA[:3], DATA[3:], b""]
    assert not (tmp_path / "attempt").exists()


async def test_an_empty_file_needs_no_bytes(server: FileServer, tmp_path: Path) -> None:
    file = server.add(b"")
    files = files_of(server, tmp_path, file)
    assert (await in_thread(files.path, file.ref)).read_bytes() == b""
    assert (await in_thread(lambda: files.open(file.ref).read())) == b""


async def test_what_is_known_of_a_file_is_told(server: FileServer, tmp_path: Path) -> None:
    file = server.add(DATA, name="a.png", media_type="image/png")
    about = files_of(server, tmp_path, file).about(file.ref)
    assert (about.name, about.media_type, about.size, about.sha256) == ("a.png", "image/png", len(DATA), SHA)


async def test_a_download_that_is_cut_goes_on_where_it_was(server: FileServer, cutting: Front, tmp_path: Path) -> None:
    file = server.add(DATA)
    cutting.cuts = [Cut(came=300_000), Cut(came=50), Cut(came=400_000)]
    path = await in_thread(files_of(cutting, tmp_path, file).path, file.ref)
    assert path.read_bytes() == DATA
    starts = [int(headers.get("range", "bytes=0-")[6:-1]) for _, headers in server.asked]
    assert starts[0] == 0
    assert starts[1] == starts[2] > 200_000
    assert starts[3] > starts[2] + 300_000
    assert all(headers["if-range"] == f'"{SHA}"' for _, headers in server.asked if "range" in headers)
    assert cutting.connections == 4


async def test_a_stream_that_is_cut_goes_on_where_it_was(server: FileServer, cutting: Front, tmp_path: Path) -> None:
    file = server.add(DATA)
    cutting.cuts = [Cut(came=300_000), Cut(came=400_000)]
    assert await in_thread(lambda: files_of(cutting, tmp_path, file).open(file.ref).read()) == DATA
    assert cutting.connections == 3


async def test_where_ranges_are_ignored_what_is_there_is_skipped(server: FileServer, cutting: Front, tmp_path: Path) -> None:
    file = server.add(DATA)
    server.ranges = False
    cutting.cuts = [Cut(came=300_000)]
    assert (await in_thread(files_of(cutting, tmp_path, file).path, file.ref)).read_bytes() == DATA


async def test_another_gateway_is_tried_when_one_is_gone(server: FileServer, cutting: Front, tmp_path: Path) -> None:
    file = server.add(DATA)
    gone = "ws://127.0.0.1:1/v1/agents/connect"
    files = Files(
        assigned(file), addresses=[gone, server.address], directory=tmp_path / "a", deadline_at=time.monotonic() + 60
    )
    assert (await in_thread(files.path, file.ref)).read_bytes() == DATA


async def test_a_busy_gateway_is_asked_again(server: FileServer, tmp_path: Path) -> None:
    file = server.add(DATA)
    server.answers = [problem(503, "starting"), problem(429, "slowly", **{"Retry-After": "1"}), problem(502, "")]
    assert (await in_thread(files_of(server, tmp_path, file).path, file.ref)).read_bytes() == DATA


@pytest.mark.parametrize("status", [404, 410])
async def test_a_file_that_is_gone_is_said_to_be(server: FileServer, tmp_path: Path, status: int) -> None:
    file = server.add(DATA)
    server.answers = [problem(status, "it has expired")]
    with pytest.raises(FileGone, match="it has expired"):
        await in_thread(files_of(server, tmp_path, file).path, file.ref)
    assert not list((tmp_path / "attempt").glob("input-?"))


@pytest.mark.parametrize("changes", [{"sha256": "0" * 64}, {"size": len(DATA) - 1}], ids=["other bytes", "more bytes"])
async def test_a_file_that_is_not_what_it_should_be_is_refused(
    server: FileServer, tmp_path: Path, changes: dict[str, Any]
) -> None:
    file = server.add(DATA, **changes)
    files = files_of(server, tmp_path, file)
    with pytest.raises(FileFailed) as raised:
        await in_thread(files.path, file.ref)
    assert raised.value.retryable
    with pytest.raises(FileFailed):
        await in_thread(lambda: files.open(file.ref).read())


async def test_a_file_that_ends_too_early_is_waited_for_until_the_deadline(server: FileServer, tmp_path: Path) -> None:
    file = server.add(DATA, size=len(DATA) + 1)
    with pytest.raises(FileFailed):
        await in_thread(files_of(server, tmp_path, file, deadline_s=2.0).path, file.ref)


async def test_a_deadline_ends_a_transfer_that_stalls(server: FileServer, cutting: Front, tmp_path: Path) -> None:
    file = server.add(DATA)
    cutting.cuts = [Cut(came=300_000, stall=True)]
    with pytest.raises(FileFailed) as raised:
        await in_thread(files_of(cutting, tmp_path, file, deadline_s=1.0).path, file.ref)
    assert raised.value.retryable


async def test_a_redirect_is_not_followed(server: FileServer, tmp_path: Path) -> None:
    file = server.add(DATA)
    server.answers = [RedirectResponse(file.url)]
    with pytest.raises(FileFailed, match="307"):
        await in_thread(files_of(server, tmp_path, file).path, file.ref)


async def test_a_file_that_the_input_does_not_name_cannot_be_read(server: FileServer, tmp_path: Path) -> None:
    with pytest.raises(FileFailed, match="refers to no file"):
        await in_thread(files_of(server, tmp_path).path, server.add(DATA).ref)
    assert server.asked == []


async def test_in_an_event_loop_files_are_not_waited_for(server: FileServer, tmp_path: Path) -> None:
    file = server.add(DATA)
    files = files_of(server, tmp_path, file, uploads=server.upload_url)
    for call in (lambda: files.path(file.ref), lambda: files.open(file.ref), lambda: files.save(b"x")):
        with pytest.raises(RuntimeError, match=r"asyncio\.to_thread"):
            call()


# Uploads


async def test_bytes_a_path_and_streams_are_saved(server: FileServer, tmp_path: Path) -> None:
    files = files_of(server, tmp_path, uploads=server.upload_url)
    path = tmp_path / "ä b.png"
    path.write_bytes(DATA)
    half = io.BytesIO(DATA)
    half.seek(500_000)
    reading, writing = os.pipe()

    def piped() -> str:
        with os.fdopen(reading, "rb") as source:
            return files.save(source)

    def write() -> None:
        with os.fdopen(writing, "wb") as target:
            target.write(DATA)

    assert server.saved(await in_thread(files.save, DATA)) == DATA
    assert server.saved(await in_thread(files.save, bytearray(DATA))) == DATA
    by_path = await in_thread(files.save, path)
    assert server.saved(by_path) == DATA
    assert server.files[by_path.rpartition("/")[2]].said == {"filename": "ä b.png", "filetype": "image/png"}
    assert server.saved(await in_thread(files.save, half)) == DATA[500_000:]
    ref, _ = await asyncio.gather(in_thread(piped), in_thread(write))
    assert server.saved(ref) == DATA


async def test_an_empty_file_is_saved(server: FileServer, tmp_path: Path) -> None:
    ref = await in_thread(files_of(server, tmp_path, uploads=server.upload_url).save, b"", "a.txt")
    assert server.saved(ref) == b""
    assert server.methods == ["POST"]


async def test_an_upload_that_is_cut_goes_on_where_the_gateway_says(
    server: FileServer, cutting: Front, tmp_path: Path
) -> None:
    # The second connection asks how much is there, and goes on.
    cutting.cuts = [Cut(sent=300_000), Cut(sent=200_000), Cut(came=10), Cut(sent=50_000)]
    ref = await in_thread(files_of(cutting, tmp_path, uploads=server.upload_url).save, DATA)
    assert server.saved(ref) == DATA
    offsets = [int(headers["upload-offset"]) for method, headers in server.asked if method == "PATCH"]
    assert offsets == sorted(offsets)
    assert offsets[-1] > 0
    assert len(server.files) == 1


async def test_a_creation_that_is_cut_is_asked_for_again(server: FileServer, cutting: Front, tmp_path: Path) -> None:
    cutting.cuts = [Cut(came=10)]
    ref = await in_thread(files_of(cutting, tmp_path, uploads=server.upload_url).save, DATA)
    assert server.saved(ref) == DATA


async def test_a_gateway_that_has_another_offset_is_asked(server: FileServer, tmp_path: Path) -> None:
    server.answers = [None, problem(409, "elsewhere"), None, problem(503, "busy")]
    ref = await in_thread(files_of(server, tmp_path, uploads=server.upload_url).save, DATA)
    assert server.saved(ref) == DATA
    assert server.methods == ["POST", "PATCH", "HEAD", "PATCH", "HEAD", "PATCH"]


async def test_a_gateway_that_takes_nothing_is_not_asked_for_ever(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spaces_agent.wire.random.random", lambda: 0.9)  # 0.45 s, 0.9 s, and then 1.8 s would be too long
    stuck = Response(status_code=204, headers={"Upload-Offset": "0"})
    server.answers = [None, *[stuck] * 1000]
    with pytest.raises(FileFailed, match="the gateway took nothing"):
        await in_thread(files_of(server, tmp_path, uploads=server.upload_url, deadline_s=3.0).save, b"some")
    assert len(server.asked) < 50


async def test_a_file_that_is_too_large_for_the_gateway_is_not_offered_again(server: FileServer, tmp_path: Path) -> None:
    server.answers = [problem(413, "at most 1 kB")]
    with pytest.raises(FileFailed, match="at most 1 kB") as raised:
        await in_thread(files_of(server, tmp_path, uploads=server.upload_url).save, DATA)
    assert not raised.value.retryable


async def test_a_file_that_shrinks_while_it_is_uploaded_is_an_error(server: FileServer, tmp_path: Path) -> None:
    class Shrinking(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(size) if self.tell() < 500_000 else b""

    with pytest.raises(FileFailed, match="shorter"):
        await in_thread(files_of(server, tmp_path, uploads=server.upload_url).save, Shrinking(DATA))


async def test_where_no_files_are_taken_saving_says_so(server: FileServer, tmp_path: Path) -> None:
    with pytest.raises(FileFailed, match="takes no files"):
        await in_thread(files_of(server, tmp_path).save, DATA)


# The end


@pytest.mark.parametrize("way", ["up", "down"])
async def test_a_stop_wakes_a_transfer_that_stalls(server: FileServer, cutting: Front, tmp_path: Path, way: str) -> None:
    file = server.add(DATA)
    cutting.cuts = [Cut(came=300_000, stall=True) if way == "down" else Cut(sent=300_000, stall=True)]
    files = files_of(cutting, tmp_path, file, uploads=server.upload_url)
    call = (lambda: files.save(DATA)) if way == "up" else (lambda: str(files.path(file.ref)))
    transfer = asyncio.create_task(in_thread(call))
    await asyncio.wait_for(cutting.stalled.wait(), 60)
    files.stop()
    with pytest.raises(FileFailed, match="no longer wanted"):
        await asyncio.wait_for(transfer, 20)


async def test_a_stop_ends_waiting_for_a_gateway(server: FileServer, tmp_path: Path) -> None:
    file = server.add(DATA)
    server.answers = [problem(503, "busy", **{"Retry-After": "50"})]
    files = files_of(server, tmp_path, file)
    transfer = asyncio.create_task(in_thread(files.path, file.ref))
    await until(lambda: server.asked, "the gateway is asked")
    files.stop()
    with pytest.raises(FileFailed, match="no longer wanted"):
        await asyncio.wait_for(transfer, 20)


async def test_at_the_end_temporary_files_are_removed(server: FileServer, tmp_path: Path) -> None:
    file = server.add(DATA)
    files = files_of(server, tmp_path, file)
    path = await in_thread(files.path, file.ref)
    (files.directory / "input-1").write_bytes(b"the handler's own")
    assert path.read_bytes() == DATA
    files.close()
    await until(lambda: not path.parent.exists(), "the directory is removed")
    with pytest.raises(FileFailed):
        await in_thread(files.path, file.ref)


async def test_the_last_transfer_removes_temporary_files(server: FileServer, cutting: Front, tmp_path: Path) -> None:
    file = server.add(DATA)
    cutting.cuts = [Cut(came=300_000, stall=True)]
    files = files_of(cutting, tmp_path, file)
    transfer = asyncio.create_task(in_thread(files.path, file.ref))
    await asyncio.wait_for(cutting.stalled.wait(), 60)
    assert (tmp_path / "attempt").exists()
    files.close()
    with pytest.raises(FileFailed):
        await transfer
    await until(lambda: not (tmp_path / "attempt").exists(), "the directory is removed")
