"""Files on a whole stack: large ones through every process in little memory, and beside small requests."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import httpx

from tests.support.stack import Stack

SIZE, PIECE = 64 * 1024 * 1024, 256 * 1024
GROWTH = 40 * 1024 * 1024
SEED = os.urandom(PIECE)


def pieces(size: int) -> Iterator[bytes]:
    """Bytes that are nowhere the same, made as they are sent."""
    for number in range(size // PIECE):
        yield number.to_bytes(8, "big") + SEED[8:]


def digest(data: Iterator[bytes]) -> str:
    found = hashlib.sha256()
    for piece in data:
        found.update(piece)
    return found.hexdigest()


def resident(stack: Stack) -> dict[str, int]:
    """The memory of each process of ours, in bytes. NATS keeps what was written last in memory, as it sees fit."""
    return {
        f"{kind}-{pid}": int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        for kind, pids in stack.ready.pids.items()
        for pid in pids
        if kind not in {"nats", "postgres"}
    }


def client(stack: Stack, gateway: int = 0) -> httpx.Client:
    headers = {"Authorization": f"Bearer {stack.ready.api_key}"}
    return httpx.Client(base_url=stack.ready.urls[gateway], headers=headers, timeout=120)


def test_a_large_file_goes_in_and_out_and_no_process_of_ours_grows(stack: Stack) -> None:
    with client(stack) as here, client(stack, 1) as there:
        for each in (here, there):  # what is loaded with the first file is no growth
            first = each.post(f"/v1/files?space={stack.ready.space}", content=b"first").json()
            assert each.get(first["urls"]["content"]).content == b"first"
        before = resident(stack)
        made = here.post(f"/v1/files?space={stack.ready.space}", content=pieces(SIZE))
        assert (made.status_code, made.json()["size"], made.json()["sha256"]) == (201, SIZE, digest(pieces(SIZE)))
        with httpx.stream("GET", stack.ready.urls[1] + made.json()["urls"]["content"], timeout=120) as answer:
            assert answer.status_code == 200
            assert digest(answer.iter_bytes(PIECE)) == made.json()["sha256"]
        grown = {name: size - before[name] for name, size in resident(stack).items()}
        assert {name: size for name, size in grown.items() if size >= GROWTH} == {}


def test_a_link_is_good_at_every_gateway_of_the_stack(stack: Stack) -> None:
    with client(stack) as here:
        link = here.post(f"/v1/files?space={stack.ready.space}", content=b"some").json()["urls"]["content"]
    for url in stack.ready.urls:
        assert httpx.get(url + link, timeout=120).content == b"some"
