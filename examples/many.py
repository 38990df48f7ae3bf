"""Many requests at once, with the asynchronous client: `python -m examples.many SPACE < inputs.jsonl > outputs.jsonl`.

Each line of standard input is an input, a JSON object; each line of standard output what became of it, in the order in which
they end. WS_URL is the gateway, WS_API_KEY the key. Exit status 1: not all have succeeded.
"""

from __future__ import annotations

import asyncio
import os
import sys

import msgspec

from spaces_client import AsyncClient, Request
from spaces_client.events import Completed

AT_ONCE = 20


async def run(client: AsyncClient, space: str, lines: list[str]) -> int:
    """Submit all lines, AT_ONCE at a time, and print what becomes of them; how many have not succeeded."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(number: int, line: str) -> bool:
        async with turns:
            done = await ended(client, await client.submit(space, msgspec.Raw(line.encode())))
        told = {"line": number, "id": done.id, "status": done.status, "output": done.output, "error": done.error}
        print(msgspec.json.encode(told).decode(), flush=True)
        return done.status == "succeeded"

    succeeded = await asyncio.gather(*(one(number, line) for number, line in enumerate(lines, 1)))
    return len(lines) - sum(succeeded)


async def ended(client: AsyncClient, request: Request) -> Request:
    """The request when it has ended, however long that takes and whatever connection is lost meanwhile."""
    async for event in client.events(request.id):
        if isinstance(event, Completed):
            return event.request
    return await client.read(request.id)


async def main() -> int:
    """Read, run, and tell; the exit status."""
    lines = [line for line in sys.stdin if line.strip()]
    async with AsyncClient(os.environ["WS_URL"], os.environ["WS_API_KEY"]) as client:
        return 1 if await run(client, sys.argv[1], lines) else 0


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main()))
